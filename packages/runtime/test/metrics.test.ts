import { expect, test } from 'vitest'
import { createMetrics, showRedis } from '../src/index.ts'

// Dashboards, alerts and KEDA of others rely on these names and labels.
const contract = {
  wns_fanout_sends_total: ['app', 'type', 'class'],
  wns_fanout_http_responses_total: ['app', 'status'],
  wns_fanout_send_duration_seconds: ['app'],
  wns_fanout_retries_total: ['app', 'reason'],
  wns_fanout_backlog_recipients: ['app'],
  wns_fanout_backlog_seconds: ['app'],
  wns_fanout_oldest_unsettled_batch_seconds: ['app'],
  wns_fanout_pending_recipients: ['app', 'held'],
  wns_fanout_configured_rate_posts_per_second: ['app'],
  wns_fanout_gauges_read_timestamp_seconds: [],
  wns_fanout_campaigns_ended_total: ['app', 'state', 'reason'],
  wns_fanout_campaign_duration_seconds: ['app'],
  wns_fanout_redis_up: [],
  wns_fanout_redis_memory_ratio: [],
  wns_fanout_ready: [],
  wns_fanout_build_info: ['version'],
  wns_fanout_operation_errors_total: ['operation'],
  wns_fanout_api_request_duration_seconds: ['route', 'status'],
  wns_fanout_lanes_limit: [],
  wns_fanout_workers_wanted: [],
  wns_fanout_campaigns: ['app', 'state'],
  wns_fanout_token_requests_total: ['app', 'result'],
  wns_fanout_effective_rate: ['app'],
  wns_fanout_permit_wait_seconds: ['app'],
  wns_fanout_guard_total: ['app', 'decision'],
  wns_fanout_batches_fenced_total: ['app'],
  wns_fanout_takeovers_total: ['app'],
  wns_fanout_workers_died_total: [],
  wns_fanout_closed_raw_gates: ['app'],
  wns_fanout_channels_older_than: ['app', 'days'],
  wns_fanout_reconciled_total: ['app', 'reason'],
  wns_fanout_schedule_runs_total: ['app', 'result'],
  wns_fanout_webhook_deliveries_total: ['app', 'result'],
  wns_fanout_webhook_undelivered_seconds: ['app'],
  wns_fanout_unreadable_records_total: ['kind'],
  wns_fanout_redis_rollbacks_total: [],
  wns_fanout_data_lost: [],
  wns_fanout_redis_problem: ['kind'],
  wns_fanout_ledger_damaged_total: ['app'],
  wns_fanout_lanes: ['state'],
  wns_fanout_checkpoint_duration_seconds: [],
  wns_fanout_channels: ['app'],
  wns_fanout_breaker_open: ['app', 'kind'],
}

function ours(metrics: ReturnType<typeof createMetrics>): string[] {
  return metrics.registry
    .getMetricsAsArray()
    .map(({ name }) => name)
    .filter((name) => name.startsWith('wns_fanout_'))
}

test('the registry has exactly the documented metrics with their labels', () => {
  const metrics = createMetrics()
  expect(ours(metrics).toSorted()).toEqual(Object.keys(contract).toSorted())
  for (const [name, labels] of Object.entries(contract)) {
    expect(metrics.registry.getSingleMetric(name)).toMatchObject({ labelNames: labels })
  }
})

test('the version of the process is known, and the errors of each operation start at 0', async () => {
  const text = await createMetrics().scrape()
  expect(text).toMatch(/^wns_fanout_build_info\{version="\d+\.\d+\.\d+[^"]*"\} 1$/m)
  expect(text).toContain('wns_fanout_operation_errors_total{operation="reconciliation"} 0\n')
})

test('Redis shows at most one problem, and is up unless it is away', async () => {
  const metrics = createMetrics()
  const kinds = ['away', 'memory']
  showRedis(metrics, kinds, { problem: 'memory', memoryShare: 1.2 })
  expect(await metrics.scrape()).toMatch(/redis_up 1\n[^]*redis_memory_ratio 1.2\n[^]*"away"\} 0\n[^]*"memory"\} 1\n/)
  showRedis(metrics, kinds, { problem: 'away', memoryShare: undefined })
  expect(await metrics.scrape()).toMatch(/redis_up 0\n[^]*redis_memory_ratio 1.2\n[^]*"away"\} 1\n[^]*"memory"\} 0\n/)
})

test('the default metrics of Node are included', async () => {
  expect(await createMetrics().scrape()).toMatch(/^process_cpu_user_seconds_total [^]*^nodejs_eventloop_lag_seconds /m)
})

test('two sets of metrics are independent', async () => {
  const one = createMetrics()
  const two = createMetrics()
  one.redisRollbacks.inc()
  expect(await one.scrape()).toContain('wns_fanout_redis_rollbacks_total 1')
  expect(await two.scrape()).toContain('wns_fanout_redis_rollbacks_total 0')
})

