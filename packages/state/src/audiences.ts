import { randomUUID } from 'node:crypto'
import type { AppId, Audience, AudienceFilters, ChannelId, TagExpression } from '@wns-fanout/domain'
import { parseTagExpression, Problem } from '@wns-fanout/domain'
import type { Keys } from './keys.ts'
import { markChannels, TEMPORARY_SECONDS } from './marking.ts'
import type { RedisConnection } from './redis.ts'
import { markRegistered } from './registered-between.ts'
import type { Sample } from './sample.ts'
import { thinOut } from './sample.ts'
import { loadScript } from './scripts.ts'

const audienceScript = loadScript('audience')
const storeScript = loadScript('audience-store')

/** A finished bitmap over the ordinals of the app, for example of a campaign's failed recipients. */
export interface BitmapAudience {
  readonly bitmapKey: string
}

/** An audience without the channels of a bitmap over the ordinals of the app. */
export interface AudienceExcept {
  readonly of: EvaluableAudience
  readonly exceptKey: string
}

type NamedAudience = Exclude<Audience, { failedOf: string } | { restOf: string }>

/** The audiences that can be evaluated here. Those that come from an earlier campaign become bitmaps first. */
export type EvaluableAudience = NamedAudience | BitmapAudience | AudienceExcept

export interface Frozen {
  /** Recipients. If it is 0, there is no bitmap. */
  readonly size: number
  /** For an audience of channel ids: how many ids have no registered channel. */
  readonly unknownChannels?: number
  /** Channels left out because they opted out in general, counted before the sample; absent if there are none. */
  readonly optedOut?: number
  /** Other channels left out because they opted out of the topic; likewise. */
  readonly optedOutOfTopic?: number
}

/** An audience that was evaluated once: its bitmap is at `key` for an hour, or until it is removed. */
export interface Evaluated extends Frozen {
  readonly key: string
  /** Recipients without the sample. */
  readonly beforeSample: number
}

export interface Bitmap {
  readonly bits: Buffer
}

export interface FreezeOptions {
  readonly sample?: Sample | undefined
  /** Exclude channels that opted out; default true. */
  readonly exceptOptOut?: boolean
  /** Exclude channels that opted out of this topic too. */
  readonly topic?: string | undefined
}

interface Program {
  readonly words: readonly string[]
  readonly unknownChannels?: number
  /** Removed once the program has run. */
  readonly temporaryKeys?: readonly string[]
}

const CHUNK_BYTES = 65_536

/** Turns audiences into bitmaps over ordinals. */
export class Audiences {
  readonly #redis: RedisConnection
  readonly #keys: Keys

  constructor(redis: RedisConnection, keys: Keys) {
    this.#redis = redis
    this.#keys = keys
  }

