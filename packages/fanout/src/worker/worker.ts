import type { AppId } from '@wns-fanout/domain'
import type {
  AppEvents,
  AppRevision,
  AppStore,
  Audiences,
  DataSet,
  DeathTimes,
  RedisConnection,
} from '@wns-fanout/state'
import { Leader, PrimaryWatch, ReadyListener, WorkerRegister } from '@wns-fanout/state'
import { Worker } from 'bullmq'
import type { LaunchDeps } from '../campaign/launch.ts'
import type { ReconcileDeps } from '../recover/reconcile.ts'
import { reconcileAll } from '../recover/reconcile.ts'
import { RollbackRecovery } from '../recover/rollback.ts'
import type { BatchSenderDeps } from '../send/batch-sender.ts'
import { BatchSender } from '../send/batch-sender.ts'
import { sleep } from '../sleep.ts'
import { AppWatch } from './app-watch.ts'
import type { WebhookRunner } from '../webhooks/webhook-runner.ts'
import { CampaignJobs } from './campaign-jobs.ts'
import { DataWatch } from './data-watch.ts'
import { DeathWatch } from './death-watch.ts'
import type { CampaignJob } from './queues.ts'
import { CAMPAIGNS_QUEUE } from './queues.ts'
import { ownedBy, runWorker, workerOptions } from './run-worker.ts'
import { SendJobs } from './send-jobs.ts'
import { UnusableLedgers } from './unusable-ledgers.ts'

export interface FanoutWorkerDeps extends Omit<BatchSenderDeps, 'isRegistered'> {
  readonly apps: AppStore
  readonly audiences: Audiences
  readonly events: Pick<AppEvents, 'report' | 'toReport'>
  /** The data set that the process works on; while it is lost nothing is sent. */
  readonly dataSet: Pick<DataSet, 'look'>
  readonly condition: LaunchDeps['condition']
  /** Called with each app and whenever it changed, before any of its batches is sent. */
  readonly onApp: (app: AppRevision) => void
  /** Called when an app was removed. */
  readonly onAppGone: (app: AppId) => void
  /** Called with the apps every few seconds while this process leads. */
  readonly runSchedules: (apps: readonly AppId[], signal: AbortSignal) => Promise<void>
  /** Delivers events to webhooks while this process leads; absent, none are delivered. */
  readonly webhooks?: Pick<WebhookRunner, 'look' | 'idle'> | undefined
  /** The connection of the ledger, if it is one of its own. */
  readonly ledgerRedis?: RedisConnection | undefined
  /** When another worker counts as dead. */
  readonly deathTimes?: Partial<DeathTimes> | undefined
  /** How long a queue may be without work before the process lets it go, in milliseconds; default 5 s. */
  readonly lingerMs?: number | undefined
  /** Time between two looks at all campaigns by the leader; default half of the lock, at most 30 s. */
  readonly reconcileMs?: number | undefined
  /** Only these apps, where workers are divided among apps. */
  readonly only?: ReadonlySet<string> | undefined
}

const WATCH_MS = 500
const WEBHOOKS_MS = 1000
/** Window of the smaller delivery mode; the batches in hand have to keep every lane busy with it. */
const SMALL_WINDOW = 64
/** Batches of an app beyond those that keep the lanes busy, so that a newcomer finds a place at once. */
const FREE_SLOTS = 2
const CAMPAIGN_CONCURRENCY = 4
const MAX_RECONCILE_MS = 30_000
const MAX_LEAD_MS = 5000

/**
 * The part of a process that sends. It watches the apps and serves the queues of those with work, takes part in
 * launching and planning, and reconciles while it is the leader. `stop` hands everything back: no new post starts,
 * posts under way get their answer, every batch is parked and its job goes back to the queue.
 */
export class FanoutWorker {
  readonly #deps: FanoutWorkerDeps
  readonly #stopping = new AbortController()
  readonly #data: DataWatch
  readonly #apps: AppWatch
  readonly #campaignJobs: CampaignJobs
  readonly #reconcile: ReconcileDeps
  readonly #leader: Leader
  readonly #register: WorkerRegister
  readonly #deaths: DeathWatch
  readonly #ready: ReadyListener
  readonly #primary: PrimaryWatch
  #campaignWorker: Worker<CampaignJob> | undefined
  #watching: Promise<void> | undefined
  #leading: Promise<void> | undefined
  #isLeader = false
  #deliveringEvents: Promise<void> | undefined
  #watchingDeaths: Promise<void> | undefined

