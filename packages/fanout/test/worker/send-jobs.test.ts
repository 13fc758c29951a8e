import type { AppId, CampaignId, FanoutEvent } from '@wns-fanout/domain'
import { LedgerDamaged, LedgerVersion } from '@wns-fanout/state'
import type { Job } from 'bullmq'
import { DelayedError } from 'bullmq'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { AppBreaker } from '../../src/send/app-breaker.ts'
import type { BatchEnd } from '../../src/send/types.ts'
import type { SendJob } from '../../src/worker/batch-job.ts'
import type { SendJobsDeps } from '../../src/worker/send-jobs.ts'
import { SendJobs } from '../../src/worker/send-jobs.ts'
import { UnusableLedgers } from '../../src/worker/unusable-ledgers.ts'

const app = 'news' as AppId
const plan = { live: 1, active: 1, wakeAt: 0, planPosition: -1 }
const parked = { kind: 'parked', delayMs: 700, reason: 'server-error', plan } as const
const closed = { kind: 'closed', leavesOthers: false, plan } as const

// A clock that stands still, so delays are exact.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** A job with priority 10 of a batch that ends as given. */
function setup(end: BatchEnd | { readonly kind: 'gone' } | Error, state = 'sending') {
  const found = {
    delays: [] as number[],
    enqueued: [] as unknown[],
    halted: [] as unknown[],
  }
  const events: FanoutEvent[] = []
  const queues = {
    enqueue: async (...job: unknown[]) => {
      found.enqueued.push(job)
    },
  }
  const ledgers = new UnusableLedgers({
    campaigns: {},
    queues,
    ledger: { repair: { markDamaged: async (...args: unknown[]) => found.halted.push(args) > 0 } },
    emit: (event: FanoutEvent) => events.push(event),
  } as unknown as ConstructorParameters<typeof UnusableLedgers>[0])
  const jobs = new SendJobs({
    sender: {
      send: async () => {
        if (end instanceof Error) throw end
        return end
      },
    },
    ledgers,
    campaigns: { get: async () => ({ state }) },
    queues,
    emit: (event: FanoutEvent) => events.push(event),
  } as unknown as SendJobsDeps)
  const job = {
    id: 'c1-b0',
    data: { campaign: 'c1' as CampaignId, seq: 0 },
    opts: { priority: 10 },
    priority: 10,
    moveToDelayed: async (atMs: number) => void found.delays.push(atMs - Date.now()),
  } as unknown as Job<SendJob>
  const run = (): Promise<void> => jobs.run(app, {} as AppBreaker, job, 'lock', new AbortController().signal)
  return { run, jobs, job, found, events }
}

test.each([closed, { kind: 'gone' } as const, { kind: 'fenced', forgotten: false } as const])(
  'the job of a batch that is $kind ends',
  async (end) => {
    const { run, jobs, job, found } = setup(end)
    await run()
    await jobs.completed(app, job)
    expect(found).toEqual({ delays: [], enqueued: [], halted: [] })
  },
)

test('the job of a parked batch is delayed until the batch is due', async () => {
  const { run, found } = setup(parked)
  await expect(run()).rejects.toBeInstanceOf(DelayedError)
  expect(found).toMatchObject({ delays: [700] })
})

test('a batch that a stop interrupted keeps its turn and runs again at once', async () => {
  const { run, found } = setup({ ...parked, delayMs: 0, reason: 'stopping' })
  await expect(run()).rejects.toBeInstanceOf(DelayedError)
  expect(found).toMatchObject({ delays: [0] })
})

test.each([
  { name: 'a paused campaign', end: { ...parked, reason: 'paused' } as const },
  { name: 'a forgotten owner', end: { kind: 'fenced', forgotten: true } as const },
])('the campaign is reconciled when the job of $name is removed and the campaign is sending', async ({ end }) => {
  const { run, jobs, job, found } = setup(end)
  await run()
  expect(found.enqueued).toEqual([])
  await jobs.completed(app, job)
  await jobs.completed(app, job)
  expect(found.enqueued).toEqual([['reconcile', { app, campaign: 'c1' }]])
})

test('a campaign that is still paused is not reconciled', async () => {
  const { run, jobs, job, found } = setup({ ...parked, reason: 'paused' }, 'paused')
  await run()
  await jobs.completed(app, job)
  expect(found.enqueued).toEqual([])
})

test('a damaged ledger halts its campaign, and the job ends', async () => {
  const { run, found } = setup(new LedgerDamaged('batch 0: its vector is missing'))
  await run()
  expect(found.halted).toHaveLength(1)
  expect(found.enqueued).toEqual([['sweep', { app, campaign: 'c1' }, 0]])
})

test('a campaign of another version is reported once, and its job is tried again after half a minute', async () => {
  const { run, found, events } = setup(new LedgerVersion('version 2'))
  await expect(run()).rejects.toBeInstanceOf(DelayedError)
  await expect(run()).rejects.toBeInstanceOf(DelayedError)
  expect(found.delays).toEqual([30_000, 30_000])
  expect(events.map(({ type }) => type)).toEqual(['ledger.other-version'])
})

test('any other error is left to the queue, which tries the job again', async () => {
  const { run } = setup(new Error('no Redis'))
  await expect(run()).rejects.toThrow('no Redis')
})
