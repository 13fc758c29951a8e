import { createMetrics } from '@wns-fanout/runtime'
import { CampaignStore, Ledger } from '@wns-fanout/state'
import { expect, test } from 'vitest'
import { collectGauges } from '../src/gauges.ts'
import { rawCampaign, setup } from './support.ts'

const never = new AbortController().signal

test('the gauges show every app, its backlog and its breakers, and forget an app that is gone', async () => {
  const { call, withApp, deps, redis, keys } = await setup()
  const metrics = createMetrics()
  metrics.onCollect((signal) => collectGauges(metrics, deps, signal))
  const lines = async () => (await metrics.scrape()).split('\n').filter((line) => line.includes('app="news"'))

  await withApp('news', 3)
  const { id } = (await call('POST', '/v1/apps/news/campaigns', { body: rawCampaign })).json
  const scheduled = await lines()
  expect(scheduled).toContain('wns_fanout_channels{app="news"} 3')
  expect(scheduled).toContain('wns_fanout_effective_rate{app="news"} 300')
  expect(scheduled).toContain('wns_fanout_campaigns{app="news",state="scheduled"} 1')
  expect(scheduled).toContain('wns_fanout_backlog_recipients{app="news"} 0')

  // What a worker does first with it.
  const store = new CampaignStore(redis, keys)
  await store.launch('news' as never, id)
  await store.storeAudience('news' as never, id, `${keys.base('news')}draft`, { size: 3 })
  const sending = await lines()
  expect(sending).toContain('wns_fanout_campaigns{app="news",state="sending"} 1')
  expect(sending).toContain('wns_fanout_campaigns{app="news",state="scheduled"} 0')
  expect(sending).toContain('wns_fanout_backlog_recipients{app="news"} 3')
  expect(sending).toContain('wns_fanout_backlog_seconds{app="news"} 0.01')
  expect(sending).toContain('wns_fanout_pending_recipients{app="news",held="none"} 3')
  expect(sending).toContain('wns_fanout_configured_rate_posts_per_second{app="news"} 300')

  await call('POST', `/v1/campaigns/${id}/pause`)
  const paused = await lines()
  expect(paused).toContain('wns_fanout_backlog_recipients{app="news"} 0')
  expect(paused).toContain('wns_fanout_pending_recipients{app="news",held="none"} 0')
  expect(paused).toContain('wns_fanout_pending_recipients{app="news",held="campaign"} 3')
  await call('POST', `/v1/campaigns/${id}/resume`)

  await call('POST', '/v1/apps/news/pause')
  expect(await lines()).toContain('wns_fanout_pending_recipients{app="news",held="app"} 3')
  await call('POST', '/v1/apps/news/resume')

  await deps.apps.setBreaker('news' as never, { kind: 'credentials', reason: 'x', since: '2026-01-01T00:00:00.000Z' })
  const broken = await lines()
  expect(broken).toContain('wns_fanout_breaker_open{app="news",kind="credentials"} 1')
  expect(broken).toContain('wns_fanout_breaker_open{app="news",kind="answers"} 0')
  // More workers could not send what waits for an operator.
  expect(broken).toContain('wns_fanout_backlog_seconds{app="news"} 0')
  expect(broken).toContain('wns_fanout_pending_recipients{app="news",held="breaker"} 3')
  expect((await call('GET', '/v1/apps/news')).json.breaker).toEqual({ reason: 'x', since: '2026-01-01T00:00:00.000Z' })

  await call('POST', `/v1/campaigns/${id}/cancel`)
  await call('DELETE', '/v1/apps/news')
  expect(await lines()).toEqual([])
})

test('the oldest batch counts from when it could be sent, unless the app waits for an operator', async () => {
  const { call, withApp, deps, redis, keys } = await setup()
  const metrics = createMetrics()
  const oldest = async (): Promise<number | undefined> => {
    await collectGauges(metrics, deps, never)
    return (await metrics.oldestUnsettledBatch.get()).values[0]?.value
  }
  await withApp('news', 4)
  expect(await oldest()).toBe(0)
  const { id } = (await call('POST', '/v1/apps/news/campaigns', { body: rawCampaign })).json
  const store = new CampaignStore(redis, keys)
  await store.launch('news' as never, id)
  await store.storeAudience('news' as never, id, `${keys.base('news')}draft`, { size: 4 })
  const [second] = await redis.time()
  const nowMs = (second ?? 0) * 1000
  const plan = (cursor: number, dueAtMs: number) =>
    new Ledger(redis, keys).plan(
      { app: 'news' as never, campaign: id },
      {
        cursor,
        nextCursor: cursor + 1,
        ends: false,
        batches: [{ fromPage: cursor, toPage: cursor, recipients: 2, dueAtMs }],
      },
    )
  await plan(0, nowMs + 60_000)
  expect(await oldest()).toBe(0)
  await redis.hset(keys.batch('news', id, 0), 'readyAt', nowMs - 90_000)
  await plan(1, nowMs + 60_000)
  expect(await oldest()).toBeGreaterThanOrEqual(90)
  await call('POST', '/v1/apps/news/pause')
  expect(await oldest()).toBe(0)
})

test('a scrape that is cut short leaves the gauges as they were', async () => {
  const { withApp, deps } = await setup()
  const metrics = createMetrics()
  await withApp('news', 2)
  await collectGauges(metrics, deps, never)
  metrics.gaugesRead.set(7)
  await expect(collectGauges(metrics, deps, AbortSignal.abort())).rejects.toThrow()
  expect(await metrics.registry.metrics()).toContain('wns_fanout_gauges_read_timestamp_seconds 7\n')
  expect(await metrics.registry.metrics()).toContain('wns_fanout_channels{app="news"} 2')
})

test('an app that cannot be read has no gauges, and the others keep theirs', async () => {
  const { withApp, deps, redis, keys } = await setup()
  const problems: string[] = []
  const metrics = createMetrics({ onCollectError: ({ message }) => void problems.push(message) })
  metrics.onCollect((signal) => collectGauges(metrics, deps, signal))
  await withApp('news', 2)
  await withApp('shop', 3)
  await redis.unlink(keys.occupied('news'))
  await redis.hset(keys.occupied('news'), 'not', 'a bitmap')
  const text = await metrics.scrape()
  expect(text).toContain('wns_fanout_channels{app="shop"} 3')
  expect(text).not.toContain('wns_fanout_channels{app="news"}')
  expect(problems).toEqual(['the gauges of 1 of 2 apps cannot be read'])
})

test('the wanted workers follow the backlog that may be sent, and a paused app wants none', async () => {
  const { call, withApp, deps, redis, keys } = await setup()
  const metrics = createMetrics()
  const wanted = async (): Promise<number | undefined> => {
    await collectGauges(metrics, deps, never)
    return (await metrics.workersWanted.get()).values[0]?.value
  }
  await withApp('news', 3)
  expect(await wanted()).toBe(1)
  await call('PATCH', '/v1/apps/news', { body: { ratePerSecond: 10_000 } })
  const { id } = (await call('POST', '/v1/apps/news/campaigns', { body: rawCampaign })).json
  const store = new CampaignStore(redis, keys)
  await store.launch('news' as never, id)
  await store.storeAudience('news' as never, id, `${keys.base('news')}draft`, { size: 1_000_000 })
  expect(await wanted()).toBe(7)
  await call('POST', '/v1/apps/news/pause')
  expect(await wanted()).toBe(1)
})
