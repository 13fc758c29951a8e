import { randomBytes } from 'node:crypto'
import type {
  AppId,
  AppSettings,
  Campaign,
  CampaignId,
  CampaignRef,
  CampaignRequest,
  FanoutEvent,
  Outcome,
  Registration,
} from '@wns-fanout/domain'
import { parseImportLine } from '@wns-fanout/domain'
import type { RedisConnection } from '@wns-fanout/state'
import {
  AppEvents,
  AppStore,
  Audiences,
  CampaignStore,
  DataSet,
  Keyring,
  Keys,
  Ledger,
  Permits,
  Registry,
  closeRedis,
  connectRedis,
} from '@wns-fanout/state'
import { removeKeysWith } from '@wns-fanout/testing'
import { inject, onTestFinished } from 'vitest'
import { Campaigns } from '../../src/campaign/campaigns.ts'
import { conditionOf } from '../../src/condition.ts'
import { AppPermits } from '../../src/send/app-permits.ts'
import { Queues } from '../../src/worker/queues.ts'
import type { FanoutWorkerDeps } from '../../src/worker/worker.ts'
import { FanoutWorker } from '../../src/worker/worker.ts'

const accepted: Outcome = { kind: 'accepted', status: 200, trace: {} }

/** Everything of an installation but WNS, in this process and on a real Redis, with a prefix of its own. */
export class Installation {
  readonly redis: RedisConnection
  readonly keys = new Keys(`i${randomBytes(6).toString('hex')}:`)
  readonly apps: AppStore
  readonly registry: Registry
  readonly store: CampaignStore
  readonly ledger: Ledger
  readonly queues: Queues
  readonly campaigns: Campaigns
  readonly permits: Permits
  readonly audiences: Audiences
  readonly events: FanoutEvent[] = []
  /** Posts of all workers, by the path of the channel. */
  readonly posts: string[] = []
  /** Answer of WNS to a post; undefined leaves it under way until `release`. */
  answer: (path: string) => Outcome | undefined = () => accepted
  readonly #pending: (() => void)[] = []

  constructor() {
    this.redis = connectRedis(inject('redisUrl'), { role: 'worker' })
    const keyring = Keyring.parse(`one ${randomBytes(32).toString('base64')}`)
    this.apps = new AppStore(this.redis, this.keys, keyring)
    this.registry = new Registry(this.redis, this.keys)
    this.store = new CampaignStore(this.redis, this.keys)
    this.ledger = new Ledger(this.redis, this.keys)
    this.queues = new Queues(this.redis, this.keys, () => {})
    this.permits = new Permits(this.redis, this.keys)
    this.audiences = new Audiences(this.redis, this.keys)
    this.campaigns = new Campaigns(this.deps)
    onTestFinished(async () => {
      await this.queues.close()
      await removeKeysWith(this.redis, this.keys.prefix)
      await closeRedis(this.redis)
    })
  }

  /** What campaigns need. */
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
      condition: conditionOf(this.apps, this.permits),
    }
  }

  /** An app with channels `d0`, `d1`, …, whose paths are `/?token=<app>-<n>`. */
  async app(id: string, channels: number): Promise<AppSettings> {
    const app = id as AppId
    const { settings } = await this.apps.put(app, {
      credentials: { kind: 'store', packageSid: 'S-1-15-2-1-2-3-4-5-6-7', clientSecret: 's' },
      ratePerSecond: 50_000,
    })
    await this.registry.register(
      app,
      Array.from({ length: channels }, (_, n) => registrationOf(id, n)),
    )
    return settings
  }

  create(settings: AppSettings, request: Partial<CampaignRequest> = {}): Promise<Campaign> {
    return this.campaigns.create(settings, {
      notification: { type: 'badge', value: 1 },
      audience: { all: true },
      ...request,
    })
  }

  async view(id: string): Promise<Campaign> {
    const campaign = await this.campaigns.get(await this.#refOf(id))
    if (campaign === null) throw new Error(`there is no campaign ${id}`)
    return campaign
  }

  async pause(id: string): Promise<void> {
    await this.campaigns.pause(await this.#refOf(id))
  }

  async #refOf(id: string): Promise<CampaignRef> {
    const campaign = id as CampaignId
    const app = await this.campaigns.appOf(campaign)
    if (app === null) throw new Error(`there is no campaign ${id}`)
    return { app, campaign }
  }

  /** A worker of this installation; it is stopped at the end of the test. */
  worker(deps: Partial<FanoutWorkerDeps> = {}): FanoutWorker {
    const permits = new Map<AppId, AppPermits>()
    const worker = new FanoutWorker({
      redis: this.redis,
      keys: this.keys,
      apps: this.apps,
      audiences: this.audiences,
      events: new AppEvents(this.redis, this.keys),
      campaigns: this.store,
      ledger: this.ledger,
      queues: this.queues,
      dataSet: new DataSet(this.redis, this.keys),
      condition: async () => ({ effectiveRatePerSecond: 50_000 }),
      lanes: { join: (_group, { done }) => this.#lanes(done) },
      laneCount: 64,
      permits: (app) => {
        const known = permits.get(app)
        if (known !== undefined) return known
        const made = new AppPermits(this.permits, app, { limit: () => ({ ratePerSecond: 50_000, burst: 5000 }) })
        permits.set(app, made)
        return made
      },
      token: () => ({ current: () => 'token', fetch: async () => {}, renew: async () => 60_000 }),
      emit: (event) => this.events.push(event),
      onApp: () => {},
      onAppGone: () => {},
      runSchedules: async () => {},
      lockMs: 6000,
      reconcileMs: 100,
      deathTimes: { goneMs: 300, graceMs: 500 },
      ...deps,
    })
    onTestFinished(async () => {
      this.answer = () => accepted
      this.release()
      await worker.stop()
      for (const each of permits.values()) each.stop()
    })
    return worker
  }

  /** Answer every post that is under way. */
  release(): void {
    for (const answer of this.#pending.splice(0)) answer()
  }

  eventsOf<T extends FanoutEvent['type']>(type: T): (FanoutEvent & { type: T })[] {
    return this.events.filter((event): event is FanoutEvent & { type: T } => event.type === type)
  }

  #lanes(done: (position: number, outcome: Outcome, durationMs: number) => void) {
    return {
      tryPost: (_origin: string, path: string, _headers: string[], _body: Buffer, position: number): boolean => {
        this.posts.push(path)
        const outcome = this.answer(path)
        if (outcome === undefined) this.#pending.push(() => done(position, accepted, 1))
        else setImmediate(() => done(position, outcome, 1))
        return true
      },
      leave: () => {},
    }
  }
}

function registrationOf(app: string, n: number): Registration {
  const parsed = parseImportLine({ channel: `d${n}`, uri: `https://db5p.notify.windows.com/?token=${app}-${n}` })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.inputErrors))
  return parsed.value
}
