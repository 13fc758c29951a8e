import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'

const renewLease = loadScript('token-renew-lease')

/** Renewals within the lifetime of a lease. */
const RENEWALS = 4

/**
 * Keeps the lease of a process that requests a token, until it is stopped. The lease is `lost` when another process has
 * it, after this process was frozen, or when Redis was not reached for the lifetime of the lease.
 */
export class TokenLease {
  readonly #redis: RedisConnection
  readonly #key: string
  readonly #nonce: string
  readonly #leaseMs: number
  readonly #onError: (error: unknown) => void
  readonly #lost = new AbortController()
  readonly #timer: NodeJS.Timeout
  #renewedAt = performance.now()
  #isRenewing = false

  /** @param nonce the nonce under which the lease was taken */
  constructor(redis: RedisConnection, key: string, nonce: string, leaseMs: number, onError: (error: unknown) => void) {
    this.#redis = redis
    this.#key = key
    this.#nonce = nonce
    this.#leaseMs = leaseMs
    this.#onError = onError
    this.#timer = setInterval(() => this.#check(), leaseMs / RENEWALS)
  }

  get lost(): AbortSignal {
    return this.#lost.signal
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #check(): void {
    if (performance.now() - this.#renewedAt > this.#leaseMs) this.#lost.abort()
    if (this.#isRenewing || this.#lost.signal.aborted) return
    this.#isRenewing = true
    void this.#renew().finally(() => {
      this.#isRenewing = false
    })
  }

  async #renew(): Promise<void> {
    const sentAt = performance.now()
    try {
      const isOurs = await renewLease.run(this.#redis, [this.#key], [this.#nonce, this.#leaseMs])
      if (isOurs === 1) this.#renewedAt = sentAt
      else this.#lost.abort()
    } catch (error) {
      this.#onError(error)
    }
  }
}
