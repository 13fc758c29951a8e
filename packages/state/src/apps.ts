import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { App, AppId, AppRequest, AppSettings, Credentials, SecretSource } from '@wns-fanout/domain'
import { appSettings, Problem, Secret } from '@wns-fanout/domain'
import type { Keyring } from './keyring.ts'
import { deleteByPrefix } from './delete-by-prefix.ts'
import type { Keys } from './keys.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'

const setFields = loadScript('app-set')
const changeBreaker = loadScript('app-breaker')

export type AppState = 'active' | 'paused'

/** Why nothing is sent for an app: `credentials` (the token service refuses) or `answers` (too many refusals by WNS). */
export interface Breaker {
  readonly kind: 'credentials' | 'token' | 'answers'
  readonly reason: string
  /** ISO 8601. */
  readonly since: string
}

export interface AppRecord {
  readonly settings: AppSettings
  readonly state: AppState
  /** As the API shows them: of a secret only that it is set. */
  readonly credentials: App['credentials']
  readonly breaker?: Breaker
}

/** What workers watch. `revision` changes with every change of the app, `identity` when its tokens become another client's. */
export interface AppRevision {
  readonly settings: AppSettings
  readonly state: AppState
  readonly breaker?: Breaker
  readonly identity: string
  readonly revision: number
}

interface RevealedSecrets {
  readonly clientSecret: Secret
  readonly previousClientSecret?: Secret
}
/** Credentials with their secrets read: for one token request, never to be kept. */
export type RevealedCredentials =
  | ({ readonly kind: 'store'; readonly packageSid: string } & RevealedSecrets)
  | ({ readonly kind: 'entra'; readonly tenantId: string; readonly clientId: string } & RevealedSecrets)

/** A secret that cannot be read here: a missing variable or file, or a key that left the keyring. Names it, never shows it. */
export class SecretUnavailableError extends Error {
  override readonly name = 'SecretUnavailableError'
  readonly code = 'secret-unavailable'
}

type SecretField = 'clientSecret' | 'previousClientSecret'
type StoredSecret = { readonly sealed: string } | { readonly ref: string }
type Stored<T> = T extends unknown
  ? Omit<T, SecretField> & { readonly clientSecret: StoredSecret; readonly previousClientSecret?: StoredSecret }
  : never
type StoredCredentials = Stored<Credentials>

export interface AppStoreOptions {
  /** Where `env:NAME` references are read; default none. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Called once for an app whose stored record cannot be read; the other apps are not affected. */
  readonly onUnreadable?: (app: AppId) => void
}

/**
 * The apps. `{a}:app` holds the truth; the hash `apps`, which lies in another slot, holds a copy without secrets for
 * those who watch all apps. The copy is written after the truth and carries its revision, so that a writer who was
 * overtaken notices and writes again.
 */
export class AppStore {
  readonly #redis: RedisConnection
  readonly #keys: Keys
  readonly #keyring: Keyring
  readonly #env: Readonly<Record<string, string | undefined>>

  readonly #onUnreadable: (app: AppId) => void
  readonly #unreadable = new Set<AppId>()

  constructor(redis: RedisConnection, keys: Keys, keyring: Keyring, options: AppStoreOptions = {}) {
    this.#redis = redis
    this.#keys = keys
    this.#keyring = keyring
    this.#env = options.env ?? {}
    this.#onUnreadable = options.onUnreadable ?? (() => {})
  }

