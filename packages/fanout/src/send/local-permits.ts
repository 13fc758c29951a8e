import type { AppId } from '@wns-fanout/domain'
import type { Decrease, Grant, PermitShare, Permits, RateLimit, RateState } from '@wns-fanout/state'

/** The right to start one post, until it lapses. */
export interface Permit {
  /** Redis time of the grant in milliseconds: goes back with the outcome of the post. */
  readonly grantedAtMs: number
  /** In milliseconds of `performance.now()`. */
  readonly lapsesAtMs: number
}

/** Permits of one app, as the batches of a campaign in a process share them. */
export interface PermitSource {
  /** Take a permit. If there is none, permits are requested, and the listeners are called when they have arrived. */
  take(): Permit | undefined
  /** Call `listener` whenever permits arrive; the returned function ends that. */
  onGranted(listener: () => void): () => void
  /** WNS answered 406 or 429 to a post permitted at `grantedAtMs`. Permits in hand from that time lapse at once. */
  slowDown(grantedAtMs: number, retryAfterMs: number | undefined): void
  /** WNS gave any other answer to a post permitted at `grantedAtMs`. Costs a round trip only after a pause. */
  answered(grantedAtMs: number): void
  /** Redis time until which nothing may be posted for the app; 0 while it may post. */
  readonly pausedUntilMs: number
}

/** The permits of all workers, in Redis. */
export type SharedPermits = Pick<Permits, 'take' | 'slowDown' | 'endProbe'>

export interface LocalPermitsOptions {
  /** The app's limits now. Read at each round trip, so a change takes effect within milliseconds. */
  readonly limit: () => RateLimit
  /** Called with the rate of each round trip, for metrics. */
  readonly onRate?: (state: RateState) => void
  /** Called with every grant, in Redis time. The grants of all processes together are the grant log. */
  readonly onGrant?: (grant: { readonly count: number; readonly atMs: number }) => void
  /** Called when permits were wanted and missing for `waitMs`. */
  readonly onWaited?: (waitMs: number) => void
  /** Called when this process lowered the rate for all workers. */
  readonly onDecrease?: (state: Decrease) => void
  /** Called when Redis failed. The request for permits is repeated. */
  readonly onError?: (error: unknown) => void
  /** Called when WNS refused a post that was permitted at `grantedAtMs`, and when it answered a probe. */
  readonly onRefused?: (grantedAtMs: number) => void
  readonly onProbeAnswered?: () => void
  /** The campaign that the permits are for, where the campaigns of the app share them. */
  readonly share?: PermitShare
  /** A permit that is not used within this time lapses. Default 250 ms. */
  readonly lapseMs?: number
}

/** A grant lasts about this long at the effective rate: round trips stay rare, and few permits lapse. */
const GRANT_MS = 50
/**
 * A worker that posts faster than the rate uses a grant up at once. Asking again before most of it has refilled would
 * bring permits in ones and twos; asking a little before all of it has leaves none of the rate unused.
 */
const REFILLED_SHARE = 0.8
/** The campaigns of an app ask less often the more there are, so that together they cost about as much as one. */
const MAX_SHARED_GRANT_MS = 150
const RETRY_AFTER_ERROR_MS = 500
const MAX_WAIT_MS = 1000
const DEFAULT_LAPSE_MS = 250

/** The permits of one grant. All of them are this one object, so that a refusal ends them together. */
interface GrantInHand extends Permit {
  lapsesAtMs: number
  /** Is it the one post after a pause, whose answer is awaited? */
  isProbe: boolean
  size: number
  left: number
}

/**
 * The permits that one process holds for one app, or for one campaign of it.
 *
 * States: idle (no permit is wanted) → asking (one round trip under way) → holding (permits that lapse together) or
 * waiting (until Redis has permits again) → asking … A stopped one stays stopped.
 */
export class LocalPermits implements PermitSource {
  readonly #permits: SharedPermits
  readonly #app: AppId
  readonly #options: LocalPermitsOptions
  readonly #listeners = new Set<() => void>()
  #inHand: GrantInHand = { grantedAtMs: 0, lapsesAtMs: 0, isProbe: false, size: 0, left: 0 }
  /** Most permits to ask for: fewer after some lapsed here, which other workers could have used. */
  #maxRequest = Infinity
  #isAsking = false
  #nextAskAtMs = 0
  #timer: NodeJS.Timeout | undefined
  #effectiveRate: number | undefined
  #activeCampaigns = 1
  #pausedUntilMs = 0
  #isSlowingDown = false
  #decreasedAtMs = 0
  /** Since when a permit is wanted and missing. */
  #missingSinceMs: number | undefined
  #isStopped = false

  constructor(permits: SharedPermits, app: AppId, options: LocalPermitsOptions) {
    this.#permits = permits
    this.#app = app
    this.#options = options
  }

  get pausedUntilMs(): number {
    return this.#pausedUntilMs
  }

  take(): Permit | undefined {
    const grant = this.#inHand
    const nowMs = performance.now()
    if (grant.left > 0 && nowMs < grant.lapsesAtMs) {
      grant.left -= 1
      return grant
    }
    this.#missingSinceMs ??= nowMs
    this.#adjustMaxRequest()
    this.#ask()
    return undefined
  }

