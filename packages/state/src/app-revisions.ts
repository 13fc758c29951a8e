import type { AppId, AppSettings } from '@wns-fanout/domain'
import type { AppState, Breaker } from './apps.ts'
import type { Keys } from './keys.ts'
import type { RedisConnection } from './redis.ts'

/**
 * The part of an app that workers watch. `revision` changes with every change of the app, `identity` when its tokens
 * are those of another client.
 */
export interface AppRevision {
  readonly settings: AppSettings
  readonly state: AppState
  readonly breaker?: Breaker
  readonly identity: string
  readonly revision: number
}

export interface AppRevisionsOptions {
  /** Writes the copy of an app again from its record. */
  readonly publish: (app: AppId) => Promise<void>
  /** Called once for an app whose copy cannot be read; the other apps are not affected. */
  readonly onUnreadable: (app: AppId) => void
}

interface Copy {
  readonly text: string
  readonly revision: AppRevision
}

/** A process that does not count its changes, as an older version, is noticed after this time. */
const READ_AGAIN_MS = 5000

/** The copies of all apps in the hash `apps`, as workers watch them. */
export class AppRevisions {
  readonly #redis: RedisConnection
  readonly #keys: Keys
  readonly #options: AppRevisionsOptions
  readonly #unreadable = new Set<AppId>()
  #read: ReadonlyMap<AppId, Copy> = new Map()
  #last: { readonly changes: string | null; readonly atMs: number } | undefined

  constructor(redis: RedisConnection, keys: Keys, options: AppRevisionsOptions) {
    this.#redis = redis
    this.#keys = keys
    this.#options = options
  }

  /** Every app in one call. An app that did not change is the same object as before. Unreadable apps are left out. */
  async all(): Promise<Map<AppId, AppRevision>> {
    const found = new Map<AppId, Copy>()
    for (const [id, text] of Object.entries(await this.#redis.hgetall(this.#keys.apps))) {
      const app = id as AppId
      const known = this.#read.get(app)
      const revision = known?.text === text ? known.revision : parseRevision(app, text)
      if (revision === undefined) await this.#reportUnreadable(app)
      else {
        found.set(app, { text, revision })
        this.#unreadable.delete(app)
      }
    }
    this.#read = found
    return new Map([...found].map(([app, { revision }]) => [app, revision]))
  }

  /** Every app, or undefined if none changed since the last call. Cheap enough for several calls a second. */
  async changes(): Promise<Map<AppId, AppRevision> | undefined> {
    // Read before the apps: a change in between is found again in the next call.
    const changes = await this.#redis.get(this.#keys.appsRevision)
    const atMs = performance.now()
    if (this.#last?.changes === changes && atMs - this.#last.atMs < READ_AGAIN_MS) return undefined
    const apps = await this.all()
    this.#last = { changes, atMs }
    return apps
  }

  /** Count a change; called after it. */
  async count(): Promise<void> {
    await this.#redis.incr(this.#keys.appsRevision)
  }

  /** What was read is a copy: it is written again from the original, unless that cannot be read either. */
  async #reportUnreadable(app: AppId): Promise<void> {
    if (!this.#unreadable.has(app)) this.#options.onUnreadable(app)
    this.#unreadable.add(app)
    await this.#options.publish(app).catch(() => {})
  }
}

/** Undefined for a text that `AppStore` cannot have written. */
function parseRevision(app: AppId, text: string): AppRevision | undefined {
  try {
    const revision = JSON.parse(text) as Partial<AppRevision> | null
    return revision?.settings?.app === app && Number.isSafeInteger(revision.revision)
      ? (revision as AppRevision)
      : undefined
  } catch {
    return undefined
  }
}