  constructor(deps: FanoutWorkerDeps) {
    this.#deps = deps
    const ledgerRedis = deps.ledgerRedis ?? deps.redis
    this.#primary = new PrimaryWatch(ledgerRedis, {
      onChange: () => rollback.noticed(),
      onError: (error) => this.#report('watch', error),
    })
    const rollback = new RollbackRecovery({ ...deps, primary: this.#primary }, this.#stopping.signal)
    this.#register = new WorkerRegister(ledgerRedis, deps.keys, {
      ...deps.deathTimes,
      onError: (error) => this.#report('register of workers', error),
    })
    const processId = this.#register.id
    const sender = new BatchSender({ ...deps, isRegistered: () => this.#register.isHeld }, rollback)
    const ledgers = new UnusableLedgers(deps)
    const busyBatches = Math.ceil((2 * deps.laneCount) / SMALL_WINDOW)
    this.#apps = new AppWatch({
      ...deps,
      processId,
      busyBatches,
      freeSlots: FREE_SLOTS,
      sendJobs: new SendJobs({ ...deps, sender, ledgers }),
      stopping: this.#stopping.signal,
    })
    this.#data = new DataWatch({
      ...deps,
      onChange: (dataSetId) => {
        this.#apps.forgetAll()
        sender.forget()
        rollback.beginOn(dataSetId)
      },
    })
    this.#reconcile = {
      ...deps,
      isBarred: (app) => this.#apps.isBarred(app),
      leaveAlone: (app, campaign, why) => ledgers.leaveAlone(app, campaign, why),
    }
    this.#campaignJobs = new CampaignJobs({
      launch: { ...deps, busyBatches },
      reconcile: this.#reconcile,
      ledgers,
      isDataLost: () => this.#data.problem !== undefined,
      retryMs: WATCH_MS,
    })
    this.#leader = new Leader(deps.redis, deps.keys, Math.max(3000, deps.lockMs / 2), processId)
    this.#deaths = new DeathWatch({ ...deps, register: this.#register, leader: this.#leader })
    this.#ready = new ReadyListener(deps.redis, deps.keys, {
      onReady: (app) => this.#apps.wake(app),
      onError: (error) => this.#report('announcements of ready apps', error),
    })
  }

  /** Resolves when the apps that have work are served; where data is lost none is, until that is accepted. */
  async start(): Promise<void> {
    await this.#register.start()
    await this.#ready.start()
    await this.#watch()
    const { redis, keys, lockMs } = this.#deps
    this.#campaignWorker = new Worker<CampaignJob>(
      CAMPAIGNS_QUEUE,
      (job, token) => this.#campaignJobs.run(job, token),
      {
        ...workerOptions(redis, lockMs),
        prefix: keys.campaignsQueuePrefix,
        concurrency: CAMPAIGN_CONCURRENCY,
      },
    )
    ownedBy(this.#campaignWorker, this.#register.id)
    if (this.#data.problem !== undefined) await this.#campaignWorker.pause(true)
    runWorker(this.#campaignWorker, (error) => this.#report(CAMPAIGNS_QUEUE, error))
    this.#watching = this.#every(WATCH_MS, () => this.#watch())
    this.#leading = this.#lead()
    this.#deliveringEvents = this.#every(WEBHOOKS_MS, () => this.#deliverEvents())
    this.#watchingDeaths = this.#every(WATCH_MS, () => this.#deaths.look())
  }

  /** Why nothing is sent at all, for people; undefined when all is well. */
  get problem(): string | undefined {
    return this.#data.problem ?? this.#deps.ledger.problem
  }

  /** May be called twice. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all([this.#watching, this.#leading, this.#watchingDeaths, this.#deliveringEvents])
    await this.#deps.webhooks?.idle()
    await this.#ready.stop()
    await this.#apps.close()
    await this.#campaignWorker?.close()
    this.#primary.stop()
    await this.#leader.resign()
    await this.#register.leave()
  }

  async #watch(): Promise<void> {
    if (await this.#data.look()) {
      if (this.#campaignWorker?.isPaused() === true) await this.#campaignWorker.resume()
      await this.#apps.look()
      return
    }
    // The apps of other data are not ours to serve, and the apps that it lacks are not removed.
    if (this.#campaignWorker?.isPaused() === false) await this.#campaignWorker.pause(true)
    this.#apps.pauseAll()
  }

  async #lead(): Promise<void> {
    const { lockMs, reconcileMs = Math.min(MAX_RECONCILE_MS, lockMs / 2) } = this.#deps
    let lastMs = Number.NEGATIVE_INFINITY
    await this.#every(Math.min(MAX_LEAD_MS, reconcileMs), async () => {
      this.#isLeader = this.#data.problem === undefined && (await this.#leader.hold())
      if (!this.#isLeader) return
      const { apps: store, queues, events } = this.#deps
      const ready = await queues.ready.all()
      const apps = await store.list()
      await this.#forgetRemoved(ready, apps)
      // A failure in the schedules must not keep campaigns from being reconciled.
      await this.#deps
        .runSchedules(apps, this.#stopping.signal)
        .catch((error: unknown) => this.#report('schedules', error))
      await this.#reportEvents(ready)
      if (performance.now() - lastMs < reconcileMs) return
      lastMs = performance.now()
      await reconcileAll(this.#reconcile, apps, this.#stopping.signal)
      await this.#reportEvents(await events.toReport(apps))
    })
  }

  /** An app that was listed as ready before the apps were listed, and is none of them, was removed. */
  async #forgetRemoved(ready: readonly AppId[], apps: readonly AppId[]): Promise<void> {
    const existing = new Set(apps)
    await this.#deps.queues.ready.forget(...ready.filter((app) => !existing.has(app)))
  }

  async #reportEvents(apps: readonly AppId[]): Promise<void> {
    for (const app of apps)
      await this.#deps.events.report(app).catch((error: unknown) => this.#report(`events of ${app}`, error))
  }

  async #deliverEvents(): Promise<void> {
    if (this.#isLeader && this.#data.problem === undefined) await this.#deps.webhooks?.look(this.#stopping.signal)
  }

  async #every(ms: number, work: () => Promise<void>): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      await work().catch((error: unknown) => this.#report('worker', error))
      await sleep(ms, this.#stopping.signal)
    }
  }

  #report(operation: string, error: unknown): void {
    this.#deps.emit({ type: 'operation.failed', operation, error })
  }
}
