import { randomBytes } from 'node:crypto'
import { Worker } from 'bullmq'
import { removeKeysWith } from '@wns-fanout/testing'
import { afterEach, beforeEach, expect, inject, onTestFinished, test } from 'vitest'
import type { AppId, CampaignId } from '@wns-fanout/domain'
import type { RedisConnection } from '@wns-fanout/state'
import { Keys, closeRedis, connectRedis } from '@wns-fanout/state'
import { batchJob, batchJobId } from '../../src/worker/batch-job.ts'
import { CAMPAIGNS_QUEUE, Queues, sendQueueName } from '../../src/worker/queues.ts'
import { ownedBy, workerOptions } from '../../src/worker/run-worker.ts'

const app = 'news' as AppId
const campaign = 'c1' as CampaignId
let redis: RedisConnection
let keys: Keys
let queues: Queues

beforeEach(() => {
  redis = connectRedis(inject('redisUrl'), { role: 'worker' })
  keys = new Keys(`q${randomBytes(6).toString('hex')}:`)
  queues = new Queues(redis, keys, () => {})
})
afterEach(async () => {
  await queues.close()
  await removeKeysWith(redis, keys.prefix)
  await closeRedis(redis)
})

/** Fail the next job of a queue, and leave its record. */
async function failNext(name: string, prefix: string): Promise<void> {
  const worker = new Worker(name, null, { ...workerOptions(redis, 5000), prefix })
  try {
    const job = await worker.getNextJob('token')
    if (job === undefined) throw new Error('there is no job')
    job.opts.attempts = 1
    job.opts.removeOnFail = false
    await job.moveToFailed(new Error('on purpose'), 'token', false)
  } finally {
    await worker.close()
  }
}

test('a record that failed does not keep a campaign from being launched', async () => {
  await queues.enqueue('launch', { app, campaign })
  await failNext(CAMPAIGNS_QUEUE, keys.campaignsQueuePrefix)
  const states = async (): Promise<string[]> =>
    (await redis.exists(`${keys.campaignsQueuePrefix}:${CAMPAIGNS_QUEUE}:failed`)) === 1 ? ['failed'] : []
  expect(await states()).toEqual(['failed'])
  await queues.enqueue('launch', { app, campaign })
  expect(await states()).toEqual([])
})

test('a batch whose job failed for good gets a new one; one that has a job keeps it', async () => {
  await queues.addBatches(app, [{ campaign, seq: 0, turn: 1 }])
  await failNext(sendQueueName(app), keys.sendQueuePrefix(app))
  await queues.addBatches(app, [{ campaign, seq: 1, turn: 1 }])
  const both = [0, 1].map((seq) => ({ campaign, seq, turn: 1, delayMs: 0 }))
  await queues.restoreBatches(app, both)
  expect(await queues.sendQueue(app).getJobState(batchJobId(campaign, 0))).toBe('prioritized')
  expect(await queues.sendQueue(app).getJobCountByTypes('prioritized', 'failed')).toBe(2)
})

test('a batch whose job waits, is delayed or runs keeps it; one without a job gets one, and an overdue one is woken', async () => {
  const batches = [0, 1, 2, 3].map((seq) => ({ campaign, seq, turn: 1, delayMs: 0 }))
  await queues.addBatches(app, batches.slice(0, 2))
  await queues.addBatches(app, [{ campaign, seq: 2, turn: 1, delayMs: 60_000 }])
  const worker = new Worker(sendQueueName(app), null, {
    ...workerOptions(redis, 5000),
    prefix: keys.sendQueuePrefix(app),
  })
  await worker.getNextJob('token')
  await worker.close()
  const states = (): Promise<string[]> =>
    Promise.all(batches.map(({ seq }) => queues.sendQueue(app).getJobState(batchJobId(campaign, seq))))
  expect(await states()).toEqual(['active', 'prioritized', 'delayed', 'unknown'])
  expect(await queues.restoreBatches(app, batches)).toEqual({ lost: 1, overdue: 0 })
  expect(await states()).toEqual(['active', 'prioritized', 'delayed', 'prioritized'])
  const late = batches.map((batch) => ({ ...batch, delayMs: -60_000 }))
  expect(await queues.restoreBatches(app, late)).toEqual({ lost: 0, overdue: 1 })
  expect(await states()).toEqual(['active', 'prioritized', 'prioritized', 'prioritized'])
})

/** Let a process take the next job, and keep it. */
async function take(name: string, prefix: string, process: string): Promise<void> {
  const worker = new Worker(name, null, { ...workerOptions(redis, 600_000), prefix })
  ownedBy(worker, process)
  await worker.getNextJob(`${worker.id}:0`)
  await worker.close()
}

