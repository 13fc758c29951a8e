import type { AppId, CampaignId, CampaignRequest, CampaignState, OverLimitPolicy, Totals } from '@wns-fanout/domain'
import { DAY_MS, campaignStates, classes, codeTable, emptyTotals, isTerminal } from '@wns-fanout/domain'
import type { Keys } from './keys.ts'
import { ledgerAnswer } from './ledger-errors.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'

/** What a campaign is, once and for all: the request with every default filled in. Holds the payload. */
export interface CampaignDefinition {
  readonly id: CampaignId
  readonly app: AppId
  readonly request: CampaignRequest
  readonly update: 'generic' | 'personalized'
  readonly topic: string
  readonly delivery: 'at-least-once' | 'at-most-once'
  readonly priority: 'urgent' | 'normal'
  /** Seconds within which a channel gets no second generic update; 0 where the guard does not apply. */
  readonly guardSeconds: number
  readonly maxAttempts: number
  readonly retentionDays: number
  readonly parent?: CampaignId | undefined
}

/** A campaign as the ledger has it at one instant. */
export interface CampaignRecord {
  readonly definition: CampaignDefinition
  readonly state: CampaignState
  readonly reason?: string | undefined
  readonly createdAtMs: number
  readonly startAtMs: number
  readonly startedAtMs?: number | undefined
  readonly expiresAtMs: number
  readonly finishedAtMs?: number | undefined
  /** Null before the freeze. */
  readonly audienceSize: number | null
  readonly unknownChannels?: number | undefined
  readonly totals: Totals
  readonly takeovers: number
  readonly cursor: number
  readonly planned: number
  readonly closed: number
  readonly planComplete: boolean
  /** The code of recipients that were never planned, once the campaign was stopped. */
  readonly stopCode?: number | undefined
  /** Settled recipients a second, lately. */
  readonly ratePerSecond: number
  /** Was the canary's outcome good enough to go on? */
  readonly canaryPassed: boolean
  readonly plannedRecipients: number
  readonly redisNowMs: number
  /** Of the ledger; undefined where it is missing. Only what this process writes may be changed by it. */
  readonly version: number | undefined
  /** The first field that is not what a script could have left, where there is one. */
  readonly damage?: string
  /** What it was halted for, until it is mended. */
  readonly halting: string | undefined
  /** Nobody knows any more what the campaign was to say; `definition` only stands for it. */
  readonly definitionLost?: boolean
}

/** The version of the ledger that this process writes. */
export const LEDGER_VERSION = 1

export interface NewCampaign {
  readonly definition: CampaignDefinition
  readonly policy: OverLimitPolicy
  /** Milliseconds a topic's slot is taken for; 0 for a campaign that is exempt. */
  readonly topicIntervalMs: number
  readonly startAtMs?: number | undefined
  readonly expiresAtMs?: number | undefined
}

export type CreateAnswer =
  | {
      readonly kind: 'created'
      readonly state: CampaignState
      readonly startAtMs: number
      readonly superseded?: CampaignId
    }
  | { readonly kind: 'refused' | 'full'; readonly admissibleAtMs: number }

export type LaunchAnswer =
  | { readonly kind: 'go' | 'frozen' }
  | { readonly kind: 'wait'; readonly startAtMs: number }
  | { readonly kind: 'stopped'; readonly state: string }

const createScript = loadScript('campaign-create', 'ledger-lib')
const launchScript = loadScript('campaign-launch', 'ledger-lib')
const freezeScript = loadScript('campaign-freeze', 'ledger-lib')
const steerScript = loadScript('campaign-steer', 'ledger-lib')
const batchesScript = loadScript('campaign-batches')
const retireScript = loadScript('campaign-retire')

/** Campaigns in Redis: their definition, their life and what is known of all their recipients together. */
export class CampaignStore {
  readonly #redis: RedisConnection
  readonly #keys: Keys

  constructor(redis: RedisConnection, keys: Keys) {
    this.#redis = redis
    this.#keys = keys
  }

