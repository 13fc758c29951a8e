import type { AppId, CampaignId, FanoutEvent } from '@wns-fanout/domain'
import { LedgerDamaged, LedgerVersion } from '@wns-fanout/state'
import type { RepairDeps } from '../recover/repair.ts'
import { haltDamaged } from '../recover/repair.ts'

/** A campaign of another version is tried again after this: a newer worker may need hours to finish it. */
export const OTHER_VERSION_MS = 30_000
/** Campaigns of another version that are remembered as reported. */
const MAX_REPORTED = 1000

/** Ends the work on a campaign whose ledger cannot be relied on: it is halted, or left to a worker of its version. */
export class UnusableLedgers {
  readonly #deps: RepairDeps
  readonly #emit: (event: FanoutEvent) => void
  readonly #reported = new Set<CampaignId>()

  constructor(deps: RepairDeps) {
    this.#deps = deps
    this.#emit = deps.emit
  }

  /** Rejects with any other error than that of a ledger that cannot be relied on. */
  async giveUp(app: AppId, campaign: CampaignId, error: unknown, seq?: number): Promise<'damaged' | 'other-version'> {
    if (error instanceof LedgerVersion) {
      this.leaveAlone(app, campaign, error)
      return 'other-version'
    }
    if (!(error instanceof LedgerDamaged)) throw error
    await haltDamaged(this.#deps, app, campaign, error, seq)
    return 'damaged'
  }

  /** Report a campaign of another version, once. */
  leaveAlone(app: AppId, campaign: CampaignId, { message: found }: LedgerVersion): void {
    if (this.#reported.has(campaign)) return
    if (this.#reported.size >= MAX_REPORTED) this.#reported.clear()
    this.#reported.add(campaign)
    this.#emit({ type: 'ledger.other-version', app, campaign, found })
  }
}
