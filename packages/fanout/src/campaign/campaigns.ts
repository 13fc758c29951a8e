import { createHash, randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type {
  AppId,
  AppSettings,
  Audience,
  Campaign,
  CampaignId,
  CampaignRequest,
  CampaignState,
  InputError,
  RecipientClass,
  Warning,
} from '@wns-fanout/domain'
import { DAY_MS, MAX_LIFE_MS, Problem, isTerminal, lintNotification } from '@wns-fanout/domain'
import type {
  AppStore,
  Audiences,
  CampaignDefinition,
  CampaignRecord,
  CampaignStore,
  Keys,
  Ledger,
  RedisConnection,
  Registry,
} from '@wns-fanout/state'
import { LedgerDamaged, LedgerVersion, memoryShare } from '@wns-fanout/state'
import type { CrashPoints } from '../crash-points.ts'
import { writeRecipientsOf } from './failed-of.ts'
import { guardSecondsOf, isPersonal, LISTED_WITHOUT_PLACEHOLDER } from './guideline.ts'
import type { Queues } from '../worker/queues.ts'
import type { Result } from './results.ts'
import { results } from './results.ts'
import type { AppCondition } from './view.ts'
import { viewOf } from './view.ts'
import { warningsFor } from './warnings.ts'

export interface CampaignsDeps extends CrashPoints {
  readonly redis: RedisConnection
  readonly keys: Keys
  readonly apps: AppStore
  readonly registry: Registry
  readonly audiences: Audiences
  readonly campaigns: CampaignStore
  readonly ledger: Ledger
  readonly queues: Queues
  /** What slows or stops an app now. */
  readonly condition: (app: AppId) => Promise<AppCondition>
}

export interface Estimate {
  readonly audienceSize: number
  readonly estimate: { readonly seconds: number; readonly ratePerSecond: number }
  readonly warnings?: readonly Warning[]
}

export interface Sample {
  readonly channel: string
  readonly status: number | null
  readonly at: string
  readonly [detail: string]: unknown
}

/** The share of Redis memory above which no new campaign is admitted. */
const MEMORY_LIMIT = 0.8

/** Campaigns as their owners see them: create, look, steer. Workers do the rest. */
export class Campaigns {
  readonly #deps: CampaignsDeps

  constructor(deps: CampaignsDeps) {
    this.#deps = deps
  }

  /**
   * Admit a campaign. Throws a Problem: `invalid` with every fault, `guard-interval` with the time at which it would be
   * admitted, `redis-memory` when Redis is nearly full.
   *
   * @param options.idempotencyKey callers that give the same one mean the same campaign: it is created once, even if
   *   the process died between creating it and saying so. Throws `invalid` when the one there asked for something else
   */
  async create(
    app: AppSettings,
    request: CampaignRequest,
    { parent, idempotencyKey }: { readonly parent?: CampaignId; readonly idempotencyKey?: string | undefined } = {},
  ): Promise<Campaign> {
    const nowMs = await this.#deps.campaigns.redisNowMs()
    refuse([...requestErrors(app, request, nowMs), ...(await this.#faultsOfAudience(app.app, request, nowMs))])
    const ratio = await memoryShare(this.#deps.redis)
    if (ratio > MEMORY_LIMIT)
      throw new Problem(
        'redis-memory',
        `Redis uses ${Math.round(ratio * 100)} % of its memory; new campaigns wait until it is below 80 %`,
      )
    const warnings = await this.#warnings(app.app, request)
    const id = idempotencyKey === undefined ? newCampaignId() : await this.#idFor(app.app, idempotencyKey, request)
    const definition = define(app, request, id, parent)
    this.#deps.reached?.('campaign-admitted')
    const answer = await this.#deps.campaigns.create({
      definition,
      policy: request.overLimit ?? 'reject',
      topicIntervalMs: parent === undefined ? definition.guardSeconds * 1000 : 0,
      startAtMs: instant(request.startAt),
      expiresAtMs: instant(request.expiresAt),
    })
    if (answer.kind !== 'created') throw await this.#guardProblem(definition, answer.kind, answer.admissibleAtMs)
    this.#deps.reached?.('campaign-stored')
    if (answer.superseded !== undefined)
      await this.#deps.campaigns.steer(app.app, answer.superseded, 'cancel', 'superseded')
    if (!isTerminal(answer.state)) await this.#enqueue('launch', definition.app, definition.id, answer.startAtMs)
    this.#deps.reached?.('launch-asked')
    return { ...(await this.#view(definition.app, definition.id)), ...warnings }
  }

  /** How many a campaign would reach and how long it would take; stores nothing. */
  async estimate(app: AppSettings, request: CampaignRequest): Promise<Estimate> {
    refuse(requestErrors(app, request, await this.#deps.campaigns.redisNowMs()))
    const { audience, sample } = request
    const evaluable =
      'failedOf' in audience ? { bitmapKey: await writeRecipientsOf(this.#deps, app.app, audience) } : audience
    const counted = await this.#deps.audiences.count(app.app, evaluable, sample === undefined ? {} : { sample })
    const { size } = counted
    const { effectiveRatePerSecond } = await this.#deps.condition(app.app)
    const seconds = Math.max(Math.ceil(size / effectiveRatePerSecond), request.pace?.overSeconds ?? 0)
    const tags = 'tags' in audience ? await this.#deps.audiences.tags(app.app) : []
    return {
      audienceSize: size,
      estimate: { seconds, ratePerSecond: effectiveRatePerSecond },
      ...asField(warningsFor(request, { ...counted, tags })),
    }
  }

  /** The warnings of a request to create a campaign; the failed recipients of another one are not counted in advance. */
  async #warnings(app: AppId, request: CampaignRequest): Promise<{ readonly warnings?: Warning[] }> {
    const { audience } = request
    if ('failedOf' in audience) return asField(warningsFor(request, undefined))
    const [counted, tags] = await Promise.all([
      // A list may be uploaded before a later start.
      this.#deps.audiences.count(app, audience).catch(undefinedIfMissing),
      'tags' in audience ? this.#deps.audiences.tags(app) : [],
    ])
    return asField(warningsFor(request, counted && { ...counted, tags }))
  }

  /** Recipients that an audience has now, without channels that opted out. */
  async count(app: AppId, audience: Audience): Promise<number> {
    const evaluable =
      'failedOf' in audience ? { bitmapKey: await writeRecipientsOf(this.#deps, app, audience) } : audience
    return (await this.#deps.audiences.count(app, evaluable)).size
  }

  async get(id: CampaignId): Promise<Campaign | null> {
    const app = await this.#deps.campaigns.appOf(id)
    if (app === null) return null
    const [record, condition] = await Promise.all([this.#record(app, id), this.#deps.condition(app)])
    return record === null ? null : viewOf(record, condition)
  }

  appOf(id: CampaignId): Promise<AppId | null> {
    return this.#deps.campaigns.appOf(id)
  }

  /** An app's campaigns, newest first. */
  async list(
    app: AppId,
    page: { readonly state?: CampaignState | undefined; readonly after?: string | undefined; readonly limit: number },
  ): Promise<{ readonly items: Campaign[]; readonly next?: string }> {
    const condition = await this.#deps.condition(app)
    const items: Campaign[] = []
    let after = page.after
    for (;;) {
      const ids = await this.#deps.campaigns.ids(app, after, page.limit)
      const records = await Promise.all(ids.map((id) => this.#record(app, id).catch(nullIfUnavailable)))
      for (const [at, record] of records.entries()) {
        after = ids[at] ?? after
        if (record === null || (page.state !== undefined && record.state !== page.state)) continue
        items.push(viewOf(record, condition))
        if (items.length === page.limit) return { items, ...(after === undefined ? {} : { next: after }) }
      }
      if (ids.length < page.limit) return { items }
    }
  }

  /** Nothing more is started; what is under way has its answer counted. */
  async pause(id: CampaignId): Promise<Campaign> {
    const { app } = await this.#steer(id, 'pause')
    return this.#view(app, id)
  }

  async resume(id: CampaignId): Promise<Campaign> {
    const { app } = await this.#steer(id, 'resume')
    await this.#deps.queues.enqueue('reconcile', { app, campaign: id }, randomBytes(6).toString('hex'))
    return this.#view(app, id)
  }

  async cancel(id: CampaignId): Promise<Campaign> {
    const { app } = await this.#steer(id, 'cancel')
    await translateLedgerErrors(id, () => this.#deps.ledger.sweep({ app, campaign: id }, 256)).catch(nullIfUnavailable)
    await this.#deps.queues.enqueue('sweep', { app, campaign: id }, randomBytes(6).toString('hex'))
    return this.#view(app, id)
  }

  /** A new campaign for those that this one failed or ran out of time for. */
  async retryFailed(id: CampaignId, options: { readonly includeInDoubt?: boolean | undefined }): Promise<Campaign> {
    const { app, record } = await this.#find(id)
    if (!isTerminal(record.state))
      throw new Problem('conflict', `campaign ${id} is ${record.state}; only a finished campaign has failures to retry`)
    if (record.definitionLost === true)
      throw new Problem(
        'conflict',
        `nobody knows any more what campaign ${id} said: its definition was lost; send a new one`,
      )
    const settings = await this.#deps.apps.settings(app)
    if (settings === null) throw new Problem('not-found', `there is no app ${app}`)
    const { startAt: _, expiresAt: __, sample: ___, canary: ____, ...request } = record.definition.request
    const includeInDoubt = options.includeInDoubt === true ? { includeInDoubt: true } : {}
    return this.create(settings, { ...request, audience: { failedOf: id, ...includeInDoubt } }, { parent: id })
  }

  /** One result for every recipient, in the order of registration. */
  async *results(id: CampaignId, only?: RecipientClass): AsyncGenerator<Result> {
    const { app, record } = await this.#find(id)
    yield* results(this.#deps, app, record, only)
  }

  /** Details of answers that were not plain acceptance, failures first. */
  async samples(id: CampaignId): Promise<{ readonly items: Sample[] }> {
    const { app } = await this.#find(id)
    const found = (await this.#deps.campaigns.samples(app, id, 10_000)).flatMap(sampleIn)
    const items: Sample[] = []
    const pages = new Map<number, Map<number, string>>()
    for (const { ordinal, ...sample } of found) {
      const page = Math.floor(ordinal / 512)
      const ids = pages.get(page) ?? (await this.#deps.registry.channelIds(app, page))
      pages.set(page, ids)
      items.push({ channel: ids.get(ordinal % 512) ?? '', ...sample })
    }
    return { items: items.toSorted((a, b) => Number(isRefusal(b)) - Number(isRefusal(a))) }
  }

  /** Campaigns of an app that are not finished, as records: what the global gauges count. */
  async unfinished(app: AppId): Promise<CampaignRecord[]> {
    const ids = await this.#deps.campaigns.active(app)
    const records = await Promise.all(ids.map((id) => this.#record(app, id).catch(nullIfUnavailable)))
    return records.filter((record) => record !== null)
  }

  /** What the audience is taken from must be there; a list may still come when the campaign starts later. */
  async #faultsOfAudience(app: AppId, { audience, startAt }: CampaignRequest, nowMs: number): Promise<InputError[]> {
    if ('failedOf' in audience) {
      const parent = await this.#deps.campaigns.get(app, audience.failedOf as CampaignId)
      return parent === null ? missing('failedOf', `app ${app} has no campaign ${audience.failedOf}`) : []
    }
    if (!('list' in audience) || (instant(startAt) ?? nowMs) > nowMs) return []
    const isThere = await this.#deps.redis.exists(this.#deps.keys.listInfo(app, audience.list))
    return isThere === 1
      ? []
      : missing('list', `app ${app} has no list ${audience.list}; upload it first (kept 30 days)`)
  }

  /** The id of the campaign that a key means: a key means another one after a day. */
  async #idFor(app: AppId, idempotencyKey: string, request: CampaignRequest): Promise<CampaignId> {
    const id = campaignIdOf(app, idempotencyKey)
    const known = await this.#record(app, id)
    if (known === null) return id
    if (known.redisNowMs - known.createdAtMs >= DAY_MS) return newCampaignId()
    if (known.definitionLost === true) return id
    if (!isDeepStrictEqual(known.definition.request, JSON.parse(JSON.stringify(request)))) throw keyOfAnother()
    return id
  }

  #record(app: AppId, id: CampaignId): Promise<CampaignRecord | null> {
    return translateLedgerErrors(id, () => this.#deps.campaigns.get(app, id))
  }

  async #view(app: AppId, id: CampaignId): Promise<Campaign> {
    const [record, condition] = await Promise.all([this.#record(app, id), this.#deps.condition(app)])
    if (record === null) throw new Problem('not-found', `there is no campaign ${id}`)
    return viewOf(record, condition)
  }

  async #find(id: CampaignId): Promise<{ readonly app: AppId; readonly record: CampaignRecord }> {
    const app = await this.#deps.campaigns.appOf(id)
    const record = app === null ? null : await this.#record(app, id)
    if (app === null || record === null) throw new Problem('not-found', `there is no campaign ${id}`)
    return { app, record }
  }

  async #steer(id: CampaignId, act: 'pause' | 'resume' | 'cancel'): Promise<{ readonly app: AppId }> {
    const { app } = await this.#find(id)
    const { ok, state } = await translateLedgerErrors(id, () => this.#deps.campaigns.steer(app, id, act))
    if (!ok) {
      const wanted = { pause: 'sending', resume: 'paused', cancel: 'scheduled, sending or paused' }[act]
      throw new Problem('conflict', `campaign ${id} is ${state}; this needs one that is ${wanted}`)
    }
    return { app }
  }

  async #enqueue(name: 'launch', app: AppId, campaign: CampaignId, startAtMs: number): Promise<void> {
    const delayMs = startAtMs - (await this.#deps.campaigns.redisNowMs())
    await this.#deps.queues.enqueue(name, { app, campaign }, '', Math.max(0, delayMs))
  }

  async #guardProblem(
    definition: CampaignDefinition,
    kind: 'refused' | 'full',
    admissibleAtMs: number,
  ): Promise<Problem> {
    const admissibleAt = new Date(admissibleAtMs).toISOString()
    const waitMs = admissibleAtMs - (await this.#deps.campaigns.redisNowMs())
    const type = definition.request.notification.type
    const detail =
      kind === 'full'
        ? `ten generic ${type} updates of topic ${definition.topic} are deferred already; the next is admitted at ${admissibleAt}`
        : `a generic ${type} update of topic ${definition.topic} was launched within the guard interval; the next is admitted at ${admissibleAt}. Wait, or choose overLimit defer, coalesce or drop`
    return new Problem('guard-interval', detail, {
      extra: { admissibleAt },
      retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
    })
  }
}

/** What is said of an `Idempotency-Key` that meant another request within the last day. */
export function keyOfAnother(): Problem {
  return new Problem('invalid', 'this Idempotency-Key was used for another request; use a new key for a new request')
}

/** A worker halts a campaign whose ledger is damaged, within a minute, and one of another version belongs to others. */
async function translateLedgerErrors<T>(id: CampaignId, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (!(error instanceof LedgerDamaged || error instanceof LedgerVersion)) throw error
    const why = error instanceof LedgerDamaged ? 'its ledger is damaged and will be mended' : 'another version wrote it'
    throw new Problem('unavailable', `campaign ${id} cannot be looked after here now: ${why}`, { cause: error })
  }
}

function nullIfUnavailable(error: unknown): null {
  if (error instanceof Problem && error.code === 'unavailable') return null
  throw error
}

interface StoredSample {
  readonly ordinal: number
  readonly status: number | null
  readonly at: string
}

/** A sample that cannot be read is left out: the others still show what WNS answers. */
function sampleIn(json: string): StoredSample[] {
  try {
    const sample = JSON.parse(json) as Partial<StoredSample> | null
    const isIntact = Number.isSafeInteger(sample?.ordinal) && typeof sample?.at === 'string'
    return isIntact ? [sample as StoredSample] : []
  } catch {
    return []
  }
}

function isRefusal(sample: { readonly status: number | null }): boolean {
  return sample.status === null || sample.status >= 400
}

function instant(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Date.parse(text)
}

/** A campaign's id: a random number of 80 bits in base 36. */
function newCampaignId(): CampaignId {
  return BigInt(`0x${randomBytes(10).toString('hex')}`).toString(36) as CampaignId
}

function campaignIdOf(app: AppId, idempotencyKey: string): CampaignId {
  return BigInt(`0x${createHash('sha256').update(`${app}\0${idempotencyKey}`).digest('hex').slice(0, 20)}`).toString(
    36,
  ) as CampaignId
}

function define(
  app: AppSettings,
  request: CampaignRequest,
  id: CampaignId,
  parent: CampaignId | undefined,
): CampaignDefinition {
  const update = request.update ?? 'generic'
  return {
    id,
    app: app.app,
    request,
    update,
    topic: request.topic ?? 'default',
    delivery: request.delivery ?? (request.notification.type === 'toast' ? 'at-most-once' : 'at-least-once'),
    priority: request.priority ?? 'normal',
    guardSeconds: update === 'generic' ? guardSecondsOf(app) : 0,
    maxAttempts: app.maxAttempts,
    retentionDays: app.retentionDays,
    ...(parent === undefined ? {} : { parent }),
  }
}

function missing(field: string, detail: string): InputError[] {
  return [{ path: ['audience', field], code: 'missing', detail }]
}

function refuse(errors: readonly InputError[]): void {
  if (errors.length === 0) return
  const more = errors.length === 1 ? '' : ` (and ${errors.length - 1} more)`
  throw new Problem('invalid', `${errors[0]?.detail ?? ''}${more}`, { inputErrors: errors })
}

/** The last instant that ISO 8601 writes with four digits of the year. */
const LAST_INSTANT_MS = 253_402_300_799_999

function outOfRange(field: 'startAt' | 'expiresAt', detail: string): InputError[] {
  return [{ path: [field], code: 'out-of-range', detail }]
}

/** What is wrong with the times of a request, each of which is a time. */
export function timeErrors(
  { startAt, expiresAt }: Pick<CampaignRequest, 'startAt' | 'expiresAt'>,
  nowMs: number,
): InputError[] {
  const startAtMs = instant(startAt) ?? nowMs
  const expiresAtMs = instant(expiresAt) ?? startAtMs + DAY_MS
  if (startAtMs + MAX_LIFE_MS > LAST_INSTANT_MS)
    return outOfRange('startAt', 'startAt is too far away: the campaign must be over before the year 10000')
  if (expiresAt === undefined && expiresAtMs <= nowMs)
    return outOfRange('startAt', 'startAt is more than 24 hours ago, so the campaign is over; give an expiresAt too')
  if (expiresAtMs <= Math.max(startAtMs, nowMs))
    return outOfRange('expiresAt', 'expiresAt must be in the future and after startAt')
  if (expiresAtMs - startAtMs > MAX_LIFE_MS)
    return outOfRange('expiresAt', 'expiresAt must be at most 7 days after the start')
  return []
}

/** What the schema of a campaign request cannot see: its notification, its times, its right to be personalised. */
export function requestErrors(app: AppSettings, request: CampaignRequest, nowMs: number): InputError[] {
  const inputErrors: InputError[] = lintNotification(request.notification, {
    credentialsKind: app.credentialsKind,
  }).map((inputError) => ({ ...inputError, path: ['notification', ...inputError.path] }))
  // What a broken notification says to whom is not known.
  const isIntact = inputErrors.length === 0
  inputErrors.push(...timeErrors(request, nowMs))
  if (
    isIntact &&
    request.update === 'personalized' &&
    app.allowFasterThanGuideline === undefined &&
    !isPersonal(request)
  )
    inputErrors.push({
      path: ['update'],
      code: 'not-personalized',
      detail: `a personalized update needs a {{vars.…}} placeholder, or at most ${LISTED_WITHOUT_PLACEHOLDER} listed channels; send it as generic`,
    })
  return inputErrors
}

function asField(warnings: Warning[]): { readonly warnings?: Warning[] } {
  return warnings.length === 0 ? {} : { warnings }
}

function undefinedIfMissing(error: unknown): undefined {
  if (error instanceof Problem && error.code === 'not-found') return undefined
  throw error
}
