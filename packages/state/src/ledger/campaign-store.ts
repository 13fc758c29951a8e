import type { AppId, AppLimits, CampaignId, CampaignState, OverLimitPolicy } from '@wns-fanout/domain'
import { DAY_MS } from '@wns-fanout/domain'
import { appsThat } from '../apps-that.ts'
import type { Keys } from '../keys.ts'
import { redisNowMs } from '../redis-clock.ts'
import type { RedisConnection } from '../redis.ts'
import type { Script, ScriptArgument } from '../scripts.ts'
import { loadScript } from '../scripts.ts'
import type { Reply } from './codec.ts'
import { named, replies, settledCounts } from './codec.ts'
import { askLedger } from './errors.ts'
import type { CampaignDefinition, CampaignRecord } from './record.ts'
import { recordOf } from './record.ts'
import type { DividedAudience } from '../waves.ts'
import type { SettledCount } from './types.ts'

export interface NewCampaign {
  readonly definition: CampaignDefinition
  readonly policy: OverLimitPolicy
  /** Milliseconds for which the campaign takes its topic's slot; 0 for a campaign that is exempt. */
  readonly topicIntervalMs: number
  readonly startAtMs?: number | undefined
  readonly expiresAtMs?: number | undefined
  /** The digest of a dry run that the campaign uses up. */
  readonly confirm?: string | undefined
  /** Recipients as far as they are known now, which count for the limits of the day and the time left. */
  readonly recipients?: number | undefined
  readonly limits?: AppLimits | undefined
  /** Bitmap of its recipients now, a key of the app. Absent, it may reach any channel. */
  readonly reachKey?: string | undefined
}

/** A campaign as the index of its app has it. */
export interface CampaignIndexEntry {
  readonly id: CampaignId
  readonly createdAtMs: number
}

/** A campaign took the slot of its topic, waits for it, waits in place of another one, or was dropped. */
export type SlotDecision = 'taken' | 'deferred' | 'coalesced' | 'dropped'

export type CreateAnswer =
  | {
      readonly kind: 'created'
      readonly state: CampaignState
      readonly startAtMs: number
      readonly superseded?: CampaignId
      /** What the guard decided for this call; absent where it had nothing to decide, as for a repeated call. */
      readonly slot?: SlotDecision
    }
  | {
      readonly kind: 'refused' | 'full'
      readonly admissibleAtMs: number
      /** The campaign that has the slot of the topic, or the last one that waits for it. */
      readonly before: CampaignId
    }
  /** The digest was used by another campaign meanwhile. */
  | { readonly kind: 'unconfirmed' }
  | { readonly kind: 'limited'; readonly untilMs: number; readonly limit: keyof AppLimits }

export type LaunchAnswer =
  | { readonly kind: 'go' | 'frozen' }
  | { readonly kind: 'wait'; readonly startAtMs: number }
  | { readonly kind: 'stopped'; readonly state: string }

const createScript = loadScript('campaign-create')
const launchScript = loadScript('campaign-launch')
const slotScript = loadScript('topic-slot')
const freezeScript = loadScript('campaign-freeze')
const steerScript = loadScript('campaign-steer')
const canaryWaitScript = loadScript('canary-wait')
const retireScript = loadScript('campaign-retire')
const takeUncountedScript = loadScript('campaign-take-uncounted')

const RETIRED_AT_ONCE = 500
const FORGOTTEN_AT_ONCE = 8

interface StoredAudience {
  readonly size: number
  readonly unknownChannels?: number | undefined
  readonly optedOut?: number | undefined
  readonly optedOutOfTopic?: number | undefined
  /** Of a campaign at a local time. */
  readonly divided?: DividedAudience | undefined
}

