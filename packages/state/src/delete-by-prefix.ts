import { Cluster } from 'ioredis'
import type { RedisConnection } from './redis.ts'

const SCAN_COUNT = 1000

/**
 * Unlink every key that begins with `prefix`, except `keep`, a thousand at a time, so that Redis serves others
 * meanwhile.
 */
export async function deleteByPrefix(
  redis: RedisConnection,
  prefix: string,
  keep: ReadonlySet<string> = new Set(),
): Promise<number> {
  const nodes = redis instanceof Cluster ? redis.nodes('master') : [redis]
  let deleted = 0
  for (const node of nodes) {
    let cursor = '0'
    do {
      // Prefixes hold no glob characters: `Keys` allows only letters, digits and - _ . : { }.
      const [next, found] = await node.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', SCAN_COUNT)
      const doomed = found.filter((key) => !keep.has(key))
      if (doomed.length > 0) deleted += await node.unlink(...doomed)
      cursor = next
    } while (cursor !== '0')
  }
  return deleted
}
