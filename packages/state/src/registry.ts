import type { AppId, Channel, ChannelId, Ordinal, Registration } from '@wns-fanout/domain'
import { pagesFor, Problem } from '@wns-fanout/domain'
import type { Keys } from './keys.ts'
import { inChunks } from './chunks.ts'
import { packId, unpackId } from './packed-id.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'

const registerScript = loadScript('register')
const channelScript = loadScript('channel')
const ordinalsScript = loadScript('ordinals')
const pageIdsScript = loadScript('page-ids')

/** Tag names of an app at the most: each costs a bitmap. */
export const MAX_TAG_NAMES = 1000
/** Channels that one script call registers: about 3 ms of Redis, so that others wait no longer than that. */
export const REGISTRATION_CHUNK = 500
const PAGES_READ_AHEAD = 4

/** What became of one registration: `too-many-tags` was refused and changed nothing, the others are stored. */
export type Registered = 'created' | 'updated' | 'too-many-tags'

/** A line of an export, the same as a line of an import. */
export interface ExportLine {
  readonly channel: string
  readonly uri: string
  readonly tags?: readonly string[]
  readonly locale?: string
  readonly vars?: Readonly<Record<string, string>>
}

/**
 * The channels of the apps. A channel has an ordinal for ever: a death or DELETE empties its URI and clears its bit in
 * `occupied`, a new registration of the same id revives the ordinal with its guard stamp and opt-out.
 */
export class Registry {
  readonly #redis: RedisConnection
  readonly #keys: Keys

  constructor(redis: RedisConnection, keys: Keys) {
    this.#redis = redis
    this.#keys = keys
  }

