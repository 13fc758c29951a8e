import { randomUUID } from 'node:crypto'
import type { Keys } from './keys.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'

const holdScript = loadScript('leader-hold')
const resignScript = loadScript('leader-resign')

/**
 * One process is the leader and does the work that is not to be done twice. For a moment there may be two leaders, if
 * one was stopped while its lease lapsed, so everything a leader does must be idempotent.
 */
export class Leader {
  readonly #redis: RedisConnection
  readonly #keys: Keys
  readonly #leaseMs: number
  readonly #nonce = randomUUID()

  /** @param leaseMs how long the lead lasts after the last `hold` */
  constructor(redis: RedisConnection, keys: Keys, leaseMs: number) {
    this.#redis = redis
    this.#keys = keys
    this.#leaseMs = leaseMs
  }

  /** Take or keep the lead; true for the leader. */
  async hold(): Promise<boolean> {
    return (await holdScript.run(this.#redis, [this.#keys.leader], [this.#nonce, this.#leaseMs])) === 1
  }

  /** Give up the lead, if held, so that another process does not wait for the lease to lapse. */
  async resign(): Promise<void> {
    await resignScript.run(this.#redis, [this.#keys.leader], [this.#nonce])
  }
}
