import { randomBytes, randomUUID } from 'node:crypto'
import type { AppId, AppSettings, CampaignId, CampaignRef, CampaignRequest, FanoutEvent } from '@wns-fanout/domain'
import { byteOf, parseImportLine } from '@wns-fanout/domain'
import type { BatchTerms, CampaignRecord, RedisConnection } from '@wns-fanout/state'
import {
  AppStore,
  Audiences,
  CampaignStore,
  closeRedis,
  connectRedis,
  Keyring,
  Keys,
  Ledger,
  Registry,
} from '@wns-fanout/state'
import { removeKeysWith } from '@wns-fanout/testing'
import { inject, onTestFinished } from 'vitest'
import { Campaigns } from '../../src/campaign/campaigns.ts'
import type { AppCondition } from '../../src/campaign/view.ts'
import type { Queues } from '../../src/worker/queues.ts'

export const NEWS = 'news' as AppId

export function refOf(campaign: string): CampaignRef {
  return { app: NEWS, campaign: campaign as CampaignId }
}

/** A toast to all, with a placeholder: the guard on generic updates does not apply to it. */
export const helloToAll: CampaignRequest = {
  notification: { type: 'toast', content: { title: 'Hello {{vars.name|you}}' } },
  audience: { all: true },
  update: 'personalized',
  delivery: 'at-least-once',
}

/** Queues that record what is added to them. */
export class RecordedQueues {
  readonly enqueued: Parameters<Queues['enqueue']>[] = []
  readonly batches: {
    readonly campaign: CampaignId
    readonly seq: number
    readonly turn: number
    readonly delayMs?: number
  }[] = []

  async enqueue(...job: Parameters<Queues['enqueue']>): Promise<void> {
    this.enqueued.push(job)
  }

  async addBatches(...[, batches]: Parameters<Queues['addBatches']>): Promise<void> {
    this.batches.push(...batches)
  }

  /** Names of the jobs that were enqueued. */
  get names(): string[] {
    return this.enqueued.map(([name]) => name)
  }
}

/** The stores of one app on a real Redis, under a prefix of this test alone. */
export class Stage {
  readonly redis: RedisConnection
  readonly keys = new Keys(`t-${randomBytes(6).toString('hex')}:`)
  readonly queues = new RecordedQueues()
  readonly events: FanoutEvent[] = []
  readonly apps: AppStore
  readonly registry: Registry
  readonly audiences: Audiences
  readonly store: CampaignStore
  readonly ledger: Ledger
  readonly campaigns: Campaigns
  condition: AppCondition = { paused: false, effectiveRatePerSecond: 100 }
  /** The rate by which the planner sizes batches: high enough for full ones. */
  planRatePerSecond = 10_000

  constructor() {
    this.redis = connectRedis(inject('redisUrl'), { role: 'worker' })
    this.apps = new AppStore(this.redis, this.keys, Keyring.parse(`k1 ${randomBytes(32).toString('base64')}`))
    this.registry = new Registry(this.redis, this.keys)
    this.audiences = new Audiences(this.redis, this.keys)
    this.store = new CampaignStore(this.redis, this.keys)
    this.ledger = new Ledger(this.redis, this.keys)
    this.campaigns = new Campaigns({ ...this.deps, condition: async () => this.condition })
    onTestFinished(async () => {
      await removeKeysWith(this.redis, this.keys.prefix)
      await closeRedis(this.redis)
    })
  }

  /** What launching and planning need. */
  get deps() {
    return {
      redis: this.redis,
      keys: this.keys,
      apps: this.apps,
      registry: this.registry,
      audiences: this.audiences,
      campaigns: this.store,
      ledger: this.ledger,
      queues: this.queues,
      emit: (event: FanoutEvent): void => void this.events.push(event),
      condition: async () => ({ ...this.condition, effectiveRatePerSecond: this.planRatePerSecond }),
      busyBatches: 2,
    }
  }

  /** The app, with channels `device-0`, `device-1`, … */
  async app(channels: number, settings: Partial<Parameters<AppStore['put']>[1]> = {}): Promise<AppSettings> {
    const credentials = { kind: 'store', packageSid: 'S-1-15-2-1', clientSecret: 'secret' } as const
    const { settings: stored } = await this.apps.put(NEWS, { credentials, ...settings })
    await this.registry.register(
      NEWS,
      Array.from({ length: channels }, (_, at) => registrationOf(at)),
    )
    return stored
  }

  async record(id: string): Promise<CampaignRecord> {
    const record = await this.store.get(NEWS, id as CampaignId)
    if (record === null) throw new Error(`there is no campaign ${id}`)
    return record
  }

  /** The totals that are not 0. */
  async totals(id: string): Promise<Record<string, number>> {
    return Object.fromEntries(Object.entries((await this.record(id)).totals).filter(([, count]) => count !== 0))
  }

  /** Open a batch and close it with this code for each position. */
  async settle(id: string, seq: number, codeAt: (position: number) => number): Promise<void> {
    const ref = { app: NEWS, campaign: id as CampaignId, seq }
    const owner = randomUUID()
    const opened = await this.ledger.open(ref, owner, terms)
    if (opened.kind !== 'open') throw new Error(`the batch did not open: ${opened.kind}`)
    const vector = opened.vector.map((_, position) => byteOf(codeAt(position), 1))
    const changed = [...vector.keys()]
    const change = { number: 1, vector, changed, dead: [], gates: [], samples: this.samples, end: 'close' as const }
    const answer = await this.ledger.checkpoint(ref, owner, opened, terms, change)
    if (answer.kind !== 'ok') throw new Error(`the batch did not close: ${answer.kind}`)
  }

  /** Samples that `settle` reports. */
  samples: string[] = []
}

const terms: BatchTerms = {
  window: 512,
  delivery: 'at-least-once',
  type: 'toast',
  guardSeconds: 0,
  maxAttempts: 5,
  wantsVariables: false,
  wantsLocales: false,
}

function registrationOf(at: number) {
  const parsed = parseImportLine({
    channel: `device-${at}`,
    uri: `https://db5p.notify.windows.com/?token=${at}`,
    ...(at % 2 === 0 ? { tags: ['even'] } : {}),
  })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.inputErrors))
  return parsed.value
}
