import { randomBytes } from 'node:crypto'
import type { AppId, FanoutEvent, ScheduleName, ScheduleRequest, TemplateName } from '@wns-fanout/domain'
import type { RedisConnection } from '@wns-fanout/state'
import {
  ApiKeys,
  AppEvents,
  AppStore,
  Audiences,
  CampaignStore,
  closeRedis,
  connectRedis,
  Keyring,
  Keys,
  Ledger,
  Permits,
  Registry,
  Schedules,
  Templates,
} from '@wns-fanout/state'
import { removeKeysWith } from '@wns-fanout/testing'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { Campaigns } from '../../src/campaign/campaigns.ts'
import { conditionOf } from '../../src/condition.ts'
import { Queues } from '../../src/worker/queues.ts'
import { ScheduleRunner } from '../../src/campaign/schedules.ts'

const app = 'news' as AppId
const morning = 'morning' as ScheduleName
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const request: ScheduleRequest = {
  cron: '*/15 * * * *',
  timeZone: 'UTC',
  campaign: { notification: { type: 'badge', value: 1 }, audience: { all: true }, allowEmpty: true },
}

let redis: RedisConnection
let keys: Keys
let queues: Queues
let apps: AppStore
let schedules: Schedules
let templates: Templates
let campaigns: Campaigns
/** The next full hour: every schedule here has an occurrence then, and none is due before. */
let hourMs: number

beforeEach(async () => {
  redis = connectRedis(inject('redisUrl'), { role: 'worker' })
  keys = new Keys(`s${randomBytes(6).toString('hex')}:`)
  queues = new Queues(redis, keys, () => {})
  apps = new AppStore(redis, keys, Keyring.parse(`k1 ${randomBytes(32).toString('base64')}`))
  schedules = new Schedules(redis, keys)
  templates = new Templates(redis, keys)
  campaigns = new Campaigns({
    redis,
    keys,
    apps,
    registry: new Registry(redis, keys),
    audiences: new Audiences(redis, keys),
    campaigns: new CampaignStore(redis, keys),
    ledger: new Ledger(redis, keys),
    queues,
    condition: conditionOf(apps, new Permits(redis, keys)),
  })
  await apps.put(app, { credentials: { kind: 'store', packageSid: 'S-1-15-2-1-2-3', clientSecret: 'x' } })
  hourMs = Math.ceil((await schedules.redisNowMs()) / HOUR_MS + 1) * HOUR_MS
})
afterEach(async () => {
  await queues.close()
  await removeKeysWith(redis, keys.prefix)
  await closeRedis(redis)
})

async function leaderRuns(nowMs: number, create: Pick<Campaigns, 'create'> = campaigns): Promise<FanoutEvent[]> {
  const events: FanoutEvent[] = []
  const emit = (event: FanoutEvent): void => void events.push(event)
  const apiKeys = new ApiKeys(redis, keys)
  await new ScheduleRunner({ apps, schedules, templates, campaigns: create, apiKeys, emit }).run(
    [app],
    nowMs,
    new AbortController().signal,
  )
  return events
}
async function made(): Promise<readonly string[]> {
  return (await campaigns.list(app, { limit: 100 })).items.map(({ state }) => state)
}

test('an occurrence becomes one campaign, the next one another', async () => {
  await schedules.put(app, morning, request)
  const first = await leaderRuns(hourMs)
  expect(first).toEqual([
    {
      type: 'schedule.ran',
      app,
      schedule: morning,
      dueAt: new Date(hourMs).toISOString(),
      campaign: expect.any(String) as unknown,
    },
  ])
  expect(await leaderRuns(hourMs)).toEqual([])
  expect(await leaderRuns(hourMs + 15 * MINUTE_MS - 1)).toEqual([])
  expect(await made()).toHaveLength(1)
  expect(await schedules.get(app, morning)).toMatchObject({ lastRunMs: hourMs })
  expect(await leaderRuns(hourMs + 15 * MINUTE_MS)).toHaveLength(1)
  expect(await made()).toHaveLength(2)
})

test('two leaders at once make one campaign for each occurrence', async () => {
  await schedules.put(app, morning, request)
  for (const dueMs of [hourMs, hourMs + 15 * MINUTE_MS, hourMs + 30 * MINUTE_MS])
    await Promise.all([leaderRuns(dueMs), leaderRuns(dueMs), leaderRuns(dueMs)])
  expect(await made()).toHaveLength(3)
})

