import type { AppId, Channel, ChannelId, Ordinal, Registration, SharedUriPolicy } from '@wns-fanout/domain'
import { pageOf, pagesFor, Problem, slotOf } from '@wns-fanout/domain'
import { channelAges } from './channel-ages.ts'
import type { ExportLine } from './channel-export.ts'
import { exportPages } from './channel-export.ts'
import type { ChannelPage, ListFilter } from './channel-list.ts'
import { channelPage } from './channel-list.ts'
import { inChunks } from './chunks.ts'
import type { Keys } from './keys.ts'
import { packId, unpackId } from './packed-id.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'
import { packUri } from './packed-uri.ts'
import { parseStoredChannel } from './stored-channel.ts'

const registerScript = loadScript('register')
const channelScript = loadScript('channel')
const ordinalsScript = loadScript('ordinals')
const pageIdsScript = loadScript('page-ids')

/** Tag names of an app at the most: each costs a bitmap. */
export const MAX_TAG_NAMES = 1000
/** Topics of an app that may have opt-outs: each costs a bitmap. */
export const MAX_OPT_OUT_TOPICS = 100
/** Channels that one script call registers: about 3 ms of Redis and of the process, so that others wait no longer. */
export const REGISTRATION_CHUNK = 128
/** How long the marks of an import outlive its last chunk. */
const IMPORT_SECONDS = 3600

export type RegistrationOutcome =
  /** New, or alive again. */
  | 'created'
  | 'updated'
  | 'unchanged'
  /** Of an import that had counted this channel before. */
  | 'duplicate'
  /** The same, and the import had counted the channel as unchanged. */
  | 'duplicate-updated'
  /** Refused, as the next three; nothing changed. */
  | 'too-many-tags'
  | 'too-many-topics'
  | 'too-many-vars'
  /** There was no URI and no registered channel that it could change. */
  | 'unknown-channel'

export interface Registered {
  readonly outcome: RegistrationOutcome
  /** The channel that had the URI before and lost it. */
  readonly movedFrom?: ChannelId
}

export interface RegisterOptions {
  readonly sharedUri?: SharedUriPolicy | undefined
  /** Registrations with the same id are one import, in which each channel counts once. */
  readonly importId?: string
}

/**
 * The channels of the apps. A channel keeps its ordinal forever: death or DELETE empties its URI and clears its bit in
 * `occupied`; a new registration of the same id revives the ordinal with its guard stamp and opt-outs.
 */
export class Registry {
  readonly #redis: RedisConnection
  readonly #keys: Keys

  constructor(redis: RedisConnection, keys: Keys) {
    this.#redis = redis
    this.#keys = keys
  }

