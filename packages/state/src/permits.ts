import type { AppId, CampaignId } from '@wns-fanout/domain'
import type { Keys } from './keys.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'

const takeScript = loadScript('permits-take')
const slowDownScript = loadScript('permits-slow-down')
const endProbeScript = loadScript('permits-end-probe')
const lookScript = loadScript('permits-look')

export interface RateLimit {
  readonly ratePerSecond: number
  /** Permits that may be granted at once after a time without posts. */
  readonly burst: number
}

/** The campaign that permits are for, where the campaigns of an app share its permits. */
export interface PermitShare {
  readonly campaign: CampaignId
  /** A campaign with twice the weight gets twice the permits of another while both want more than there are. */
  readonly weight: number
}

export interface Grant {
  /** From 0 to the number wanted. */
  readonly granted: number
  /** When to ask again, in milliseconds; 0 if anything was granted. */
  readonly waitMs: number
  /** The rate that applies now: the configured one, or less after WNS answered 406 or 429. */
  readonly effectiveRate: number
  /** Redis time until which nothing is granted; absent while nothing is paused. */
  readonly pausedUntilMs?: number
  /** Redis time of the grant: reported again with the outcome of a post. */
  readonly nowMs: number
  /** The one post after a pause. Report its outcome by `slowDown` or `endProbe`. */
  readonly probe: boolean
  /** Campaigns that share the permits of the app now, this one included. */
  readonly activeCampaigns: number
}

export interface RateState {
  readonly effectiveRate: number
  readonly pausedUntilMs?: number
}

export interface Decrease extends RateState {
  /** Did this call decrease the rate? */
  readonly decreased: boolean
  /** Redis time of the last decrease. Refusals of posts that were permitted before it are ignored. */
  readonly decreasedAtMs: number
}

export interface PermitOptions {
  /** A Retry-After of WNS is kept within these bounds. Default 1 s to 15 min. */
  readonly minRetryAfterMs?: number
  readonly maxRetryAfterMs?: number
  /** Pause when WNS sends no Retry-After. It doubles while the first post after it is refused. Default 1 s to 60 s. */
  readonly firstPauseMs?: number
  readonly maxPauseMs?: number
  /** A probe without an answer for this time was lost with its worker, and another one is granted. Default 10 s. */
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
 * The permits of all workers: a token bucket for each app, on the clock of Redis. In any span of t seconds at most
 * rate · t + burst permits are granted. When WNS answers 406 or 429, the rate decreases and a pause follows: to a half
 * where the limit is unknown or has moved down, and a little where the rate had held for seconds. Then one post probes
 * whether WNS accepts posts again, and the rate climbs to just below the refused one, stays there, and searches for
 * more.
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

  /**
   * Take up to `wanted` permits (at least 1). A permit is never given back: it lapses unused. With a `share`, the
   * campaign gets no permits that are due to other campaigns of the app.
   */
  async take(app: AppId, wanted: number, { ratePerSecond, burst }: RateLimit, share?: PermitShare): Promise<Grant> {
    const args = [Math.max(1, Math.floor(wanted)), ratePerSecond, burst, this.#options.probeLostMs]
    const reply = (await takeScript.run(
      this.#redis,
      [this.#keys.bucket(app), this.#keys.shares(app)],
      share === undefined ? args : [...args, share.campaign, share.weight],
    )) as (number | string)[]
    const [granted, waitMs, effectiveRate, pausedUntilMs, nowMs, probe, activeCampaigns] = reply.map(Number)
    return {
      granted: granted ?? 0,
      waitMs: waitMs ?? 0,
      nowMs: nowMs ?? 0,
      probe: probe === 1,
      activeCampaigns: activeCampaigns ?? 1,
      ...rateState(effectiveRate, pausedUntilMs),
    }
  }

  /**
   * WNS answered 406 or 429 to a post that was permitted at `grantedAtMs` (Redis time). The rate decreases at most once
   * a second for all workers together, and not for posts that were permitted before the last decrease.
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

  /**
   * The probe permitted at `grantedAtMs` got any answer but 406 and 429: the rate climbs from now on.
   *
   * @returns whether this call ended the probe
   */
  async endProbe(app: AppId, grantedAtMs: number): Promise<boolean> {
    return (await endProbeScript.run(this.#redis, [this.#keys.bucket(app)], [grantedAtMs])) === 1
  }
}

function rateState(effectiveRate: number | undefined, pausedUntilMs: number | undefined): RateState {
  return {
    effectiveRate: effectiveRate ?? 0,
    ...(pausedUntilMs === undefined || pausedUntilMs === 0 ? {} : { pausedUntilMs }),
  }
}
