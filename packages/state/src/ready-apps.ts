import type { AppId } from '@wns-fanout/domain'
import type { Keys } from './keys.ts'
import type { RedisConnection } from './redis.ts'

/** Announcements that a worker may fall behind; it finds older ones in the sorted set. */
const MAX_ANNOUNCEMENTS = 1000

/**
 * The apps whose queues have jobs, so that a worker serves these and no others. A sorted set has each with the time at
 * which a worker is needed: 0 for now, else milliseconds. A stream wakes the workers, which read it with one blocking
 * command for all apps. The set is the truth: workers look at it twice a second, so an announcement that is lost costs
 * that time.
 *
 * An entry is written after the jobs it announces, which are in the slot of the app. The leader writes the entries of
 * all campaigns again every few seconds, in case a process died between the two.
 */
export class ReadyApps {
  readonly #redis: RedisConnection
  readonly #keys: Keys

  constructor(redis: RedisConnection, keys: Keys) {
    this.#redis = redis
    this.#keys = keys
  }

  /** The queue of the app has a job for a worker: wake the workers that wait for one. */
  async announce(app: AppId, atMs = 0): Promise<void> {
    // The entry is sent first, so a worker that is woken finds it.
    await Promise.all([
      this.note(app, atMs),
      this.#redis.xadd(this.#keys.readyAnnouncements, 'MAXLEN', '~', MAX_ANNOUNCEMENTS, '*', 'app', app),
    ])
  }

  /** The queue of the app needs a worker at this time, or earlier if it is noted so. Wakes no worker. */
  async note(app: AppId, atMs: number): Promise<void> {
    await this.#redis.zadd(this.#keys.ready, 'LT', atMs, app)
  }

  /** The apps that need a worker until then. */
  async until(ms: number): Promise<AppId[]> {
    return (await this.#redis.zrangebyscore(this.#keys.ready, '-inf', ms)) as AppId[]
  }

  async all(): Promise<AppId[]> {
    return (await this.#redis.zrange(this.#keys.ready, 0, '-1')) as AppId[]
  }

  async forget(...apps: AppId[]): Promise<void> {
    if (apps.length > 0) await this.#redis.zrem(this.#keys.ready, ...apps)
  }
}