  /**
   * Register channels, in order. A known id keeps the fields that are absent; null clears one. Without a URI a
   * registered channel changes; of another one the opt-outs alone are stored. The app must exist; throws the
   * Problem `not-found` once it is removed.
   */
  async register(
    app: AppId,
    registrations: readonly Registration[],
    { sharedUri = 'move', importId }: RegisterOptions = {},
  ): Promise<Registered[]> {
    const keys = [...this.#base(app), ...(importId === undefined ? [] : [this.#keys.temporary(app, importId)])]
    const results: Registered[] = []
    for (const chunk of inChunks(registrations, REGISTRATION_CHUNK)) {
      const args = chunk.flatMap((registration) => this.#argumentsOf(app, registration))
      const limits = [MAX_TAG_NAMES, sharedUri, IMPORT_SECONDS, MAX_OPT_OUT_TOPICS]
      const reply = await registerScript.run(this.#redis, keys, [...limits, ...args])
      if (reply === 'gone') throw new Problem('not-found', `app ${app} was removed`)
      results.push(...registeredIn(reply as readonly (string | number)[]))
    }
    return results
  }

  /** Forget what was marked for an import. */
  async endImport(app: AppId, importId: string): Promise<void> {
    await this.#redis.unlink(this.#keys.temporary(app, importId))
  }

  /** A registered channel as the API shows it: never its URI. Null when it is unknown or gone. */
  async get(app: AppId, channel: ChannelId): Promise<Channel | null> {
    const reply = (await this.#run(app, 'read', channel)) as readonly [string, number, number, string] | null
    if (reply === null) return null
    const { tags, locale, timeZone, registeredAtSeconds } = parseStoredChannel(reply[0])
    return {
      channel,
      tags: [...tags],
      ...(locale === '' ? {} : { locale }),
      ...(timeZone === '' ? {} : { timeZone }),
      ...(reply[1] === 1 ? { optedOut: true } : {}),
      ...(reply[3] === '' ? {} : { optedOutOf: reply[3].split(',') }),
      ...(reply[2] === 1 ? { rawGate: 'closed' } : {}),
      registeredAt: new Date(registeredAtSeconds * 1000).toISOString(),
    }
  }

  /** What a notification is filled in with for a channel; null when it is unknown or gone. */
  async recipient(
    app: AppId,
    channel: ChannelId,
  ): Promise<{ vars: Record<string, string>; locale: string; tags: readonly string[] } | null> {
    const ordinal = (await this.ordinalsOf(app, [channel])).get(channel)
    if (ordinal === undefined) return null
    const [page, slot] = [pageOf(ordinal), String(slotOf(ordinal))]
    const [value, vars] = await Promise.all([
      this.#redis.hget(this.#keys.uri(app, page), slot),
      this.#redis.hget(this.#keys.vars(app, page), slot),
    ])
    const { locale, tags } = parseStoredChannel(value ?? '')
    return { vars: vars === null ? {} : (JSON.parse(vars) as Record<string, string>), locale, tags }
  }

  /** Channels whose raw gate is closed. */
  closedRawGates(app: AppId): Promise<number> {
    return this.#redis.bitcount(this.#keys.gated(app))
  }

  /** The channel with an ordinal, without its URI. */
  async at(app: AppId, ordinal: Ordinal): Promise<{ channel: ChannelId; registeredAt: string; tags: string[] }> {
    const value = await this.#redis.hget(this.#keys.uri(app, pageOf(ordinal)), String(slotOf(ordinal)))
    const { id, registeredAtSeconds, tags } = parseStoredChannel(value ?? '')
    return { channel: id, registeredAt: new Date(registeredAtSeconds * 1000).toISOString(), tags: [...tags] }
  }

  /** How many channels last registered at least a number of seconds ago; see `channelAges`. */
  ages(app: AppId, agesSeconds: readonly number[]): Promise<number[]> {
    return channelAges(this.#redis, this.#keys, app, agesSeconds)
  }

  /** Remove the URI of a channel, with its tags, locale and variables. False when it is unknown or already gone. */
  async unregister(app: AppId, channel: ChannelId): Promise<boolean> {
    return (await this.#run(app, 'unregister', channel)) === 1
  }

  /** The device was active: its raw gate opens. False when there is no such channel. */
  async markActive(app: AppId, channel: ChannelId): Promise<boolean> {
    return (await this.#run(app, 'active', channel)) === 1
  }

  /**
   * Exclude a channel from every audience, or from the campaigns of one topic; or include it again. False for an id
   * that was never registered. Throws the Problem `invalid` when the topic would be one too many.
   */
  async setOptOut(app: AppId, channel: ChannelId, on: boolean, topic = ''): Promise<boolean> {
    const reply = await this.#run(app, on ? 'opt-out' : 'opt-in', channel, topic)
    if (reply === 'too-many-topics') throw new Problem('invalid', TOO_MANY_TOPICS)
    return reply === 1
  }

  /** A page of the registered channels, or of the channels that opted out. */
  list(app: AppId, filter: ListFilter): Promise<ChannelPage> {
    return channelPage(this.#redis, this.#keys, app, filter)
  }

  /** How many channels are registered. */
  count(app: AppId): Promise<number> {
    return this.#redis.bitcount(this.#keys.occupied(app))
  }

  /** Every registered channel with its URI and opt-outs, in the order of the ordinals; reads a few pages at a time. */
  async *exportChannels(app: AppId): AsyncGenerator<ExportLine> {
    const pages = pagesFor(Number((await this.#redis.get(this.#keys.next(app))) ?? 0))
    yield* exportPages(this.#redis, this.#keys, app, pages)
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

  /** The channels that have the slots of a page, or had them last: results name dead channels too. */
  async channelIds(app: AppId, page: number): Promise<Map<number, ChannelId>> {
    const fields = (await pageIdsScript.run(this.#redis, [this.#keys.uri(app, page)], [])) as string[]
    const ids = new Map<number, ChannelId>()
    for (let at = 0; at < fields.length; at += 2) ids.set(Number(fields[at]), unpackId(fields[at + 1] ?? ''))
    return ids
  }

  // With the base alone, a script could run on half of the app's keys while its slot moves.
  #base(app: AppId): readonly string[] {
    return [this.#keys.base(app), this.#keys.app(app)]
  }

  #run(app: AppId, action: string, channel: ChannelId, topic = ''): Promise<unknown> {
    const args = [action, packId(channel), this.#deviceSuffix(app, channel), topic, MAX_OPT_OUT_TOPICS]
    return channelScript.run(this.#redis, this.#base(app), args)
  }

  #argumentsOf(app: AppId, registration: Registration): string[] {
    const { channel, uri, tags, locale, vars, varsPatch, optedOut, optedOutOf, topicPatch, registeredAt, timeZone } =
      registration
    return [
      packId(channel),
      this.#deviceSuffix(app, channel),
      fieldFor(uri, ({ raw }) => packUri(raw)),
      fieldFor(locale, (text) => text),
      varsPatch === undefined
        ? fieldFor(vars, (values) => (Object.keys(values).length === 0 ? '' : JSON.stringify(values)))
        : `~${JSON.stringify(varsPatch)}`,
      fieldFor(tags, (names) => names.join(',')),
      optedOut === undefined ? KEEP : optedOut === true ? '1' : '0',
      topicPatch === undefined
        ? fieldFor(optedOutOf, (topics) => topics.join(','))
        : `${topicPatch.isOut ? '+' : '~'}${topicPatch.topic}`,
      registeredAt === undefined || registeredAt === null ? '' : String(Date.parse(registeredAt) / 1000),
      fieldFor(timeZone, (zone) => zone),
    ]
  }

  #deviceSuffix(app: AppId, channel: ChannelId): string {
    return this.#keys.device(app, channel).slice(this.#keys.base(app).length)
  }
}

export const TOO_MANY_TOPICS = `an app may have opt-outs of at most ${MAX_OPT_OUT_TOPICS} topics; use one that exists`

/** No locale, no JSON object and no list of tags is written like this. */
const KEEP = '*'

/** A field as the script takes it: absent keeps, null clears. */
function fieldFor<T>(value: T | null | undefined, textOf: (value: T) => string): string {
  if (value === undefined) return KEEP
  return value === null ? '' : textOf(value)
}

const outcomes: Readonly<Record<string, RegistrationOutcome>> = {
  c: 'created',
  u: 'updated',
  n: 'unchanged',
  d: 'duplicate',
  D: 'duplicate-updated',
  t: 'too-many-tags',
  o: 'too-many-topics',
  v: 'too-many-vars',
  m: 'unknown-channel',
}

function registeredIn([letters = '', ...moves]: readonly (string | number)[]): Registered[] {
  const results: Registered[] = Array.from(String(letters), (letter) => ({
    outcome: outcomes[letter] ?? 'unchanged',
  }))
  for (let at = 0; at < moves.length; at += 2) {
    const position = Number(moves[at])
    const result = results[position]
    if (result !== undefined) results[position] = { ...result, movedFrom: unpackId(String(moves[at + 1])) }
  }
  return results
}
