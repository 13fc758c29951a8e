import type { AppId, CampaignId, FanoutEvent, ScheduleName, WebhookName } from '@wns-fanout/domain'
import { emptyTotals } from '@wns-fanout/domain'
import { createMetrics } from '@wns-fanout/runtime'
import type { Logger } from '@wns-fanout/runtime'
import { expect, test } from 'vitest'
import { reporter } from '../src/report.ts'

const app = 'news' as AppId
const campaign = 'c1' as CampaignId
const ref = { app, campaign, seq: 4 }
const settled = [{ class: 'accepted', count: 3 }] as const
const schedule = 'daily' as ScheduleName
const totals = emptyTotals()
const webhook = 'ops' as WebhookName
const hook = { app, webhook, eventType: 'campaign.finished', durationMs: 20 } as const
const error = new Error('no Redis')

const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const

/** The log lines and the metrics of one event. */
async function report(event: FanoutEvent): Promise<{ readonly lines: string[]; readonly metrics: string }> {
  const lines: string[] = []
  const write = (level: string) => (fields: unknown, message?: string) =>
    void lines.push(`${level}: ${message ?? String(fields)}`)
  const logger = Object.fromEntries(levels.map((level) => [level, write(level)])) as unknown as Logger
  const metrics = createMetrics({ onCollectError: () => {} })
  reporter(logger, metrics)(event)
  return { lines, metrics: await metrics.registry.metrics() }
}

const opened = { type: 'batch.opened', ...ref, notificationType: 'toast', uncertain: 0, settled: [] } as const

