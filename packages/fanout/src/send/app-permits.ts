import type { AppId, CampaignId } from '@wns-fanout/domain'
import type { LocalPermitsOptions, PermitSource, SharedPermits } from './local-permits.ts'
import { LocalPermits } from './local-permits.ts'

/** Campaigns whose permits are kept while none of their batches is in hand. */
const MAX_UNUSED = 16

/**
 * The permits that one process holds for one app: each campaign asks for its own, and Redis divides the rate of the app
 * among the campaigns of all processes by their weights.
 */
export class AppPermits {
  readonly #permits: SharedPermits
  readonly #app: AppId
  readonly #options: Omit<LocalPermitsOptions, 'share'>
  readonly #campaigns = new Map<CampaignId, LocalPermits>()
  #isStopped = false

  constructor(permits: SharedPermits, app: AppId, options: Omit<LocalPermitsOptions, 'share'>) {
    this.#permits = permits
    this.#app = app
    this.#options = options
  }

  /** The permits of one campaign. Those of campaigns without a batch in hand are dropped when there are many. */
  of(campaign: CampaignId, weight: number): PermitSource {
    const known = this.#campaigns.get(campaign)
    if (known !== undefined) return known
    this.#dropUnused()
    const permits: LocalPermits = new LocalPermits(this.#permits, this.#app, {
      ...this.#options,
      share: { campaign, weight },
      onRefused: (grantedAtMs) => this.#others(permits).forEach((other) => other.lapse(grantedAtMs)),
      onProbeAnswered: () => this.#others(permits).forEach((other) => other.wake()),
    })
    if (this.#isStopped) permits.stop()
    this.#campaigns.set(campaign, permits)
    return permits
  }

  /** Ask for no more permits. May be called twice. */
  stop(): void {
    this.#isStopped = true
    for (const permits of this.#campaigns.values()) permits.stop()
  }

  #others(permits: LocalPermits): readonly LocalPermits[] {
    return [...this.#campaigns.values()].filter((other) => other !== permits)
  }

  #dropUnused(): void {
    const unused = [...this.#campaigns].filter(([, permits]) => !permits.isUsed)
    for (const [campaign, permits] of unused.slice(0, Math.max(0, unused.length - MAX_UNUSED + 1))) {
      permits.stop()
      this.#campaigns.delete(campaign)
    }
  }
}
