import { createHash } from 'node:crypto'
import type { App, AppId, AppPatch, AppRequest, AppSettings, Stop } from '@wns-fanout/domain'
import { appSettings, patchedSettings, Problem } from '@wns-fanout/domain'
import type { RevealedCredentials, StoredCredentials } from './app-credentials.ts'
import { AppCredentials, identityOf, viewOf } from './app-credentials.ts'
import type { AppRevision } from './app-revisions.ts'
import { AppRevisions } from './app-revisions.ts'
import { deleteByPrefix } from './delete-by-prefix.ts'
import type { Keyring } from './keyring.ts'
import type { Keys } from './keys.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'
import type { SecretPlaces } from './secret-references.ts'

const putScript = loadScript('app-put')
const setFields = loadScript('app-set')
const patchScript = loadScript('app-patch')
const changeBreaker = loadScript('app-breaker')

export type AppState = 'active' | 'paused'

/** Why an app does not send: the token service refuses (`credentials`, `token`) or WNS does too often (`answers`). */
export interface Breaker {
  readonly kind: 'credentials' | 'token' | 'answers'
  readonly reason: string
  /** ISO 8601. */
  readonly since: string
}

export interface AppRecord {
  readonly settings: AppSettings
  /** `paused` while it is stopped, too. */
  readonly state: AppState
  readonly stopped?: Stop
  /** As the API shows them: of a secret only that it is set. */
  readonly credentials: App['credentials']
  readonly breaker?: Breaker
  /** Changes with the settings and the credentials. */
  readonly etag: string
  /** The id of the API key that made it; absent for one that was made before keys were recorded. */
  readonly createdBy?: string
}

export interface AppStoreOptions {
  /** Where secrets by reference are read; by default an app may refer to nothing. */
  readonly secrets?: SecretPlaces
  /** Called once for an app whose stored record cannot be read; the other apps are not affected. */
  readonly onUnreadable?: (app: AppId) => void
}

/**
 * The apps. `{a}:app` is the original; the hash `apps`, in another slot, has a copy without secrets for workers, which
 * watch all apps. The copy is written after the original and has its revision, so that a writer notices when another
 * one was faster, and writes again.
 */
export class AppStore {
  readonly #redis: RedisConnection
  readonly #keys: Keys
  readonly #credentials: AppCredentials
  readonly #revisions: AppRevisions

