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
  readonly #id: string

  /**
   * @param leaseMs how long the lead lasts after the last `hold`
   * @param id of the process
   */
  constructor(redis: RedisConnection, keys: Keys, leaseMs: number, id: string) {
    this.#redis = redis
    this.#keys = keys
    this.#leaseMs = leaseMs
    this.#id = id
  }

  /** Take or keep the lead; true for the leader. */
  async hold(): Promise<boolean> {
    return (await holdScript.run(this.#redis, [this.#keys.leader], [this.#id, this.#leaseMs])) === 1
  }

  /** Give up the lead, if held, so that another process does not wait for the lease to lapse. */
  async resign(): Promise<void> {
    await this.depose(this.#id)
  }

  /** End the lead of a dead process; without effect if another one leads. */
  async depose(id: string): Promise<void> {
    await resignScript.run(this.#redis, [this.#keys.leader], [id])
  }
}
