import type { AppId, CampaignId } from '@wns-fanout/domain'
import type { AppRevision, AppStore, Audiences, DataSet } from '@wns-fanout/state'
import { Leader, LedgerDamaged, LedgerVersion } from '@wns-fanout/state'
import type { Job } from 'bullmq'
import { DelayedError, Worker } from 'bullmq'
import pLimit from 'p-limit'
import { AppBreaker } from '../send/app-breaker.ts'
import type { BatchEnd } from '../send/batch-run.ts'
import type { BatchSenderDeps } from '../send/batch-sender.ts'
import { BatchSender } from '../send/batch-sender.ts'
import { haltDamaged } from '../recover/repair.ts'
import { launch } from '../campaign/launch.ts'
import { sleep } from '../sleep.ts'
import { plan } from '../plan/plan.ts'
import type { CampaignJob, SendJob } from './queues.ts'
import { begunPriority, CAMPAIGNS_QUEUE, jobPriority, sendQueueName, workerOptions } from './queues.ts'
import type { ReconcileDeps } from '../recover/reconcile.ts'
import { reconcile, reconcileAll, sweep } from '../recover/reconcile.ts'

export interface FanoutWorkerDeps extends BatchSenderDeps {
  readonly apps: AppStore
  readonly audiences: Audiences
  /** The data set that the process works on; while it is lost nothing is sent. */
  readonly dataSet: Pick<DataSet, 'look'>
  /** Told of every app as it is now, whenever it is looked at, before any of its batches is sent. */
  readonly onApp: (app: AppRevision) => void
  /** Told when an app is gone. */
  readonly onAppGone: (app: AppId) => void
  /** Told the apps every few seconds while this process leads. */
  readonly runSchedules: (apps: readonly AppId[], signal: AbortSignal) => Promise<void>
  /** Only these apps, where workers are divided among apps. */
  readonly only?: ReadonlySet<string> | undefined
}

const WATCH_MS = 500
/** Window of the smaller delivery mode; the batches in hand have to keep every lane busy with it. */
const SMALL_WINDOW = 64
const CAMPAIGN_CONCURRENCY = 4
/** A campaign of another version is looked at again so late: a newer worker may have to carry it on for hours. */
const OTHER_VERSION_MS = 30_000

interface AppRunner {
  readonly worker: Worker<SendJob>
  readonly breaker: AppBreaker
  readonly halt: AbortController
}

/**
 * The part of a process that sends. It watches the apps and serves a queue for each of them, takes part in launching
 * and planning, and stands for leader to reconcile. `stop` hands everything back: no new post is started, posts under
 * way get their answer, every batch is parked and its job goes back to the queue.
 */
export class FanoutWorker {
  readonly #deps: FanoutWorkerDeps
  readonly #sender: BatchSender
  readonly #leader: Leader
  readonly #stopping = new AbortController()
  readonly #runners = new Map<AppId, AppRunner>()
  readonly #leaving = new Set<Promise<void>>()
  readonly #batchLimit
  #dataProblem: string | undefined
  readonly #leftAlone = new Set<CampaignId>()
  readonly #reconcileDeps: ReconcileDeps
  #campaignWorker: Worker<CampaignJob> | undefined
  #watching: Promise<void> | undefined
  #leading: Promise<void> | undefined

