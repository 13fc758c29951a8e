import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'

const outlookScript = loadScript('queue-outlook')

/** When a queue needs a worker next. */
export interface QueueOutlook {
  /** Jobs that wait or run, on any worker. */
  readonly jobs: number
  /** When the first delayed job is due, in milliseconds; undefined if none is delayed. */
  readonly dueAtMs: number | undefined
}

/** BullMQ keeps the due time of a delayed job above this many lower values, which order jobs of one millisecond. */
const SCORES_PER_MS = 4096

/** @param toKey the key of a list of the queue */
export async function queueOutlook(redis: RedisConnection, toKey: (list: string) => string): Promise<QueueOutlook> {
  const keys = ['wait', 'prioritized', 'active', 'delayed'].map(toKey)
  const [jobs, score] = (await outlookScript.run(redis, keys, [])) as [number, string]
  return { jobs, dueAtMs: score === '' ? undefined : Math.floor(Number(score) / SCORES_PER_MS) }
}
