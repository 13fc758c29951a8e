import type { AppId, CampaignId } from '@wns-fanout/domain'
import type { Keys, RedisConnection } from '@wns-fanout/state'
import type { BulkJobOptions, JobsOptions, QueueOptions, WorkerOptions } from 'bullmq'
import { Queue } from 'bullmq'
import type { CrashPoints } from '../crash-points.ts'
import { isLockOf } from './run-worker.ts'

/** A batch to send. A reference only: everything else is in the ledger. */
export interface SendJob {
  readonly campaign: CampaignId
  readonly seq: number
}

/** Something to do for a campaign as a whole. */
export interface CampaignJob {
  readonly app: AppId
  readonly campaign: CampaignId
}

export type CampaignJobName = 'launch' | 'plan' | 'sweep' | 'reconcile'

export function sendQueueName(app: AppId): string {
  return `send-${app}`
}
export const CAMPAIGNS_QUEUE = 'campaigns'

/** A delayed job that is due waits for a free worker. After this time, a wrong clock is holding it back. */
const OVERDUE_MS = 5000

/** A batch always has the same job id, so adding its job again is harmless while it exists. */
export function batchJobId(campaign: CampaignId, seq: number): string {
  return `c${campaign}-b${seq}`
}

const everyJob = {
  // BullMQ ignores a job when a record of an ended one has its id. Failures are in the ledger and the log.
  removeOnComplete: true,
  removeOnFail: true,
  // A batch is repeated until it is closed in the ledger, which also counts the attempts that matter.
  attempts: 1_000_000,
  // Not exponential: after a long outage of Redis, every batch would wait as long again.
  backoff: { type: 'fixed', delay: 2000, jitter: 0.5 },
  // A job is a reference of a hundred bytes; a large one would be a mistake that fills Redis. In bytes.
  sizeLimit: 8192,
} satisfies JobsOptions

export function batchJob(
  campaign: CampaignId,
  seq: number,
  turn: number,
  delayMs = 0,
): { name: string; data: SendJob; opts: BulkJobOptions } {
  return {
    name: 'send',
    data: { campaign, seq },
    opts: {
      ...everyJob,
      jobId: batchJobId(campaign, seq),
      // BullMQ runs jobs without a priority first, so every job has one; a small number goes first.
      priority: turn,
      ...(delayMs > 0 ? { delay: Math.ceil(delayMs) } : {}),
    },
  }
}

/** The campaign in the id of a batch's job. */
function campaignOfJob(jobId: string): CampaignId | undefined {
  return /^c(.+)-b\d+$/.exec(jobId)?.[1] as CampaignId | undefined
}

/** Options of every worker, with the lock time that the configuration sets; the rest of the times follow from it. */
export function workerOptions(connection: RedisConnection, lockMs: number): WorkerOptions & QueueOptions {
  return {
    connection,
    // How long a worker may fail to renew the lock of a job before others take it: longer than a pause or a failover of
    // Redis, and about as long as the batches of a dead worker wait.
    lockDuration: lockMs,
    // Two renewals may fail before the lock expires.
    lockRenewTime: Math.round(lockMs / 3),
    // A stalled job is marked by one check and moved by the next, so two intervals are added to the lock time.
    stalledInterval: Math.max(1000, Math.round(lockMs / 4)),
    // The queue never gives up a batch whose owners die; the ledger finds the recipient that crashes them.
    maxStalledCount: 1_000_000_000,
    // Started by `runWorker`, once its errors have a listener.
    autorun: false,
    // `waitForFitRedis` checks the version at start, with an error that names the setting.
    skipVersionCheck: true,
  }
}

/** The queues of jobs. They share a connection; each app has its own queue, so that apps do not wait for each other. */
export class Queues {
  readonly #connection: RedisConnection
  readonly #keys: Keys
  readonly #onError: (queue: string, error: unknown) => void
  readonly #points: CrashPoints
  readonly #send = new Map<AppId, Queue<SendJob>>()
  readonly #campaigns: Queue<CampaignJob>

  constructor(
    connection: RedisConnection,
    keys: Keys,
    onError: (queue: string, error: unknown) => void,
    points: CrashPoints = {},
  ) {
    this.#connection = connection
    this.#keys = keys
    this.#onError = onError
    this.#points = points
    this.#campaigns = this.#queue<CampaignJob>(CAMPAIGNS_QUEUE, keys.campaignsQueuePrefix)
  }

  sendQueue(app: AppId): Queue<SendJob> {
    const known = this.#send.get(app)
    if (known !== undefined) return known
    const queue = this.#queue<SendJob>(sendQueueName(app), this.#keys.sendQueuePrefix(app))
    this.#send.set(app, queue)
    return queue
  }

  /** The campaign of the batch that a worker takes next; undefined if no batch waits. */
  async nextCampaign(app: AppId): Promise<CampaignId | undefined> {
    const [id] = await this.sendQueue(app).getRanges(['prioritized'], 0, 0, true)
    return id === undefined ? undefined : campaignOfJob(id)
  }

  /** Add the jobs of batches to the app's queue; a batch that already has a job keeps it. */
  async addBatches(
    app: AppId,
    batches: readonly { campaign: CampaignId; seq: number; turn: number; delayMs?: number }[],
  ): Promise<void> {
    const jobs = batches.map(({ campaign, seq, turn, delayMs }) => batchJob(campaign, seq, turn, delayMs))
    for (let at = 0; at < jobs.length; at += 500) await this.sendQueue(app).addBulk(jobs.slice(at, at + 500))
  }

