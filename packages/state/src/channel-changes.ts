import type { AppId, ChannelId } from '@wns-fanout/domain'
import { MAX_TAGS_PER_CHANNEL, ordinalsIn, popcount, Problem } from '@wns-fanout/domain'
import type { Keys } from './keys.ts'
import { markChannels, TEMPORARY_SECONDS } from './marking.ts'
import type { RedisConnection } from './redis.ts'
import { MAX_OPT_OUT_TOPICS, MAX_TAG_NAMES, REGISTRATION_CHUNK, TOO_MANY_TOPICS } from './registry.ts'
import { loadScript } from './scripts.ts'

const changeScript = loadScript('change-channels')

/** One change of many channels. */
export type ChannelChange =
  | { readonly kind: 'tag' | 'untag'; readonly tags: readonly string[] }
  /** Channels whose URI came in the second `keptFromSecond` or later stay. */
  | { readonly kind: 'delete'; readonly keptFromSecond?: number }
  /** Of one topic, or in general. */
  | { readonly kind: 'opt-out' | 'opt-in'; readonly topic?: string | undefined }
  | { readonly kind: 'activate' }

export interface ChangeCounts {
  readonly updated: number
  readonly unchanged: number
  /** They would have too many tags. */
  readonly refused: number
}

/** What an import that consists of several uploads has not brought. */
export interface Missing {
  readonly bits: Buffer
  readonly missing: number
  readonly registered: number
  /** The Redis second in which the import began. */
  readonly startedSecond: number
  /** Lines of the import whose id could not be read. */
  readonly unreadable: number
}

const CHUNK_BYTES = 65_536
// Without these marks a channel of a rejected line would seem to be missing, so they outlive the import's begin.
const KEPT_SECONDS = 86_400

/** Changes many channels of an app at once, as bitmaps over ordinals. */
export class ChannelChanges {
  readonly #redis: RedisConnection
  readonly #keys: Keys

  constructor(redis: RedisConnection, keys: Keys) {
    this.#redis = redis
    this.#keys = keys
  }

