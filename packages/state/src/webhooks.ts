import { randomBytes } from 'node:crypto'
import type { AppEventType, AppId, WebhookName, WebhookRequest } from '@wns-fanout/domain'
import { DAY_MS, Problem, Secret, webhookSecret } from '@wns-fanout/domain'
import { AppEvents, FIRST_CURSOR } from './app-events.ts'
import type { Keyring } from './keyring.ts'
import { UnsealError } from './keyring.ts'
import type { Keys } from './keys.ts'
import { redisNowMs } from './redis-clock.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'

const noteScript = loadScript('webhook-note')

/** How far the events of a webhook are delivered. Times are Redis time. */
export interface WebhookProgress {
  /** Events up to this one are delivered or given up. */
  readonly cursor: string
  /** Failed attempts since the last success. */
  readonly failures: number
  /** No attempt before this. */
  readonly nextAtMs: number
  /** Of the last attempt, if it failed. */
  readonly problem?: string
}

export interface WebhookRecord {
  readonly webhook: WebhookName
  readonly url: string
  readonly types?: readonly AppEventType[]
  readonly enabled: boolean
  readonly disabledReason?: string
  readonly createdAtMs: number
  readonly createdBy?: string
  readonly updatedAtMs: number
  readonly progress: WebhookProgress
}

/** A record as it is stored: the secrets are sealed. */
type Stored = Omit<WebhookRecord, 'webhook' | 'progress'> & {
  readonly secret: string
  /** The secret before that one signs too, until this time. */
  readonly previous?: { readonly secret: string; readonly untilMs: number }
}

/** The leader looks at every webhook every second. */
export const MAX_WEBHOOKS = 20
const SECRET_BYTES = 32

/** The webhooks of apps. Their secrets are sealed with the keyring. */
export class Webhooks {
  readonly #redis: RedisConnection
  readonly #keys: Keys
  readonly #keyring: Keyring
  readonly #events: AppEvents

  constructor(redis: RedisConnection, keys: Keys, keyring: Keyring) {
    this.#redis = redis
    this.#keys = keys
    this.#keyring = keyring
    this.#events = new AppEvents(redis, keys)
  }

