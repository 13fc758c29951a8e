import type { AppId } from '@wns-fanout/domain'
import type { Job } from 'bullmq'
import { Worker } from 'bullmq'
import type { AppBreaker } from '../send/app-breaker.ts'
import type { SendJob } from './batch-job.ts'
import { putOff } from './jobs.ts'
import type { WakeableBackend } from './queue-connection.ts'
import type { Queues } from './queues.ts'
import { sendQueueName } from './queues.ts'
import { ownedBy, runWorker, workerOptions } from './run-worker.ts'
import type { SendJobs } from './send-jobs.ts'
import { Slots } from './slots.ts'

export interface AppRunnerDeps {
  readonly queues: Pick<Queues, 'connection' | 'nextCampaign' | 'ready'>
  readonly sendJobs: Pick<SendJobs, 'run' | 'completed'>
  readonly lockMs: number
  /** Marks the locks of this process. */
  readonly processId: string
  /** Batches of an app that keep the lanes busy, and places beyond those for campaigns that have none in hand. */
  readonly busyBatches: number
  readonly freeSlots: number
  /** Limits the batches in hand of the process. */
  readonly limit: (work: () => Promise<void>) => Promise<void>
  /** Aborted when the process stops. */
  readonly stopping: AbortSignal
  readonly report: (error: unknown) => void
}

/** The queue of one app as this process serves it, from when it has a job until it has none. */
export class AppRunner {
  readonly #app: AppId
  readonly #breaker: AppBreaker
  readonly #deps: AppRunnerDeps
  readonly #slots: Slots
  readonly #halt = new AbortController()
  readonly #signal: AbortSignal
  readonly #worker: Worker<SendJob, void, string, WakeableBackend>
  #inHand = 0
  #busyAtMs = performance.now()

  constructor(app: AppId, breaker: AppBreaker, deps: AppRunnerDeps) {
    const { queues, lockMs, processId, busyBatches, freeSlots, sendJobs, report } = deps
    this.#app = app
    this.#breaker = breaker
    this.#deps = deps
    this.#slots = new Slots({ busyBatches, freeSlots, nextInQueue: () => queues.nextCampaign(app) })
    this.#signal = AbortSignal.any([this.#halt.signal, deps.stopping])
    const { redis, keys, backend } = queues.connection
    this.#worker = new Worker(
      sendQueueName(app),
      (job, token) => this.#send(job, token),
      { ...workerOptions(redis, lockMs), prefix: keys.sendQueuePrefix(app), concurrency: busyBatches + freeSlots },
      backend,
    )
    ownedBy(this.#worker, processId)
    this.#worker.on('completed', (job) => void sendJobs.completed(app, job).catch(report))
    // A job of a dead worker is back in the queue.
    this.#worker.on('stalled', () => this.wake())
    runWorker(this.#worker, report)
  }

  /** The queue may have a job. */
  wake(): void {
    this.#worker.getBackend().wake()
  }

  /** For how long it has had no batch in hand. */
  get idleMs(): number {
    return this.#inHand > 0 ? 0 : performance.now() - this.#busyAtMs
  }

  /** Take no job until `release`. False if it has one, or looks for one. */
  hold(): boolean {
    return this.#inHand === 0 && this.#worker.getBackend().hold()
  }

  /** Continue after `hold`, as if it had just had a job. */
  release(): void {
    this.#busyAtMs = performance.now()
    this.#worker.getBackend().release()
  }

  /** Hand the batches back. Resolves when the posts under way have their answers, and no job is in hand. */
  async end(): Promise<void> {
    this.#halt.abort()
    await this.#worker.close()
  }

  async #send(job: Job<SendJob>, token: string | undefined): Promise<void> {
    this.#inHand += 1
    try {
      await this.#sendInPlace(job, token)
    } finally {
      this.#inHand -= 1
      this.#busyAtMs = performance.now()
      // Without this, the others take the batch when they look again.
      if (this.#signal.aborted) await this.#deps.queues.ready.announce(this.#app).catch(this.#deps.report)
    }
  }

  async #sendInPlace(job: Job<SendJob>, token: string | undefined): Promise<void> {
    const leave = await this.#slots.enter(job.data.campaign, this.#signal)
    if (leave === undefined) return putOff(job, 0, token)
    try {
      await this.#deps.limit(() => this.#deps.sendJobs.run(this.#app, this.#breaker, job, token, this.#signal))
    } finally {
      leave()
    }
  }
}
