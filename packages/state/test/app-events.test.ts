import type { AppEvent, CampaignId, ScheduleName } from '@wns-fanout/domain'
import { code } from '@wns-fanout/domain'
import { AppEvents, AppStore, LedgerRepair, Schedules } from '@wns-fanout/state'
import { describe, expect, test } from 'vitest'
import { Stage, tile, upTo } from './ledger-support.ts'
import { keyring, NEWS, setup } from './support.ts'

const C1 = 'c1' as CampaignId
const terms = { ...tile, window: 900 }

async function events({ bench, app }: Pick<Stage, 'bench' | 'app'>, limit = 100): Promise<readonly AppEvent[]> {
  return (await new AppEvents(bench.redis, bench.keys).read(app, { limit })).items
}

/** Type and data of all events. */
async function reported(stage: Pick<Stage, 'bench' | 'app'>) {
  return (await events(stage)).map(({ type, data }) => ({ event: type, ...data }))
}

describe('campaigns', () => {
  test('the end of a campaign is reported once, with its totals, however often its last checkpoint arrives', async () => {
    const stage = new Stage()
    await stage.sending(upTo(3), { terms })
    const hand = await stage.hold(terms)
    await hand.outcome(code.accepted, 0, 1).outcome(code.failedServerError, 2).close()
    await hand.again()
    const [event, ...others] = await events(stage)
    expect(event).toMatchObject({
      type: 'campaign.finished',
      app: 'news',
      data: {
        campaign: 'c1',
        state: 'completed',
        type: 'tile',
        topic: 'default',
        audienceSize: 3,
        totals: { accepted: 2, failed: 1, dead: 0, pending: 0 },
      },
    })
    expect(others).toEqual([])
  })

  test('a cancelled campaign is reported with its state and reason', async () => {
    const stage = new Stage()
    await stage.sending(upTo(2))
    await stage.campaigns.steer(stage.app, C1, 'cancel', 'superseded')
    await stage.ledger.sweep(stage.ref(), 9)
    expect(await reported(stage)).toMatchObject([
      { event: 'campaign.finished', state: 'cancelled', reason: 'superseded', totals: { cancelled: 2 } },
    ])
  })

  test('a campaign that expired is reported when it has ended', async () => {
    const stage = new Stage()
    await stage.sending(upTo(2), { expiresAtMs: (await stage.campaigns.redisNowMs()) + 60_000 })
    await stage.bench.redis.hset(stage.bench.keys.campaign(stage.app, C1), 'expiresAt', 1)
    await stage.ledger.sweep(stage.ref(), 9)
    expect(await reported(stage)).toMatchObject([{ event: 'campaign.finished', state: 'expired', reason: 'expired' }])
  })

  test('a campaign that the guard drops is reported', async () => {
    const stage = new Stage()
    const guarded = { topicIntervalMs: 60_000, policy: 'drop' } as const
    await stage.create({ ...guarded, id: 'first' })
    await stage.create({ ...guarded, id: 'second' })
    expect(await reported(stage)).toMatchObject([
      { event: 'campaign.finished', campaign: 'second', state: 'cancelled', reason: 'guard', audienceSize: 0 },
    ])
  })

  test('a halt by a checkpoint is reported once, and a final halt as one that cannot be resumed', async () => {
    const stage = new Stage()
    await stage.sending(upTo(500), { terms, maxFailureShare: 0.1 })
    const hand = await stage.hold(terms)
    await hand.outcome(code.failedServerError, ...upTo(60)).checkpoint()
    await hand.again()
    expect(await stage.campaigns.steer(stage.app, C1, 'hold', 'failure-share')).toMatchObject({ ok: true })
    await stage.sending(upTo(2), { id: 'c2' })
    await stage.campaigns.steer(stage.app, 'c2' as CampaignId, 'halt', 'audience-missing')
    await stage.campaigns.steer(stage.app, 'c2' as CampaignId, 'halt', 'audience-missing')
    expect(await reported(stage)).toEqual([
      { event: 'campaign.halted', campaign: 'c1', reason: 'failure-share', resumable: true },
      { event: 'campaign.halted', campaign: 'c2', reason: 'audience-missing', resumable: false },
    ])
  })

  test('a damaged ledger is reported as a halt', async () => {
    const stage = new Stage()
    await stage.sending(upTo(2))
    const { redis, keys } = stage.bench
    await new LedgerRepair(redis, keys).markDamaged({ app: stage.app, campaign: C1 }, 'a test')
    expect(await reported(stage)).toMatchObject([
      { event: 'campaign.halted', campaign: 'c1', reason: 'ledger-damaged', resumable: false },
    ])
  })

  test('a canary that waits for approval is reported once', async () => {
    const stage = new Stage()
    await stage.sending(upTo(2))
    await stage.campaigns.reportCanary(stage.app, C1)
    await stage.campaigns.reportCanary(stage.app, C1)
    expect(await reported(stage)).toEqual([{ event: 'campaign.waiting-for-approval', campaign: 'c1' }])
    await stage.campaigns.passCanary(stage.app, C1)
    await stage.campaigns.reportCanary(stage.app, C1)
    expect(await reported(stage)).toHaveLength(1)
  })
})

