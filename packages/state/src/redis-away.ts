import { setTimeout as sleep } from 'node:timers/promises'
import type { RedisConnection, WaitForRedisOptions } from './redis.ts'
import { WAITING_LINE_EVERY_MS, waitForRedis, whereIs } from './redis.ts'
import { refusalOf } from './redis-refusals.ts'

const awayTexts =
  /connection is closed|stream isn't writeable|command timed out|max retries per request|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|socket closed|socket timeout|all sentinels|failed to refresh slots|too many cluster redirections|^(?:LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|MISCONF|BUSY)\b/i

/** Whether a command failed only because Redis cannot be reached or serves nothing now, so that it may be repeated. */
export function isRedisAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = 'code' in error ? String(error.code) : ''
  return error.name === 'MaxRetriesPerRequestError' || awayTexts.test(error.message) || awayTexts.test(code)
}

const RETRY_MS = 500

export interface OnceRedisServesOptions extends Required<WaitForRedisOptions> {
  /** Time between two runs of the step; default 500. */
  readonly retryMs?: number
}

/**
 * The result of `step`, a part of starting, which is run once Redis answers, and again whenever it fails because Redis
 * went away or refuses commands. So a process that starts during an outage waits for its end. Rejects with any other
 * error of `step`, and when `signal` is aborted.
 */
export async function onceRedisServes<T>(
  connection: RedisConnection,
  step: () => Promise<T>,
  { signal, onWaiting, retryMs = RETRY_MS }: OnceRedisServesOptions,
): Promise<T> {
  let reportedAtMs = Number.NEGATIVE_INFINITY
  for (;;) {
    await waitForRedis(connection, { signal, onWaiting })
    try {
      return await step()
    } catch (error) {
      if (!isRedisAway(error) && refusalOf(error) === undefined) throw error
      if (performance.now() - reportedAtMs >= WAITING_LINE_EVERY_MS) {
        reportedAtMs = performance.now()
        const reason = refusalOf(error) ?? 'the connection broke.'
        onWaiting(`Redis at ${whereIs(connection)} went away while this process starts: ${reason} Trying again.`)
      }
    }
    await sleep(retryMs, undefined, { signal })
  }
}
