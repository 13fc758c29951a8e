import type { AppId } from '@wns-fanout/domain'
import type { Keys } from './keys.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'

const takeScript = loadScript('permits-take', 'permits-lib')
const slowDownScript = loadScript('permits-slow-down', 'permits-lib')
const probedScript = loadScript('permits-probed', 'permits-lib')
const lookScript = loadScript('permits-look', 'permits-lib')

export interface RateLimit {
  readonly ratePerSecond: number
  /** Permits that may be granted at once after a quiet time. */
  readonly burst: number
}

export interface Grant {
  /** 0 up to what was wanted. */
  readonly granted: number
  /** When to ask again, in milliseconds; 0 if anything was granted. */
  readonly waitMs: number
  /** The rate in force now: the configured one, or less after WNS asked to slow down. */
  readonly effectiveRate: number
  /** Redis time until which nothing is granted; absent while nothing is paused. */
  readonly pausedUntilMs?: number
  /** Redis time of this answer: goes back with the outcome of a refused post. */
  readonly nowMs: number
  /** The one post after a pause: tell how it went, by `slowDown` or `probed`. */
  readonly probe: boolean
}

export interface RateState {
  readonly effectiveRate: number
  readonly pausedUntilMs?: number
}

export interface Decrease extends RateState {
  /** Did this call decrease the rate? */
  readonly decreased: boolean
  /** Redis time of the last decrease: refusals of posts permitted before it count for nothing. */
  readonly decreasedAtMs: number
}

export interface PermitOptions {
  /** Retry-After of WNS is taken within these bounds. Default 1 s to 15 min. */
  readonly minRetryAfterMs?: number
  readonly maxRetryAfterMs?: number
  /** Pause when WNS gave no Retry-After; doubles while the first post afterwards is refused. Default 1 s to 60 s. */
  readonly firstPauseMs?: number
  readonly maxPauseMs?: number
  /** A probe without an answer for so long was lost with its worker; another one is granted. Default 10 s. */
  readonly probeLostMs?: number
}

const defaults: Required<PermitOptions> = {
  minRetryAfterMs: 1000,
  maxRetryAfterMs: 900_000,
  firstPauseMs: 1000,
  maxPauseMs: 60_000,
  probeLostMs: 10_000,
}

/**
 * The right to post, for all workers together: a token bucket per app on Redis's clock. In any span of t seconds at most
 * rate · t + burst are granted. When WNS answers 406 or 429 the rate halves, a pause follows, one probe finds out
 * whether posts are welcome again, and the rate climbs back: within 2 s to 90 % of the refused one, then 1 % a second.
 */
export class Permits {
  readonly #redis: RedisConnection
  readonly #keys: Keys
  readonly #options: Required<PermitOptions>

  constructor(redis: RedisConnection, keys: Keys, options: PermitOptions = {}) {
    this.#redis = redis
    this.#keys = keys
    this.#options = { ...defaults, ...options }
  }

  /** Take up to `wanted` permits (at least 1). They are never given back: an unused one lapses. */
  async take(app: AppId, wanted: number, { ratePerSecond, burst }: RateLimit): Promise<Grant> {
    const args = [Math.max(1, Math.floor(wanted)), ratePerSecond, burst, this.#options.probeLostMs]
    const reply = (await takeScript.run(this.#redis, [this.#keys.bucket(app)], args)) as (number | string)[]
    const [granted, waitMs, effectiveRate, pausedUntilMs, nowMs, probe] = reply.map(Number)
    return {
      granted: granted ?? 0,
      waitMs: waitMs ?? 0,
      nowMs: nowMs ?? 0,
      probe: probe === 1,
      ...rateState(effectiveRate, pausedUntilMs),
    }
  }

  /**
   * WNS answered 406 or 429 to a post that was permitted at `grantedAtMs` (Redis time). All workers together give way
   * once a second, and not at all for posts permitted before the last time.
   */
  async slowDown(
    app: AppId,
    { grantedAtMs, retryAfterMs }: { readonly grantedAtMs: number; readonly retryAfterMs?: number | undefined },
    { ratePerSecond }: RateLimit,
  ): Promise<Decrease> {
    const { minRetryAfterMs, maxRetryAfterMs, firstPauseMs, maxPauseMs } = this.#options
    const bounds = [minRetryAfterMs, maxRetryAfterMs, firstPauseMs, maxPauseMs]
    const args = [grantedAtMs, ratePerSecond, retryAfterMs ?? '', ...bounds]
    const reply = (await slowDownScript.run(this.#redis, [this.#keys.bucket(app)], args)) as (number | string)[]
    const [decreased, pausedUntilMs, effectiveRate, decreasedAtMs] = reply.map(Number)
    return { decreased: decreased === 1, decreasedAtMs: decreasedAtMs ?? 0, ...rateState(effectiveRate, pausedUntilMs) }
  }

  /** The rate now, without taking a permit. */
  async look(app: AppId, { ratePerSecond }: Pick<RateLimit, 'ratePerSecond'>): Promise<RateState> {
    const reply = (await lookScript.run(this.#redis, [this.#keys.bucket(app)], [ratePerSecond])) as (number | string)[]
    const [effectiveRate, pausedUntilMs] = reply.map(Number)
    return rateState(effectiveRate, pausedUntilMs)
  }

  /** A probe permitted at `grantedAtMs` was answered by anything but 406 and 429: the rate climbs from now on. */
  async probed(app: AppId, grantedAtMs: number): Promise<boolean> {
    return (await probedScript.run(this.#redis, [this.#keys.bucket(app)], [grantedAtMs])) === 1
  }
}

function rateState(effectiveRate: number | undefined, pausedUntilMs: number | undefined): RateState {
  return {
    effectiveRate: effectiveRate ?? 0,
    ...(pausedUntilMs === undefined || pausedUntilMs === 0 ? {} : { pausedUntilMs }),
  }
}