test('jobs of a dead process wake the others, and jobs of living ones stay', async () => {
  const seqs = [0, 1, 2, 3, 4, 5]
  await queues.addBatches(
    app,
    seqs.map((seq) => ({ campaign, seq, turn: seq + 1 })),
  )
  await queues.enqueue('plan', { app, campaign })
  const sendJobs = [sendQueueName(app), keys.sendQueuePrefix(app)] as const
  for (const process of ['dead', 'alive', 'dead', 'dead', 'dead']) await take(...sendJobs, process)
  await take(CAMPAIGNS_QUEUE, keys.campaignsQueuePrefix, 'dead')
  const states = (): Promise<string[]> =>
    Promise.all(seqs.map((seq) => queues.sendQueue(app).getJobState(batchJobId(campaign, seq))))
  expect(await states()).toEqual(['active', 'active', 'active', 'active', 'active', 'prioritized'])

  expect(await queues.releaseJobsOf('dea', [app])).toBe(0)
  await queues.ready.forget(app)
  expect(await queues.releaseJobsOf('dead', [app])).toBe(5)
  expect(await queues.ready.until(0)).toEqual([app])
  expect(await queues.releaseJobsOf('dead', [app])).toBe(0)
  expect(await states()).toEqual(['delayed', 'active', 'delayed', 'delayed', 'delayed', 'prioritized'])
  await take(...sendJobs, 'next')
  expect((await states()).filter((state) => state === 'active')).toHaveLength(2)
})

const HOUR_MS = 3_600_000

test('batches are announced after their jobs, at the time of the first', async () => {
  await queues.addBatches(app, [])
  expect(await queues.ready.all()).toEqual([])
  await queues.addBatches(app, [
    { campaign, seq: 0, turn: 1, delayMs: HOUR_MS },
    { campaign, seq: 1, turn: 1, delayMs: 2 * HOUR_MS },
  ])
  expect(await queues.ready.until(Date.now() + HOUR_MS - 60_000)).toEqual([])
  expect(await queues.ready.until(Date.now() + HOUR_MS)).toEqual([app])
  expect(await redis.exists(keys.readyAnnouncements)).toBe(0)
  await queues.addBatches(app, [{ campaign, seq: 2, turn: 1 }])
  expect(await queues.ready.until(0)).toEqual([app])
  expect(await redis.xlen(keys.readyAnnouncements)).toBe(1)
})

test('a queue rests until its first delayed job is due, and not while it has a job that waits or runs', async () => {
  await queues.addBatches(app, [{ campaign, seq: 0, turn: 1, delayMs: HOUR_MS }])
  await queues.addBatches(app, [{ campaign, seq: 1, turn: 1 }])
  expect(await queues.rest(app)).toBe(false)
  const worker = new Worker(sendQueueName(app), null, {
    ...workerOptions(redis, 600_000),
    prefix: keys.sendQueuePrefix(app),
  })
  onTestFinished(() => worker.close())
  const job = await worker.getNextJob('token')
  expect(await queues.rest(app)).toBe(false)
  expect(await queues.ready.until(0)).toEqual([app])
  await job?.moveToCompleted(undefined, 'token', false)
  expect(await queues.rest(app)).toBe(true)
  expect(await queues.ready.until(Date.now() + HOUR_MS - 60_000)).toEqual([])
  expect(await queues.ready.until(Date.now() + HOUR_MS)).toEqual([app])
})

test('a queue whose first job is due within seconds does not rest; one without jobs is forgotten', async () => {
  expect(await queues.rest(app)).toBe(true)
  await queues.addBatches(app, [{ campaign, seq: 0, turn: 1, delayMs: 5000 }])
  expect(await queues.rest(app)).toBe(false)
  await queues.sendQueue(app).drain(true)
  expect(await queues.ready.all()).toEqual([app])
  expect(await queues.rest(app)).toBe(true)
  expect(await queues.ready.all()).toEqual([])
})

test('a batch that is added while its queue goes to rest stays announced', async () => {
  for (let seq = 0; seq < 100; seq += 1) {
    const [hasRest] = await Promise.all([queues.rest(app), queues.addBatches(app, [{ campaign, seq, turn: 1 }])])
    expect(hasRest ? await queues.ready.until(0) : [app]).toEqual([app])
    await queues.sendQueue(app).drain()
    await queues.ready.forget(app)
  }
})

test('the entry of an app that Redis lost is written again with its batches, wherever their jobs are', async () => {
  const batches = [0, 1].map((seq) => ({ campaign, seq, turn: 1, delayMs: HOUR_MS }))
  await queues.addBatches(app, batches)
  await queues.ready.forget(app)
  expect(await queues.restoreBatches(app, batches)).toEqual({ lost: 0, overdue: 0 })
  expect(await queues.ready.until(Date.now() + HOUR_MS)).toEqual([app])
  await queues.ready.forget(app)
  await queues.restoreBatches(app, [{ campaign, seq: 0, turn: 1, delayMs: -60_000 }])
  expect(await queues.ready.until(0)).toEqual([app])
})

test('however often a batch fails, it is tried again within seconds', () => {
  expect(batchJob(campaign, 0, 1).opts.backoff).toMatchObject({ type: 'fixed', delay: 2000 })
})
