import { randomUUID } from 'node:crypto'
import type { Keys } from './keys.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'

const rightsScript = loadScript('rights')

/**
 * Every command that our scripts, our code and BullMQ run on keys, with arguments that are valid for any key of a test.
 * A test compares this list with the sources.
 */
export const probedCommands: readonly string[] = [
  'SET KEY x',
  'GET KEY',
  'GETBIT KEY 0',
  'SETBIT KEY 0 1',
  'GETRANGE KEY 0 0',
  'SETRANGE KEY 0 x',
  'STRLEN KEY',
  'BITCOUNT KEY',
  'BITPOS KEY 1',
  'BITOP AND KEY KEY',
  'INCR KEY',
  'INCRBY KEY 1',
  'EXISTS KEY',
  'TYPE KEY',
  'EXPIRE KEY 60',
  'PEXPIRE KEY 60000',
  'PEXPIREAT KEY 1',
  'PERSIST KEY',
  'PTTL KEY',
  'PEXPIRETIME KEY',
  'COPY KEY KEY REPLACE',
  'RENAME KEY KEY',
  'UNLINK KEY',
  'DEL KEY',
  'HSET KEY a b',
  'HSETNX KEY a b',
  'HMSET KEY a b',
  'HGET KEY a',
  'HMGET KEY a',
  'HGETALL KEY',
  'HKEYS KEY',
  'HLEN KEY',
  'HEXISTS KEY a',
  'HINCRBY KEY n 1',
  'HDEL KEY a',
  'DEL KEY',
  'SADD KEY a',
  'SCARD KEY',
  'SISMEMBER KEY a',
  'SMEMBERS KEY',
  'SREM KEY a',
  'DEL KEY',
  'ZADD KEY 1 a',
  'ZCARD KEY',
  'ZCOUNT KEY 0 1',
  'ZLEXCOUNT KEY - +',
  'ZSCORE KEY a',
  'ZRANGE KEY 0 1',
  'ZREVRANGE KEY 0 1',
  'ZREVRANK KEY a',
  'ZRANGEBYSCORE KEY 0 1',
  'ZREVRANGEBYSCORE KEY 1 0',
  'ZRANGEBYLEX KEY - +',
  'ZREMRANGEBYRANK KEY 5 6',
  'ZREMRANGEBYSCORE KEY 5 6',
  'ZPOPMIN KEY',
  'ZREM KEY a',
  'DEL KEY',
  'LPUSH KEY a',
  'RPUSH KEY a',
  'LLEN KEY',
  'LINDEX KEY 0',
  'LPOS KEY a',
  'LRANGE KEY 0 1',
  'LSET KEY 0 a',
  'LTRIM KEY 0 1',
  'LREM KEY 0 a',
  'LPOP KEY',
  'RPOP KEY',
  'RPOPLPUSH KEY KEY',
  'DEL KEY',
  'XADD KEY * a b',
  'XLEN KEY',
  'XRANGE KEY - +',
  'XREVRANGE KEY + -',
  'XREAD COUNT 1 STREAMS KEY 0',
  'XTRIM KEY MAXLEN 1',
  'XDEL KEY 1-1',
  'TIME',
]

/** Commands that are tried on their own, outside the script. */
const direct: Readonly<Record<string, (redis: RedisConnection, probe: string) => Promise<unknown>>> = {
  PING: (redis) => redis.ping(),
  INFO: (redis) => redis.info('server'),
  WAIT: (redis) => redis.wait(0, 1),
  // Scripts may not run it. It waits a millisecond.
  BZPOPMIN: (redis, probe) => redis.bzpopmin(probe, 0.001),
}

/**
 * The rights that the Redis user of a connection lacks, for people; undefined when it has all that we need. Leaves
 * nothing behind and takes a fraction of a millisecond of Redis.
 */
export async function missingRights(redis: RedisConnection, keys: Keys): Promise<string | undefined> {
  const probe = `${keys.probeOfRights}:${randomUUID()}`
  const refused = new Set(await refusedOnKeys(redis, probe))
  const isKeyRefused = refused.delete('KEY')
  for (const [name, call] of Object.entries(direct)) {
    // Without the right to the key, any command on it is refused.
    if ((await isRefused(call(redis, probe))) && !(isKeyRefused && name === 'BZPOPMIN')) refused.add(name)
  }
  const found = [
    ...(refused.size === 0 ? [] : [`may not run ${[...refused].toSorted().join(', ')}`]),
    ...(isKeyRefused ? [`may not use keys that begin with "${keys.prefix}"`] : []),
  ]
  return found.length === 0
    ? undefined
    : `The user of Redis ${found.join(' and ')} (NOPERM); give it the rights listed in docs/security.md.`
}

async function refusedOnKeys(redis: RedisConnection, probe: string): Promise<readonly string[]> {
  try {
    return (await rightsScript.run(redis, [probe], probedCommands)) as string[]
  } catch (error) {
    if (!isNoPermission(error)) throw error
    const message = error instanceof Error ? error.message : ''
    return [
      /'([a-z|]+)' command/.exec(message)?.[1]?.toUpperCase() ?? (message.includes(' access ') ? 'KEY' : 'EVALSHA'),
    ]
  }
}

async function isRefused(call: Promise<unknown>): Promise<boolean> {
  try {
    await call
    return false
  } catch (error) {
    if (!isNoPermission(error)) throw error
    return true
  }
}

/** Did Redis refuse a command because its user lacks a right, directly or inside a script? */
export function isNoPermission(error: unknown): boolean {
  return error instanceof Error && /NOPERM|ACL failure|The user executing the script can't/.test(error.message)
}
