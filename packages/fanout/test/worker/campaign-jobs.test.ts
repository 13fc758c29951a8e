import type { AppId, CampaignId, FanoutEvent } from '@wns-fanout/domain'
import { LedgerDamaged, LedgerVersion } from '@wns-fanout/state'
import type { Job } from 'bullmq'
import { DelayedError } from 'bullmq'
import { expect, test } from 'vitest'
import type { CampaignJobsDeps } from '../../src/worker/campaign-jobs.ts'
import { CampaignJobs } from '../../src/worker/campaign-jobs.ts'
import type { CampaignJob } from '../../src/worker/queues.ts'
import { UnusableLedgers } from '../../src/worker/unusable-ledgers.ts'

const data = { app: 'news' as AppId, campaign: 'c1' as CampaignId }

function setup(options: {
  readonly record?: unknown
  readonly error?: Error
  readonly launch?: unknown
  isLost?: boolean
}) {
  const found = { delays: [] as number[], halted: 0, swept: 0, enqueued: [] as unknown[] }
  const stores = {
    campaigns: {
      get: async () => {
        if (options.error !== undefined) throw options.error
        return options.record ?? null
      },
      launch: async () => options.launch,
      redisNowMs: async () => 1000,
    },
    ledger: {
      sweep: async () => {
        found.swept += 1
        return { state: 'missing', closed: 0, live: 0, damaged: 0, campaignFinished: true }
      },
      repair: { markDamaged: async () => (found.halted += 1) > 0 },
    },
    queues: { enqueue: async (...job: unknown[]) => void found.enqueued.push(job) },
    emit: (_event: FanoutEvent) => {},
  }
  const ledgers = new UnusableLedgers(stores as unknown as ConstructorParameters<typeof UnusableLedgers>[0])
  const jobs = new CampaignJobs({
    launch: stores,
    reconcile: stores,
    ledgers,
    isDataLost: () => options.isLost === true,
    retryMs: 500,
  } as unknown as CampaignJobsDeps)
  const run = (name: string): Promise<void> =>
    jobs.run(
      {
        name,
        data,
        moveToDelayed: async (atMs: number) => void found.delays.push(Math.round((atMs - Date.now()) / 100) * 100),
      } as unknown as Job<CampaignJob>,
      'lock',
    )
  return { run, found }
}

test('a launch that is not due yet is delayed until its start', async () => {
  const { run, found } = setup({ launch: { kind: 'wait', startAtMs: 8000 } })
  await expect(run('launch')).rejects.toBeInstanceOf(DelayedError)
  expect(found.delays).toEqual([7000])
})

test('the launch of a campaign that was stopped before its start sweeps it', async () => {
  const { run, found } = setup({ launch: { kind: 'stopped' } })
  await run('launch')
  expect(found.swept).toBe(1)
})

test('a plan, and a sweep, of a campaign that is gone do nothing', async () => {
  const { run, found } = setup({})
  await run('plan')
  await run('sweep')
  expect(found).toMatchObject({ delays: [], halted: 0, swept: 1 })
})

test('a reconciliation of a campaign that is gone halts what is left of it', async () => {
  const { run, found } = setup({})
  await run('reconcile')
  expect(found.halted).toBe(1)
})

test('no job runs while the data is lost', async () => {
  const { run, found } = setup({ isLost: true, error: new Error('must not be read') })
  await expect(run('plan')).rejects.toBeInstanceOf(DelayedError)
  expect(found.delays).toEqual([500])
})

test('a damaged ledger halts its campaign, and the job ends', async () => {
  const { run, found } = setup({ error: new LedgerDamaged('cursor is missing') })
  await run('plan')
  expect(found.halted).toBe(1)
})

test('a campaign of another version is tried again after half a minute', async () => {
  const { run, found } = setup({ error: new LedgerVersion('version 2') })
  await expect(run('plan')).rejects.toBeInstanceOf(DelayedError)
  expect(found.delays).toEqual([30_000])
})

test('an unknown job is an error that names the known ones', async () => {
  await expect(setup({}).run('dance')).rejects.toThrow('job must be launch, plan, sweep or reconcile; found dance')
})
