import type { Keys, RedisConnection } from '@wns-fanout/state'
import type { BackendFactory, QueueBaseOptions } from 'bullmq'
import { RedisConnection as BullConnection, ConnectionClosedError, QueueKeys, RedisQueueBackend } from 'bullmq'

/**
 * The connection of a process that all its queues share. Left to itself, BullMQ adds listeners to the connection for
 * each queue, and opens a blocking connection for each worker.
 */
export class QueueConnection {
  readonly redis: RedisConnection
  readonly keys: Keys
  readonly #shared: BullConnection

  constructor(redis: RedisConnection, keys: Keys) {
    this.redis = redis
    this.keys = keys
    this.#shared = new BullConnection(redis, { shared: true, blocking: false, skipVersionCheck: true })
    // The owner of the connection reports its errors.
    this.#shared.on('error', () => {})
  }

  /** For a queue, or for a worker that is woken by `WakeableBackend.wake`. */
  readonly backend: BackendFactory<WakeableBackend> = (name, options) =>
    new WakeableBackend(this.#shared, name, options)

  /** Leaves the connection to Redis open. */
  async close(): Promise<void> {
    await this.#shared.close()
  }
}

/**
 * A queue in Redis on a connection that it shares. A worker on it blocks no connection while it waits for a job: it
 * fetches when it is woken, when a delayed job is due, and every few seconds.
 */
export class WakeableBackend extends RedisQueueBackend {
  #wait: { readonly end: () => void; readonly interrupt: () => void } | undefined
  #isWoken = false
  #isHeld = false

  constructor(connection: BullConnection, name: string, options: QueueBaseOptions & { readonly prefix?: string }) {
    const queueKeys = new QueueKeys(options.prefix)
    const toKey = (type: string): string => queueKeys.toKey(name, type)
    super(connection, name, queueKeys.getKeys(name), toKey, options, undefined, false)
  }

  /** There may be a job. Without effect on a worker that is just fetching one, except that it fetches once more. */
  wake(): void {
    this.#isWoken = true
    if (!this.#isHeld) this.#wait?.end()
  }

  /**
   * Keep the worker from fetching, until `release`.
   *
   * @returns false if it does not wait for a job, or was woken: then nothing changes
   */
  hold(): boolean {
    if (this.#wait === undefined || this.#isWoken) return false
    this.#isHeld = true
    return true
  }

  /** Fetch again after `hold`. */
  release(): void {
    this.#isHeld = false
    this.wake()
  }

  override async waitForJob(seconds: number): Promise<null> {
    try {
      if (!this.#isWoken) await this.#waited(seconds * 1000)
      return null
    } finally {
      this.#isWoken = false
      this.#wait = undefined
    }
  }

  /** BullMQ calls it when the worker closes. */
  override async disconnectBlocking(): Promise<void> {
    this.#wait?.interrupt()
  }

  override async reconnectBlocking(): Promise<void> {}

  async #waited(ms: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = setTimeout(() => this.wake(), ms)
    // As when a blocking command is cut off: a worker that closes must not fetch.
    this.#wait = { end: resolve, interrupt: () => reject(new ConnectionClosedError('the worker closes')) }
    try {
      await promise
    } finally {
      clearTimeout(timer)
    }
  }
}
