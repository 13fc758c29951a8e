import { randomBytes, randomUUID } from 'node:crypto'
import type { AppId, ChannelId, Registration } from '@wns-fanout/domain'
import { channelId, parseImportLine } from '@wns-fanout/domain'
import type { RedisConnection } from '@wns-fanout/state'
import { closeRedis, connectRedis, Keyring, Keys } from '@wns-fanout/state'
import { keysWith, removeKeysWith } from '@wns-fanout/testing'
import { inject, onTestFinished } from 'vitest'

export interface Bench {
  readonly redis: RedisConnection
  readonly keys: Keys
}

/** A connection and a key prefix of this test alone; both are gone when it ends. */
export function setup(): Bench {
  const keys = new Keys(`t-${randomBytes(6).toString('hex')}:`)
  const redis = connectRedis(inject('redisUrl'), { role: 'worker' })
  onTestFinished(async () => {
    await removeKeysWith(redis, keys.prefix)
    await closeRedis(redis)
  })
  return { redis, keys }
}

/** One more connection, as of another process. */
export function anotherConnection(): RedisConnection {
  const redis = connectRedis(inject('redisUrl'), { role: 'worker' })
  onTestFinished(() => closeRedis(redis))
  return redis
}

/** Every key of this test. */
export function keysOf({ redis, keys }: Bench): Promise<string[]> {
  return keysWith(redis, keys.prefix)
}

/** All data of this test in Redis as one text, to search for secrets. */
export async function dumpOf(bench: Bench): Promise<string> {
  const parts: string[] = []
  for (const key of await keysOf(bench)) {
    parts.push(key)
    switch (await bench.redis.type(key)) {
      case 'hash':
        parts.push(JSON.stringify(await bench.redis.hgetall(key)))
        break
      case 'set':
        parts.push(JSON.stringify(await bench.redis.smembers(key)))
        break
      case 'zset':
        parts.push(JSON.stringify(await bench.redis.zrange(key, '0', '-1', 'WITHSCORES')))
        break
      case 'string':
        parts.push((await bench.redis.get(key)) ?? '')
        break
      case 'stream':
        parts.push(JSON.stringify(await bench.redis.xrange(key, '-', '+')))
        break
      default:
        throw new Error(`${key} is of a type that the dump does not know`)
    }
  }
  return parts.join('\n')
}

export function keyring(): Keyring {
  return Keyring.parse(`k1 ${randomBytes(32).toString('base64')}`)
}

export const NEWS = 'news' as AppId

export function uriOf(name: string): string {
  return `https://db5p.notify.windows.com/?token=${name}`
}

export interface RegistrationInput {
  readonly uri?: string
  readonly tags?: readonly string[] | null | undefined
  readonly locale?: string | null | undefined
  readonly timeZone?: string | null | undefined
  readonly vars?: Readonly<Record<string, string>> | null | undefined
  readonly optedOut?: boolean | null | undefined
  readonly registeredAt?: string | null | undefined
}

/** A registration from the parser; without a URI, one is derived from the id. */
export function registration(channel: string, rest: RegistrationInput = {}): Registration {
  const parsed = parseImportLine({ channel, uri: uriOf(channel.replaceAll(/[^A-Za-z0-9]/g, '-')), ...rest })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.inputErrors))
  return parsed.value
}

export function registrations(count: number, rest: RegistrationInput = {}): Registration[] {
  return Array.from({ length: count }, () => registration(randomUUID(), rest))
}

export function ids(...names: readonly string[]): ChannelId[] {
  return names.map((name) => channelId(name))
}

/** The ordinals whose bits are set, in the bit order of Redis. */
export function ordinalsIn(bitmap: Buffer): number[] {
  return [...bitmap].flatMap((byte, at) =>
    [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => (byte & (0x80 >> bit)) !== 0).map((bit) => at * 8 + bit),
  )
}
