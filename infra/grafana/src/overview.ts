import { DARK_RED, GRAY, GREEN, ofCampaignStates, ofClasses, ofHolds, ofLimits, ORANGE, RED, YELLOW } from './colors.ts'
import type { Content } from './frame.ts'
import { graph, stat, table, timeline } from './panels.ts'
import { inFiveMinutes, installation, perSecond, quantile, series } from './series.ts'

const FIRING = 'ALERTS{alertstate="firing",alertname=~"WnsFanout.+",severity=~"critical|warning"}'
const sends = series('sends_total')
const notReached = series('sends_total', 'class=~"failed|lapsed|in_doubt"')
const decided = series('sends_total', 'class=~"accepted|rejected|failed|lapsed|in_doubt"')

const isItWell = [
  stat({
    title: 'Alerts firing',
    description: 'Critical and warning alerts of wns-fanout that fire now.',
    queries: [{ expr: `count(${FIRING}) or vector(0)`, legend: 'firing' }],
    unit: 'short',
    width: 4,
    steps: [{ color: GREEN }, { value: 1, color: RED }],
  }),
  stat({
    title: 'API processes ready',
    description: 'API processes that take requests.',
    queries: [{ expr: `sum(${series('ready', 'job="wns-fanout-api"')})`, legend: 'ready' }],
    unit: 'short',
    width: 4,
    runbook: 'api-down',
    steps: [{ color: RED }, { value: 1, color: GREEN }],
  }),
  stat({
    title: 'Workers ready',
    description: 'Workers that take batches.',
    queries: [{ expr: `sum(${series('ready', 'job="wns-fanout-worker"')})`, legend: 'ready' }],
    unit: 'short',
    width: 4,
    runbook: 'no-workers',
    steps: [{ color: RED }, { value: 1, color: GREEN }],
  }),
  stat({
    title: 'Redis',
    description: 'Away while a process gets no answer from Redis.',
    queries: [{ expr: `min(${series('redis_up')})`, legend: 'Redis' }],
    unit: 'short',
    width: 4,
    runbook: 'redis-away',
    words: { '0': { text: 'away', color: RED }, '1': { text: 'up', color: GREEN } },
    steps: [{ color: RED }, { value: 1, color: GREEN }],
  }),
  stat({
    title: 'Redis memory',
    description: 'Used memory as a share of maxmemory. At 100 % Redis refuses all writes. 0 without a limit.',
    queries: [{ expr: installation('', series('redis_memory_ratio')), legend: 'used' }],
    unit: 'percentunit',
    width: 4,
    runbook: 'redis-memory',
    steps: [{ color: GREEN }, { value: 0.8, color: YELLOW }, { value: 0.95, color: RED }],
  }),
  stat({
    title: 'Not reached, one hour',
    description:
      'Recipients that failed, lapsed or are in doubt, as a share of those that were sent to. The objective is 1 %.',
    queries: [
      {
        expr: `(sum(increase(${notReached}[1h])) or vector(0)) / sum(increase(${decided}[1h]))`,
        legend: 'not reached',
      },
    ],
    unit: 'percentunit',
    width: 4,
    runbook: 'error-budget',
    steps: [{ color: GREEN }, { value: 0.01, color: YELLOW }, { value: 0.144, color: RED }],
  }),
  table({
    title: 'Firing alerts',
    description: 'Alerts of wns-fanout that fire now. Each has a section in the runbook.',
    queries: [{ expr: FIRING, legend: '' }],
    unit: 'short',
    width: 12,
    columns: { alertname: 'Alert', severity: 'Severity', app: 'App', kind: 'Kind', instance: 'Instance' },
  }),
  timeline({
    title: 'What stops sending',
    description: 'Breakers of apps, halted campaigns, lost data, and Redis. All green is normal.',
    queries: [
      { expr: installation('kind', series('breaker_open')), legend: 'breaker of an app: {{kind}}' },
      { expr: `${installation('', series('campaigns', 'state="halted"'))} > bool 0`, legend: 'campaign halted' },
      { expr: installation('', series('data_lost')), legend: 'data lost' },
      { expr: installation('', series('redis_problem')), legend: 'Redis' },
    ],
    unit: 'short',
    width: 12,
    runbook: 'troubleshooting',
    words: { '0': { text: 'fine', color: GREEN }, '1': { text: 'stopped', color: RED } },
    steps: [{ color: GREEN }, { value: 1, color: RED }],
  }),
]

