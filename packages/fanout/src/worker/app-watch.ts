import type { AppId, FanoutEvent } from '@wns-fanout/domain'
import type { AppRevision, AppStore, Keys, RedisConnection } from '@wns-fanout/state'
import type { Job } from 'bullmq'
import { Worker } from 'bullmq'
import type { LimitFunction } from 'p-limit'
import pLimit from 'p-limit'
import { AppBreaker } from '../send/app-breaker.ts'
import { putOff } from './jobs.ts'
import type { Queues, SendJob } from './queues.ts'
import { sendQueueName, workerOptions } from './queues.ts'
import { ownedBy, runWorker } from './run-worker.ts'
import type { SendJobs } from './send-jobs.ts'
import { Slots } from './slots.ts'

export interface AppWatchDeps {
  readonly redis: RedisConnection
  readonly keys: Keys
  readonly apps: AppStore
  readonly emit: (event: FanoutEvent) => void
  readonly lockMs: number
  /** Marks the locks of this process. */
  readonly processId: string
  /** Batches of an app that keep the lanes busy, and places beyond those for campaigns that have none in hand. */
  readonly busyBatches: number
  readonly freeSlots: number
  readonly queues: Pick<Queues, 'nextCampaign'>
  /** Only these apps, where workers are divided among apps. */
  readonly only?: ReadonlySet<string> | undefined
  /** Called with each app, whenever it is looked at, before any of its batches is sent. */
  readonly onApp: (app: AppRevision) => void
  readonly onAppGone: (app: AppId) => void
  readonly sendJobs: SendJobs
  /** Aborted when the process stops. */
  readonly stopping: AbortSignal
}

/** The queue of one app as this process serves it. */
export interface AppRunner {
  readonly worker: Worker<SendJob>
  readonly breaker: AppBreaker
  readonly slots: Slots
  /** Aborted when the app is paused or removed: its batches are then handed back. */
  readonly halt: AbortController
}

/** The process has this many times as many batches in hand as one app, so that one app does not take all. */
const MAX_FULL_QUEUES = 4

/** Serves a queue for each app that exists, and follows the state of the app: paused, active, removed. */
export class AppWatch {
  readonly #deps: AppWatchDeps
  readonly #runners = new Map<AppId, AppRunner>()
  readonly #leaving = new Set<Promise<void>>()
  /** Limits the batches in hand of the process. */
  readonly #limit: LimitFunction

  constructor(deps: AppWatchDeps) {
    this.#deps = deps
    this.#limit = pLimit(MAX_FULL_QUEUES * (deps.busyBatches + deps.freeSlots))
  }

  runner(app: AppId): AppRunner | undefined {
    return this.#runners.get(app)
  }

  /** Serve each app as its record shows it. An app that fails here does not keep the others from being served. */
  async look(): Promise<void> {
    const revisions = await this.#deps.apps.revisions()
    for (const [app, revision] of revisions) {
      if (this.#deps.only !== undefined && !this.#deps.only.has(app)) continue
      await this.#isolated(app, () => this.#follow(app, revision))
    }
    for (const [app, runner] of this.#runners) if (!revisions.has(app)) this.#stopServing(app, runner)
  }

  /** Stop sending for every app, until the next `look`. */
  async pauseAll(): Promise<void> {
    for (const [app, runner] of this.#runners)
      await this.#isolated(app, async () => {
        if (!runner.worker.isPaused()) await pauseRunner(runner)
      })
  }

  /** Stop serving every app; the next `look` begins again. */
  stopServingAll(): void {
    for (const [app, runner] of this.#runners) this.#stopServing(app, runner)
  }

  /** Resolves when no job is under way any more. */
  async close(): Promise<void> {
    const workers = [...this.#runners.values()].map(({ worker }) => worker)
    await Promise.all([...this.#leaving, ...workers.map((worker) => worker.close())])
  }

  async #follow(app: AppId, revision: AppRevision): Promise<void> {
    this.#deps.onApp(revision)
    const runner = this.#runners.get(app) ?? this.#serve(app)
    runner.breaker.follow(revision.breaker)
    if (revision.state === 'paused' && !runner.worker.isPaused()) await pauseRunner(runner)
    else if (revision.state === 'active' && runner.worker.isPaused()) {
      this.#runners.set(app, { ...runner, halt: new AbortController() })
      await runner.worker.resume()
    }
  }

  #serve(app: AppId): AppRunner {
    const queue = sendQueueName(app)
    const { redis, keys, apps, lockMs, processId, busyBatches, freeSlots, emit, sendJobs, queues } = this.#deps
    const report = (error: unknown): void => emit({ type: 'operation.failed', operation: queue, error })
    const worker = new Worker<SendJob>(queue, (job, token) => this.#send(app, job, token), {
      ...workerOptions(redis, lockMs),
      prefix: keys.sendQueuePrefix(app),
      concurrency: busyBatches + freeSlots,
    })
    ownedBy(worker, processId)
    const breaker = new AppBreaker(app, apps, (error) =>
      emit({ type: 'operation.failed', operation: `breaker of ${app}`, error }),
    )
    const slots = new Slots({ busyBatches, freeSlots, nextInQueue: () => queues.nextCampaign(app) })
    const runner = { worker, breaker, slots, halt: new AbortController() }
    this.#runners.set(app, runner)
    worker.on('completed', (job) => void sendJobs.completed(app, job).catch(report))
    runWorker(worker, report)
    return runner
  }

  async #send(app: AppId, job: Job<SendJob>, token: string | undefined): Promise<void> {
    const runner = this.#runners.get(app)
    // The app was removed while BullMQ fetched the job.
    if (runner === undefined) return
    const { sendJobs, stopping } = this.#deps
    const signal = AbortSignal.any([runner.halt.signal, stopping])
    const leave = await runner.slots.enter(job.data.campaign, signal)
    if (leave === undefined) return putOff(job, 0, token)
    try {
      await this.#limit(() => sendJobs.run(app, runner.breaker, job, token, signal))
    } finally {
      leave()
    }
  }

  /** Stop serving an app, and wait for the answers of its posts under way. */
  #stopServing(app: AppId, { worker, halt }: AppRunner): void {
    this.#runners.delete(app)
    this.#deps.onAppGone(app)
    halt.abort()
    const leaving = worker
      .close()
      .catch((error: unknown) => this.#deps.emit({ type: 'operation.failed', operation: sendQueueName(app), error }))
      .finally(() => this.#leaving.delete(leaving))
    this.#leaving.add(leaving)
  }

  async #isolated(app: AppId, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#deps.emit({ type: 'operation.failed', operation: `watch of ${app}`, error })
    }
  }
}

async function pauseRunner({ worker, halt }: AppRunner): Promise<void> {
  halt.abort()
  await worker.pause(true)
}