  onGranted(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Permits in hand that were granted by then lapse. Those granted since may belong to the time after the pause. */
  lapse(grantedAtMs: number): void {
    const grant = this.#inHand
    if (grantedAtMs < grant.grantedAtMs) return
    grant.left = 0
    grant.lapsesAtMs = 0
  }

  /** Posts are possible again after a pause: ask at once if a batch waits. */
  wake(): void {
    if (this.#listeners.size > 0) this.#ask()
  }

  /** Is any batch served? */
  get isUsed(): boolean {
    return this.#listeners.size > 0
  }

  slowDown(grantedAtMs: number, retryAfterMs: number | undefined): void {
    this.lapse(grantedAtMs)
    this.#options.onRefused?.(grantedAtMs)
    // Hundreds of posts may be refused at once, and only the first refusal is news.
    if (this.#isSlowingDown || grantedAtMs <= this.#decreasedAtMs) return
    this.#isSlowingDown = true
    this.#permits
      .slowDown(this.#app, { grantedAtMs, retryAfterMs }, this.#options.limit())
      .then((state) => {
        this.#decreasedAtMs = state.decreasedAtMs
        this.#noteRate(state)
        if (state.decreased) this.#options.onDecrease?.(state)
      })
      .catch((error: unknown) => this.#options.onError?.(error))
      .finally(() => {
        this.#isSlowingDown = false
      })
  }

  answered(grantedAtMs: number): void {
    const grant = this.#inHand
    if (!grant.isProbe || grantedAtMs !== grant.grantedAtMs) return
    grant.isProbe = false
    this.#permits
      .endProbe(this.#app, grantedAtMs)
      .then(() => {
        this.wake()
        this.#options.onProbeAnswered?.()
      })
      .catch((error: unknown) => this.#options.onError?.(error))
  }

  /** Ask for no more permits. May be called twice. */
  stop(): void {
    this.#isStopped = true
    this.#inHand.left = 0
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#listeners.clear()
  }

  #ask(): void {
    if (this.#isAsking || this.#timer !== undefined || this.#isStopped) return
    // Taken before the request leaves, so that the grant is never younger than this.
    const askedAtMs = performance.now()
    if (askedAtMs < this.#nextAskAtMs) return this.#askIn(this.#nextAskAtMs - askedAtMs)
    this.#isAsking = true
    const limit = this.#options.limit()
    const rate = this.#effectiveRate ?? limit.ratePerSecond
    const grantMs = Math.min(GRANT_MS * this.#activeCampaigns, MAX_SHARED_GRANT_MS)
    const wanted = Math.max(1, Math.min(Math.round((rate * grantMs) / 1000), this.#maxRequest))
    const refillMs = Math.min(grantMs, (wanted * 1000) / rate, (limit.burst * 1000) / limit.ratePerSecond)
    this.#nextAskAtMs = askedAtMs + refillMs * REFILLED_SHARE
    this.#permits.take(this.#app, wanted, limit, this.#options.share).then(
      (grant) => {
        this.#isAsking = false
        if (this.#isStopped) return
        this.#noteRate(grant)
        this.#activeCampaigns = grant.activeCampaigns
        if (grant.granted === 0) this.#askIn(Math.min(grant.waitMs, MAX_WAIT_MS))
        else this.#receive(grant, askedAtMs)
      },
      (error: unknown) => {
        this.#isAsking = false
        this.#options.onError?.(error)
        if (!this.#isStopped) this.#askIn(RETRY_AFTER_ERROR_MS)
      },
    )
  }

  #receive({ granted, nowMs, probe }: Grant, askedAtMs: number): void {
    const lapsesAtMs = askedAtMs + (this.#options.lapseMs ?? DEFAULT_LAPSE_MS)
    this.#inHand = { grantedAtMs: nowMs, lapsesAtMs, isProbe: probe, size: granted, left: granted }
    // The clock of Redis stepped back: the last decrease seems to be in the future, and new refusals must still count.
    if (nowMs < this.#decreasedAtMs) this.#decreasedAtMs = 0
    this.#options.onGrant?.({ count: granted, atMs: nowMs })
    if (this.#missingSinceMs !== undefined) this.#options.onWaited?.(performance.now() - this.#missingSinceMs)
    this.#missingSinceMs = undefined
    for (const listener of this.#listeners) listener()
  }

  /** The grant in hand is used up or has lapsed: learn from it how many permits this process can use. */
  #adjustMaxRequest(): void {
    const grant = this.#inHand
    if (grant.size === 0) return
    const used = grant.size - grant.left
    this.#maxRequest = grant.left > 0 ? used + 1 : Math.max(this.#maxRequest, used * 2)
    grant.size = 0
    grant.left = 0
  }

  /** Without a batch that waits, permits would only lapse here; the next `take` asks again. */
  #askIn(delayMs: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      if (this.#listeners.size > 0) this.#ask()
      else this.#missingSinceMs = undefined
    }, delayMs)
  }

  #noteRate(state: RateState): void {
    this.#effectiveRate = state.effectiveRate
    this.#pausedUntilMs = state.pausedUntilMs ?? 0
    this.#options.onRate?.(state)
  }
}
