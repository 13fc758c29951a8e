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
 * @param answerMs how long the answer may take; default 1900 ms, so that a check of readiness ends within 2 s
 */
export async function redisProblem(
  look: RedisConnection,
  keys: Keys,
  answerMs = ANSWER_MS,
): Promise<string | undefined> {
  const answered = new AbortController()
  const late = sleep(answerMs, answered.signal).then(
    () => `Redis did not answer a small write within ${answerMs} ms`,
    () => undefined,
  )
  const found = writeProblem(look, keys)
    .catch((error: unknown) => `Redis is away: ${error instanceof Error ? error.message : 'no answer'}`)
    .finally(() => answered.abort())
  return Promise.race([found, late])
}

export interface SilenceOptions {
  /** How long Redis must have had a problem, in milliseconds; default 3000. */
  readonly silentAfterMs?: number
  /** Time between two looks, in milliseconds; default 500. */
  readonly lookEveryMs?: number
}

/**
 * Resolves once Redis has had a problem for three seconds, or `signal` is aborted.
 *
 * @param ask why Redis takes no writes now; undefined if it does
 */
export async function redisSilent(
  ask: () => Promise<string | undefined>,
  signal: AbortSignal,
  { silentAfterMs = SILENT_AFTER_MS, lookEveryMs = LOOK_EVERY_MS }: SilenceOptions = {},
): Promise<void> {
  let wellAtMs = performance.now()
  while (!signal.aborted) {
    if ((await ask()) === undefined) wellAtMs = performance.now()
    else if (performance.now() - wellAtMs > silentAfterMs) return
    await sleep(lookEveryMs, signal).catch(() => {})
  }
}