  constructor(redis: RedisConnection, keys: Keys, keyring: Keyring, options: AppStoreOptions = {}) {
    this.#redis = redis
    this.#keys = keys
    this.#credentials = new AppCredentials(keyring, options.secrets ?? { env: {} })
    this.#revisions = new AppRevisions(redis, keys, {
      publish: (app) => this.#publish(app),
      onUnreadable: options.onUnreadable ?? (() => {}),
    })
  }

  /**
   * Create or replace an app. Its state stays; a breaker that the old credentials opened closes. Throws the Problem
   * `invalid` for secrets that the app may not refer to.
   *
   * @param options.createdBy the id of the API key that makes it; one that replaces it changes nothing about that
   */
  async put(
    app: AppId,
    request: AppRequest,
    { createdBy, ifMatch }: { readonly createdBy?: string | undefined; readonly ifMatch?: IfMatch | undefined } = {},
  ): Promise<{ readonly created: boolean; readonly settings: AppSettings }> {
    const settings = appSettings(app, request)
    const stored = this.#credentials.seal(app, request.credentials)
    const keys = [
      this.#keys.app(app),
      this.#keys.gone(app),
      this.#keys.token(app),
      this.#keys.tokenLease(app),
      this.#keys.tokenRefusal(app),
      this.#keys.tokenRenewed(app),
      this.#keys.base(app),
    ]
    const args = [JSON.stringify(settings), JSON.stringify(stored), identityOf(stored), createdBy ?? '']
    for (;;) {
      const before = ifMatch === undefined ? '' : (await this.#matched(app, ifMatch)).revision
      const result = await putScript.run(this.#redis, keys, [...args, before])
      // Another change came in between.
      if (result === -1) continue
      await this.#publish(app)
      return { created: result === 1, settings }
    }
  }

  /** Throws the Problem `precondition-failed` unless the app is one of those that the caller read. */
  async #matched(app: AppId, ifMatch: IfMatch): Promise<{ readonly revision: string }> {
    const [settings, credentials, revision] = await this.#redis.hmget(
      this.#keys.app(app),
      'settings',
      'credentials',
      'revision',
    )
    const found = typeof settings === 'string' && typeof credentials === 'string' && typeof revision === 'string'
    if (!found || (ifMatch !== '*' && !ifMatch.includes(etagOf(settings, credentials))))
      throw new Problem(
        'precondition-failed',
        found ? 'the app was changed since it was read; read it again' : 'the app does not exist (any more)',
      )
    return { revision }
  }

  /**
   * Change settings of an app; its credentials stay. False when there is no such app. Throws the Problem `invalid` for
   * settings that exclude each other.
   */
  async patch(app: AppId, patch: AppPatch, ifMatch?: IfMatch): Promise<boolean> {
    for (;;) {
      const before = await this.#redis.hget(this.#keys.app(app), 'settings')
      if (before === null) return false
      const { revision } = ifMatch === undefined ? { revision: '' } : await this.#matched(app, ifMatch)
      const settings = JSON.stringify(patchedSettings(JSON.parse(before) as AppSettings, patch))
      // Another change came in between when it fails.
      if ((await patchScript.run(this.#redis, [this.#keys.app(app)], [before, settings, revision])) === 1) break
    }
    await this.#publish(app)
    return true
  }

  async get(app: AppId): Promise<AppRecord | null> {
    const [settings, state, credentials, breaker, createdBy, stopped, stoppedAll] = await this.#redis.hmget(
      this.#keys.app(app),
      'settings',
      'state',
      'credentials',
      'breaker',
      'createdBy',
      'stopped',
      'stoppedAll',
    )
    if (settings === null || settings === undefined || credentials === null || credentials === undefined) return null
    return {
      settings: JSON.parse(settings) as AppSettings,
      state: parseState(state, stopped, stoppedAll),
      ...parseStop(stoppedAll ?? stopped),
      credentials: viewOf(JSON.parse(credentials) as StoredCredentials),
      etag: etagOf(settings, credentials),
      ...parseBreaker(breaker),
      ...(typeof createdBy === 'string' ? { createdBy } : {}),
    }
  }

  /** The settings alone; null when there is no such app. */
  async settings(app: AppId): Promise<AppSettings | null> {
    const text = await this.#redis.hget(this.#keys.app(app), 'settings')
    return text === null ? null : (JSON.parse(text) as AppSettings)
  }

  /** The ids of all apps, sorted. */
  async list(): Promise<AppId[]> {
    const ids = await this.#redis.hkeys(this.#keys.apps)
    return ids.toSorted() as AppId[]
  }

  /** Every app with its revision, in one call. Unreadable apps are left out. */
  revisions(): Promise<Map<AppId, AppRevision>> {
    return this.#revisions.all()
  }

  /** The same for workers, which look twice a second; undefined if nothing changed since the last call. */
  changes(): Promise<Map<AppId, AppRevision> | undefined> {
    return this.#revisions.changes()
  }

  /**
   * The credentials with their secrets; references are read again each time, so a rotated file counts at once.
   * Null when there is no such app; throws `SecretUnavailableError`.
   */
  async credentials(app: AppId): Promise<RevealedCredentials | null> {
    const text = await this.#redis.hget(this.#keys.app(app), 'credentials')
    return text === null ? null : await this.#credentials.reveal(app, text)
  }

  /** Stop or start sending for an app. False when there is no such app. */
  setState(app: AppId, state: AppState): Promise<boolean> {
    return this.#setField(app, 'state', state)
  }

  pause(app: AppId): Promise<boolean> {
    return this.setState(app, 'paused')
  }

  resume(app: AppId): Promise<boolean> {
    return this.setState(app, 'active')
  }

  /** Stop an app, if it is not stopped already in that scope. False when there is no such app. */
  async stop(app: AppId, stop: Stop): Promise<boolean> {
    const field = stopField(stop.scope)
    if ((await this.#redis.hexists(this.#keys.app(app), field)) === 1) return true
    return this.#setField(app, field, JSON.stringify(stop))
  }

  /** End the stop of an app in that scope. False when there is no such app. */
  endStop(app: AppId, scope: Stop['scope']): Promise<boolean> {
    return this.#setField(app, stopField(scope), '')
  }

  async #setField(app: AppId, field: string, value: string): Promise<boolean> {
    if ((await setFields.run(this.#redis, [this.#keys.app(app)], [field, value])) === 0) return false
    await this.#publish(app)
    return true
  }

  /** Open the breaker; the first reason stays until it is cleared. True if this call opened it. */
  async setBreaker(app: AppId, breaker: Breaker): Promise<boolean> {
    const { kind, reason, since } = breaker
    // `kind` comes first in the JSON: the script looks for it there.
    const json = JSON.stringify({ kind, reason: reason.slice(0, 500), since })
    return this.#changeBreaker(app, ['open', kind, json])
  }

  /** Close the breaker, or only one of that kind. True if it was open. */
  async clearBreaker(app: AppId, kind?: Breaker['kind']): Promise<boolean> {
    return this.#changeBreaker(app, ['close', kind ?? '', ''])
  }

  /** While the breaker is open: true for one caller in `everyMs` milliseconds, which may probe whether it can close. */
  async mayProbe(app: AppId, everyMs: number): Promise<boolean> {
    return (await this.#redis.set(this.#keys.probe(app), '1', 'PX', everyMs, 'NX')) === 'OK'
  }

  /**
   * Remove an app and everything it holds, in chunks. False when there was none. Throws the Problem
   * `app-has-campaigns` while one of its campaigns is not over. Safe to repeat after a crash: the app's own record is
   * removed last.
   */
  async delete(app: AppId): Promise<boolean> {
    await this.#refuseWithCampaigns(app)
    const record = await this.#redis.exists(this.#keys.app(app))
    if (record === 1) await this.#redis.set(this.#keys.gone(app), '1', 'EX', GONE_SECONDS)
    const listed = await this.#redis.hdel(this.#keys.apps, app)
    await this.#revisions.count()
    const campaigns = await this.#redis.zrange(this.#keys.campaigns(app), 0, '-1')
    for (const campaign of campaigns) await this.#redis.unlink(this.#keys.campaignApp(campaign))
    await deleteByPrefix(this.#redis, this.#keys.base(app), new Set([this.#keys.app(app), this.#keys.gone(app)]))
    await this.#redis.unlink(this.#keys.app(app))
    await this.#redis.zrem(this.#keys.ready, app)
    return listed === 1 || record === 1
  }

  async #refuseWithCampaigns(app: AppId): Promise<void> {
    const campaigns = await this.#redis.zrange(this.#keys.campaigns(app), 0, '-1')
    for (const campaign of campaigns) {
      const [state, finished] = await this.#redis.hmget(this.#keys.campaign(app, campaign), 'state', 'finishedAt')
      // A stopped campaign still has posts under way until it is finished; one without a record has expired.
      if (typeof state === 'string' && typeof finished !== 'string')
        throw new Problem(
          'app-has-campaigns',
          `the campaign ${campaign} of app ${app} is ${state} and not finished; cancel it or wait for its end, then ` +
            'delete the app',
        )
    }
  }

  async #changeBreaker(app: AppId, args: readonly [string, string, string]): Promise<boolean> {
    const changed = await changeBreaker.run(this.#redis, [this.#keys.base(app), this.#keys.app(app)], args)
    if (changed === 1) await this.#publish(app)
    return changed === 1
  }

  /** Copy what is public about an app to where all are watched, until no newer change came in between. */
  async #publish(app: AppId): Promise<void> {
    for (;;) {
      const [settings, state, credentials, breaker, revision, stopped, stoppedAll] = await this.#redis.hmget(
        this.#keys.app(app),
        'settings',
        'state',
        'credentials',
        'breaker',
        'revision',
        'stopped',
        'stoppedAll',
      )
      if (typeof settings !== 'string' || typeof credentials !== 'string') {
        await this.#redis.hdel(this.#keys.apps, app)
        break
      }
      const published: AppRevision = {
        settings: JSON.parse(settings) as AppSettings,
        state: parseState(state, stopped, stoppedAll),
        ...parseBreaker(breaker),
        identity: identityOf(JSON.parse(credentials) as StoredCredentials),
        revision: Number(revision),
      }
      await this.#redis.hset(this.#keys.apps, app, JSON.stringify(published))
      if ((await this.#redis.hget(this.#keys.app(app), 'revision')) === revision) break
    }
    await this.#revisions.count()
  }
}

/** The entity tags of which an app must have one to be changed; `*` for any app that exists. */
export type IfMatch = '*' | readonly string[]

/** Sealed credentials differ each time, so a tag never comes back. */
function etagOf(settings: string, credentials: string): string {
  return createHash('sha256').update(`${settings}\n${credentials}`).digest('base64url').slice(0, 16)
}

/** Longer than an upload may take. */
const GONE_SECONDS = 3600

type Field = string | null | undefined

function parseState(text: Field, ...stops: readonly Field[]): AppState {
  return text === 'paused' || stops.some((stop) => typeof stop === 'string') ? 'paused' : 'active'
}

function parseStop(text: Field): { readonly stopped?: Stop } {
  return typeof text === 'string' ? { stopped: JSON.parse(text) as Stop } : {}
}

function stopField(scope: Stop['scope']): string {
  return scope === 'app' ? 'stopped' : 'stoppedAll'
}

function parseBreaker(text: string | null | undefined): { readonly breaker?: Breaker } {
  return text === null || text === undefined ? {} : { breaker: JSON.parse(text) as Breaker }
}
