import { setTimeout } from 'node:timers/promises'

const longestTimerMs = 2 ** 31 - 1

/** Waits `ms` milliseconds (at most 24 days); rejects with an `AbortError` as soon as `signal` is aborted. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  const waitMs = Math.min(Math.max(ms, 0), longestTimerMs)
  await setTimeout(waitMs, undefined, signal === undefined ? {} : { signal })
}
