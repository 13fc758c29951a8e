import { setTimeout as sleep } from 'node:timers/promises'
import type { AppId } from '@wns-fanout/domain'
import { Cluster } from 'ioredis'
import type { Keys } from './keys.ts'
import { redisNowMs } from './redis-clock.ts'
import type { RedisConnection } from './redis.ts'

export interface ReadyListenerOptions {
  /** Called with each app that is announced, for every announcement. */
  readonly onReady: (app: AppId) => void
  readonly onError: (error: unknown) => void
}

/** Shorter than the time after which a silent connection counts as broken. */
const BLOCK_MS = 5000
const RETRY_MS = 1000
const MAX_ENTRIES = 1000

/**
 * Hears which apps are announced as ready, on a connection of its own. It continues where it was when the connection
 * breaks, so it misses an announcement only if more than a thousand others follow meanwhile.
 */
export class ReadyListener {
  readonly #redis: RedisConnection
  readonly #keys: Keys
  readonly #options: ReadyListenerOptions
  readonly #stopping = new AbortController()
  #connection: RedisConnection | undefined
  #listening: Promise<void> | undefined

  /** @param redis is copied; a blocking command would hold up the others */
  constructor(redis: RedisConnection, keys: Keys, options: ReadyListenerOptions) {
    this.#redis = redis
    this.#keys = keys
    this.#options = options
  }

  /** Resolves when every announcement from now on will be heard. */
  async start(): Promise<void> {
    // Ids begin with the millisecond; what is announced within this one is heard.
    const from = `${(await redisNowMs(this.#redis)) - 1}-0`
    const connection = this.#redis instanceof Cluster ? this.#redis.duplicate() : this.#redis.duplicate()
    // The connection that it copies reports the same trouble.
    connection.on('error', () => {})
    this.#connection = connection
    this.#listening = this.#listen(connection, from)
  }

  /** May be called twice. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#connection?.disconnect()
    await this.#listening
  }

  async #listen(connection: RedisConnection, from: string): Promise<void> {
    const { signal } = this.#stopping
    let last = from
    while (!signal.aborted) {
      try {
        const key = this.#keys.readyAnnouncements
        const found = await connection.xread('COUNT', MAX_ENTRIES, 'BLOCK', BLOCK_MS, 'STREAMS', key, last)
        for (const [id, [, app]] of found?.[0]?.[1] ?? []) {
          last = id
          this.#options.onReady(app as AppId)
        }
      } catch (error) {
        if (signal.aborted) return
        this.#options.onError(error)
        await sleep(RETRY_MS, undefined, { signal }).catch(() => {})
      }
    }
  }
}
