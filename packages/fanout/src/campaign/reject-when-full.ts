import { Problem } from '@wns-fanout/domain'
import type { RedisConnection } from '@wns-fanout/state'
import { memoryShare } from '@wns-fanout/state'

/** The share of Redis memory above which no new campaign is admitted. */
const MEMORY_LIMIT = 0.8

/** Throws the Problem `redis-memory` when Redis is nearly full. */
export async function rejectWhenFull(redis: RedisConnection): Promise<void> {
  const ratio = await memoryShare(redis)
  if (ratio <= MEMORY_LIMIT) return
  throw new Problem(
    'redis-memory',
    `Redis uses ${Math.round(ratio * 100)} % of its memory; new campaigns wait until it is below 80 %`,
  )
}