  /**
   * Evaluate an audience now and store it at `destination`, a key of the same app without expiry, which is replaced.
   * Only registered channels count; a tag without channels is an empty audience. May be repeated after a crash.
   * Throws the Problem `not-found` for a list that does not exist.
   */
  async freeze(
    app: AppId,
    audience: EvaluableAudience,
    destination: string,
    options: FreezeOptions = {},
  ): Promise<Frozen> {
    if (!isSampled(options)) return this.#run(app, audience, destination, '', options)
    const { key, beforeSample: _, ...frozen } = await this.evaluate(app, audience, options)
    if (frozen.size === 0) await this.#redis.unlink(key, destination)
    else await storeScript.run(this.#redis, [key, destination], [])
    return frozen
  }

  /** Evaluate an audience now, for several uses. Without recipients there may be no bitmap. */
  async evaluate(app: AppId, audience: EvaluableAudience, options: FreezeOptions = {}): Promise<Evaluated> {
    const { sample } = options
    const key = this.#keys.temporary(app, randomUUID())
    const evaluated = await this.#run(app, audience, key, String(TEMPORARY_SECONDS), options)
    const beforeSample = evaluated.size
    if (sample === undefined || !isSampled(options)) return { ...evaluated, beforeSample, key }
    return { ...evaluated, size: await this.#thinOut(key, sample), beforeSample, key }
  }

  /** The bitmap at the key of an evaluated audience. */
  async read(key: string): Promise<Buffer> {
    const pieces: Buffer[] = []
    const length = await this.#redis.strlen(key)
    for (let at = 0; at < length; at += CHUNK_BYTES)
      pieces.push(await this.#redis.getrangeBuffer(key, at, at + CHUNK_BYTES - 1))
    return Buffer.concat(pieces)
  }

  /** The recipients that an audience has now, as a bitmap over ordinals. Stores nothing. */
  async bitmap(app: AppId, audience: EvaluableAudience, options: FreezeOptions = {}): Promise<Frozen & Bitmap> {
    const { key, beforeSample: _, ...frozen } = await this.evaluate(app, audience, options)
    const bits = await this.read(key)
    await this.#redis.unlink(key)
    return { ...frozen, bits }
  }

  /** How many recipients an audience has now. */
  async count(app: AppId, audience: EvaluableAudience, options: FreezeOptions = {}): Promise<Frozen> {
    if (!isSampled(options)) return this.#run(app, audience, this.#keys.temporary(app, randomUUID()), '0', options)
    const { key, beforeSample: _, ...frozen } = await this.evaluate(app, audience, options)
    await this.#redis.unlink(key)
    return frozen
  }

  /** The tags of an app, at most 1,000. */
  async tags(app: AppId): Promise<string[]> {
    return (await this.#redis.smembers(this.#keys.tags(app))).toSorted()
  }

  async #run(
    app: AppId,
    audience: EvaluableAudience,
    destination: string,
    ttlSeconds: string,
    { exceptOptOut = true, topic = '' }: FreezeOptions,
  ): Promise<Frozen> {
    const { words, unknownChannels, temporaryKeys = [] } = await this.#program(app, audience)
    const args = [exceptOptOut ? '1' : '0', ttlSeconds, topic, ...words]
    const reply = await audienceScript.run(this.#redis, [this.#keys.base(app), destination], args)
    const [size = 0, optedOut = 0, optedOutOfTopic = 0] = reply as readonly number[]
    if (temporaryKeys.length > 0) await this.#redis.unlink(...temporaryKeys)
    return {
      size,
      ...(unknownChannels === undefined ? {} : { unknownChannels }),
      ...(optedOut === 0 ? {} : { optedOut }),
      ...(optedOutOfTopic === 0 ? {} : { optedOutOfTopic }),
    }
  }

  /** The words that the script reads, in postfix order. */
  async #program(app: AppId, audience: EvaluableAudience): Promise<Program> {
    if ('of' in audience) {
      const { words, ...rest } = await this.#program(app, audience.of)
      return { words: [...words, `b${audience.exceptKey}`, 'not', 'and'], ...rest }
    }
    if ('bitmapKey' in audience) return { words: [`b${audience.bitmapKey}`] }
    const source = await this.#source(app, audience)
    const filter = await this.#filter(app, audience)
    return {
      ...source,
      words: [...source.words, ...filter.words],
      temporaryKeys: [...(source.temporaryKeys ?? []), ...(filter.temporaryKeys ?? [])],
    }
  }

  /** The channels that an audience names, or all of the app. */
  async #source(app: AppId, audience: NamedAudience): Promise<Program> {
    if ('tags' in audience) return { words: postfix(parsed(audience.tags)) }
    if ('list' in audience) {
      const list = this.#keys.list(app, audience.list)
      if ((await this.#redis.exists(this.#keys.listInfo(app, audience.list))) === 0)
        throw new Problem(
          'not-found',
          `there is no list ${audience.list} in app ${app}; upload it first (kept 30 days)`,
        )
      return { words: [`b${list}`] }
    }
    if (!('channels' in audience)) return { words: ['all'] }
    const temporaryKey = this.#keys.temporary(app, randomUUID())
    const ids = [...new Set(audience.channels)] as ChannelId[]
    const unknownChannels = await markChannels(this.#redis, this.#keys, app, temporaryKey, ids)
    return { words: [`b${temporaryKey}`], unknownChannels, temporaryKeys: [temporaryKey] }
  }

  /** Words that narrow the audience on the stack. */
  async #filter(app: AppId, { gate, ...times }: AudienceFilters): Promise<Program> {
    const isOpen = gate === undefined ? [] : [`b${this.#keys.gated(app)}`, 'not', 'and']
    if ((times.registeredAfter ?? times.registeredBefore) === undefined) return { words: isOpen }
    const temporaryKey = this.#keys.temporary(app, randomUUID())
    await markRegistered(this.#redis, this.#keys, app, temporaryKey, times)
    return { words: [`b${temporaryKey}`, 'and', ...isOpen], temporaryKeys: [temporaryKey] }
  }

  /** Read, thin out and write back in chunks: 64 kB hold half a million ordinals. */
  async #thinOut(bitmap: string, sample: Sample): Promise<number> {
    const length = await this.#redis.strlen(bitmap)
    let size = 0
    for (let at = 0; at < length; at += CHUNK_BYTES) {
      const piece = await this.#redis.getrangeBuffer(bitmap, at, at + CHUNK_BYTES - 1)
      size += thinOut(piece, at * 8, sample)
      await this.#redis.setrange(bitmap, at, piece)
    }
    return size
  }
}

function isSampled({ sample }: FreezeOptions): boolean {
  return sample !== undefined && sample.share < 1
}

function parsed(text: string): TagExpression {
  const result = parseTagExpression(text)
  if (!result.ok) throw new Problem('invalid', result.detail)
  return result.expression
}

/** The expression with operators after their operands, as the script reads it. */
function postfix(expression: TagExpression): string[] {
  switch (expression.kind) {
    case 'tag':
      return [`t${expression.tag}`]
    case 'not':
      return [...postfix(expression.of), 'not']
    case 'and':
    case 'or':
      return [...postfix(expression.left), ...postfix(expression.right), expression.kind]
    default:
      return expression satisfies never
  }
}
