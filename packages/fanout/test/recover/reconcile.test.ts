import { randomBytes } from 'node:crypto'
import type { AppId, CampaignId, FanoutEvent } from '@wns-fanout/domain'
import type { RedisConnection } from '@wns-fanout/state'
import { CampaignStore, Keys, Ledger, closeRedis, connectRedis } from '@wns-fanout/state'
import { Queue } from 'bullmq'
import { removeKeysWith } from '@wns-fanout/testing'
import { afterEach, beforeEach, expect, inject, onTestFinished, test } from 'vitest'
import { CAMPAIGNS_QUEUE, Queues } from '../../src/worker/queues.ts'
import { reconcileAll } from '../../src/recover/reconcile.ts'
import { newCampaign } from '../support/new-campaign.ts'

const app = 'news' as AppId
let redis: RedisConnection
let keys: Keys
let queues: Queues
let campaigns: CampaignStore

beforeEach(() => {
  redis = connectRedis(inject('redisUrl'), { role: 'worker' })
  keys = new Keys(`r${randomBytes(6).toString('hex')}:`)
  queues = new Queues(redis, keys, () => {})
  campaigns = new CampaignStore(redis, keys)
})
afterEach(async () => {
  await queues.close()
  await removeKeysWith(redis, keys.prefix)
  await closeRedis(redis)
})

async function create(id: string): Promise<void> {
  await campaigns.create(newCampaign(app, id as CampaignId))
}

const left: CampaignId[] = []
let isBarred = false

/** A campaign that sends: its fields, and its live batches by number. */
async function sending(
  id: string,
  fields: Readonly<Record<string, string | number>>,
  batches: Readonly<Record<number, Readonly<Record<string, string | number>>>> = {},
): Promise<CampaignId> {
  await create(id)
  await redis.hset(keys.campaign(app, id), {
    state: 'sending',
    audienceSize: 1,
    planned: 1,
    plannedRecipients: 1,
    planComplete: 1,
    ...fields,
  })
  for (const [seq, batch] of Object.entries(batches)) {
    await redis.hset(keys.batch(app, id, Number(seq)), { range: '0,0,1', state: 'parked', owner: 'other', ...batch })
    await redis.set(keys.vector(app, id, Number(seq)), '\0')
    await redis.sadd(keys.live(app, id), seq)
  }
  return id as CampaignId
}

async function leaderRuns(signal = new AbortController().signal, served = [app]): Promise<FanoutEvent[]> {
  const events: FanoutEvent[] = []
  const deps = {
    campaigns,
    ledger: new Ledger(redis, keys),
    queues,
    emit: (event: FanoutEvent) => void events.push(event),
    isBarred: () => isBarred,
    leaveAlone: (_app: AppId, id: CampaignId) => void left.push(id),
  }
  await reconcileAll(deps, served, signal)
  return events
}

test('a campaign whose ledger is damaged halts and keeps no other one waiting', async () => {
  await create('one')
  await create('two')
  const [damaged = '', well = ''] = await campaigns.active(app)
  await redis.hset(keys.campaign(app, damaged), 'definition', '{')
  expect(await leaderRuns()).toEqual([
    { type: 'ledger.damaged', app, campaign: damaged, found: 'the campaign: definition is not valid' },
  ])
  const queue = new Queue(CAMPAIGNS_QUEUE, { connection: redis, prefix: keys.campaignsQueuePrefix })
  expect(await queue.getJobState(`launch-${well}`)).not.toBe('unknown')
  await queue.close()
})

test('a finished campaign is reported until it is retired', async () => {
  const id = 'done' as CampaignId
  await create(id)
  await campaigns.steer(app, id, 'cancel')
  await new Ledger(redis, keys).sweep({ app, campaign: id }, 1)
  expect(await campaigns.finished(app)).toEqual([id])
  expect(await leaderRuns()).toMatchObject([
    { type: 'campaign.finished', app, campaign: id, state: 'cancelled', totals: { pending: 0 } },
  ])
  expect(await leaderRuns()).toEqual([])
})