const areWeInTime = [
  stat({
    title: 'Recipients waiting',
    description: 'Unsettled recipients of sending campaigns of apps that are neither paused nor stopped.',
    queries: [{ expr: `sum(${installation('app', series('backlog_recipients'))})`, legend: 'waiting' }],
    unit: 'short',
    width: 5,
    runbook: 'backlog-is-long',
  }),
  stat({
    title: 'Time for the backlog',
    description: 'The longest backlog of an app divided by the rate that it can reach now.',
    queries: [{ expr: installation('', series('backlog_seconds')), legend: 'longest' }],
    unit: 's',
    width: 5,
    runbook: 'backlog-is-long',
    steps: [{ color: GREEN }, { value: 3600, color: YELLOW }, { value: 7200, color: RED }],
  }),
  stat({
    title: 'Oldest batch',
    description:
      'Since when the oldest batch that is not settled could be sent, in apps that are neither paused nor stopped.',
    queries: [{ expr: installation('', series('oldest_unsettled_batch_seconds')), legend: 'oldest' }],
    unit: 's',
    width: 5,
    runbook: 'batch-is-late',
    steps: [{ color: GREEN }, { value: 600, color: YELLOW }, { value: 1800, color: RED }],
  }),
  stat({
    title: 'Settled',
    description: 'Recipients that got their class, per second.',
    queries: [{ expr: perSecond('', sends), legend: 'settled' }],
    unit: 'ops',
    width: 5,
  }),
  stat({
    title: 'Campaigns halted',
    description: 'Campaigns that stopped by themselves and wait for their owner.',
    queries: [
      { expr: `sum(${installation('app', series('campaigns', 'state="halted"'))}) or vector(0)`, legend: 'halted' },
    ],
    unit: 'short',
    width: 4,
    runbook: 'campaign-halted',
    steps: [{ color: GREEN }, { value: 1, color: ORANGE }],
  }),
  graph({
    title: 'Recipients waiting, by what holds them',
    description:
      'Not settled: none of them is held, or the paused app, its breaker, or a paused or halted campaign is.',
    queries: [
      { expr: `sum by (held) (${installation('app, held', series('pending_recipients'))})`, legend: '{{held}}' },
    ],
    unit: 'short',
    width: 8,
    runbook: 'nothing-is-sent',
    colors: ofHolds,
    stack: 'sum',
  }),
  graph({
    title: 'Posts against the allowed rate',
    description: 'While there is a backlog and lanes are free, posts should reach the allowed rate.',
    queries: [
      { expr: perSecond('app', series('http_responses_total')), legend: '{{app}}' },
      { expr: installation('app', series('effective_rate')), legend: '{{app}} allowed' },
    ],
    unit: 'ops',
    width: 8,
    runbook: 'backlog-is-long',
    colors: ofLimits,
  }),
  graph({
    title: 'Time for the backlog, by app',
    description: 'Backlog divided by the rate that the app can reach now.',
    queries: [{ expr: installation('app', series('backlog_seconds')), legend: '{{app}}' }],
    unit: 's',
    width: 8,
    runbook: 'backlog-is-long',
    steps: [{ color: GREEN }, { value: 7200, color: RED }],
  }),
]

const whatRunsNow = [
  graph({
    title: 'Campaigns, by state',
    description: 'Campaigns that have not ended. Halted ones wait for their owner.',
    queries: [{ expr: `sum by (state) (${installation('app, state', series('campaigns'))})`, legend: '{{state}}' }],
    unit: 'short',
    width: 8,
    runbook: 'campaign-halted',
    colors: ofCampaignStates,
    stack: 'sum',
  }),
  graph({
    title: 'Settled, by class',
    description: 'Recipients per second. Exact totals are in the API; these counters are approximate across a crash.',
    queries: [{ expr: perSecond('class', sends), legend: '{{class}}' }],
    unit: 'ops',
    width: 8,
    runbook: 'many-rejected-or-failed',
    colors: ofClasses,
    stack: 'sum',
  }),
  graph({
    title: 'Campaigns that ended, by state and reason',
    description: 'Campaigns that ended within five minutes.',
    queries: [
      { expr: inFiveMinutes('state, reason', series('campaigns_ended_total')), legend: '{{state}} ({{reason}})' },
    ],
    unit: 'short',
    width: 8,
    runbook: 'campaign-expired',
    colors: ofCampaignStates,
    stack: 'sum',
  }),
  graph({
    title: 'Campaign duration',
    description: 'Nine of ten campaigns ended within this time from their start.',
    queries: [{ expr: quantile(0.9, 'app', series('campaign_duration_seconds_bucket'), '1h'), legend: '{{app}}' }],
    unit: 's',
    width: 8,
  }),
  graph({
    title: 'Workers ready and wanted',
    description: 'Wanted: as many as the sending campaigns can use. KEDA scales to it.',
    queries: [
      { expr: `sum(${series('ready', 'job="wns-fanout-worker"')})`, legend: 'ready' },
      { expr: installation('', series('workers_wanted')), legend: 'wanted' },
    ],
    unit: 'short',
    width: 8,
    runbook: 'workers-missing',
    colors: ofLimits,
  }),
  graph({
    title: 'Occurrences of schedules, by result',
    description: 'Within five minutes. Anything but "ran" became no campaign.',
    queries: [{ expr: inFiveMinutes('result', series('schedule_runs_total')), legend: '{{result}}' }],
    unit: 'short',
    width: 8,
    runbook: 'a-schedule-was-refused',
    colors: { ran: GREEN, 'empty-audience': YELLOW, refused: RED, stopped: GRAY },
    stack: 'sum',
  }),
  graph({
    title: 'Deliveries to webhooks, by result',
    description: 'Attempts within five minutes.',
    queries: [{ expr: inFiveMinutes('result', series('webhook_deliveries_total')), legend: '{{result}}' }],
    unit: 'short',
    width: 8,
    runbook: 'a-webhook-gets-no-events',
    colors: { delivered: GREEN, failed: DARK_RED, 'gave-up': ORANGE, disabled: GRAY },
    stack: 'sum',
  }),
  graph({
    title: 'Oldest event that a webhook has not got',
    description: 'Above half an hour there is an alert.',
    queries: [{ expr: `max by (app) (${series('webhook_undelivered_seconds')})`, legend: '{{app}}' }],
    unit: 's',
    width: 8,
    runbook: 'a-webhook-gets-no-events',
  }),
]

export const overview: Content = {
  name: 'overview',
  title: 'Overview',
  description: 'Is it well, are we in time, and what runs now?',
  rows: { 'Is it well?': isItWell, 'Are we in time?': areWeInTime, 'What runs now?': whatRunsNow },
}
