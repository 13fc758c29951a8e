import { DARK_RED, GRAY, GREEN, ofLanes, ofLimits, ofQuantiles, ORANGE, PURPLE, RED, YELLOW } from './colors.ts'
import type { Content } from './frame.ts'
import { graph, heatmap, timeline } from './panels.ts'
import { installation, ofProcess, perSecond, quantile, series } from './series.ts'

const checkpointBuckets = ofProcess('checkpoint_duration_seconds_bucket')
const requestBuckets = series('api_request_duration_seconds_bucket')

function events(by: string, name: string, ...matchers: readonly string[]): string {
  return `sum${by === '' ? '' : ` by (${by}) `}(increase(${ofProcess(name, ...matchers)}[5m]))`
}

const ledger = [
  graph({
    title: 'Batches that changed their owner',
    description: 'Within five minutes. All zero is normal; a rolling restart shows none either.',
    queries: [
      { expr: events('', 'takeovers_total'), legend: 'taken over' },
      { expr: events('', 'batches_fenced_total'), legend: 'fenced' },
      { expr: events('reason', 'reconciled_total'), legend: 'reconciled: {{reason}}' },
      { expr: events('', 'workers_died_total'), legend: 'workers that died' },
    ],
    unit: 'short',
    width: 8,
    runbook: 'takeovers',
    colors: { 'taken over': YELLOW, fenced: ORANGE, 'reconciled: .*': PURPLE, 'workers that died': RED },
    stack: 'sum',
  }),
  heatmap({
    title: 'Checkpoints, distribution',
    description: 'Time of one checkpoint: a round trip to Redis and its script.',
    queries: [{ expr: `sum by (le) (rate(${checkpointBuckets}[$__rate_interval]))`, legend: '{{le}}' }],
    unit: 's',
    width: 8,
    runbook: 'checkpoint-slow',
  }),
  graph({
    title: 'Checkpoints',
    description: 'Time of one checkpoint. From 250 ms on, throughput falls.',
    queries: [
      { expr: quantile(0.5, '', checkpointBuckets), legend: 'median' },
      { expr: quantile(0.99, '', checkpointBuckets), legend: 'p99' },
    ],
    unit: 's',
    width: 8,
    runbook: 'checkpoint-slow',
    colors: ofQuantiles,
    steps: [{ color: GREEN }, { value: 0.25, color: RED }],
  }),
  graph({
    title: 'Oldest unsettled batch, by app',
    description: 'Since when the oldest unsettled batch could be sent. It stays young while all batches make progress.',
    queries: [{ expr: installation('app', series('oldest_unsettled_batch_seconds')), legend: '{{app}}' }],
    unit: 's',
    width: 8,
    runbook: 'batch-is-late',
    steps: [{ color: GREEN }, { value: 1800, color: RED }],
  }),
  graph({
    title: 'Losses and damage',
    description: 'Within five minutes: acknowledged writes that Redis lost, damaged campaigns, unreadable records.',
    queries: [
      { expr: events('', 'redis_rollbacks_total'), legend: 'Redis rollbacks' },
      { expr: events('app', 'ledger_damaged_total'), legend: 'damaged campaigns: {{app}}' },
      { expr: events('kind', 'unreadable_records_total'), legend: 'unreadable: {{kind}}' },
    ],
    unit: 'short',
    width: 8,
    runbook: 'redis-rollback',
    colors: { 'Redis rollbacks': RED, 'damaged campaigns: .*': DARK_RED, 'unreadable: .*': ORANGE },
    stack: 'sum',
  }),
  graph({
    title: 'Failed operations',
    description: 'Internal operations that failed and are tried again, per second.',
    queries: [{ expr: perSecond('operation', ofProcess('operation_errors_total')), legend: '{{operation}}' }],
    unit: 'ops',
    width: 8,
    runbook: 'operationfailed',
    stack: 'sum',
  }),
]

const redis = [
  timeline({
    title: 'Redis, by process',
    description: 'Whether Redis answers the process. One process alone: its network. All: Redis.',
    queries: [{ expr: ofProcess('redis_up'), legend: '{{job}} {{instance}}' }],
    unit: 'short',
    width: 8,
    runbook: 'redis-away',
    words: { '0': { text: 'away', color: RED }, '1': { text: 'up', color: GREEN } },
    steps: [{ color: RED }, { value: 1, color: GREEN }],
  }),
  timeline({
    title: 'Redis cannot keep data',
    description: 'By kind: away, disk, memory, rights, refused, too few replicas, or data lost. Nothing is sent then.',
    queries: [
      { expr: `max by (kind) (${ofProcess('redis_problem')})`, legend: '{{kind}}' },
      { expr: `max(${ofProcess('data_lost')})`, legend: 'data lost' },
    ],
    unit: 'short',
    width: 8,
    runbook: 'redis-refuses',
    words: { '0': { text: 'fine', color: GREEN }, '1': { text: 'problem', color: RED } },
    steps: [{ color: GREEN }, { value: 1, color: RED }],
  }),
  graph({
    title: 'Redis memory',
    description: 'Used memory of the fullest node as a share of maxmemory; 0 without a limit.',
    queries: [{ expr: installation('', series('redis_memory_ratio')), legend: 'used' }],
    unit: 'percentunit',
    width: 8,
    runbook: 'redis-memory',
    max: 1,
    steps: [{ color: GREEN }, { value: 0.8, color: YELLOW }, { value: 0.95, color: RED }],
  }),
]

