import { randomUUID } from 'node:crypto'
import type { Keys } from './keys.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'

const holdScript = loadScript('leader-hold')
const resignScript = loadScript('leader-resign')

/**
 * One process of all leads: it does what need not be done twice. Two may believe so for a moment, when the lease of one
 * lapsed while it was stopped, so whatever a leader does must bear repetition.
 */
export class Leader {
  readonly #redis: RedisConnection
  readonly #keys: Keys
  readonly #leaseMs: number
  readonly #nonce = randomUUID()

  /** @param leaseMs for how long the lead lasts without being held again */
  constructor(redis: RedisConnection, keys: Keys, leaseMs: number) {
    this.#redis = redis
    this.#keys = keys
    this.#leaseMs = leaseMs
  }

  /** Take or keep the lead; true for the leader. */
  async hold(): Promise<boolean> {
    return (await holdScript.run(this.#redis, [this.#keys.leader], [this.#nonce, this.#leaseMs])) === 1
  }

  /** Give up the lead, if held, so that another process need not wait for the lease to lapse. */
  async resign(): Promise<void> {
    await resignScript.run(this.#redis, [this.#keys.leader], [this.#nonce])
  }
}
