import type { AppId, AppSettings } from '@wns-fanout/domain'
import type { Keys, RedisConnection } from '@wns-fanout/state'

/** How fast an app may send now. */
export interface RateView {
  readonly effectiveRatePerSecond: number
  /** Redis time; absent when nothing is held back. */
  readonly throttledUntilMs?: number
}

const climbSeconds = 5
const climbTo = 0.9
const growthPerSecond = 0.01

/**
 * The rate that permits are granted at, looked at without taking any. It follows the same curve as the script that grants
 * them (half of the refused rate, then up to 90 % of it within 5 s, then 1 % of it a second), for display only.
 */
export const readRate = async (
  redis: RedisConnection,
  keys: Keys,
  app: AppId,
  { ratePerSecond }: Pick<AppSettings, 'ratePerSecond'>,
): Promise<RateView> => {
  const [fields, time] = await Promise.all([
    redis.hmget(keys.bucket(app), 'refusedRate', 'climbingSinceMs', 'pausedUntilMs'),
    redis.time(),
  ])
  const nowMs = Number(time[0]) * 1000 + Number(time[1]) / 1000
  const [refused, climbingSinceMs, pausedUntilMs] = fields.map((text) => (text === null ? undefined : Number(text)))
  return {
    effectiveRatePerSecond: effectiveRate(ratePerSecond, refused, climbingSinceMs, nowMs),
    ...(pausedUntilMs !== undefined && pausedUntilMs > nowMs ? { throttledUntilMs: Math.ceil(pausedUntilMs) } : {}),
  }
}

const effectiveRate = (
  configured: number,
  refused: number | undefined,
  climbingSinceMs: number | undefined,
  nowMs: number,
): number => {
  if (refused === undefined) return configured
  const low = Math.max(refused / 2, Math.min(1, configured))
  if (climbingSinceMs === undefined) return tidy(Math.min(configured, low))
  const seconds = Math.max(0, nowMs - climbingSinceMs) / 1000
  const high = Math.max(low, refused * climbTo)
  const rate =
    seconds < climbSeconds
      ? low + ((high - low) * seconds) / climbSeconds
      : high + refused * growthPerSecond * (seconds - climbSeconds)
  return tidy(Math.min(configured, rate))
}

const tidy = (rate: number): number => Math.round(rate * 10) / 10