  /**
   * Create or replace a webhook. A new one gets the events from now on; a known one continues, and is tried at once.
   * Its secret is sealed again with the newest key; if no key opens it, a new one is made.
   * Throws the Problem `conflict` if the app has 20 others.
   *
   * @returns the record, with the secret if this call made it
   */
  async put(
    app: AppId,
    webhook: WebhookName,
    request: WebhookRequest,
    createdBy?: string,
  ): Promise<WebhookRecord & { readonly secret?: string }> {
    const key = this.#keys.webhooks(app)
    const fields = await this.#redis.hgetall(key)
    const known = fields[webhook] === undefined ? undefined : (JSON.parse(fields[webhook]) as Stored)
    if (known === undefined && Object.keys(fields).filter(isName).length >= MAX_WEBHOOKS)
      throw new Problem('conflict', `an app must have at most ${MAX_WEBHOOKS} webhooks; delete one of app ${app} first`)
    const nowMs = await redisNowMs(this.#redis)
    const kept = known === undefined ? undefined : this.#opened(app, webhook, known.secret)
    const made =
      kept === undefined && request.secret === undefined ? webhookSecret(randomBytes(SECRET_BYTES)) : undefined
    const secret = request.secret ?? made ?? kept ?? ''
    const by = known === undefined ? createdBy : known.createdBy
    const stored: Stored = {
      url: request.url,
      ...(request.types === undefined ? {} : { types: request.types }),
      enabled: request.enabled ?? true,
      createdAtMs: known?.createdAtMs ?? nowMs,
      ...(by === undefined ? {} : { createdBy: by }),
      updatedAtMs: nowMs,
      ...this.#secrets(app, webhook, known, { secret, kept, nowMs }),
    }
    const before = progressOf(fields[progressField(webhook)])
    const cursor = before?.cursor ?? (await this.#events.latest(app))
    const progress: WebhookProgress = { cursor, failures: 0, nextAtMs: 0 }
    await this.#redis.sadd(this.#keys.webhookApps, app)
    await this.#redis.hset(key, webhook, JSON.stringify(stored), progressField(webhook), JSON.stringify(progress))
    return { ...recordOf(webhook, stored, progress), ...(made === undefined ? {} : { secret: made }) }
  }

  async get(app: AppId, webhook: WebhookName): Promise<WebhookRecord | null> {
    const [text, progress] = await this.#redis.hmget(this.#keys.webhooks(app), webhook, progressField(webhook))
    if (typeof text !== 'string') return null
    return recordOf(webhook, JSON.parse(text) as Stored, progressOf(progress ?? undefined))
  }

  /** The webhooks of an app, by name. */
  async list(app: AppId): Promise<WebhookRecord[]> {
    const fields = await this.#redis.hgetall(this.#keys.webhooks(app))
    return Object.entries(fields)
      .filter(([field]) => isName(field))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, text]) => {
        const webhook = name as WebhookName
        return recordOf(webhook, JSON.parse(text) as Stored, progressOf(fields[progressField(webhook)]))
      })
  }

  /** False if there was none. */
  async delete(app: AppId, webhook: WebhookName): Promise<boolean> {
    return (await this.#redis.hdel(this.#keys.webhooks(app), webhook, progressField(webhook))) > 0
  }

  /** The apps that have webhooks, or had some. */
  async apps(): Promise<AppId[]> {
    return (await this.#redis.smembers(this.#keys.webhookApps)) as AppId[]
  }

  /** Stop looking at an app that has no webhooks any more. */
  async forgetApp(app: AppId): Promise<void> {
    await this.#redis.srem(this.#keys.webhookApps, app)
    // One may have been put in between.
    if ((await this.#redis.exists(this.#keys.webhooks(app))) === 1) await this.#redis.sadd(this.#keys.webhookApps, app)
  }

  /** The secrets that sign now, the newest first; null if there is no such webhook. Throws `UnsealError`. */
  async secrets(app: AppId, webhook: WebhookName, nowMs: number): Promise<readonly Secret[] | null> {
    const text = await this.#redis.hget(this.#keys.webhooks(app), webhook)
    if (text === null) return null
    const { secret, previous } = JSON.parse(text) as Stored
    const sealed = previous !== undefined && previous.untilMs > nowMs ? [secret, previous.secret] : [secret]
    return sealed.map((each) => new Secret(this.#keyring.open(sealedFor(app, webhook), each)))
  }

  /** Note the progress. False if there is no such webhook any more. */
  async note(app: AppId, webhook: WebhookName, progress: WebhookProgress): Promise<boolean> {
    return (await this.#note(app, webhook, progress)) > 0
  }

  /**
   * Note the progress and disable the webhook, unless it was changed since `updatedAtMs`. The event that reports it is
   * added in the same step.
   */
  async disable(
    app: AppId,
    { webhook, updatedAtMs }: Pick<WebhookRecord, 'webhook' | 'updatedAtMs'>,
    progress: WebhookProgress,
    reason: string,
  ): Promise<boolean> {
    const text = await this.#redis.hget(this.#keys.webhooks(app), webhook)
    const stored = text === null ? undefined : (JSON.parse(text) as Stored)
    if (text === null || stored?.updatedAtMs !== updatedAtMs) return false
    const disabled: Stored = { ...stored, enabled: false, disabledReason: reason }
    return (await this.#note(app, webhook, progress, text, JSON.stringify(disabled), reason)) === 2
  }

  /** When the oldest event happened that an enabled webhook of the app has not got; undefined if all are delivered. */
  async oldestUndeliveredMs(app: AppId): Promise<number | undefined> {
    const enabled = (await this.list(app)).filter((record) => record.enabled)
    const waiting = await Promise.all(
      enabled.map(async ({ types, progress }) => {
        const query = { after: progress.cursor, limit: 1, ...(types === undefined ? {} : { types: new Set(types) }) }
        return (await this.#events.read(app, query)).items.map(({ timestamp }) => Date.parse(timestamp))
      }),
    )
    const times = waiting.flat()
    return times.length === 0 ? undefined : Math.min(...times)
  }

  redisNowMs(): Promise<number> {
    return redisNowMs(this.#redis)
  }

  async #note(app: AppId, webhook: WebhookName, progress: WebhookProgress, ...change: readonly string[]) {
    const args = [webhook, progressField(webhook), JSON.stringify(progress), ...change]
    return Number(await noteScript.run(this.#redis, [this.#keys.base(app), this.#keys.webhooks(app)], args))
  }

  /** A replaced secret signs for another day, so that the receiver can change to the new one at any time. */
  #secrets(
    app: AppId,
    webhook: WebhookName,
    known: Stored | undefined,
    { secret, kept, nowMs }: { readonly secret: string; readonly kept: string | undefined; readonly nowMs: number },
  ): Pick<Stored, 'secret' | 'previous'> {
    const seal = (text: string): string => this.#keyring.seal(sealedFor(app, webhook), text)
    if (kept !== undefined && kept !== secret)
      return { secret: seal(secret), previous: { secret: seal(kept), untilMs: nowMs + DAY_MS } }
    const isKept = kept !== undefined && known?.previous !== undefined && known.previous.untilMs > nowMs
    return { secret: seal(secret), ...(isKept ? { previous: known.previous } : {}) }
  }

  /** Undefined if no key of the keyring opens it. */
  #opened(app: AppId, webhook: WebhookName, sealed: string): string | undefined {
    try {
      return this.#keyring.open(sealedFor(app, webhook), sealed)
    } catch (error) {
      if (!(error instanceof UnsealError)) throw error
      return undefined
    }
  }
}

/** A sealed secret opens for its webhook only. */
function sealedFor(app: AppId, webhook: WebhookName): string {
  return `webhook|${app}|${webhook}`
}

/** No name contains a colon. */
function progressField(webhook: WebhookName): string {
  return `${webhook}:progress`
}

function isName(field: string): boolean {
  return !field.includes(':')
}

function progressOf(text: string | undefined): WebhookProgress | undefined {
  return text === undefined ? undefined : (JSON.parse(text) as WebhookProgress)
}

function recordOf(
  webhook: WebhookName,
  { secret: _secret, previous: _previous, ...stored }: Stored,
  progress: WebhookProgress = { cursor: FIRST_CURSOR, failures: 0, nextAtMs: 0 },
): WebhookRecord {
  return { webhook, ...stored, progress }
}