describe('channels that WNS has ended', () => {
  test('are reported together, each once, when the leader comes by', async () => {
    const stage = new Stage()
    await stage.sending(upTo(6), { terms })
    const hand = await stage.hold(terms)
    await hand.bury(code.deadExpired, 0, 1)
    await hand.again()
    await hand.bury(code.deadExpired, 4)
    const feed = new AppEvents(stage.bench.redis, stage.bench.keys)
    expect(await reported(stage)).toEqual([])
    expect(await feed.report(stage.app)).toBe(3)
    expect(await feed.report(stage.app)).toBe(0)
    expect(await reported(stage)).toEqual([{ event: 'channels.removed', count: 3, channels: ['ch-0', 'ch-1', 'ch-4'] }])
  })

  test('are not reported where the channel has another URI by now', async () => {
    const stage = new Stage()
    await stage.sending(upTo(2), { terms })
    const hand = await stage.hold(terms)
    await stage.moveTo(0, 'https://db5p.notify.windows.com/?token=moved')
    await hand.bury(code.deadExpired, 0, 1)
    await new AppEvents(stage.bench.redis, stage.bench.keys).report(stage.app)
    expect(await reported(stage)).toMatchObject([{ count: 1, channels: ['ch-1'] }])
  })

  test('are reported at once when 500 wait, with UUIDs as they were registered', async () => {
    const stage = new Stage()
    const { redis, keys } = stage.bench
    const uuid = '0b6f1f2e-7d0c-4c55-9d5c-1a2b3c4d5e6f'
    await stage.sending(upTo(512), { terms })
    await redis.rpush(
      keys.removed(stage.app),
      `\u0001${Buffer.from(uuid.replaceAll('-', ''), 'hex').toString('base64url')}`,
    )
    const hand = await stage.hold(terms)
    await hand.outcome(code.accepted, ...upTo(100, 400)).checkpoint()
    await hand.bury(code.deadExpired, ...upTo(20))
    expect(await reported(stage)).toEqual([])
    await redis.rpush(keys.removed(stage.app), ...upTo(478).map((n) => `filler-${n}`))
    await hand.bury(code.deadExpired, 20)
    const [event] = await reported(stage)
    expect(event).toMatchObject({
      event: 'channels.removed',
      count: 500,
      channels: expect.arrayContaining([uuid, 'ch-20']),
    })
    expect(await redis.llen(keys.removed(stage.app))).toBe(0)
  })
})

test('a breaker is reported when it opens and when it closes, also by new credentials', async () => {
  const bench = setup()
  const apps = new AppStore(bench.redis, bench.keys, keyring())
  const credentials = { kind: 'entra', tenantId: 't', clientId: 'c', clientSecret: 's' } as const
  await apps.put(NEWS, { credentials })
  const since = new Date().toISOString()
  for (const kind of ['token', 'answers'] as const) await apps.setBreaker(NEWS, { kind, reason: 'refused', since })
  await apps.clearBreaker(NEWS)
  await apps.clearBreaker(NEWS)
  await apps.setBreaker(NEWS, { kind: 'credentials', reason: 'wrong secret', since })
  await apps.put(NEWS, { credentials })
  expect(await reported({ bench, app: NEWS })).toEqual([
    { event: 'breaker.opened', kind: 'token', reason: 'refused' },
    { event: 'breaker.closed', kind: 'token' },
    { event: 'breaker.opened', kind: 'credentials', reason: 'wrong secret' },
    { event: 'breaker.closed', kind: 'credentials' },
  ])
})

test('an occurrence of a schedule that did not run is reported once', async () => {
  const bench = setup()
  const schedules = new Schedules(bench.redis, bench.keys)
  const schedule = 'morning' as ScheduleName
  await schedules.put(NEWS, schedule, {
    cron: '0 7 * * *',
    timeZone: 'UTC',
    campaign: { notification: { type: 'badge', value: 1 }, audience: { all: true } },
  })
  const data = { schedule, dueAt: '2026-01-31T07:00:00.000Z', code: 'empty-audience', detail: 'no recipient' }
  for (let leader = 0; leader < 2; leader += 1)
    await schedules.ran(NEWS, schedule, 1000, { type: 'schedule.refused', data })
  await schedules.ran(NEWS, schedule, 2000)
  expect(await reported({ bench, app: NEWS })).toEqual([{ event: 'schedule.refused', ...data }])
})

