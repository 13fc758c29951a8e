import type { AppId, CampaignId } from '@wns-fanout/domain'
import type { Keys, QueueOutlook, RedisConnection } from '@wns-fanout/state'
import { queueOutlook, ReadyApps } from '@wns-fanout/state'
import { Queue } from 'bullmq'
import type { CrashPoints } from '../crash-points.ts'
import type { SendJob } from './batch-job.ts'
import { batchJob, batchJobId, campaignOfJob, everyJob } from './batch-job.ts'
import { QueueConnection } from './queue-connection.ts'
import { isLockOf } from './run-worker.ts'

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
/** A worker keeps serving a queue whose next job is due within this time. */
const SOON_MS = 10_000
/** Queues that are looked at at once, where all are. */
const QUEUES_AT_ONCE = 100

/** The queues of jobs. They share a connection; each app has its own queue, so that apps do not wait for each other. */
export class Queues {
  readonly connection: QueueConnection
  readonly ready: ReadyApps
  readonly #redis: RedisConnection
  readonly #keys: Keys
  readonly #onError: (queue: string, error: unknown) => void
  readonly #points: CrashPoints
  readonly #send = new Map<AppId, Queue<SendJob>>()
  readonly #campaigns: Queue<CampaignJob>

  constructor(
    redis: RedisConnection,
    keys: Keys,
    onError: (queue: string, error: unknown) => void,
    points: CrashPoints = {},
  ) {
    this.connection = new QueueConnection(redis, keys)
    this.ready = new ReadyApps(redis, keys)
    this.#redis = redis
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

  /** Add the jobs of batches to the app's queue and announce them; a batch that already has a job keeps it. */
  async addBatches(
    app: AppId,
    batches: readonly { campaign: CampaignId; seq: number; turn: number; delayMs?: number }[],
  ): Promise<void> {
    const jobs = batches.map(({ campaign, seq, turn, delayMs }) => batchJob(campaign, seq, turn, delayMs))
    for (let at = 0; at < jobs.length; at += 500) await this.sendQueue(app).addBulk(jobs.slice(at, at + 500))
    if (batches.length === 0) return
    const dueMs = firstDueMs(batches)
    // After the jobs. Workers that wait have to learn of a batch that is due before they look again.
    if (dueMs <= Date.now() + SOON_MS) await this.ready.announce(app, dueMs)
    else await this.ready.note(app, dueMs)
  }

  /**
   * Note when the app's queue needs a worker again.
   *
   * @returns false if it needs one now or soon
   */
  async rest(app: AppId): Promise<boolean> {
    if (isSoon(await this.#outlook(app))) return false
    // The entry is removed first. A batch that was announced before is in the queue by now, and one that is announced
    // after it is entered again.
    await this.ready.forget(app)
    const outlook = await this.#outlook(app)
    if (outlook.dueAtMs !== undefined) await this.ready.note(app, outlook.dueAtMs)
    if (!isSoon(outlook)) return true
    await this.ready.note(app, 0)
    return false
  }

  #outlook(app: AppId): Promise<QueueOutlook> {
    return queueOutlook(this.#redis, this.sendQueue(app).toKey)
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
    if (overdue.length > 0) await this.ready.announce(app)
    // In case a process died before it announced the others, or Redis lost the entry.
    else if (batches.length > lost.length) await this.ready.note(app, firstDueMs(batches))
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
    let sum = await releaseJobs(this.#redis, this.#campaigns, process)
    for (let at = 0; at < apps.length; at += QUEUES_AT_ONCE) {
      const counts = apps.slice(at, at + QUEUES_AT_ONCE).map(async (app) => {
        const released = await releaseJobs(this.#redis, this.sendQueue(app), process)
        if (released > 0) await this.ready.announce(app)
        return released
      })
      sum += (await Promise.all(counts)).reduce((total, count) => total + count, 0)
    }
    return sum
  }

  async close(): Promise<void> {
    await Promise.all([this.#campaigns, ...this.#send.values()].map((queue) => queue.close()))
    await this.connection.close()
  }

  #queue<T>(name: string, prefix: string): Queue<T> {
    const queue = new Queue<T>(
      name,
      { connection: this.#redis, prefix, skipVersionCheck: true },
      this.connection.backend,
    )
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

function isSoon({ jobs, dueAtMs }: QueueOutlook): boolean {
  return jobs > 0 || (dueAtMs !== undefined && dueAtMs <= Date.now() + SOON_MS)
}

/** When the first of some batches is due; 0 for one that is due already. */
function firstDueMs(batches: readonly { readonly delayMs?: number }[]): number {
  const delayMs = Math.min(...batches.map((batch) => batch.delayMs ?? 0))
  return delayMs > 0 ? Date.now() + delayMs : 0
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
