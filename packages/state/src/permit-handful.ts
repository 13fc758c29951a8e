import type { AppId } from '@wns-fanout/domain'
import type { Decrease, Permits, RateLimit, RateState } from './permits.ts'

export interface PermitHandfulOptions {
  /** The app's limits now; asked at each round trip, so a change counts within milliseconds. */
  readonly limit: () => RateLimit
  /** Gets what Redis said at each round trip, for metrics. */
  readonly onRate?: (state: RateState) => void
  /** Gets every grant: how many permits, and when in Redis time. All processes' grants together are the grant log. */
  readonly onGrant?: (grant: { readonly count: number; readonly atMs: number }) => void
  /** This process made the rate of all decrease. */
  readonly onDecrease?: (state: Decrease) => void
  /** Redis failed; the handful keeps asking. */
  readonly onError?: (error: unknown) => void
  /** A permit that is not used for so long lapses. Default 250 ms. */
  readonly lapseMs?: number
}

/** A handful lasts about so long at the effective rate: round trips stay rare, and little lapses. */
const HANDFUL_MS = 50
/**
 * Whoever posts faster than the rate allows has used a handful up at once. Asking again before most of it can have come
 * back would bring in ones and twos; asking a little before all of it has leaves nothing of the rate unused.
 */
const PATIENCE = 0.8
const RETRY_AFTER_ERROR_MS = 500
const MAX_WAIT_MS = 1000

/**
 * The permits that one process holds for one app. `tryTake` is synchronous; while somebody wants permits and there are
 * none, a handful is asked for, and `onGranted` tells those who wait.
 *
 * States: idle (nobody asked) → asking (one round trip under way) → holding (permits that lapse together) or waiting
 * (until Redis said to ask again) → asking … Stopped is for ever.
 */
export class PermitHandful {
  readonly #permits: Permits
  readonly #app: AppId
  readonly #options: PermitHandfulOptions
  readonly #lapseMs: number
  readonly #listeners = new Set<() => void>()
  #left = 0
  #granted = 0
  /** Permits to ask for at the most: fewer after some lapsed here, which other workers could have used. */
  #appetite = Infinity
  #lapsesAt = 0
  #grantedAtMs = 0
  #probing = false
  #asking = false
  #nextAskAt = 0
  #slowingDown = false
  #decreasedAtMs = 0
  #timer: NodeJS.Timeout | undefined
  #effectiveRate: number | undefined
  #stopped = false

  constructor(permits: Permits, app: AppId, options: PermitHandfulOptions) {
    this.#permits = permits
    this.#app = app
    this.#options = options
    this.#lapseMs = options.lapseMs ?? 250
  }

  /** May one post start now? If not, permits are asked for, and the listeners hear when to try again. */
  tryTake(): boolean {
    if (this.#left > 0 && performance.now() < this.#lapsesAt) {
      this.#left -= 1
      return true
    }
    this.#putAway()
    this.#ask()
    return false
  }

  /** Redis time at which the permit taken last was granted: to be kept with its post. */
  get grantedAtMs(): number {
    return this.#grantedAtMs
  }

  /** When the permit taken last lapses, in milliseconds of `performance.now()`. */
  get lapsesAtMs(): number {
    return this.#lapsesAt
  }

  /** Was the permit taken last the one post after a pause? Then its answer is to be told. */
  get probing(): boolean {
    return this.#probing
  }

  /** The rate that Redis granted by last; undefined before the first answer. */
  get effectiveRate(): number | undefined {
    return this.#effectiveRate
  }

  /** Call `listener` whenever permits arrived; the answer stops that. */
  onGranted(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** WNS answered 406 or 429 to a post permitted at `grantedAtMs`. What is in hand lapses at once. */
  async slowDown(grantedAtMs: number, retryAfterMs?: number): Promise<void> {
    // Permits granted since then may belong to the time after the pause.
    if (grantedAtMs >= this.#grantedAtMs) this.#left = 0
    // Hundreds of posts may be refused at once, and the first refusal says it all.
    if (this.#slowingDown || grantedAtMs <= this.#decreasedAtMs) return
    this.#slowingDown = true
    try {
      const state = await this.#permits.slowDown(this.#app, { grantedAtMs, retryAfterMs }, this.#options.limit())
      this.#decreasedAtMs = state.decreasedAtMs
      this.#note(state)
      if (state.decreased) this.#options.onDecrease?.(state)
    } finally {
      this.#slowingDown = false
    }
  }

  /** A post permitted at `grantedAtMs` got any other answer. Costs a round trip only after a pause. */
  async answered(grantedAtMs: number): Promise<void> {
    if (!this.#probing || grantedAtMs !== this.#grantedAtMs) return
    this.#probing = false
    await this.#permits.probed(this.#app, grantedAtMs)
    if (this.#listeners.size > 0) this.#ask()
  }

  /** Ask for nothing any more. */
  stop(): void {
    this.#stopped = true
    this.#left = 0
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#listeners.clear()
  }

  #ask(): void {
    if (this.#asking || this.#timer !== undefined || this.#stopped) return
    // Counted from before the question: the grant is not younger than this says.
    const askedAt = performance.now()
    if (askedAt < this.#nextAskAt) return this.#askIn(this.#nextAskAt - askedAt)
    this.#asking = true
    const limit = this.#options.limit()
    const rate = this.#effectiveRate ?? limit.ratePerSecond
    const wanted = Math.max(1, Math.min(Math.round((rate * HANDFUL_MS) / 1000), this.#appetite))
    const worthMs = Math.min(HANDFUL_MS, (wanted * 1000) / rate, (limit.burst * 1000) / limit.ratePerSecond)
    this.#nextAskAt = askedAt + worthMs * PATIENCE
    this.#permits.take(this.#app, wanted, limit).then(
      (grant) => {
        this.#asking = false
        if (this.#stopped) return
        this.#note(grant)
        if (grant.granted === 0) return this.#askIn(Math.min(grant.waitMs, MAX_WAIT_MS))
        this.#left = grant.granted
        this.#granted = grant.granted
        this.#lapsesAt = askedAt + this.#lapseMs
        this.#grantedAtMs = grant.nowMs
        // Redis's clock stepped back: refusals from now on are not older than the decrease that seems yet to come.
        if (grant.nowMs < this.#decreasedAtMs) this.#decreasedAtMs = 0
        this.#probing = grant.probe
        this.#options.onGrant?.({ count: grant.granted, atMs: grant.nowMs })
        for (const listener of this.#listeners) listener()
      },
      (error: unknown) => {
        this.#asking = false
        this.#options.onError?.(error)
        if (!this.#stopped) this.#askIn(RETRY_AFTER_ERROR_MS)
      },
    )
  }

  /** The handful in hand is used up or lapsed: learn from it how much this process can use. */
  #putAway(): void {
    if (this.#granted === 0) return
    const used = this.#granted - this.#left
    this.#appetite = this.#left > 0 ? used + 1 : Math.max(this.#appetite, this.#granted * 2)
    this.#granted = 0
    this.#left = 0
  }

  #askIn(delayMs: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#ask()
    }, delayMs)
  }

  #note(state: RateState): void {
    this.#effectiveRate = state.effectiveRate
    this.#options.onRate?.(state)
  }
}
