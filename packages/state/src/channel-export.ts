import type { AppId } from '@wns-fanout/domain'
import { hasBit, PAGE_BYTES } from '@wns-fanout/domain'
import type { Keys } from './keys.ts'
import type { RedisConnection } from './redis.ts'
import { parseStoredChannel } from './stored-channel.ts'

/** A line of an export, the same as a line of an import. */
export interface ExportLine {
  readonly channel: string
  /** Absent for a channel that is no longer registered and opted out. */
  readonly uri?: string
  readonly tags?: readonly string[]
  readonly locale?: string
  /** IANA name, such as `Europe/Berlin`. */
  readonly timeZone?: string
  readonly vars?: Readonly<Record<string, string>>
  /** ISO 8601; absent for a channel that is no longer registered. */
  readonly registeredAt?: string
  /** Only where the channel opted out in general. */
  readonly optedOut?: true
  /** Topics that the channel opted out of; absent if there are none. */
  readonly optedOutOf?: readonly string[]
}

const PAGES_READ_AHEAD = 4

/** The registered channels of the first `pages` pages; reads a few pages at a time. */
export async function* exportPages(
  redis: RedisConnection,
  keys: Keys,
  app: AppId,
  pages: number,
): AsyncGenerator<ExportLine> {
  const topics = (await redis.smembers(keys.optOutTopics(app))).toSorted()
  for (let page = 0; page < pages; page += PAGES_READ_AHEAD) {
    const count = Math.min(PAGES_READ_AHEAD, pages - page)
    const read = await Promise.all(
      Array.from({ length: count }, (_, offset) => exportPage(redis, keys, app, page + offset, topics)),
    )
    for (const lines of read) yield* lines
  }
}

async function exportPage(
  redis: RedisConnection,
  keys: Keys,
  app: AppId,
  page: number,
  topics: readonly string[],
): Promise<ExportLine[]> {
  const bitsOf = (key: string): Promise<Buffer> =>
    redis.getrangeBuffer(key, page * PAGE_BYTES, (page + 1) * PAGE_BYTES - 1)
  const [values, variables, optOuts, topicOptOuts] = await Promise.all([
    redis.hgetall(keys.uri(app, page)),
    redis.hgetall(keys.vars(app, page)),
    bitsOf(keys.optOut(app)),
    Promise.all(topics.map((topic) => bitsOf(keys.topicOptOut(app, topic)))),
  ])
  return Object.entries(values)
    .toSorted(([left], [right]) => Number(left) - Number(right))
    .flatMap(([slot, value]): ExportLine[] => {
      const { id, uri, tags, locale, timeZone, registeredAtSeconds } = parseStoredChannel(value)
      const vars = variables[slot]
      // An opt-out outlives the registration: an export without it would send again to people who opted out.
      const isOut = hasBit(optOuts, Number(slot))
      const outOf = topics.filter((_, at) => hasBit(topicOptOuts[at] ?? Buffer.alloc(0), Number(slot)))
      const optOutFields = {
        ...(isOut ? { optedOut: true as const } : {}),
        ...(outOf.length === 0 ? {} : { optedOutOf: outOf }),
      }
      if (uri === '') return isOut || outOf.length > 0 ? [{ channel: id, ...optOutFields }] : []
      return [
        {
          channel: id,
          uri,
          ...(tags.length === 0 ? {} : { tags }),
          ...(locale === '' ? {} : { locale }),
          ...(timeZone === '' ? {} : { timeZone }),
          ...(vars === undefined ? {} : { vars: JSON.parse(vars) as Record<string, string> }),
          registeredAt: new Date(registeredAtSeconds * 1000).toISOString(),
          ...optOutFields,
        },
      ]
    })
}
