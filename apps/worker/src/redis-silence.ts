import { sleep } from '@wns-fanout/runtime'
import type { RedisConnection } from '@wns-fanout/state'

const SILENT_AFTER_MS = 3000
const LOOK_EVERY_MS = 500

/** Resolves once Redis has left a question unanswered for three seconds, or `signal` is aborted. */
export async function redisSilent(redis: RedisConnection, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const answer = redis.ping().then(
      () => true,
      () => false,
    )
    const late = sleep(SILENT_AFTER_MS, signal).then(
      () => false,
      () => false,
    )
    if (!(await Promise.race([answer, late]))) return
    await sleep(LOOK_EVERY_MS, signal).catch(() => {})
  }
}