test('values have their labels', async () => {
  const metrics = createMetrics()
  metrics.sends.inc({ app: 'news', type: 'toast', class: 'accepted' }, 512)
  metrics.backlogSeconds.set({ app: 'news' }, 1.5)
  metrics.sendDuration.observe({ app: 'news' }, 0.02)
  const text = await metrics.scrape()
  expect(text).toContain('wns_fanout_sends_total{app="news",type="toast",class="accepted"} 512')
  expect(text).toContain('wns_fanout_backlog_seconds{app="news"} 1.5')
  expect(text).toContain('wns_fanout_send_duration_seconds_bucket{le="0.025",app="news"} 1')
})

test('after the first 1,000 apps all others are "other"', () => {
  const { appLabel } = createMetrics()
  for (let app = 0; app < 1000; app += 1) expect(appLabel(`app-${app}`)).toBe(`app-${app}`)
  expect(appLabel('one-more')).toBe('other')
  expect(appLabel('app-0')).toBe('app-0')
  expect(appLabel('app-999')).toBe('app-999')
})

test('every counter of an app starts at 0 when the app appears, so that its first event is an increase', async () => {
  const metrics = createMetrics()
  metrics.startApp('news')
  metrics.takeovers.inc({ app: 'news' }, 5000)
  metrics.startApp('news')
  const text = await metrics.scrape()
  for (const series of [
    'wns_fanout_takeovers_total{app="news"} 5000',
    'wns_fanout_batches_fenced_total{app="news"} 0',
    'wns_fanout_ledger_damaged_total{app="news"} 0',
    'wns_fanout_campaigns_ended_total{app="news",state="expired",reason="expired"} 0',
    'wns_fanout_reconciled_total{app="news",reason="no-job"} 0',
    'wns_fanout_reconciled_total{app="news",reason="overdue"} 0',
    'wns_fanout_token_requests_total{app="news",result="refused"} 0',
    'wns_fanout_guard_total{app="news",decision="faster-than-guideline"} 0',
    'wns_fanout_guard_total{app="news",decision="slot-refused"} 0',
    'wns_fanout_retries_total{app="news",reason="server-error"} 0',
    'wns_fanout_sends_total{app="news",type="toast",class="in_doubt"} 0',
    'wns_fanout_sends_total{app="news",type="raw",class="dead"} 0',
  ])
    expect(text).toContain(`${series}\n`)
  expect(text).not.toContain('class="pending"')
})

test('the duration of campaigns starts at 0, so that the first campaign of an app counts', async () => {
  const metrics = createMetrics()
  metrics.startApp('news')
  expect(await metrics.scrape()).toContain('wns_fanout_campaign_duration_seconds_count{app="news"} 0\n')
})

test('counters by class start at 0 for the first 100 apps, the others for all apps', async () => {
  const metrics = createMetrics()
  for (let app = 1; app <= 101; app += 1) metrics.startApp(`app-${app}`)
  const text = await metrics.scrape()
  expect(text).toContain('wns_fanout_sends_total{app="app-100",type="toast",class="accepted"} 0\n')
  expect(text).not.toContain('wns_fanout_sends_total{app="app-101"')
  expect(text).toContain('wns_fanout_takeovers_total{app="app-101"} 0\n')
})

test('collectors run before each scrape is answered', async () => {
  const metrics = createMetrics()
  let reads = 0
  metrics.onCollect(async () => {
    reads += 1
    metrics.channels.set({ app: 'news' }, await Promise.resolve(reads * 10))
  })
  expect(await metrics.scrape()).toContain('wns_fanout_channels{app="news"} 10')
  expect(await metrics.scrape()).toContain('wns_fanout_channels{app="news"} 20')
})

test('scrapes at the same time share one run of the collectors', async () => {
  const metrics = createMetrics()
  let reads = 0
  metrics.onCollect(async () => {
    reads += 1
    await Promise.resolve()
  })
  await Promise.all([metrics.scrape(), metrics.scrape(), metrics.scrape()])
  expect(reads).toBe(1)
})

test('a collector that fails or hangs is reported, does not fail the scrape, and does not pile up', async () => {
  const errors: string[] = []
  const metrics = createMetrics({ collectTimeoutMs: 20, onCollectError: (error) => errors.push(error.message) })
  let starts = 0
  let aborted = false
  metrics.channels.set({ app: 'news' }, 5)
  metrics.onCollect(() => Promise.reject(new Error('Redis is away')))
  metrics.onCollect(async (signal) => {
    starts += 1
    signal.addEventListener('abort', () => {
      aborted = true
    })
    await new Promise<void>(() => {})
  })
  for (let scrape = 0; scrape < 3; scrape += 1) {
    expect(await metrics.scrape()).toContain('wns_fanout_channels{app="news"} 5')
  }
  expect(starts).toBe(1)
  expect(aborted).toBe(true)
  expect(errors).toContain('Redis is away')
  expect(errors).toContain('collecting the gauges took longer than 20 ms; the last values are served')
})