test('a leader that dies after it made the campaign leaves one campaign, not two', async () => {
  await schedules.put(app, morning, request)
  const dies: Pick<Campaigns, 'create'> = {
    create: async (...args) => {
      await campaigns.create(...args)
      throw new Error('died')
    },
  }
  expect(await leaderRuns(hourMs, dies)).toMatchObject([
    { type: 'operation.failed', operation: 'schedules of news: morning' },
  ])
  expect(await made()).toHaveLength(1)
  expect(await schedules.get(app, morning)).not.toHaveProperty('lastRunMs')
  expect(await leaderRuns(hourMs)).toMatchObject([{ type: 'schedule.ran' }])
  expect(await made()).toHaveLength(1)
  expect(await schedules.get(app, morning)).toMatchObject({ lastRunMs: hourMs })
})

test('after a time without a leader the latest occurrence of the last hour is run, and no other', async () => {
  await schedules.put(app, morning, request)
  await schedules.put(app, 'daily' as ScheduleName, {
    ...request,
    cron: `${new Date(hourMs).getUTCMinutes()} ${new Date(hourMs).getUTCHours()} * * *`,
  })
  const backMs = hourMs + HOUR_MS + 5 * MINUTE_MS
  expect(await leaderRuns(backMs)).toMatchObject([
    { type: 'schedule.ran', schedule: 'morning', dueAt: new Date(hourMs + HOUR_MS).toISOString() },
  ])
})

test('a campaign that comes too soon after the last one waits for its turn, in the place of what waited', async () => {
  await schedules.put(app, morning, request)
  for (const n of [0, 1, 2]) await leaderRuns(hourMs + n * 15 * MINUTE_MS)
  expect((await made()).toSorted()).toEqual(['cancelled', 'scheduled', 'scheduled'])
})

test('a rejection is reported once and ends the occurrence', async () => {
  await schedules.put(app, morning, { ...request, campaign: { ...request.campaign, audience: { list: 'gone' } } })
  expect(await leaderRuns(hourMs)).toMatchObject([
    { type: 'schedule.refused', schedule: morning, dueAt: new Date(hourMs).toISOString(), code: 'invalid' },
  ])
  expect(await leaderRuns(hourMs + MINUTE_MS)).toEqual([])
  expect(await made()).toEqual([])
  const { items } = await new AppEvents(redis, keys).read(app, { limit: 9 })
  expect(items).toMatchObject([
    { type: 'schedule.refused', data: { schedule: morning, code: 'invalid', detail: expect.stringMatching(/./) } },
  ])
})

test('an occurrence without recipients becomes no campaign, and is reported with its own code', async () => {
  await schedules.put(app, morning, { ...request, campaign: { ...request.campaign, allowEmpty: false } })
  expect(await leaderRuns(hourMs)).toMatchObject([{ type: 'schedule.refused', code: 'empty-audience' }])
  expect(await made()).toEqual([])
})

test('a paused schedule creates no campaign, and skips its missed occurrences when resumed', async () => {
  const { overUntilMs } = await schedules.put(app, morning, request)
  await schedules.put(app, morning, { ...request, paused: true })
  expect(await leaderRuns(hourMs)).toEqual([])
  await expect.poll(() => schedules.redisNowMs()).toBeGreaterThan(overUntilMs)
  const resumed = await schedules.put(app, morning, request)
  expect(resumed.overUntilMs).toBeGreaterThan(overUntilMs)
  expect(await leaderRuns(hourMs)).toHaveLength(1)
})

test('changed times count from the change; unchanged ones continue', async () => {
  const { overUntilMs } = await schedules.put(app, morning, request)
  await expect.poll(() => schedules.redisNowMs()).toBeGreaterThan(overUntilMs)
  expect(await schedules.put(app, morning, { ...request, paused: false })).toMatchObject({ overUntilMs })
  const changed = await schedules.put(app, morning, { ...request, timeZone: 'Asia/Kolkata' })
  expect(changed.overUntilMs).toBeGreaterThan(overUntilMs)
})

test('a schedule that is replaced keeps what it ran', async () => {
  const before = await schedules.put(app, morning, request)
  await leaderRuns(hourMs)
  const campaign = { ...request.campaign, name: 'changed' }
  const after = await schedules.put(app, morning, { ...request, campaign })
  expect(after).toMatchObject({ createdAtMs: before.createdAtMs, lastRunMs: hourMs, overUntilMs: hourMs })
  expect(await leaderRuns(hourMs)).toEqual([])
})

test('a removed schedule does not run and leaves nothing behind', async () => {
  await schedules.put(app, morning, request)
  expect(await schedules.delete(app, morning)).toBe(true)
  expect(await schedules.delete(app, morning)).toBe(false)
  await schedules.ran(app, morning, hourMs)
  expect(await redis.exists(keys.schedules(app))).toBe(0)
  expect(await leaderRuns(hourMs)).toEqual([])
})

