import type { RedisOptions } from 'ioredis'
import { Redis } from 'ioredis'

/** A connection that finds its primary through the Sentinels. */
type Follower = Pick<Redis, 'disconnect' | 'status' | 'once'>

/** A subscriber sends nothing, so only its pings show that the connection is half-open. */
const PING_MS = 5000
const SOCKET_TIMEOUT_MS = 7000

const watches = new Map<string, SentinelWatch>()

/**
 * Reconnects `follower` as soon as a Sentinel of its group reports a failover. All followers of a group in this process
 * share one connection to each Sentinel, which ends with the last of them.
 */
export function followFailovers(follower: Follower, options: RedisOptions): void {
  const { sentinels = [], name = '' } = options
  const key = JSON.stringify([sentinels, name])
  const watch = watches.get(key) ?? new SentinelWatch(options, () => watches.delete(key))
  watches.set(key, watch)
  watch.add(follower)
}

class SentinelWatch {
  readonly #followers = new Set<Follower>()
  readonly #connections: readonly Redis[]
  readonly #timer: NodeJS.Timeout
  readonly #onEmpty: () => void

  constructor({ sentinels = [], name = '', ...options }: RedisOptions, onEmpty: () => void) {
    this.#onEmpty = onEmpty
    this.#connections = sentinels.map(({ host = '127.0.0.1', port = 26_379 }) => {
      const connection = new Redis({
        host,
        port,
        connectionName: 'wns-fanout-failovers',
        disableClientInfo: true,
        // Both are asked for separately; a Sentinel has neither databases nor the users of Redis.
        ...(options.sentinelUsername ? { username: options.sentinelUsername } : {}),
        ...(options.sentinelPassword ? { password: options.sentinelPassword } : {}),
        ...(options.enableTLSForSentinelMode === true ? { tls: { ...options.sentinelTLS } } : {}),
        connectTimeout: 5000,
        socketTimeout: SOCKET_TIMEOUT_MS,
        keepAlive: 10_000,
        retryStrategy: () => 1000 + Math.random() * 1000,
        maxRetriesPerRequest: null,
        enableReadyCheck: false,
      })
      // The connections that look for the primary report the same trouble.
      connection.on('error', () => {})
      connection.on('message', (_channel: string, message: string) => {
        if (message.startsWith(`${name} `)) this.#reconnectAll()
      })
      // It is repeated by ioredis after each reconnect.
      connection.subscribe('+switch-master').catch(() => {})
      return connection
    })
    this.#timer = setInterval(() => this.#pingAll(), PING_MS)
    this.#timer.unref()
  }

  add(follower: Follower): void {
    this.#followers.add(follower)
    follower.once('end', () => {
      this.#followers.delete(follower)
      if (this.#followers.size > 0) return
      clearInterval(this.#timer)
      for (const connection of this.#connections) connection.disconnect()
      this.#onEmpty()
    })
  }

  #pingAll(): void {
    for (const connection of this.#connections) if (connection.status === 'ready') connection.ping().catch(() => {})
  }

  #reconnectAll(): void {
    for (const follower of this.#followers) if (follower.status === 'ready') follower.disconnect(true)
  }
}