  /** Create or replace an app. Its state stays; a breaker that the old credentials opened closes. */
  async put(app: AppId, request: AppRequest): Promise<{ readonly created: boolean; readonly settings: AppSettings }> {
    const settings = appSettings(app, request)
    const stored = this.#store(app, request.credentials)
    const credentials = JSON.stringify(stored)
    const before = await this.#redis.hget(this.#keys.app(app), 'credentials')
    const replies = await this.#redis
      .multi()
      .hsetnx(this.#keys.app(app), 'state', 'active')
      .hset(this.#keys.app(app), { settings: JSON.stringify(settings), credentials })
      .hincrby(this.#keys.app(app), 'revision', 1)
      .del(this.#keys.gone(app))
      .exec()
    const created =
      (replies ?? []).map(([error, reply]) => {
        if (error) throw error
        return reply
      })[0] === 1
    // The new credentials are tried at once, whatever became of the old ones.
    await changeBreaker.run(this.#redis, [this.#keys.app(app)], ['close', 'credentials', ''])
    await this.#redis.unlink(this.#keys.tokenRefusal(app), this.#keys.tokenRenewed(app))
    if (before !== null && identityOf(JSON.parse(before) as StoredCredentials) !== identityOf(stored))
      await this.#redis.unlink(this.#keys.token(app), this.#keys.tokenLease(app))
    await this.#publish(app)
    return { created, settings }
  }

  async get(app: AppId): Promise<AppRecord | null> {
    const [settings, state, credentials, breaker] = await this.#redis.hmget(
      this.#keys.app(app),
      'settings',
      'state',
      'credentials',
      'breaker',
    )
    if (settings === null || settings === undefined || credentials === null || credentials === undefined) return null
    return {
      settings: JSON.parse(settings) as AppSettings,
      state: parseState(state),
      credentials: viewOf(JSON.parse(credentials) as StoredCredentials),
      ...parseBreaker(breaker),
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

  /** Every app with its revision, in one cheap call, for workers that look twice a second. Unreadable apps are left out. */
  async revisions(): Promise<Map<AppId, AppRevision>> {
    const found = new Map<AppId, AppRevision>()
    for (const [app, text] of Object.entries(await this.#redis.hgetall(this.#keys.apps))) {
      const revision = parseRevision(app as AppId, text)
      if (revision === undefined) await this.#reportUnreadable(app as AppId)
      else {
        found.set(app as AppId, revision)
        this.#unreadable.delete(app as AppId)
      }
    }
    return found
  }

  /** What was read is a copy: it is written again from the original, unless that cannot be read either. */
  async #reportUnreadable(app: AppId): Promise<void> {
    if (!this.#unreadable.has(app)) this.#onUnreadable(app)
    this.#unreadable.add(app)
    await this.#publish(app).catch(() => {})
  }

  /**
   * The credentials with their secrets; references are read anew each time, so a rotated file counts at once.
   * Null when there is no such app; throws {@link SecretUnavailableError}.
   */
  async credentials(app: AppId): Promise<RevealedCredentials | null> {
    const text = await this.#redis.hget(this.#keys.app(app), 'credentials')
    if (text === null) return null
    const stored = JSON.parse(text) as StoredCredentials
    const secrets = {
      clientSecret: await this.#reveal(app, 'clientSecret', stored.clientSecret),
      ...(stored.previousClientSecret === undefined
        ? {}
        : { previousClientSecret: await this.#reveal(app, 'previousClientSecret', stored.previousClientSecret) }),
    }
    return stored.kind === 'store'
      ? { kind: 'store', packageSid: stored.packageSid, ...secrets }
      : { kind: 'entra', tenantId: stored.tenantId, clientId: stored.clientId, ...secrets }
  }

  /** Stop or start sending for an app. False when there is no such app. */
  async setState(app: AppId, state: AppState): Promise<boolean> {
    const revision = await setFields.run(this.#redis, [this.#keys.app(app)], ['state', state])
    if (revision === 0) return false
    await this.#publish(app)
    return true
  }

  pause(app: AppId): Promise<boolean> {
    return this.setState(app, 'paused')
  }

  resume(app: AppId): Promise<boolean> {
    return this.setState(app, 'active')
  }

  /** Open the breaker; the first reason stays until it is cleared. True if this call opened it. */
  async setBreaker(app: AppId, breaker: Breaker): Promise<boolean> {
    const { kind, reason, since } = breaker
    // `kind` comes first in the JSON: the script recognises it there.
    const json = JSON.stringify({ kind, reason: reason.slice(0, 500), since })
    return this.#changeBreaker(app, ['open', kind, json])
  }

  /** Close the breaker, or only one of that kind. True if it was open. */
  async clearBreaker(app: AppId, kind?: Breaker['kind']): Promise<boolean> {
    return this.#changeBreaker(app, ['close', kind ?? '', ''])
  }

  /** While the breaker is open: true for one caller in `everyMs` milliseconds, who may find out whether it may close. */
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
    const campaigns = await this.#redis.zrange(this.#keys.campaigns(app), 0, '-1')
    for (const campaign of campaigns) await this.#redis.unlink(this.#keys.campaignApp(campaign))
    await deleteByPrefix(this.#redis, this.#keys.base(app), new Set([this.#keys.app(app), this.#keys.gone(app)]))
    await this.#redis.unlink(this.#keys.app(app))
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
          `the campaign ${campaign} of app ${app} is ${state} and not finished; cancel it or wait for its end, then delete the app`,
        )
    }
  }

  async #changeBreaker(app: AppId, args: readonly [string, string, string]): Promise<boolean> {
    const changed = await changeBreaker.run(this.#redis, [this.#keys.app(app)], args)
    if (changed === 1) await this.#publish(app)
    return changed === 1
  }

  /** Copy what is public about an app to where all are watched, until no newer change came in between. */
  async #publish(app: AppId): Promise<void> {
    for (;;) {
      const [settings, state, credentials, breaker, revision] = await this.#redis.hmget(
        this.#keys.app(app),
        'settings',
        'state',
        'credentials',
        'breaker',
        'revision',
      )
      if (typeof settings !== 'string' || typeof credentials !== 'string') {
        await this.#redis.hdel(this.#keys.apps, app)
        return
      }
      const published: AppRevision = {
        settings: JSON.parse(settings) as AppSettings,
        state: parseState(state),
        ...parseBreaker(breaker),
        identity: identityOf(JSON.parse(credentials) as StoredCredentials),
        revision: Number(revision),
      }
      await this.#redis.hset(this.#keys.apps, app, JSON.stringify(published))
      if ((await this.#redis.hget(this.#keys.app(app), 'revision')) === revision) return
    }
  }

  #store(app: AppId, credentials: Credentials): StoredCredentials {
    const { clientSecret, previousClientSecret, ...rest } = credentials
    const identity = rest.kind === 'store' ? { ...rest, packageSid: normaliseSid(rest.packageSid) } : rest
    return {
      ...identity,
      clientSecret: this.#seal(app, 'clientSecret', clientSecret),
      ...(previousClientSecret === undefined
        ? {}
        : { previousClientSecret: this.#seal(app, 'previousClientSecret', previousClientSecret) }),
    }
  }

  #seal(app: AppId, field: SecretField, secret: SecretSource): StoredSecret {
    return typeof secret === 'string' ? { sealed: this.#keyring.seal(sealedFor(app, field), secret) } : secret
  }

  async #reveal(app: AppId, field: SecretField, stored: StoredSecret): Promise<Secret> {
    if ('ref' in stored) return new Secret(await this.#read(app, field, stored.ref))
    try {
      return new Secret(this.#keyring.open(sealedFor(app, field), stored.sealed))
    } catch (cause) {
      throw new SecretUnavailableError(
        `the ${field} of app ${app} cannot be unsealed: ${cause instanceof Error ? cause.message : String(cause)}`,
        { cause },
      )
    }
  }

  async #read(app: AppId, field: SecretField, ref: string): Promise<string> {
    const what = `the ${field} of app ${app} refers to ${ref}`
    const text = ref.startsWith('env:') ? this.#env[ref.slice(4)] : await readSecretFile(what, ref.slice(5))
    if (text === undefined) throw new SecretUnavailableError(`${what}, which is not set in this process`)
    const secret = text.trim()
    if (secret === '') throw new SecretUnavailableError(`${what}, which is empty`)
    return secret
  }
}

/** Longer than an upload may take. */
const GONE_SECONDS = 3600

/** Far more than a secret: larger is a mistake. */
const MAX_SECRET_FILE_BYTES = 16_384

// The path comes from a caller of the API: a device without an end would fill the memory, a pipe would never answer.
async function readSecretFile(what: string, path: string): Promise<string> {
  try {
    // Without waiting for the other end of a pipe.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const { bytesRead, buffer } = await file.read(Buffer.alloc(MAX_SECRET_FILE_BYTES + 1))
    if (!(await file.stat()).isFile() || bytesRead > MAX_SECRET_FILE_BYTES)
      throw new SecretUnavailableError(`${what}, which is no file of at most ${MAX_SECRET_FILE_BYTES} bytes`)
    return buffer.toString('utf8', 0, bytesRead)
  } catch (cause) {
    if (cause instanceof SecretUnavailableError) throw cause
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable'
    throw new SecretUnavailableError(`${what}, which this process cannot read (${code})`)
  }
}

/** A sealed secret opens for its app and field only. */
function sealedFor(app: AppId, field: SecretField): string {
  return `wns-credentials|${app}|${field}`
}

/** Always `ms-app://S-1-15-2-…`, the client id that the token service wants. */
function normaliseSid(sid: string): string {
  return `ms-app://${sid.replace(/^ms-app:\/\//i, '').toUpperCase()}`
}

/** Whose tokens these credentials get. */
function identityOf(credentials: StoredCredentials): string {
  return credentials.kind === 'store' ? credentials.packageSid : `${credentials.tenantId}/${credentials.clientId}`
}

function viewOf(stored: StoredCredentials): App['credentials'] {
  const secrets = {
    clientSecret: { set: true } as const,
    ...(stored.previousClientSecret === undefined ? {} : { previousClientSecret: { set: true } as const }),
  }
  return stored.kind === 'store'
    ? { kind: 'store', packageSid: stored.packageSid, ...secrets }
    : { kind: 'entra', tenantId: stored.tenantId, clientId: stored.clientId, ...secrets }
}

/** Undefined for a text that `#publish` cannot have written. */
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

function parseState(text: string | null | undefined): AppState {
  return text === 'paused' ? 'paused' : 'active'
}

function parseBreaker(text: string | null | undefined): { readonly breaker?: Breaker } {
  return text === null || text === undefined ? {} : { breaker: JSON.parse(text) as Breaker }
}