async function feedWith(count: number) {
  const bench = setup()
  for (let n = 1; n <= count; n += 1) {
    const entry = [
      'type',
      n % 2 === 0 ? 'breaker.closed' : 'campaign.waiting-for-approval',
      'data',
      `{"n":${n}}`,
      'before',
      `${n - 1}-0`,
    ]
    await bench.redis.xadd(bench.keys.events(NEWS), `${n}-0`, ...entry)
  }
  return { bench, feed: new AppEvents(bench.redis, bench.keys) }
}

describe('reading', () => {
  test('an empty feed has a cursor, behind which the first event comes', async () => {
    const { bench, feed } = await feedWith(0)
    const page = await feed.read(NEWS, { limit: 10, after: 'latest' })
    expect(page).toEqual({ items: [], cursor: '0-0', more: false, missed: false })
    expect(await feed.read(NEWS, { limit: 10, after: page.cursor })).toEqual(page)
    await bench.redis.xadd(bench.keys.events(NEWS), '5-0', 'type', 'breaker.closed', 'data', '{}')
    expect((await feed.read(NEWS, { limit: 10, after: page.cursor })).items.map(({ id }) => id)).toEqual(['5-0'])
  })

  test('pages follow each other without a gap, and a filter moves the cursor past the rest', async () => {
    const { feed } = await feedWith(5)
    const first = await feed.read(NEWS, { limit: 2 })
    expect(first).toMatchObject({ items: [{ id: '1-0' }, { id: '2-0' }], cursor: '2-0', more: true })
    const second = await feed.read(NEWS, { limit: 3, after: first.cursor })
    expect(second).toMatchObject({ items: [{ id: '3-0' }, { id: '4-0' }, { id: '5-0' }], cursor: '5-0', more: false })
    const types = new Set(['breaker.closed'] as const)
    const filtered = await feed.read(NEWS, { limit: 9, types })
    expect(filtered).toMatchObject({ items: [{ id: '2-0' }, { id: '4-0' }], cursor: '5-0', more: false })
  })

  test('a reader learns that events were removed before it read them', async () => {
    const { bench, feed } = await feedWith(5)
    await bench.redis.xtrim(bench.keys.events(NEWS), 'MINID', '4-0')
    expect(await feed.read(NEWS, { limit: 9, after: '2-0' })).toMatchObject({
      items: [{ id: '4-0' }, {}],
      missed: true,
    })
    expect(await feed.read(NEWS, { limit: 9, after: '3-0' })).toMatchObject({
      items: [{ id: '4-0' }, {}],
      missed: false,
    })
    expect(await feed.read(NEWS, { limit: 9 })).toMatchObject({ missed: false })
  })

  test('events of unknown types and entries of other programs are passed over', async () => {
    const { bench, feed } = await feedWith(1)
    await bench.redis.xadd(bench.keys.events(NEWS), '2-0', 'type', 'of.tomorrow', 'data', '{}')
    await bench.redis.xadd(bench.keys.events(NEWS), '3-0', 'x', 'y')
    expect(await feed.read(NEWS, { limit: 9 })).toMatchObject({ items: [{ id: '1-0' }], cursor: '3-0' })
  })

  test('old events are dropped, and a replaced key does not stop a campaign', async () => {
    const { bench, feed } = await feedWith(3)
    const { redis, keys } = bench
    for (let n = 0; n < 200; n += 1) await redis.xadd(keys.events(NEWS), `4-${n}`, 'type', 'x', 'data', '{}')
    await redis.xadd(keys.events(NEWS), '*', 'type', 'breaker.closed', 'data', '{}')
    await feed.report(NEWS)
    expect(await redis.xlen(keys.events(NEWS))).toBeLessThan(150)
    await redis.set(keys.events(NEWS), 'of another program')
    await redis.set(keys.removed(NEWS), 'of another program')
    expect(await feed.report(NEWS)).toBe(0)
    const stage = new Stage(bench)
    await stage.sending(upTo(1), { terms })
    await (await stage.hold(terms)).outcome(code.accepted, 0).close()
    expect(await reported(stage)).toMatchObject([{ event: 'campaign.finished' }])
  })

  test('the events of an app are removed with it', async () => {
    const { bench } = await feedWith(1)
    await new AppStore(bench.redis, bench.keys, keyring()).delete(NEWS)
    expect(await bench.redis.exists(bench.keys.events(NEWS))).toBe(0)
  })
})
