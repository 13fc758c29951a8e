import type { AppId } from '@wns-fanout/domain'
import { appsThat } from './apps-that.ts'
import type { Keys } from './keys.ts'
import type { RedisConnection } from './redis.ts'

/** A process that does not count its changes, as an older version, is noticed after this time. */
const READ_AGAIN_MS = 60_000

/** The apps that have schedules, which are few among many: all are asked only after a schedule was put. */
export class ScheduledApps {
  readonly #redis: RedisConnection
  readonly #keys: Keys
  #scheduled: ReadonlySet<AppId> = new Set()
  #asked: ReadonlySet<AppId> = new Set()
  #last: { readonly changes: string | null; readonly atMs: number } | undefined

  constructor(redis: RedisConnection, keys: Keys) {
    this.#redis = redis
    this.#keys = keys
  }

  /** Those of `apps` that have schedules. */
  async among(apps: readonly AppId[]): Promise<AppId[]> {
    // Read before the schedules: a change in between is found again in the next call.
    const changes = await this.#redis.get(this.#keys.schedulesRevision)
    const atMs = performance.now()
    const isFresh = this.#last?.changes === changes && atMs - this.#last.atMs < READ_AGAIN_MS
    if (!isFresh || apps.some((app) => !this.#asked.has(app))) {
      const has = async (app: AppId) => (await this.#redis.exists(this.#keys.schedules(app))) > 0
      this.#scheduled = new Set(await appsThat(apps, has))
      this.#asked = new Set(apps)
      this.#last = { changes, atMs }
    }
    return apps.filter((app) => this.#scheduled.has(app))
  }

  /** Count a change; called after it. */
  async count(): Promise<void> {
    await this.#redis.incr(this.#keys.schedulesRevision)
  }
}
