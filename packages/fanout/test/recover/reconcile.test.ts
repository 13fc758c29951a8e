import { randomBytes } from 'node:crypto'
import type { AppId, CampaignId, FanoutEvent } from '@wns-fanout/domain'
import type { RedisConnection } from '@wns-fanout/state'
import { CampaignStore, Keys, Ledger, closeRedis, connectRedis } from '@wns-fanout/state'
import { Queue } from 'bullmq'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { CAMPAIGNS_QUEUE, Queues } from '../../src/worker/queues.ts'
import { reconcileAll } from '../../src/recover/reconcile.ts'

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
  await closeRedis(redis)
})

async function create(id: string): Promise<void> {
  await campaigns.create({
    definition: {
      id: id as CampaignId,
      app,
      request: { notification: { type: 'badge', value: 1 }, audience: { all: true } },
      update: 'generic',
      topic: id,
      delivery: 'at-least-once',
      priority: 'normal',
      guardSeconds: 0,
      maxAttempts: 5,
      retentionDays: 7,
    },
    policy: 'reject',
    topicIntervalMs: 0,
  })
}

const left: CampaignId[] = []
let isBarred = false

async function leaderRuns(): Promise<FanoutEvent[]> {
  const events: FanoutEvent[] = []
  const deps = {
    campaigns,
    ledger: new Ledger(redis, keys),
    queues,
    emit: (event: FanoutEvent) => void events.push(event),
    isBarred: () => isBarred,
    leaveAlone: (_app: AppId, id: CampaignId) => void left.push(id),
  }
  await reconcileAll(deps, [app], new AbortController().signal)
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
  expect(await leaderRuns()).toEqual([{ type: 'campaign.finished', app, campaign: id }])
  expect(await leaderRuns()).toEqual([])
})

test('a batch that waits for a probe of the breaker is not woken for being overdue', async () => {
  const id = 'barred' as CampaignId
  await create(id)
  await redis.hset(keys.campaign(app, id), {
    state: 'sending',
    audienceSize: 1,
    planned: 1,
    plannedRecipients: 1,
    planComplete: 1,
  })
  await redis.hset(keys.batch(app, id, 0), { range: '0,0,1', state: 'parked', owner: 'other', fence: 1, dueAt: 1 })
  await redis.set(keys.vector(app, id, 0), '\0')
  await redis.sadd(keys.live(app, id), 0)
  await queues.addBatches(app, [{ campaign: id, seq: 0, turn: 1, delayMs: 60_000 }])
  isBarred = true
  expect(await leaderRuns()).toEqual([])
  isBarred = false
  expect(await leaderRuns()).toEqual([{ type: 'reconciled', app, reason: 'overdue', count: 1 }])
})