const lanesAndApi = [
  graph({
    title: 'Lanes, by state',
    description: 'Connections to WNS of the selected workers, and how many they may open.',
    queries: [
      { expr: `sum by (state) (${ofProcess('lanes')})`, legend: '{{state}}' },
      { expr: `sum(${ofProcess('lanes_limit')})`, legend: 'limit' },
    ],
    unit: 'short',
    width: 8,
    runbook: 'nothing-is-sent',
    colors: ofLanes,
  }),
  graph({
    title: 'Workers up, ready and wanted',
    description: 'Up: Prometheus reaches them. Wanted: as many as the sending campaigns can use.',
    queries: [
      { expr: `sum(${series('up', 'job="wns-fanout-worker"')})`, legend: 'up' },
      { expr: `sum(${series('ready', 'job="wns-fanout-worker"')})`, legend: 'ready' },
      { expr: installation('', series('workers_wanted')), legend: 'wanted' },
    ],
    unit: 'short',
    width: 8,
    runbook: 'workers-missing',
    colors: ofLimits,
  }),
  graph({
    title: 'Age of the gauges',
    description: 'Time since an API process read the gauges of all apps. Older gauges are not current.',
    queries: [{ expr: `clamp_min(time() - max(${series('gauges_read_timestamp_seconds')}), 0)`, legend: 'age' }],
    unit: 's',
    width: 8,
    runbook: 'gauges-stale',
    steps: [{ color: GREEN }, { value: 300, color: RED }],
  }),
  graph({
    title: 'API requests, by status',
    description: 'Requests per second.',
    queries: [{ expr: perSecond('status', series('api_request_duration_seconds_count')), legend: '{{status}}' }],
    unit: 'reqps',
    width: 8,
    runbook: 'not-ready',
    colors: { '2..': GREEN, '3..': GRAY, '4..': YELLOW, '5..': DARK_RED },
    stack: 'sum',
  }),
  heatmap({
    title: 'API response time, distribution',
    description: 'Requests per second, by their time.',
    queries: [{ expr: `sum by (le) (rate(${requestBuckets}[$__rate_interval]))`, legend: '{{le}}' }],
    unit: 's',
    width: 8,
  }),
  graph({
    title: 'API response time, by route',
    description: '99 of 100 requests are answered within this time.',
    queries: [{ expr: quantile(0.99, 'route', requestBuckets), legend: '{{route}}' }],
    unit: 's',
    width: 8,
  }),
]

const processes = [
  graph({
    title: 'CPU',
    description: 'Cores in use; a process uses little more than one.',
    queries: [
      { expr: `rate(${ofProcess('process_cpu_seconds_total')}[$__rate_interval])`, legend: '{{job}} {{instance}}' },
    ],
    unit: 'short',
    width: 8,
    runbook: 'event-loop-lag',
  }),
  graph({
    title: 'Memory',
    description: 'Resident memory.',
    queries: [{ expr: ofProcess('process_resident_memory_bytes'), legend: '{{job}} {{instance}}' }],
    unit: 'bytes',
    width: 8,
    runbook: 'memory-of-a-worker',
  }),
  graph({
    title: 'Event loop lag',
    description: '99th percentile. Above the lock time, a worker loses its batches.',
    queries: [{ expr: ofProcess('nodejs_eventloop_lag_p99_seconds'), legend: '{{job}} {{instance}}' }],
    unit: 's',
    width: 8,
    runbook: 'event-loop-lag',
    steps: [{ color: GREEN }, { value: 1, color: RED }],
  }),
  timeline({
    title: 'Ready',
    description: 'Whether the process takes requests or batches.',
    queries: [{ expr: ofProcess('ready'), legend: '{{job}} {{instance}}' }],
    unit: 'short',
    width: 8,
    runbook: 'not-ready',
    words: { '0': { text: 'not ready', color: RED }, '1': { text: 'ready', color: GREEN } },
    steps: [{ color: RED }, { value: 1, color: GREEN }],
  }),
  graph({
    title: 'Starts',
    description: 'Starts of processes within five minutes. Restarts without a rollout mean crashes.',
    queries: [
      {
        expr: `sum by (job) (changes(${ofProcess('process_start_time_seconds')}[5m]))`,
        legend: '{{job}}',
      },
    ],
    unit: 'short',
    width: 8,
    runbook: 'takeovers',
    stack: 'sum',
  }),
  graph({
    title: 'Versions',
    description: 'Processes by version. Two versions are normal during a rollout.',
    queries: [{ expr: `count by (version) (${ofProcess('build_info')})`, legend: '{{version}}' }],
    unit: 'short',
    width: 8,
    runbook: 'upgrade-and-restart',
    stack: 'sum',
  }),
]

export const internals: Content = {
  name: 'internals',
  title: 'Internals',
  description: 'The ledger, Redis, lanes and processes. Choose processes by the variable Instance.',
  rows: { 'The ledger': ledger, Redis: redis, 'Lanes and API': lanesAndApi, Processes: processes },
}