test('the last run never goes back', async () => {
  await schedules.put(app, morning, request)
  await schedules.ran(app, morning, hourMs)
  await schedules.ran(app, morning, hourMs - HOUR_MS)
  expect(await schedules.get(app, morning)).toMatchObject({ lastRunMs: hourMs })
})

test('an app has a hundred schedules at the most', async () => {
  for (let n = 0; n < 100; n += 1) await schedules.put(app, `s${n}` as ScheduleName, request)
  await expect(schedules.put(app, morning, request)).rejects.toMatchObject({ code: 'conflict' })
  await schedules.put(app, 's7' as ScheduleName, request)
  expect(await schedules.list(app)).toHaveLength(100)
})

test('a schedule that cannot be read is reported once and does not stop the others', async () => {
  const valid = JSON.stringify({ request, createdAtMs: 0, sinceMs: 0 })
  await redis.hset(keys.schedules(app), {
    'a-torn': valid.slice(0, 20),
    'b-empty': '{}',
    'c-zone': valid.replace('"UTC"', '"Mars/Olympus"'),
    'd-cron': valid.replace('*/15 * * * *', '0 25 * * *'),
    'e-times': valid.replace('"sinceMs":0', '"sinceMs":"soon"'),
  })
  await schedules.put(app, morning, request)
  const events: FanoutEvent[] = []
  const runner = new ScheduleRunner({
    apps,
    schedules,
    templates,
    campaigns,
    apiKeys: new ApiKeys(redis, keys),
    emit: (event) => void events.push(event),
  })
  await runner.run([app], hourMs, new AbortController().signal)
  await runner.run([app], hourMs, new AbortController().signal)
  expect(events.map((event) => [event.type, 'schedule' in event ? event.schedule : ''])).toEqual([
    ['schedule.unreadable', 'a-torn'],
    ['schedule.unreadable', 'b-empty'],
    ['schedule.unreadable', 'c-zone'],
    ['schedule.unreadable', 'd-cron'],
    ['schedule.unreadable', 'e-times'],
    ['schedule.ran', 'morning'],
  ])
  expect(await made()).toHaveLength(1)

  await schedules.put(app, 'a-torn' as ScheduleName, { ...request, paused: true })
  await redis.hset(keys.schedules(app), 'a-torn', '')
  await runner.run([app], hourMs, new AbortController().signal)
  expect(events).toHaveLength(6)
})

test('a schedule with a template sends the notification that the template has by then', async () => {
  const name = 'forecast' as TemplateName
  const { notification: _, ...campaign } = request.campaign
  await schedules.put(app, morning, { ...request, campaign: { ...campaign, template: name } })
  await templates.put(app, name, { type: 'badge', value: 1 })
  await templates.put(app, name, { type: 'raw', text: 'today' })
  await leaderRuns(hourMs)
  expect((await campaigns.list(app, { limit: 10 })).items).toMatchObject([{ type: 'raw' }])
  await templates.delete(app, name)
  expect(await leaderRuns(hourMs + 15 * MINUTE_MS)).toMatchObject([{ type: 'schedule.refused', code: 'invalid' }])
})

test('a schedule stops with its key, and runs again from the next occurrence when another key takes it over', async () => {
  const apiKeys = new ApiKeys(redis, keys)
  const access = { name: 'test', apps: ['news'], verbs: ['send'] } as const
  const { apiKey: first } = await apiKeys.create(access)
  const { apiKey: second } = await apiKeys.create(access, first.id)
  await schedules.put(app, morning, request, first.id)
  expect(await leaderRuns(hourMs)).toMatchObject([{ type: 'schedule.ran' }])

  await apiKeys.revoke(first.id)
  const dueAt = new Date(hourMs + 15 * MINUTE_MS).toISOString()
  expect(await leaderRuns(hourMs + 15 * MINUTE_MS)).toEqual([
    { type: 'schedule.stopped', app, schedule: morning, dueAt, createdBy: first.id },
  ])
  expect(await leaderRuns(hourMs + 16 * MINUTE_MS)).toEqual([])

  await schedules.put(app, morning, request, second.id)
  expect(await leaderRuns(hourMs + 17 * MINUTE_MS)).toEqual([])
  const [ran] = await leaderRuns(hourMs + 30 * MINUTE_MS)
  expect(ran).toMatchObject({ type: 'schedule.ran' })
  const { items } = await campaigns.list(app, { limit: 10 })
  expect(items.map(({ createdBy }) => createdBy)).toEqual([second.id, first.id])
})
