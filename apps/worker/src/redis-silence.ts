import { sleep } from '@wns-fanout/runtime'
import type { Keys, RedisConnection } from '@wns-fanout/state'
import { writeProblem } from '@wns-fanout/state'

/** Less than the time that the ops server allows for a readiness check. */
const ANSWER_MS = 1900
const SILENT_AFTER_MS = 3000
const LOOK_EVERY_MS = 500

/**
 * Why Redis takes no small write now, for people; undefined if all is well.
 *
 * @param look a connection of role `producer`, which does not wait while Redis refuses writes
 */
export async function redisProblem(look: RedisConnection, keys: Keys): Promise<string | undefined> {
  const answered = new AbortController()
  const late = sleep(ANSWER_MS, answered.signal).then(
    () => `Redis did not answer a small write within ${ANSWER_MS} ms`,
    () => undefined,
  )
  const found = writeProblem(look, keys)
    .catch((error: unknown) => `Redis is away: ${error instanceof Error ? error.message : 'no answer'}`)
    .finally(() => answered.abort())
  return Promise.race([found, late])
}

/**
 * Resolves once Redis has had a problem for three seconds, or `signal` is aborted.
 *
 * @param ask why Redis takes no writes now; undefined if it does
 */
export async function redisSilent(ask: () => Promise<string | undefined>, signal: AbortSignal): Promise<void> {
  let wellAtMs = performance.now()
  while (!signal.aborted) {
    if ((await ask()) === undefined) wellAtMs = performance.now()
    else if (performance.now() - wellAtMs > SILENT_AFTER_MS) return
    await sleep(LOOK_EVERY_MS, signal).catch(() => {})
  }
}