test.each<{ event: FanoutEvent; line?: string; metric?: string }>([
  {
    event: {
      type: 'batch.checkpointed',
      app,
      campaign,
      notificationType: 'toast',
      settled,
      responses: new Map([[200, 3]]),
      retries: new Map([['server-error', 2]]),
      durationsMs: [1500],
      checkpointMs: 20,
    },
    metric: 'wns_fanout_sends_total{app="news",type="toast",class="accepted"} 3',
  },
  {
    event: { ...opened, takeover: true, guardAdmitted: 5 },
    line: 'warn: batch taken over from an owner that stopped checkpointing',
    metric: 'wns_fanout_takeovers_total{app="news"} 1',
  },
  {
    event: { ...opened, takeover: false, guardAdmitted: 0, settled: [{ class: 'suppressed', count: 2 }] },
    line: 'debug: batch.opened',
    metric: 'wns_fanout_guard_total{app="news",decision="suppressed"} 2',
  },
  { event: { type: 'batch.parked', ...ref, delayMs: 1, reason: 'held' }, line: 'debug: batch.parked' },
  {
    event: { type: 'recipients.settled', app, campaign, notificationType: 'toast', settled },
    line: 'debug: recipients.settled',
    metric: 'wns_fanout_sends_total{app="news",type="toast",class="accepted"} 3',
  },
  { event: { type: 'batch.closed', ...ref }, line: 'debug: batch.closed' },
  {
    event: { type: 'worker.died', worker: 'w', jobs: 2 },
    line: 'warn: a worker died, and others get its jobs',
    metric: 'wns_fanout_workers_died_total 1',
  },
  {
    event: { type: 'batch.outcomes-merged', ...ref, notificationType: 'toast', settled },
    line: 'warn: merged outcomes that the ledger did not have',
    metric: 'wns_fanout_sends_total{app="news",type="toast",class="accepted"} 3',
  },
  {
    event: { type: 'batch.fenced', ...ref },
    line: 'warn: batch given up: another worker owns it',
    metric: 'wns_fanout_batches_fenced_total{app="news"} 1',
  },
  { event: { type: 'campaign.launched', app, campaign, audienceSize: 3 }, line: 'info: campaign.launched' },
  {
    event: { type: 'campaign.finished', app, campaign, state: 'halted', reason: 'canary', totals, durationMs: 90_000 },
    line: 'info: campaign.finished',
    metric: 'wns_fanout_campaigns_ended_total{app="news",state="halted",reason="canary"} 1',
  },
  {
    event: { type: 'campaign.finished', app, campaign, state: 'completed', totals, durationMs: 90_000 },
    line: 'info: campaign.finished',
    metric: 'wns_fanout_campaign_duration_seconds_bucket{le="300",app="news"} 1',
  },
  {
    event: { type: 'campaign.finished', app, campaign, state: 'cancelled', reason: 'guard', totals },
    line: 'info: campaign.finished',
    metric: 'wns_fanout_campaigns_ended_total{app="news",state="cancelled",reason="guard"} 1',
  },
  {
    event: { type: 'post.refused', app, campaign, status: 403, trace: {} },
    line: 'warn: WNS rejected a notification permanently',
  },
  { event: { type: 'permits.granted', app, count: 3, atMs: 1 }, line: 'trace: permits.granted' },
  {
    event: { type: 'permits.waited', app, waitMs: 40 },
    line: 'trace: permits.waited',
    metric: 'wns_fanout_permit_wait_seconds_count{app="news"} 1',
  },
  { event: { type: 'rate.decreased', app, ratePerSecond: 5 }, line: 'warn: WNS throttles the app' },
  {
    event: { type: 'guideline.exceeded', app, campaign, intervalSeconds: 60, reason: 'a ticker' },
    line: 'warn: campaign exceeds the WNS guideline',
    metric: 'wns_fanout_guard_total{app="news",decision="faster-than-guideline"} 1',
  },
  {
    event: { type: 'webhook.delivered', ...hook, afterFailures: 0 },
    line: 'debug: webhook.delivered',
    metric: 'wns_fanout_webhook_deliveries_total{app="news",result="delivered"} 1',
  },
  {
    event: { type: 'webhook.delivered', ...hook, afterFailures: 2 },
    line: 'info: a webhook takes events again',
  },
  {
    event: { type: 'webhook.failed', ...hook, failures: 1, status: 500 },
    line: 'warn: a webhook fails',
    metric: 'wns_fanout_webhook_deliveries_total{app="news",result="failed"} 1',
  },
  { event: { type: 'webhook.failed', ...hook, failures: 2, code: 'timeout' }, line: 'info: webhook.failed' },
  {
    event: { type: 'webhook.gave-up', app, webhook, reason: 'too-old' },
    line: 'error: an event was not delivered to a webhook',
    metric: 'wns_fanout_webhook_deliveries_total{app="news",result="gave-up"} 1',
  },
  {
    event: { type: 'webhook.disabled', app, webhook },
    line: 'warn: a webhook is disabled: its receiver answered 410',
    metric: 'wns_fanout_webhook_deliveries_total{app="news",result="disabled"} 1',
  },
  { event: { type: 'app.throttled', app, status: 429 }, line: 'debug: app.throttled' },
  {
    event: { type: 'ledger.rolled-back', ...ref },
    line: 'error: Redis lost writes that it had acknowledged',
    metric: 'wns_fanout_redis_rollbacks_total 1',
  },
  {
    event: { type: 'ledger.damaged', app, campaign, found: 'x' },
    line: 'error: campaign halted: its ledger is damaged',
    metric: 'wns_fanout_ledger_damaged_total{app="news"} 1',
  },
  {
    event: { type: 'ledger.other-version', app, campaign, found: 'x' },
    line: 'warn: campaign left alone: it belongs to another ledger version',
  },
  {
    event: { type: 'data-set.changed', problem: 'lost' },
    line: 'error: sending stopped: Redis does not hold the previous data',
    metric: 'wns_fanout_data_lost 1',
  },
  {
    event: { type: 'data-set.changed' },
    line: 'warn: sending resumed: Redis holds the previous data again, or its loss was accepted',
    metric: 'wns_fanout_data_lost 0',
  },
  {
    event: { type: 'replication.changed', problem: 'away' },
    line: 'warn: sending stopped: no replica acknowledges writes',
  },
  { event: { type: 'replication.changed' }, line: 'info: sending resumed: replicas acknowledge writes again' },
  { event: { type: 'schedule.ran', app, schedule, dueAt: 'x', campaign }, line: 'info: schedule.ran' },
  {
    event: { type: 'schedule.refused', app, schedule, dueAt: 'x', code: 'guard', error },
    line: 'warn: a schedule could not start its campaign',
  },
  { event: { type: 'token.unavailable', app, error }, line: 'warn: no token for the app' },
  {
    event: { type: 'operation.failed', operation: 'schedules of news: daily', error },
    line: 'warn: operation failed',
    metric: 'wns_fanout_operation_errors_total{operation="schedules"} 1',
  },
  {
    event: { type: 'reconciled', app, reason: 'no-job', count: 2 },
    line: 'info: reconciled',
    metric: 'wns_fanout_reconciled_total{app="news",reason="no-job"} 2',
  },
])('$event.type is reported as "$line" and counted as $metric', async ({ event, line, metric }) => {
  const { lines, metrics } = await report(event)
  expect(lines).toEqual(line === undefined ? [] : [line])
  if (metric !== undefined) expect(metrics.split('\n')).toContain(metric)
})

