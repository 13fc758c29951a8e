import { setTimeout } from 'node:timers/promises'

const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Waits `ms` milliseconds (at most 24 days); rejects with an `AbortError` as soon as `signal` is aborted. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  const waitMs = Math.min(Math.max(ms, 0), LONGEST_TIMER_MS)
  await setTimeout(waitMs, undefined, signal === undefined ? {} : { signal })
}