test('a batch that waits for a probe of the breaker is not woken for being overdue', async () => {
  const id = await sending('barred', {}, { 0: { fence: 1, dueAt: 1 } })
  await queues.addBatches(app, [{ campaign: id, seq: 0, turn: 1, delayMs: 60_000 }])
  isBarred = true
  expect(await leaderRuns()).toEqual([])
  isBarred = false
  expect(await leaderRuns()).toEqual([{ type: 'reconciled', app, reason: 'overdue', count: 1 }])
})

async function jobState(job: string): Promise<string> {
  const queue = new Queue(CAMPAIGNS_QUEUE, { connection: redis, prefix: keys.campaignsQueuePrefix })
  onTestFinished(() => queue.close())
  return await queue.getJobState(job)
}

test('a batch without a job gets one', async () => {
  await sending('jobless', {}, { 0: { fence: 1, dueAt: 1 } })
  expect(await leaderRuns()).toEqual([{ type: 'reconciled', app, reason: 'no-job', count: 1 }])
  expect(await leaderRuns()).toEqual([])
})

test('a campaign that is not due yet has a launch that waits', async () => {
  const id = 'later' as CampaignId
  await create(id)
  await redis.hset(keys.campaign(app, id), { startAt: (await campaigns.redisNowMs()) + 60_000 })
  expect(await leaderRuns()).toEqual([])
  expect(await jobState(`launch-${id}`)).toBe('delayed')
})

test('a plan that was interrupted gets a job again', async () => {
  const id = await sending('unplanned', { planComplete: 0, planned: 0, plannedRecipients: 0 })
  expect(await leaderRuns()).toEqual([])
  expect(await jobState(`plan-${id}-0`)).not.toBe('unknown')
})

test.each<
  [string, Readonly<Record<string, number>>, Readonly<Record<number, Readonly<Record<string, number>>>>, string]
>([
  ['lacks a batch', { planned: 2 }, { 0: { fence: 1 } }, 'the campaign: 1 batches are live, 2 planned and 0 closed'],
  [
    'has closed all batches and does not end',
    { closed: 1 },
    {},
    'the campaign: every batch is closed, 1 recipients are pending, and not all outcomes are there',
  ],
  ['has a batch that is closed and live', {}, { 0: { fence: 1, closed: 1 } }, 'batch 0: it is closed and live at once'],
])('a campaign that %s halts as damaged', async (_, fields, batches, found) => {
  const id = await sending('damaged', fields, batches)
  expect(await leaderRuns()).toEqual([{ type: 'ledger.damaged', app, campaign: id, found }])
  expect(await jobState(`sweep-${id}-damaged`)).not.toBe('unknown')
})

test('a batch whose range vanished halts its campaign', async () => {
  const id = await sending('rangeless', {}, { 0: { fence: 1 } })
  await redis.del(keys.batch(app, id, 0))
  expect(await leaderRuns()).toEqual([
    { type: 'ledger.damaged', app, campaign: id, found: 'batch 0: its range is missing' },
  ])
})

test('an active campaign whose hash vanished is marked as damaged', async () => {
  const id = 'vanished' as CampaignId
  await create(id)
  await redis.del(keys.campaign(app, id))
  const events = await leaderRuns()
  expect(events.filter(({ type }) => type === 'operation.failed')).toEqual([])
  expect(await jobState(`sweep-${id}-damaged`)).not.toBe('unknown')
})

test('a campaign of another ledger version is left to the processes of that version', async () => {
  const id = await sending('other-version', { version: 9 })
  left.splice(0)
  expect(await leaderRuns()).toEqual([])
  expect(left).toEqual([id])
})

test('an app that cannot be read does not keep the others waiting', async () => {
  const broken = 'broken' as AppId
  await redis.set(keys.active(broken), 'not a set')
  await create('well')
  expect(await leaderRuns(undefined, [broken, app])).toEqual([
    expect.objectContaining({ type: 'operation.failed', operation: 'reconciliation of broken' }),
  ])
  expect(await jobState('launch-well')).not.toBe('unknown')
})

test('a leader that stops looks at no further campaign', async () => {
  await create('one')
  expect(await leaderRuns(AbortSignal.abort())).toEqual([])
  expect(await jobState('launch-one')).toBe('unknown')
})
