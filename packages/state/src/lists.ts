import { randomUUID } from 'node:crypto'
import type { AppId, ChannelId, ListName } from '@wns-fanout/domain'
import type { Keys } from './keys.ts'
import { markChannels, MARKING_CHUNK, TEMPORARY_SECONDS } from './marking.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'

const putScript = loadScript('list-put')

export const LIST_DAYS = 30
const LIST_SECONDS = LIST_DAYS * 86_400

export interface ListSummary {
  /** Different registered channels when it was uploaded. */
  readonly size: number
  /** Lines whose id no registered channel had. */
  readonly unknown: number
}

/** Uploaded lists of channels: bitmaps over ordinals, kept 30 days from the upload. */
export class Lists {
  readonly #redis: RedisConnection
  readonly #keys: Keys

  constructor(redis: RedisConnection, keys: Keys) {
    this.#redis = redis
    this.#keys = keys
  }

  /** Replace a list by what `ids` brings. Until the last id is read, the old list stays in force. */
  async put(app: AppId, list: ListName, ids: AsyncIterable<ChannelId> | Iterable<ChannelId>): Promise<ListSummary> {
    const draft = this.#keys.temporary(app, randomUUID())
    // An empty list is a list too, and Redis keeps no empty bitmap unless it is written.
    await this.#redis.set(draft, '', 'EX', TEMPORARY_SECONDS)
    let unknown = 0
    let chunk: ChannelId[] = []
    for await (const id of ids) {
      chunk.push(id)
      if (chunk.length < MARKING_CHUNK) continue
      unknown += await markChannels(this.#redis, this.#keys, app, draft, chunk)
      chunk = []
    }
    unknown += await markChannels(this.#redis, this.#keys, app, draft, chunk)
    const [key, info] = [this.#keys.list(app, list), this.#keys.listInfo(app, list)]
    const size = await putScript.run(this.#redis, [draft, key, info], [LIST_SECONDS, unknown, Date.now()])
    return { size: Number(size), unknown }
  }

  /** Null when there is no such list, or no longer. */
  async get(app: AppId, list: ListName): Promise<ListSummary | null> {
    const unknown = await this.#redis.hget(this.#keys.listInfo(app, list), 'unknown')
    if (unknown === null) return null
    return { size: await this.#redis.bitcount(this.#keys.list(app, list)), unknown: Number(unknown) }
  }

  /** False when there was none. */
  async delete(app: AppId, list: ListName): Promise<boolean> {
    return (await this.#redis.unlink(this.#keys.list(app, list), this.#keys.listInfo(app, list))) > 0
  }
}
