import type { AppId, ListedChannel } from '@wns-fanout/domain'
import { hasBit, ordinalsIn, pageOf, slotOf } from '@wns-fanout/domain'
import type { Keys } from './keys.ts'
import type { RedisConnection } from './redis.ts'
import { parseStoredChannel } from './stored-channel.ts'

export interface ListFilter {
  /** True lists the channels that opted out in general or of a topic, those that are not registered any more too. */
  readonly optedOut?: boolean | undefined
  /** With `optedOut`, only those that opted out of this topic. */
  readonly topic?: string | undefined
  /** The cursor of the page before. */
  readonly after?: string | undefined
  readonly limit: number
}

export interface ChannelPage {
  readonly items: ListedChannel[]
  readonly next?: string
}

/** 65,536 ordinals: a sparse bitmap of two million channels is read in 31 steps. */
const CHUNK_BYTES = 8192

/** A page of channels in the order of their ordinals. The cursor is an ordinal, which outlives its channel. */
export async function channelPage(
  redis: RedisConnection,
  keys: Keys,
  app: AppId,
  { optedOut, topic, after, limit }: ListFilter,
): Promise<ChannelPage> {
  const [topics, next] = await Promise.all([redis.smembers(keys.optOutTopics(app)), redis.get(keys.next(app))])
  const start = after === undefined ? 0 : Number.parseInt(after, 36) + 1
  const items: ListedChannel[] = []
  let last = start - 1
  for (let byte = Math.floor(start / 8); byte * 8 < Number(next ?? 0); byte += CHUNK_BYTES) {
    const bits = await readBits(redis, keys, app, topics.toSorted(), byte)
    const ordinals = [...ordinalsIn(chosen(bits, optedOut, topic), byte * 8)].filter((ordinal) => ordinal >= start)
    for (const ordinal of ordinals) {
      if (items.length === limit) return { items, next: last.toString(36) }
      const value = await redis.hget(keys.uri(app, pageOf(ordinal)), String(slotOf(ordinal)))
      last = ordinal
      items.push(listed(value ?? '', bits, ordinal - byte * 8))
    }
  }
  return { items }
}

interface Bits {
  readonly occupied: Buffer
  readonly optedOut: Buffer
  readonly gated: Buffer
  readonly byTopic: ReadonlyMap<string, Buffer>
}

async function readBits(
  redis: RedisConnection,
  keys: Keys,
  app: AppId,
  topics: readonly string[],
  byte: number,
): Promise<Bits> {
  const read = async (key: string): Promise<Buffer> => {
    const bits = await redis.getrangeBuffer(key, byte, byte + CHUNK_BYTES - 1)
    return Buffer.concat([bits], CHUNK_BYTES)
  }
  const [occupied, optedOut, gated, ...ofTopics] = await Promise.all([
    read(keys.occupied(app)),
    read(keys.optOut(app)),
    read(keys.gated(app)),
    ...topics.map((topic) => read(keys.topicOptOut(app, topic))),
  ])
  const byTopic = new Map(topics.map((topic, at) => [topic, ofTopics[at] ?? Buffer.alloc(CHUNK_BYTES)]))
  return { occupied, optedOut, gated, byTopic }
}

function chosen(bits: Bits, optedOut: boolean | undefined, topic: string | undefined): Buffer {
  const { occupied, byTopic } = bits
  if (optedOut === undefined) return occupied
  if (topic !== undefined) return byTopic.get(topic) ?? Buffer.alloc(CHUNK_BYTES)
  const anyOut = Buffer.from(bits.optedOut)
  for (const one of byTopic.values()) for (let at = 0; at < CHUNK_BYTES; at += 1) anyOut[at]! |= one[at]!
  if (optedOut) return anyOut
  return Buffer.from(occupied.map((byte, at) => byte & ~anyOut[at]!))
}

function listed(value: string, { occupied, optedOut, gated, byTopic }: Bits, bit: number): ListedChannel {
  const { id, tags, locale, timeZone, registeredAtSeconds } = parseStoredChannel(value)
  const outOf = [...byTopic].filter(([, bits]) => hasBit(bits, bit)).map(([topic]) => topic)
  return {
    channel: id,
    tags: [...tags],
    ...(locale === '' ? {} : { locale }),
    ...(timeZone === '' ? {} : { timeZone }),
    ...(hasBit(optedOut, bit) ? { optedOut: true } : {}),
    ...(outOf.length === 0 ? {} : { optedOutOf: outOf }),
    ...(hasBit(gated, bit) ? { rawGate: 'closed' } : {}),
    registeredAt: new Date(registeredAtSeconds * 1000).toISOString(),
    ...(hasBit(occupied, bit) ? {} : { registered: false }),
  }
}