  /**
   * Change the registered channels whose bits are set, 500 at a time; safe to repeat. Throws the Problem `not-found`
   * once the app is removed and `invalid` for tags that would be too many names.
   *
   * @param onProgress called with the number of channels done
   */
  async apply(
    app: AppId,
    bits: Buffer,
    change: ChannelChange,
    onProgress: (done: number) => void = () => {},
  ): Promise<ChangeCounts> {
    const counts = { updated: 0, unchanged: 0, refused: 0 }
    let done = 0
    for (const chunk of runsOf(ordinalsIn(bits, 0))) {
      const limits = [MAX_TAG_NAMES, MAX_TAGS_PER_CHANNEL, MAX_OPT_OUT_TOPICS]
      const args = [change.kind, parameterOf(change), ...limits, ...chunk]
      const reply = await changeScript.run(this.#redis, [this.#keys.base(app), this.#keys.app(app)], args)
      if (reply === 'gone') throw new Problem('not-found', `app ${app} was removed`)
      if (reply === 'too-many-tags')
        throw new Problem('invalid', `an app may have at most ${MAX_TAG_NAMES} tag names; use one that exists`)
      if (reply === 'too-many-topics') throw new Problem('invalid', TOO_MANY_TOPICS)
      const [updated = 0, unchanged = 0, refused = 0] = reply as readonly number[]
      counts.updated += updated
      counts.unchanged += unchanged
      counts.refused += refused
      done += chunk.length
      onProgress(done)
    }
    return counts
  }

  /** The registered ones among `ids` as a bitmap, and how many ids are not registered. */
  async bitsOf(
    app: AppId,
    ids: AsyncIterable<ChannelId> | Iterable<ChannelId>,
    draft: string,
  ): Promise<{ readonly bits: Buffer; readonly unknown: number }> {
    const key = this.#keys.temporary(app, draft)
    let unknown = 0
    let chunk: ChannelId[] = []
    for await (const id of ids) {
      chunk.push(id)
      if (chunk.length < REGISTRATION_CHUNK) continue
      unknown += await markChannels(this.#redis, this.#keys, app, key, chunk)
      chunk = []
    }
    unknown += await markChannels(this.#redis, this.#keys, app, key, chunk)
    const bits = await this.#read(key)
    await this.#redis.unlink(key)
    return { bits, unknown }
  }

  /** Note the begin of an import that consists of several uploads; repeats change nothing but its lifetime. */
  async beginImport(app: AppId, importId: string): Promise<void> {
    const key = this.#keys.temporary(app, `${importId}:started`)
    const [second] = await this.#redis.time()
    await this.#redis.set(key, String(second), 'EX', TEMPORARY_SECONDS, 'NX')
    await this.#redis.expire(key, TEMPORARY_SECONDS)
    for (const name of ['kept', 'unreadable'])
      await this.#redis.expire(this.#keys.temporary(app, `${importId}:${name}`), KEPT_SECONDS)
  }

  /**
   * Channels whose lines an import refused are in the file all the same, so they are not missing. Returns how many of
   * them are not registered.
   */
  async keep(app: AppId, importId: string, ids: readonly ChannelId[], unreadable: number): Promise<number> {
    if (unreadable > 0) {
      const key = this.#keys.temporary(app, `${importId}:unreadable`)
      await this.#redis.incrby(key, unreadable)
      await this.#redis.expire(key, KEPT_SECONDS)
    }
    if (ids.length === 0) return 0
    const key = this.#keys.temporary(app, `${importId}:kept`)
    const unknown = await markChannels(this.#redis, this.#keys, app, key, ids)
    await this.#redis.expire(key, KEPT_SECONDS)
    return unknown
  }

  /** The registered channels that no line of an import named; null when there is no such import, or no longer. */
  async missing(app: AppId, importId: string): Promise<Missing | null> {
    const temporary = (name: string) => this.#keys.temporary(app, name)
    const [started, unreadable] = await Promise.all([
      this.#redis.get(temporary(`${importId}:started`)),
      this.#redis.get(temporary(`${importId}:unreadable`)),
    ])
    if (started === null) return null
    const bits = await this.#read(this.#keys.occupied(app))
    const registered = popcount(bits)
    const [counted, kept] = await Promise.all([
      this.#read(temporary(importId)),
      this.#read(temporary(`${importId}:kept`)),
    ])
    // `counted` has two bits for each ordinal, of which the first is "counted".
    for (const double of ordinalsIn(counted, 0)) if (double % 2 === 0) clearBit(bits, double / 2)
    for (const ordinal of ordinalsIn(kept, 0)) clearBit(bits, ordinal)
    return {
      bits,
      missing: popcount(bits),
      registered,
      startedSecond: Number(started),
      unreadable: Number(unreadable ?? 0),
    }
  }

  async #read(key: string): Promise<Buffer> {
    const pieces: Buffer[] = []
    const length = await this.#redis.strlen(key)
    for (let at = 0; at < length; at += CHUNK_BYTES)
      pieces.push(await this.#redis.getrangeBuffer(key, at, at + CHUNK_BYTES - 1))
    return Buffer.concat(pieces)
  }
}

function parameterOf(change: ChannelChange): string | number {
  if ('tags' in change) return change.tags.join(',')
  return ('keptFromSecond' in change ? change.keptFromSecond : 'topic' in change ? change.topic : '') ?? ''
}

/** An array of all ordinals would take more memory than their bitmap by far. */
function* runsOf(ordinals: Iterable<number>): Generator<readonly number[]> {
  let run: number[] = []
  for (const ordinal of ordinals) {
    run.push(ordinal)
    if (run.length < REGISTRATION_CHUNK) continue
    yield run
    run = []
  }
  if (run.length > 0) yield run
}

function clearBit(bits: Buffer, ordinal: number): void {
  const at = ordinal >> 3
  if (at < bits.length) bits[at] = (bits[at] ?? 0) & ~(0x80 >> (ordinal & 7))
}
