/** The commands of a Redis connection that are needed here. */
export interface KeySpace {
  scan(cursor: string, match: 'MATCH', pattern: string, limit: 'COUNT', count: number): Promise<[string, string[]]>
  unlink(...keys: string[]): Promise<number>
}

const COUNT = 1000

/** The names of all keys that begin with `prefix`, sorted. */
export async function keysWith(redis: KeySpace, prefix: string): Promise<string[]> {
  const found = new Set<string>()
  let cursor = '0'
  do {
    const [next, some] = await redis.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', COUNT)
    for (const key of some) found.add(key)
    cursor = next
  } while (cursor !== '0')
  return [...found].toSorted()
}

/**
 * Removes all keys that begin with `prefix`. A test that leaves its keys slows the others, because every search for
 * keys visits all of Redis.
 */
export async function removeKeysWith(redis: KeySpace, prefix: string): Promise<void> {
  const found = await keysWith(redis, prefix)
  for (let at = 0; at < found.length; at += COUNT) await redis.unlink(...found.slice(at, at + COUNT))
}
