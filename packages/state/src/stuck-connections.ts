import type { RedisConnection } from './redis.ts'
import { waitForRedis } from './redis.ts'

export interface StuckConnectionsOptions {
  /** Opens another connection to the same Redis; it is closed after a few seconds. */
  readonly open: () => RedisConnection
  /** Time between two looks, in milliseconds; default 10 s. */
  readonly everyMs?: number
  /** How long a connection may leave a ping unanswered before it is compared, in milliseconds; default 60 s. */
  readonly patienceMs?: number
}

const COMPARE_MS = 5000
/** One success of another connection may be luck, as just before this one is back. */
const COMPARISONS = 3

/**
 * Finds a connection of the process that does not recover by itself: it leaves a ping unanswered for long although
 * another connection to the same Redis answers at once. A Redis that is away is no reason to restart, since its
 * connections recover.
 */
export class StuckConnections {
  readonly #options: Required<StuckConnectionsOptions>
  readonly #watched: Watched[] = []
  readonly #timer: NodeJS.Timeout

  constructor(options: StuckConnectionsOptions) {
    this.#options = { everyMs: 10_000, patienceMs: 60_000, ...options }
    this.#timer = setInterval(() => {
      for (const watched of this.#watched) watched.look()
    }, this.#options.everyMs)
  }

  /** Watch a connection that lives as long as the process. */
  add(connection: RedisConnection): void {
    this.#watched.push(new Watched(connection, this.#options))
  }

  /** Why the process has to be restarted, for people; undefined if it need not be. */
  get problem(): string | undefined {
    return this.#watched.map((watched) => watched.problem).find((problem) => problem !== undefined)
  }

  /** May be called twice. */
  stop(): void {
    clearInterval(this.#timer)
  }
}

class Watched {
  readonly #connection: RedisConnection
  readonly #options: Required<StuckConnectionsOptions>
  #answeredAtMs = performance.now()
  #isAsking = false
  #isComparing = false
  #betterOthers = 0

  constructor(connection: RedisConnection, options: Required<StuckConnectionsOptions>) {
    this.#connection = connection
    this.#options = options
  }

  get problem(): string | undefined {
    if (this.#connection.status === 'end') return 'the connection to Redis has ended and is not opened again'
    return this.#betterOthers < COMPARISONS
      ? undefined
      : 'Redis answers on a new connection but not on the one of this process'
  }

  look(): void {
    this.#ask()
    if (performance.now() - this.#answeredAtMs < this.#options.patienceMs || this.#isComparing) return
    this.#isComparing = true
    this.#compare()
      .then((isBetter) => {
        this.#betterOthers = isBetter ? this.#betterOthers + 1 : 0
      })
      .catch(() => {})
      .finally(() => {
        this.#isComparing = false
      })
  }

  // One ping at a time: those of a worker wait as long as Redis is away.
  #ask(): void {
    if (this.#isAsking) return
    this.#isAsking = true
    this.#connection
      .ping()
      .then(() => {
        this.#answeredAtMs = performance.now()
        this.#betterOthers = 0
      })
      .catch(() => {})
      .finally(() => {
        this.#isAsking = false
      })
  }

  async #compare(): Promise<boolean> {
    const since = this.#answeredAtMs
    const other = this.#options.open()
    try {
      const signal = AbortSignal.timeout(COMPARE_MS)
      await waitForRedis(other, { signal })
      await other.ping()
      return this.#answeredAtMs === since
    } catch {
      return false
    } finally {
      other.disconnect()
    }
  }
}