  /** Store a campaign and take its topic's slot in one step. Idempotent by the id. */
  async create(campaign: NewCampaign): Promise<CreateAnswer> {
    const { definition } = campaign
    // Written first: a campaign without its pointer could not be found, a pointer without its campaign is harmless.
    await this.#redis.set(this.#keys.campaignApp(definition.id), definition.app)
    const reply = (await createScript.run(this.#redis, this.#both(definition.app, definition.id), [
      definition.id,
      definition.request.notification.type,
      definition.topic,
      campaign.topicIntervalMs,
      campaign.policy,
      campaign.startAtMs ?? '',
      DAY_MS,
      campaign.expiresAtMs ?? '',
      JSON.stringify(definition),
      definition.request.maxFailureShare ?? '',
    ])) as unknown[]
    const kind = String(reply[0])
    if (kind === 'created') {
      const superseded = String(reply[4])
      return {
        kind,
        state: reply[1] as CampaignState,
        startAtMs: Number(reply[2]),
        ...(superseded === '' ? {} : { superseded: superseded as CampaignId }),
      }
    }
    await this.#redis.del(this.#keys.campaignApp(definition.id))
    return { kind: kind as 'refused' | 'full', admissibleAtMs: Number(reply[1]) }
  }

  async launch(app: AppId, id: CampaignId): Promise<LaunchAnswer> {
    const reply = (await ledgerAnswer(() => launchScript.run(this.#redis, this.#both(app, id), []))) as unknown[]
    const kind = String(reply[0])
    if (kind === 'wait') return { kind, startAtMs: Number(reply[1]) }
    if (kind === 'stopped') return { kind, state: String(reply[1]) }
    return { kind: kind as 'go' | 'frozen' }
  }

  /**
   * The audience is evaluated and stored at `draftKey`, a key of the same app: it becomes the campaign's own and the
   * campaign sends from now on. Where an audience is frozen already that one stays and the draft is removed.
   *
   * @returns the state afterwards
   */
  async frozen(
    app: AppId,
    id: CampaignId,
    draftKey: string,
    audience: { readonly size: number; readonly unknownChannels?: number | undefined },
  ): Promise<string> {
    const keys = [...this.#both(app, id), draftKey]
    const args = [audience.size, audience.unknownChannels ?? '']
    const reply = (await ledgerAnswer(() => freezeScript.run(this.#redis, keys, args))) as unknown[]
    return String(reply[0])
  }

  /** @returns the state afterwards, and whether the state before allowed the step. */
  async steer(
    app: AppId,
    id: CampaignId,
    act: 'pause' | 'resume' | 'cancel' | 'halt',
    reason = '',
  ): Promise<{ readonly ok: boolean; readonly state: string }> {
    const keys = this.#both(app, id)
    const reply = (await ledgerAnswer(() => steerScript.run(this.#redis, keys, [act, reason]))) as unknown[]
    return { ok: reply[0] === 'ok', state: String(reply[1]) }
  }

  /** The canary's outcome was good enough: the rest of the audience is planned from now on. */
  async passCanary(app: AppId, id: CampaignId): Promise<void> {
    await this.#redis.hset(this.#keys.campaign(app, id), 'canary', 'passed')
  }

  async appOf(id: CampaignId): Promise<AppId | null> {
    return (await this.#redis.get(this.#keys.campaignApp(id))) as AppId | null
  }

  /** A campaign as it is now, or null. Throws `LedgerDamaged` where its key holds something else. */
  async get(app: AppId, id: CampaignId): Promise<CampaignRecord | null> {
    const key = this.#keys.campaign(app, id)
    const [fields, time] = await Promise.all([ledgerAnswer(() => this.#redis.hgetall(key)), this.#redis.time()])
    return Object.keys(fields).length === 0 ? null : recordOf(app, id, fields, redisMs(time))
  }

  /** Ids of an app's campaigns, newest first, from after `after`. */
  async ids(app: AppId, after: string | undefined, count: number): Promise<CampaignId[]> {
    const key = this.#keys.campaigns(app)
    const rank = after === undefined ? -1 : await this.#redis.zrevrank(key, after)
    if (rank === null) return []
    return (await this.#redis.zrevrange(key, rank + 1, rank + count)) as CampaignId[]
  }

  /** Ids of campaigns that are not finished. */
  async active(app: AppId): Promise<CampaignId[]> {
    return (await this.#redis.smembers(this.#keys.active(app))) as CampaignId[]
  }

  /** Sequence numbers of the batches that are planned and not closed. */
  async liveBatches(app: AppId, id: CampaignId): Promise<number[]> {
    return (await ledgerAnswer(() => this.#redis.smembers(this.#keys.live(app, id)))).map(Number)
  }

  /** Bytes `from` to `to` (inclusive) of the frozen audience. */
  async targets(app: AppId, id: CampaignId, from: number, to: number): Promise<Uint8Array> {
    const key = this.#keys.targets(app, id)
    return Uint8Array.from(await ledgerAnswer(() => this.#redis.getrangeBuffer(key, from, to)))
  }

  /** Range, due time and vector of each batch; null where there is none. */
  async batches(app: AppId, id: CampaignId, seqs: readonly number[]): Promise<(StoredBatch | null)[]> {
    if (seqs.length === 0) return []
    const key = this.#keys.campaign(app, id)
    const replies = await ledgerAnswer(() => batchesScript.runBuffer(this.#redis, [key], seqs))
    return seqs.map((seq, at) => {
      const fields = (replies as (Buffer | null)[][])[at] ?? []
      const range = fields[0]?.toString().split(',').map(Number)
      if (range === undefined) return null
      const [fromPage = 0, toPage = 0, recipients = 0] = range
      return {
        seq,
        fromPage,
        toPage,
        recipients,
        dueAtMs: Number(fields[1]?.toString() ?? 0),
        closed: fields[2] != null,
        state: fields[4]?.toString() ?? 'new',
        all: fields[3] == null ? undefined : Number(fields[3].toString()),
        vector: fields[5] == null ? null : Uint8Array.from(fields[5]),
      }
    })
  }

  /** What is left of batches, whatever it is. Nothing here may be relied on but what is said to be there. */
  async salvage(app: AppId, id: CampaignId, seqs: readonly number[]): Promise<BatchSalvage[]> {
    const pipeline = this.#redis.pipeline()
    for (const seq of seqs) {
      pipeline.hmget(this.#keys.batch(app, id, seq), 'r', 'o', 'f', 'z', 'all', 'st')
      pipeline.getBuffer(this.#keys.vector(app, id, seq))
    }
    const replies = (await pipeline.exec()) ?? []
    return seqs.map((seq, at) => {
      const fields = (foundIn(replies[at * 2]) ?? []) as (string | null)[]
      return salvageOf(seq, fields, (foundIn(replies[at * 2 + 1]) ?? null) as Buffer | null)
    })
  }

  /** How many batches a damaged campaign has: what it says, where it can be so, or what is found. */
  async batchCount(app: AppId, id: CampaignId, said: number, atMost: number): Promise<number> {
    const live = (await this.liveBatches(app, id)).filter(
      (seq) => Number.isSafeInteger(seq) && seq >= 0 && seq < (atMost > 0 ? atMost : MAX_BATCHES),
    )
    let count = Math.max(said <= atMost ? said : 0, ...live.map((seq) => seq + 1))
    for (;;) {
      const keys = Array.from({ length: PROBED_AT_ONCE }, (_, at) => count + at).flatMap((seq) => [
        this.#keys.batch(app, id, seq),
        this.#keys.vector(app, id, seq),
      ])
      const pipeline = this.#redis.pipeline()
      for (const key of keys) pipeline.exists(key)
      const found = ((await pipeline.exec()) ?? []).map(valueOf).lastIndexOf(1)
      if (found < 0) return count
      count += Math.floor(found / 2) + 1
    }
  }

  /** Up to `count` samples, oldest first. */
  async samples(app: AppId, id: CampaignId, count: number): Promise<string[]> {
    const entries = await this.#redis.xrange(this.#keys.samples(app, id), '-', '+', 'COUNT', count)
    return entries.map(([, fields]) => fields[1] ?? '{}')
  }

  /** Ids of finished campaigns that nobody has told of and retired yet. */
  async finished(app: AppId): Promise<CampaignId[]> {
    return (await this.#redis.smembers(this.#keys.finished(app))) as CampaignId[]
  }

  /** Let everything of a finished campaign expire after its retention. Repeating it only puts the end off. */
  async retire(app: AppId, record: CampaignRecord): Promise<void> {
    const { id, retentionDays } = record.definition
    const seconds = retentionDays * 86_400
    for (let first = 0; first < record.planned; first += RETIRE_CHUNK) {
      const last = Math.min(record.planned, first + RETIRE_CHUNK) - 1
      await retireScript.run(this.#redis, [this.#keys.campaign(app, id)], [first, last, seconds])
    }
    await this.#redis.expire(this.#keys.targets(app, id), seconds)
    await this.#redis.expire(this.#keys.samples(app, id), seconds)
    await this.#redis.expire(this.#keys.campaign(app, id), seconds)
    await this.#redis.expire(this.#keys.campaignApp(id), seconds)
    await this.#forgetExpired(app)
    await this.#redis.srem(this.#keys.finished(app), id)
  }

  /** Takes campaigns off the app's index that have expired: each that is retired makes room for more than itself. */
  async #forgetExpired(app: AppId): Promise<void> {
    const index = this.#keys.campaigns(app)
    for (const id of await this.#redis.zrange(index, 0, String(FORGET_AT_ONCE - 1)))
      if ((await this.#redis.exists(this.#keys.campaign(app, id))) === 0) await this.#redis.zrem(index, id)
  }

  async redisNowMs(): Promise<number> {
    return redisMs(await this.#redis.time())
  }

  #both(app: AppId, id: CampaignId): string[] {
    return [this.#keys.base(app), this.#keys.campaign(app, id)]
  }
}

const RETIRE_CHUNK = 500
const FORGET_AT_ONCE = 8

export interface StoredBatch {
  readonly seq: number
  readonly fromPage: number
  readonly toPage: number
  readonly recipients: number
  readonly dueAtMs: number
  readonly closed: boolean
  readonly state: string
  /** The code of all recipients, where the batch was closed without ever being opened. */
  readonly all: number | undefined
  readonly vector: Uint8Array | null
}

export interface BatchSalvage {
  readonly seq: number
  readonly range: { readonly fromPage: number; readonly toPage: number; readonly recipients: number } | undefined
  /** Undefined where nobody can tell. */
  readonly wasOpened: boolean | undefined
  readonly closed: boolean
  readonly all: number | undefined
  readonly vector: Uint8Array | null
}

const PROBED_AT_ONCE = 256
const MAX_BATCHES = 2 ** 23

function salvageOf(seq: number, fields: readonly (string | null)[], vector: Uint8Array | null): BatchSalvage {
  const [range, owner, fence, closed, all] = fields.map((field) => field ?? undefined)
  const isThere = fields.some((field) => field !== null)
  const [fromPage = 0, toPage = -1, recipients = 0] = (/^(\d{1,8}),(\d{1,8}),(\d{1,5})$/.exec(range ?? '') ?? [])
    .slice(1)
    .map(Number)
  const isRange = recipients > 0 && fromPage <= toPage && recipients <= (toPage - fromPage + 1) * 512
  const code = /^\d{1,2}$/.test(all ?? '') ? Number(all) : -1
  return {
    seq,
    range: isRange ? { fromPage, toPage, recipients } : undefined,
    wasOpened: vector !== null || fence !== undefined || owner !== undefined ? true : isThere ? false : undefined,
    closed: closed !== undefined,
    all: code >= 0 && codeTable[code] !== undefined && codeTable[code].class !== 'pending' ? code : undefined,
    vector: vector === null ? null : Uint8Array.from(vector),
  }
}

/** The reply to a command of a pipeline, or undefined where the key has another type. */
function foundIn(reply: [Error | null, unknown] | undefined): unknown {
  return reply?.[0]?.message.startsWith('WRONGTYPE') === true ? undefined : valueOf(reply)
}

function redisMs(time: readonly (string | number)[]): number {
  return Number(time[0]) * 1000 + Math.floor(Number(time[1]) / 1000)
}

function valueOf(reply: [Error | null, unknown] | undefined): unknown {
  if (reply === undefined) throw new Error('Redis answered fewer commands than were sent')
  if (reply[0] !== null) throw reply[0]
  return reply[1]
}

function recordOf(
  app: AppId,
  id: CampaignId,
  fields: Readonly<Record<string, string>>,
  redisNowMs: number,
): CampaignRecord {
  let damage: string | undefined
  const wrong = (name: string): undefined => {
    damage ??= `the campaign: ${name} is ${fields[name] === undefined ? 'missing' : 'not what it has to be'}`
  }
  const optional = (name: string): number | undefined => {
    const text = fields[name]
    if (text === undefined) return undefined
    return /^\d{1,15}$/.test(text) ? Number(text) : wrong(name)
  }
  const number = (name: string): number => optional(name) ?? 0
  const needed = (name: string): number => (fields[name] === undefined ? (wrong(name) ?? 0) : number(name))
  const state = fields['state'] as CampaignState
  if (!isState(state)) wrong('state')
  if (fields['id'] !== id) wrong('id')
  const definition = definitionOf(fields['def'], id)
  if (definition === null) wrong('def')
  const totals = emptyTotals()
  let settled = 0
  for (const name of classes) {
    if (name === 'pending') continue
    totals[name] = number(`n:${name}`)
    settled += totals[name]
  }
  const audienceSize = optional('size') ?? null
  totals.pending = (audienceSize ?? 0) - settled
  const [planned, closed, cursor, expiresAtMs] = [
    needed('planned'),
    needed('closed'),
    needed('cursor'),
    needed('expires'),
  ]
  const [createdAtMs, startAtMs] = [needed('created'), needed('start')]
  const plannedRecipients = number('plannedRecipients')
  if (closed > planned) wrong('closed')
  if (plannedRecipients > (audienceSize ?? 0)) wrong('plannedRecipients')
  if (audienceSize !== null && settled > audienceSize) wrong('size')
  return {
    definition: definition ?? lostDefinition(app, id, fields),
    ...(definition === null ? { definitionLost: true } : {}),
    ...(damage === undefined ? {} : { damage }),
    version: optional('v'),
    halting: fields['damaged'],
    // Time is up even if nothing has touched the campaign since.
    state: isState(state) ? (!isTerminal(state) && redisNowMs >= expiresAtMs ? 'expired' : state) : 'paused',
    reason: fields['reason'],
    createdAtMs,
    startAtMs,
    startedAtMs: optional('started'),
    expiresAtMs,
    finishedAtMs: optional('finished'),
    audienceSize,
    unknownChannels: optional('unknown'),
    totals,
    canaryPassed: fields['canary'] === 'passed',
    plannedRecipients,
    takeovers: number('takeovers'),
    cursor,
    planned,
    closed,
    planComplete: fields['sealed'] === '1',
    stopCode: optional('stopCode'),
    ratePerSecond: redisNowMs - (Number(fields['windowAt']) || 0) < 10_000 ? Number(fields['rate']) || 0 : 0,
    redisNowMs,
  }
}

function isState(state: string | undefined): state is CampaignState {
  return (campaignStates as readonly unknown[]).includes(state)
}

function definitionOf(json: string | undefined, id: CampaignId): CampaignDefinition | null {
  try {
    const definition = JSON.parse(json ?? 'null') as CampaignDefinition | null
    return definition?.id === id ? definition : null
  } catch {
    return null
  }
}

/** What can be said of a campaign whose definition is lost. Nothing is sent by it: its campaign is halted. */
function lostDefinition(app: AppId, id: CampaignId, fields: Readonly<Record<string, string>>): CampaignDefinition {
  return {
    id,
    app,
    request: { notification: { type: 'raw', text: '-' }, audience: { channels: [] } },
    update: 'generic',
    topic: fields['topic'] ?? '',
    // The careful one: whoever may have been posted to is in doubt.
    delivery: 'at-most-once',
    priority: 'normal',
    guardSeconds: 0,
    maxAttempts: 1,
    retentionDays: 7,
  }
}