  /**
   * Give batches that lost their job a new one. The record of a failed job has the same id and is removed first. A job
   * that is still delayed although its batch is long overdue waits for a wrong clock, and is run now.
   *
   * @param batches `delayMs` is negative for batches that are already due
   * @returns how many had no job, and how many were overdue
   */
  async restoreBatches(
    app: AppId,
    batches: readonly { campaign: CampaignId; seq: number; turn: number; delayMs: number }[],
  ): Promise<{ readonly lost: number; readonly overdue: number }> {
    const queue = this.sendQueue(app)
    const states = await statesOf(queue, batches)
    const lost = batches.filter((_, at) => states[at] === undefined || states[at] === 'unknown' || isOver(states[at]))
    await Promise.all(
      batches.filter((_, at) => isOver(states[at])).map(({ campaign, seq }) => queue.remove(batchJobId(campaign, seq))),
    )
    if (lost.length > 0) this.#points.reached?.('job-missed')
    await this.addBatches(app, lost)
    const overdue = batches.filter(({ delayMs }, at) => delayMs < -OVERDUE_MS && states[at] === 'delayed')
    await Promise.all(overdue.map(({ campaign, seq }) => wake(queue, batchJobId(campaign, seq))))
    return { lost: lost.length, overdue: overdue.length }
  }

  /** The launch of a campaign is due by Redis time; the clock of the process that delayed its job may be wrong. */
  async launchNow(job: CampaignJob): Promise<void> {
    await this.enqueue('launch', job)
    await wake(this.#campaigns, `launch-${job.campaign}`)
  }

  /**
   * Add a job for a campaign as a whole. `dedupeId` names the occasion: while a job with the same id exists, the call
   * has no effect.
   */
  async enqueue(name: CampaignJobName, job: CampaignJob, dedupeId: string | number = '', delayMs = 0): Promise<void> {
    const jobId = dedupeId === '' ? `${name}-${job.campaign}` : `${name}-${job.campaign}-${dedupeId}`
    // BullMQ would ignore the new job while the record of an ended one has its id.
    if (isOver(await this.#campaigns.getJobState(jobId))) await this.#campaigns.remove(jobId)
    await this.#campaigns.add(name, job, {
      ...everyJob,
      jobId,
      ...(delayMs > 0 ? { delay: Math.ceil(delayMs) } : {}),
    })
  }

  /**
   * Give the jobs that a dead process had in hand to the others, at once.
   *
   * @returns how many
   */
  async releaseJobsOf(process: string, apps: readonly AppId[]): Promise<number> {
    const queues = [this.#campaigns, ...apps.map((app) => this.sendQueue(app))]
    const released = await Promise.all(queues.map((queue) => releaseJobs(this.#connection, queue, process)))
    return released.reduce((sum, count) => sum + count, 0)
  }

  async close(): Promise<void> {
    await Promise.all([this.#campaigns, ...this.#send.values()].map((queue) => queue.close()))
  }

  #queue<T>(name: string, prefix: string): Queue<T> {
    const queue = new Queue<T>(name, { connection: this.#connection, prefix, skipVersionCheck: true })
    queue.on('error', (error) => this.#onError(name, error))
    return queue
  }
}

/**
 * The states of the jobs of batches. One command lists the jobs that wait or run, which are most; only batches without
 * such a job, or with an overdue one, cost a command each.
 */
async function statesOf(
  queue: Queue<SendJob>,
  batches: readonly { campaign: CampaignId; seq: number; delayMs: number }[],
): Promise<(string | undefined)[]> {
  if (batches.length === 0) return []
  const alive = new Set(await queue.getRanges(['active', 'waiting', 'prioritized', 'delayed'], 0, -1))
  return Promise.all(
    batches.map(async ({ campaign, seq, delayMs }) => {
      const id = batchJobId(campaign, seq)
      return alive.has(id) && delayMs >= -OVERDUE_MS ? 'alive' : queue.getJobState(id)
    }),
  )
}

async function releaseJobs(redis: RedisConnection, queue: Queue, process: string): Promise<number> {
  const ids = await queue.getRanges(['active'], 0, -1)
  const released = ids.map(async (id) => {
    const token = await redis.get(`${queue.toKey(id)}:lock`)
    if (token === null || !isLockOf(token, process)) return 0
    const job = await queue.getJob(id)
    try {
      // As a delayed job, like `putOff`: BullMQ wakes no idle worker for one that goes back to wait with a priority.
      await job?.moveToDelayed(Date.now(), token)
      return 1
    } catch (error) {
      // Its lock has lapsed, and another worker took it.
      if ((await redis.get(`${queue.toKey(id)}:lock`)) === token) throw error
      return 0
    }
  })
  return (await Promise.all(released)).filter((count) => count > 0).length
}

function isOver(state: string | undefined): boolean {
  return state === 'failed' || state === 'completed'
}

/** Delayed jobs run by the clocks of the processes; one that is late by Redis time is run now. */
async function wake(queue: Queue, jobId: string): Promise<void> {
  const job = await queue.getJob(jobId)
  if (job === undefined || !(await job.isDelayed())) return
  try {
    await job.promote()
  } catch (error) {
    // The job was started in the meantime.
    if (await job.isDelayed()) throw error
  }
}