  /**
   * Register channels, in order; a known id gets the new URI, tags, locale and variables. The app must exist; throws the
   * Problem `not-found` once it is removed.
   */
  async register(app: AppId, registrations: readonly Registration[]): Promise<Registered[]> {
    const results: Registered[] = []
    for (const chunk of inChunks(registrations, REGISTRATION_CHUNK)) {
      const args = [MAX_TAG_NAMES, ...chunk.flatMap((registration) => this.#argumentsOf(app, registration))]
      const answer = String(await registerScript.run(this.#redis, this.#base(app), args))
      if (answer === 'gone') throw new Problem('not-found', `there is no app ${app} any more`)
      for (const letter of answer)
        results.push(letter === '1' ? 'created' : letter === '0' ? 'updated' : 'too-many-tags')
    }
    return results
  }

  /** A registered channel as the API shows it: never its URI. Null when it is unknown or gone. */
  async get(app: AppId, channel: ChannelId): Promise<Channel | null> {
    const value = await this.#run(app, 'read', channel)
    if (typeof value !== 'string') return null
    const { tags, locale, registeredAtSeconds } = parseValue(value)
    return {
      channel,
      tags: [...tags],
      ...(locale === '' ? {} : { locale }),
      registeredAt: new Date(registeredAtSeconds * 1000).toISOString(),
    }
  }

  /** Forget the URI of a channel. False when it is unknown or already gone. */
  async unregister(app: AppId, channel: ChannelId): Promise<boolean> {
    return (await this.#run(app, 'unregister', channel)) === 1
  }

  /** The device was active: its raw gate opens. False when there is no such channel. */
  async markActive(app: AppId, channel: ChannelId): Promise<boolean> {
    return (await this.#run(app, 'active', channel)) === 1
  }

  /** Exclude a channel from every audience, or include it again. False when there is no such channel. */
  async setOptOut(app: AppId, channel: ChannelId, on: boolean): Promise<boolean> {
    return (await this.#run(app, on ? 'opt-out' : 'opt-in', channel)) === 1
  }

  /** How many channels are registered. */
  count(app: AppId): Promise<number> {
    return this.#redis.bitcount(this.#keys.occupied(app))
  }

  /** Every registered channel with its URI, in the order of the ordinals; reads a few pages at a time. */
  async *exportChannels(app: AppId): AsyncGenerator<ExportLine> {
    const pages = pagesFor(Number((await this.#redis.get(this.#keys.next(app))) ?? 0))
    for (let page = 0; page < pages; page += PAGES_READ_AHEAD) {
      const count = Math.min(PAGES_READ_AHEAD, pages - page)
      const read = await Promise.all(Array.from({ length: count }, (_, offset) => this.#exportPage(app, page + offset)))
      for (const lines of read) yield* lines
    }
  }

  /** The ordinals of the registered ones among `ids`; the others are absent. */
  async ordinalsOf(app: AppId, ids: readonly ChannelId[]): Promise<Map<ChannelId, Ordinal>> {
    const ordinals = new Map<ChannelId, Ordinal>()
    for (const chunk of inChunks(ids, REGISTRATION_CHUNK)) {
      const args = chunk.flatMap((id) => [packId(id), this.#deviceSuffix(app, id)])
      const found = (await ordinalsScript.run(this.#redis, this.#base(app), args)) as number[]
      for (const [at, id] of chunk.entries()) {
        const ordinal = found[at] ?? -1
        if (ordinal >= 0) ordinals.set(id, ordinal)
      }
    }
    return ordinals
  }

  /** Who has the slots of a page, or had them last: results name the dead too. */
  async channelIds(app: AppId, page: number): Promise<Map<number, ChannelId>> {
    const fields = (await pageIdsScript.run(this.#redis, [this.#keys.uri(app, page)], [])) as string[]
    const ids = new Map<number, ChannelId>()
    for (let at = 0; at < fields.length; at += 2) ids.set(Number(fields[at]), unpackId(fields[at + 1] ?? ''))
    return ids
  }

  async #exportPage(app: AppId, page: number): Promise<ExportLine[]> {
    const [values, variables] = await Promise.all([
      this.#redis.hgetall(this.#keys.uri(app, page)),
      this.#redis.hgetall(this.#keys.vars(app, page)),
    ])
    return Object.entries(values)
      .toSorted(([left], [right]) => Number(left) - Number(right))
      .flatMap(([slot, value]) => {
        const { id, uri, tags, locale } = parseValue(value)
        const vars = variables[slot]
        if (uri === '') return []
        return [
          {
            channel: id,
            uri,
            ...(tags.length === 0 ? {} : { tags }),
            ...(locale === '' ? {} : { locale }),
            ...(vars === undefined ? {} : { vars: JSON.parse(vars) as Record<string, string> }),
          },
        ]
      })
  }

  /** The base alone would let a script run on half of the app's keys while its slot moves. */
  #base(app: AppId): readonly string[] {
    return [this.#keys.base(app), this.#keys.app(app)]
  }

  #run(app: AppId, action: string, channel: ChannelId): Promise<unknown> {
    const args = [action, packId(channel), this.#deviceSuffix(app, channel)]
    return channelScript.run(this.#redis, this.#base(app), args)
  }

  #argumentsOf(app: AppId, { channel, uri, tags, locale, vars }: Registration): string[] {
    const variables = vars === undefined || Object.keys(vars).length === 0 ? '' : JSON.stringify(vars)
    return [packId(channel), this.#deviceSuffix(app, channel), uri.raw, locale ?? '', variables, tags.join(',')]
  }

  #deviceSuffix(app: AppId, channel: ChannelId): string {
    return this.#keys.device(app, channel).slice(this.#keys.base(app).length)
  }
}

interface StoredChannel {
  readonly id: ChannelId
  /** Empty once the channel is dead or deleted. */
  readonly uri: string
  readonly registeredAtSeconds: number
  readonly locale: string
  readonly tags: readonly string[]
}

/** `<packed id>\0<uri>\0<registeredAt in seconds, base 36>;<locale>;<tag,tag>` */
function parseValue(value: string): StoredChannel {
  const [id = '', uri = '', meta = ''] = value.split('\0')
  const [since = '0', locale = '', tags = ''] = meta.split(';')
  return {
    id: unpackId(id),
    uri,
    registeredAtSeconds: Number.parseInt(since, 36),
    locale,
    tags: tags === '' ? [] : tags.split(','),
  }
}