test('no error and no field of an event reaches the text of a log line', async () => {
  const { lines } = await report({ type: 'operation.failed', operation: 'secret', error: new Error('secret') })
  expect(lines.join()).not.toContain('secret')
})

const ten = [
  'schedules of x: y',
  'checkpoint 7',
  'campaign 12',
  'permits of x',
  'send-x',
  'watch of x',
  'worker',
  'x',
  '',
]

test('the number of series has a bound, whatever apps, statuses, reasons and operations occur', async () => {
  const metrics = createMetrics()
  const silent = Object.fromEntries(levels.map((level) => [level, () => {}])) as unknown as Logger
  const emit = reporter(silent, metrics)
  let seed = 1
  const random = (below: number): number => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed % below
  }
  const states = ['completed', 'cancelled', 'expired', 'halted'] as const
  for (let at = 0; at < 100_000; at += 1) {
    const someApp = `app-${random(5000)}` as AppId
    const id = `c-${random(1e9)}` as CampaignId
    const event: FanoutEvent =
      at % 4 === 0
        ? {
            type: 'batch.checkpointed',
            app: someApp,
            campaign: id,
            notificationType: 'toast',
            settled: [],
            responses: new Map([[random(100_000), 1]]),
            retries: new Map(),
            durationsMs: [],
            checkpointMs: 1,
          }
        : at % 4 === 1
          ? {
              type: 'campaign.finished',
              app: someApp,
              campaign: id,
              state: states[random(4)] ?? 'halted',
              reason: `r-${random(1e9)}`,
              totals,
            }
          : at % 4 === 2
            ? { type: 'operation.failed', operation: `${ten[random(ten.length)]}${random(1e9)}`, error }
            : { type: 'operation.failed', operation: `schedules of ${someApp}: ${id}`, error }
    emit(event)
  }
  const labels = async (name: string): Promise<readonly Readonly<Record<string, unknown>>[]> =>
    ((await metrics.registry.getSingleMetric(name)?.get())?.values ?? []).map((value) => value.labels)
  const valuesOf = async (name: string, label: string): Promise<number> =>
    new Set((await labels(name)).map((each) => each[label])).size
  expect(await valuesOf('wns_fanout_http_responses_total', 'app')).toBeLessThanOrEqual(1001)
  expect(await valuesOf('wns_fanout_http_responses_total', 'status')).toBeLessThanOrEqual(23)
  expect(await valuesOf('wns_fanout_campaigns_ended_total', 'reason')).toBe(1)
  expect(await valuesOf('wns_fanout_operation_errors_total', 'operation')).toBe(16)
})

test('refusals are written ten times a minute for each campaign and status, and errors for each operation', () => {
  const lines: string[] = []
  const write = () => (_fields: unknown, message: string) => void lines.push(message)
  const logger = Object.fromEntries(levels.map((level) => [level, write()])) as unknown as Logger
  const emit = reporter(logger, createMetrics())
  for (let n = 0; n < 1000; n += 1) {
    for (const status of [403, 413]) emit({ type: 'post.refused', app, campaign, status, trace: {} })
    emit({ type: 'operation.failed', operation: `checkpoint ${n}`, error })
  }
  expect(lines.filter((line) => line.startsWith('WNS rejected'))).toHaveLength(20)
  expect(lines.filter((line) => line === 'operation failed')).toHaveLength(10)
})
