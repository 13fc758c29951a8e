import type { AppId, Stop } from '@wns-fanout/domain'
import { Problem } from '@wns-fanout/domain'
import type { AppStore } from './apps.ts'
import type { Keys } from './keys.ts'
import type { RedisConnection } from './redis.ts'

/**
 * The kill switch. A stopped app is paused for workers, which notice it within a second, and admits no campaign; its
 * schedules skip their occurrences. The stop of the installation marks every app, and holds for apps made later too.
 * Stops are independent of the pause of an app: after `resume` an app that was paused before is still paused.
 */
export class Stops {
  readonly #redis: RedisConnection
  readonly #keys: Keys
  readonly #apps: AppStore

  constructor(redis: RedisConnection, keys: Keys, apps: AppStore) {
    this.#redis = redis
    this.#keys = keys
    this.#apps = apps
  }

  /** False when there is no such app. A repeated stop keeps the first one. */
  async stopApp(app: AppId, by: string): Promise<boolean> {
    return this.#apps.stop(app, stopOf('app', by))
  }

  /** False when there is no such app. A stop of the installation stays. */
  async resumeApp(app: AppId): Promise<boolean> {
    return this.#apps.endStop(app, 'app')
  }

  /** @returns the number of apps */
  async stopAll(by: string): Promise<number> {
    const stop = stopOf('installation', by)
    // First, so that no app made meanwhile is left out.
    await this.#redis.set(this.#keys.stopped, JSON.stringify(stop), 'NX')
    return this.#each((app) => this.#apps.stop(app, stop))
  }

  /** @returns the number of apps */
  async resumeAll(): Promise<number> {
    await this.#redis.del(this.#keys.stopped)
    return this.#each((app) => this.#apps.endStop(app, 'installation'))
  }

  async #each(act: (app: AppId) => Promise<boolean>): Promise<number> {
    let count = 0
    for (const app of await this.#apps.list()) if (await act(app)) count += 1
    return count
  }
}

/** Throws the Problem `stopped` while a stop holds for an app. */
export async function rejectWhenStopped(redis: RedisConnection, keys: Keys, app: AppId): Promise<void> {
  const [ofAll, [ofApp]] = await Promise.all([redis.get(keys.stopped), redis.hmget(keys.app(app), 'stopped')])
  const text = ofAll ?? ofApp
  if (typeof text !== 'string') return
  const { at, by } = JSON.parse(text) as Stop
  const what = ofAll === null ? `app ${app}` : 'all apps'
  throw new Problem('stopped', `${what} were stopped at ${at} by the API key ${by}; resume-all ends the stop`)
}

function stopOf(scope: Stop['scope'], by: string): Stop {
  return { scope, at: new Date().toISOString(), by }
}