  constructor(deps: FanoutWorkerDeps) {
    this.#deps = deps
    this.#sender = new BatchSender(deps, this.#stopping.signal)
    this.#reconcileDeps = {
      ...deps,
      isBarred: (app) => this.#runners.get(app)?.breaker.isOpen === true,
      leaveAlone: (app, campaign, why) => this.#leaveAlone(app, campaign, why),
    }
    this.#leader = new Leader(deps.redis, deps.keys, Math.max(3000, deps.lockMs / 2))
    this.#batchLimit = pLimit(4 * this.#batchesInHand)
  }

  /** Resolves when the apps that exist are served; where data is lost none is, until that is accepted. */
  async start(): Promise<void> {
    await this.#watchOnce()
    this.#campaignWorker = new Worker<CampaignJob>(CAMPAIGNS_QUEUE, (job, token) => this.#campaignJob(job, token), {
      ...workerOptions(this.#deps.redis, this.#deps.lockMs),
      prefix: this.#deps.keys.campaignsQueuePrefix,
      concurrency: CAMPAIGN_CONCURRENCY,
    })
    if (this.#dataProblem !== undefined) await this.#campaignWorker.pause(true)
    this.#run(this.#campaignWorker, CAMPAIGNS_QUEUE)
    this.#watching = this.#every(WATCH_MS, () => this.#watchOnce())
    this.#leading = this.#lead()
  }

  /** Why nothing is sent at all, for people; undefined when all is well. */
  get problem(): string | undefined {
    return this.#dataProblem ?? this.#deps.ledger.problem
  }

  /** May be called twice. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all([this.#watching, this.#leading])
    const workers = [...this.#runners.values()].map(({ worker }) => worker)
    await Promise.all([...this.#leaving, ...workers.map((worker) => worker.close())])
    await this.#campaignWorker?.close()
    await this.#leader.resign()
  }

  get #batchesInHand(): number {
    return Math.ceil((2 * this.#deps.laneCount) / SMALL_WINDOW) + 1
  }

  // Apps

  async #watchOnce(): Promise<void> {
    await this.#watchData()
    // The apps of other data are not ours to serve, and those it lacks are not gone.
    if (this.#dataProblem !== undefined) return
    const revisions = await this.#deps.apps.revisions()
    for (const [app, revision] of revisions) {
      if (this.#deps.only !== undefined && !this.#deps.only.has(app)) continue
      const { state } = revision
      this.#deps.onApp(revision)
      const runner = this.#runners.get(app) ?? this.#serve(app)
      runner.breaker.follow(revision.breaker)
      if (state === 'paused' && !runner.worker.isPaused()) await this.#rest(app, runner)
      else if (state === 'active' && runner.worker.isPaused()) {
        this.#runners.set(app, { ...runner, halt: new AbortController() })
        await runner.worker.resume()
      }
    }
    for (const [app, runner] of this.#runners) {
      if (!revisions.has(app)) this.#letGo(app, runner)
    }
  }

  /** Serve an app no more. Posts for it may still be under way; nobody else waits for their answers. */
  #letGo(app: AppId, { worker, halt }: AppRunner): void {
    this.#runners.delete(app)
    this.#deps.onAppGone(app)
    halt.abort()
    const leaving = worker
      .close()
      .catch((error: unknown) => this.#deps.emit({ type: 'operation.failed', operation: sendQueueName(app), error }))
      .finally(() => this.#leaving.delete(leaving))
    this.#leaving.add(leaving)
  }

  /** Without its ledger a campaign would be posted again, so nothing is sent until the data is back or its loss accepted. */
  async #watchData(): Promise<void> {
    const standing = await this.#deps.dataSet.look()
    if (standing.kind === 'lost') {
      const isNews = this.#dataProblem === undefined
      this.#dataProblem = standing.problem
      if (isNews) this.#deps.emit({ type: 'data-set.changed', problem: standing.problem })
      if (this.#campaignWorker?.isPaused() === false) await this.#campaignWorker.pause(true)
      for (const [app, runner] of this.#runners) if (!runner.worker.isPaused()) await this.#rest(app, runner)
      return
    }
    if (standing.dataSetId !== this.#sender.dataSetId) this.#beginAnew(standing.dataSetId)
    if (this.#dataProblem !== undefined) this.#deps.emit({ type: 'data-set.changed' })
    this.#dataProblem = undefined
    if (this.#campaignWorker?.isPaused() === true) await this.#campaignWorker.resume()
  }

  /** Of what was known about another data set nothing is true here: an app or a campaign of the same name is another one. */
  #beginAnew(dataSetId: string): void {
    for (const [app, runner] of this.#runners) this.#letGo(app, runner)
    this.#sender.beginOn(dataSetId)
  }

  #serve(app: AppId): AppRunner {
    const worker = new Worker<SendJob>(sendQueueName(app), (job, token) => this.#sendJob(app, job, token), {
      ...workerOptions(this.#deps.redis, this.#deps.lockMs),
      prefix: this.#deps.keys.sendQueuePrefix(app),
      concurrency: this.#batchesInHand,
    })
    const breaker = new AppBreaker(app, this.#deps.apps, (error) =>
      this.#deps.emit({ type: 'operation.failed', operation: `breaker of ${app}`, error }),
    )
    const runner = { worker, breaker, halt: new AbortController() }
    this.#runners.set(app, runner)
    // A batch that found its campaign paused has no job any more. If the campaign was resumed meanwhile, it needs one; so
    // does a batch whose owner was forgotten, unless Redis remembers an earlier job of it.
    worker.on('completed', (job, result: unknown) => {
      this.#deps.reached?.('job-finished')
      if (result === 'paused' || result === 'forgotten')
        this.#inBackground(sendQueueName(app), this.#askIfSending(app, job.data))
    })
    this.#run(worker, sendQueueName(app))
    return runner
  }

  async #rest(app: AppId, runner: AppRunner): Promise<void> {
    runner.halt.abort()
    await runner.worker.pause(true)
  }

  async #askIfSending(app: AppId, { campaign }: SendJob): Promise<void> {
    const record = await this.#deps.campaigns.get(app, campaign)
    if (record?.state === 'sending') await this.#deps.queues.enqueue('reconcile', { app, campaign })
  }

  // Batches

  async #sendJob(app: AppId, job: Job<SendJob>, token: string | undefined): Promise<string> {
    const runner = this.#runners.get(app)
    // The app was removed while the job was on its way.
    if (runner === undefined) return 'gone'
    const end = await this.#batchLimit(() => this.#sendOrGiveUp(runner, app, job.data))
    switch (end.kind) {
      case 'gone':
      case 'closed':
        return end.kind
      case 'fenced':
        return end.forgotten ? 'forgotten' : end.kind
      case 'damaged':
        return end.kind
      case 'other-version':
        return await putOff(job, OTHER_VERSION_MS, token)
      case 'parked':
        if (end.reason === 'paused') return 'paused'
        await prioritise(job, end.reason === 'stopping')
        // Always as a delayed job: that wakes an idle worker when it is due, even at once.
        return await putOff(job, end.delayMs, token)
      default:
        return end satisfies never
    }
  }

  /** A batch whose ledger cannot be relied on is not tried again: its campaign halts, or is left to who knows it. */
  async #sendOrGiveUp(
    runner: AppRunner,
    app: AppId,
    job: SendJob,
  ): Promise<BatchEnd | { readonly kind: 'gone' | 'damaged' | 'other-version' }> {
    try {
      const signal = AbortSignal.any([runner.halt.signal, this.#stopping.signal])
      return await this.#sender.send({ app, campaign: job.campaign, seq: job.seq }, runner.breaker, signal)
    } catch (error) {
      return { kind: await this.#giveUp(app, job.campaign, error, job.seq) }
    }
  }

  /** Rejects with any other error than one of a ledger that cannot be relied on. */
  async #giveUp(app: AppId, campaign: CampaignId, error: unknown, seq?: number): Promise<'damaged' | 'other-version'> {
    if (error instanceof LedgerVersion) {
      this.#leaveAlone(app, campaign, error)
      return 'other-version'
    }
    if (!(error instanceof LedgerDamaged)) throw error
    await haltDamaged(this.#deps, app, campaign, error, seq)
    return 'damaged'
  }

  #leaveAlone(app: AppId, campaign: CampaignId, { message: found }: LedgerVersion): void {
    if (this.#leftAlone.has(campaign)) return
    if (this.#leftAlone.size > 1000) this.#leftAlone.clear()
    this.#leftAlone.add(campaign)
    this.#deps.emit({ type: 'ledger.other-version', app, campaign, found })
  }

  // Campaigns

  async #campaignJob(job: Job<CampaignJob>, token: string | undefined): Promise<string> {
    const { app, campaign } = job.data
    // Fetched just before the queue was paused.
    if (this.#dataProblem !== undefined) {
      return await putOff(job, WATCH_MS, token)
    }
    try {
      return await this.#doFor(job, token)
    } catch (error) {
      const end = await this.#giveUp(app, campaign, error)
      return end === 'other-version' ? await putOff(job, OTHER_VERSION_MS, token) : end
    }
  }

  async #doFor(job: Job<CampaignJob>, token: string | undefined): Promise<string> {
    const { app, campaign } = job.data
    switch (job.name) {
      case 'launch': {
        const { waitMs } = await launch(this.#deps, app, campaign)
        return waitMs === undefined ? 'launched' : await putOff(job, waitMs, token)
      }
      case 'plan':
        await plan(this.#deps, app, campaign)
        return 'planned'
      case 'sweep':
        await sweep(this.#reconcileDeps, app, campaign)
        return 'swept'
      case 'reconcile':
        await reconcile(this.#reconcileDeps, app, campaign)
        return 'reconciled'
      default:
        throw new Error(`there is nothing called ${job.name} to do for a campaign`)
    }
  }

  async #lead(): Promise<void> {
    const everyMs = Math.min(30_000, this.#deps.lockMs / 2)
    const holdMs = Math.min(5000, everyMs)
    let lastMs = Number.NEGATIVE_INFINITY
    await this.#every(holdMs, async () => {
      if (this.#dataProblem !== undefined) return
      if (!(await this.#leader.hold())) return
      const apps = await this.#deps.apps.list()
      await this.#deps.runSchedules(apps, this.#stopping.signal)
      if (performance.now() - lastMs < everyMs) return
      lastMs = performance.now()
      await reconcileAll(this.#reconcileDeps, apps, this.#stopping.signal)
    })
  }

  // Life

  #run(worker: Worker, queue: string): void {
    const report = (error: unknown): void => this.#deps.emit({ type: 'operation.failed', operation: queue, error })
    worker.on('error', report)
    worker.on('failed', (_job, error) => report(error))
    // What is due while a connection is away is reported by the error event; run itself ends only with the worker.
    worker.run().catch(report)
  }

  async #every(ms: number, work: () => Promise<void>): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        await work()
      } catch (error) {
        this.#deps.emit({ type: 'operation.failed', operation: 'worker', error })
      }
      await sleep(ms, this.#stopping.signal)
    }
  }

  #inBackground(queue: string, work: Promise<void>): void {
    work.catch((error: unknown) => this.#deps.emit({ type: 'operation.failed', operation: queue, error }))
  }
}

/** Costs a command only for a batch that was left in the middle, and once more when it is parked for another reason. */
async function prioritise(job: Job<SendJob>, isBegun: boolean): Promise<void> {
  const planned = job.opts.priority ?? jobPriority.normal
  const priority = isBegun ? begunPriority(planned) : planned
  if (job.priority !== priority) await job.changePriority({ priority })
}

/** Run a job again later. */
async function putOff(job: Job, delayMs: number, token: string | undefined): Promise<never> {
  await job.moveToDelayed(Date.now() + delayMs, token)
  throw new DelayedError()
}