/** Campaigns in Redis: their definition, their life from create to retire, and their totals. */
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
    // Written first: without its pointer a campaign could not be found; a pointer without its campaign is harmless.
    await this.#redis.set(this.#keys.campaignApp(definition.id), definition.app)
    const reply = await this.#ask(
      createScript,
      definition.app,
      definition.id,
      [
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
        definition.request.maxDeadShare?.share ?? '',
        restOf(definition),
        campaign.confirm ?? '',
        campaign.recipients ?? 0,
        definition.createdBy ?? '',
        campaign.limits?.recipientsPerDay ?? '',
        campaign.limits?.recipientsPerKeyAndDay ?? '',
        campaign.limits?.unfinishedCampaigns ?? '',
        campaign.recipients ?? '',
      ],
      keysOf(campaign.reachKey),
    )
    const kind = String(reply[0])
    if (kind === 'created') {
      const created = named(reply, replies.created)
      const superseded = String(created.superseded)
      const slot = String(created.slot)
      return {
        kind,
        state: created.state as CampaignState,
        startAtMs: Number(created.startAtMs),
        ...(superseded === '' ? {} : { superseded: superseded as CampaignId }),
        ...(slot === '' ? {} : { slot: slot as SlotDecision }),
      }
    }
    await this.#redis.del(this.#keys.campaignApp(definition.id))
    const { admissibleAtMs, before } = named(reply, replies.notCreated)
    if (kind === 'unconfirmed') return { kind }
    if (kind === 'limited') return { kind, untilMs: Number(admissibleAtMs), limit: String(before) as keyof AppLimits }
    return {
      kind: kind as 'refused' | 'full',
      admissibleAtMs: Number(admissibleAtMs),
      before: String(before) as CampaignId,
    }
  }

  /** @param reachKey bitmap of its recipients now, a key of the app; absent, it may reach any channel */
  async launch(app: AppId, id: CampaignId, reachKey?: string): Promise<LaunchAnswer> {
    const reply = await this.#ask(launchScript, app, id, [], keysOf(reachKey))
    const kind = String(reply[0])
    if (kind === 'wait') return { kind, startAtMs: Number(named(reply, replies.launchWait).startAtMs) }
    if (kind === 'stopped') return { kind, state: String(named(reply, replies.launchStopped).state) }
    return { kind: kind as 'go' | 'frozen' }
  }

  /**
   * The campaign that a new one would wait for, if it started now, and until when. Undefined where it would start.
   *
   * @param reachKey bitmap of its recipients now, a key of the app
   */
  async slotOf(
    definition: CampaignDefinition,
    topicIntervalMs: number,
    reachKey: string,
  ): Promise<{ readonly campaign: CampaignId; readonly untilMs: number } | undefined> {
    const { app, topic, request } = definition
    const args = [request.notification.type, topic, topicIntervalMs, restOf(definition)]
    const reply = await slotScript.run(this.#redis, [this.#keys.base(app), this.#keys.app(app), reachKey], args)
    const [untilMs, campaign] = reply as readonly [number, string]
    return campaign === '' ? undefined : { campaign: campaign as CampaignId, untilMs }
  }

  /**
   * Store the evaluated audience, a bitmap at `draftKey` of the same app: it becomes the frozen audience, and the
   * campaign sends from now on. If an audience is stored already, that one stays and the draft is removed.
   *
   * @returns the state afterwards
   */
  async storeAudience(
    app: AppId,
    id: CampaignId,
    draftKey: string,
    { size, unknownChannels, optedOut = 0, optedOutOfTopic = 0, divided }: StoredAudience,
  ): Promise<string> {
    const counts = [size, unknownChannels ?? '', optedOut, optedOutOfTopic]
    const waves = divided === undefined ? [''] : [divided.wavePages, JSON.stringify(divided.waves), divided.leftOut]
    const reply = await this.#ask(freezeScript, app, id, [...counts, ...waves], [draftKey])
    return String(reply[0])
  }

  /**
   * `hold` halts a campaign so that `accept` with the same reason resumes it; `halt` halts it for good.
   *
   * @returns the state afterwards, and whether the state before allowed the step
   */
  async steer(
    app: AppId,
    id: CampaignId,
    act: 'pause' | 'resume' | 'accept' | 'cancel' | 'hold' | 'halt',
    reason = '',
  ): Promise<{ readonly ok: boolean; readonly state: string }> {
    const { kind, state } = named(await this.#ask(steerScript, app, id, [act, reason]), replies.steered)
    return { ok: kind === 'ok', state: String(state) }
  }

  /** The canary's outcome was good enough: from now on the rest of the audience is planned. */
  async passCanary(app: AppId, id: CampaignId): Promise<void> {
    await this.#redis.hset(this.#keys.campaign(app, id), 'canary', 'passed')
  }

  /** Report, once, that the canary waits for approval. */
  async reportCanary(app: AppId, id: CampaignId): Promise<void> {
    await this.#ask(canaryWaitScript, app, id)
  }

  async appOf(id: CampaignId): Promise<AppId | null> {
    return (await this.#redis.get(this.#keys.campaignApp(id))) as AppId | null
  }

  /** A campaign at this instant, or null. Throws `LedgerDamaged` if its key is not a hash. */
  async get(app: AppId, id: CampaignId): Promise<CampaignRecord | null> {
    const key = this.#keys.campaign(app, id)
    const [fields, nowMs] = await Promise.all([askLedger(() => this.#redis.hgetall(key)), this.redisNowMs()])
    return Object.keys(fields).length === 0 ? null : recordOf(app, id, fields, nowMs)
  }

  /** Ids of an app's campaigns after `after`, newest first. */
  async ids(app: AppId, after: string | undefined, count: number): Promise<CampaignId[]> {
    const key = this.#keys.campaigns(app)
    const rank = after === undefined ? -1 : await this.#redis.zrevrank(key, after)
    if (rank === null) return []
    return (await this.#redis.zrevrange(key, rank + 1, rank + count)) as CampaignId[]
  }

  /** Up to `count` of an app's campaigns that were created at `untilMs` or before, newest first. */
  async newest(app: AppId, untilMs: number, count: number): Promise<CampaignIndexEntry[]> {
    const key = this.#keys.campaigns(app)
    const found = await this.#redis.zrevrangebyscore(key, untilMs, '-inf', 'WITHSCORES', 'LIMIT', 0, count)
    return Array.from({ length: found.length / 2 }, (_, at) => ({
      id: found[2 * at] as CampaignId,
      createdAtMs: Number(found[2 * at + 1]),
    }))
  }

  /** Ids of campaigns that are not finished. */
  async active(app: AppId): Promise<CampaignId[]> {
    return (await this.#redis.smembers(this.#keys.active(app))) as CampaignId[]
  }

  /** Those of `apps` that have campaigns in `active` or `finished`; cheap for many apps. */
  appsWithAny(apps: readonly AppId[]): Promise<AppId[]> {
    const count = (app: AppId) => this.#redis.exists(this.#keys.active(app), this.#keys.finished(app))
    return appsThat(apps, async (app) => (await count(app)) > 0)
  }

  /** Ids of finished campaigns that the leader has not retired yet. */
  async finished(app: AppId): Promise<CampaignId[]> {
    return (await this.#redis.smembers(this.#keys.finished(app))) as CampaignId[]
  }

  /** Up to `count` samples, oldest first. */
  async samples(app: AppId, id: CampaignId, count: number): Promise<string[]> {
    const entries = await this.#redis.xrange(this.#keys.samples(app, id), '-', '+', 'COUNT', count)
    return entries.map(([, fields]) => fields[1] ?? '{}')
  }

  /** Take the recipients that were settled without an owner that counts them. A second call returns none of them. */
  async takeUncounted(app: AppId, id: CampaignId): Promise<SettledCount[]> {
    return settledCounts(await takeUncountedScript.run(this.#redis, [this.#keys.campaign(app, id)], []))
  }

  /** Let everything of a finished campaign expire after its retention. A repeated call only sets a later expiry. */
  async retire(app: AppId, record: CampaignRecord): Promise<void> {
    const { id, retentionDays } = record.definition
    const seconds = retentionDays * 86_400
    for (let first = 0; first < record.planned; first += RETIRED_AT_ONCE) {
      const last = Math.min(record.planned, first + RETIRED_AT_ONCE) - 1
      await retireScript.run(this.#redis, [this.#keys.campaign(app, id)], [first, last, seconds])
    }
    await this.#redis.expire(this.#keys.targets(app, id), seconds)
    await this.#redis.expire(this.#keys.samples(app, id), seconds)
    await this.#redis.expire(this.#keys.campaign(app, id), seconds)
    await this.#redis.expire(this.#keys.campaignApp(id), seconds)
    await this.#forgetExpired(app)
    await this.#redis.srem(this.#keys.finished(app), id)
  }

  /** Remove expired campaigns from the app's index. Each call may remove more than the one that was added. */
  async #forgetExpired(app: AppId): Promise<void> {
    const index = this.#keys.campaigns(app)
    for (const id of await this.#redis.zrange(index, 0, String(FORGOTTEN_AT_ONCE - 1)))
      if ((await this.#redis.exists(this.#keys.campaign(app, id))) === 0) await this.#redis.zrem(index, id)
  }

  redisNowMs(): Promise<number> {
    return redisNowMs(this.#redis)
  }

  async #ask(
    script: Script,
    app: AppId,
    id: CampaignId,
    args: readonly ScriptArgument[] = [],
    moreKeys: readonly string[] = [],
  ): Promise<Reply> {
    const keys = [this.#keys.base(app), this.#keys.campaign(app, id), ...moreKeys]
    return (await askLedger(() => script.run(this.#redis, keys, args))) as Reply
  }
}

function keysOf(reachKey: string | undefined): readonly string[] {
  return reachKey === undefined ? [] : [reachKey]
}

function restOf({ request: { audience } }: CampaignDefinition): string {
  return 'restOf' in audience ? audience.restOf : ''
}
