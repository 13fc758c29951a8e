import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import { version } from './version.ts'
import { operations } from './metric-labels.ts'
import { zeroCounters } from './zero-counters.ts'

/** Sets gauges from external data (Redis) before a scrape is answered. It must end when `signal` is aborted. */
export type Collector = (signal: AbortSignal) => void | Promise<void>

export interface MetricsOptions {
  /** Time limit of the collectors of a scrape, in milliseconds; then the last values are served. Default 2000. */
  readonly collectTimeoutMs?: number
  /** Called when a collector fails or is late. */
  readonly onCollectError?: (error: Error) => void
}

export type Metrics = ReturnType<typeof createMetrics>

const MAX_APPS = 1000

/** The metrics of one process in their own registry. No label may contain a channel, URI, payload, campaign or key. */
export function createMetrics({ collectTimeoutMs = 2000, onCollectError }: MetricsOptions = {}) {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const collectors = createCollectors(collectTimeoutMs, onCollectError)
  const metrics = defineMetrics(registry)
  const appLabel = createAppLabel(MAX_APPS)
  const startAtZero = zeroCounters(metrics)
  for (const kind of ['app', 'schedule']) metrics.unreadableRecords.inc({ kind }, 0)
  for (const operation of operations) metrics.operationErrors.inc({ operation }, 0)
  metrics.buildInfo.set({ version }, 1)

  return {
    registry,
    ...metrics,
    /** The app itself for the first 1,000 apps of this process, then `other`. All `app` labels use it. */
    appLabel,
    /** Starts the counters of an app at 0. Call it when the process begins to serve the app. Idempotent. */
    startApp: (app: string): void => startAtZero(appLabel(app)),
    /** Counts what the guard decided about the slot of a new campaign's topic. */
    countSlot: (app: string, decision: string): void =>
      metrics.guard.inc({ app: appLabel(app), decision: `slot-${decision}` }),
    /** Adds a collector that runs before every scrape. */
    onCollect: collectors.add,
    /**
     * Runs the collectors within their time limit and returns the exposition text. A collector never makes it fail.
     *
     * @param alongside sets more gauges meanwhile, with a time limit of its own
     */
    async scrape(alongside?: Promise<void>): Promise<string> {
      await Promise.all([collectors.run(), alongside])
      return await registry.metrics()
    },
  }
}

function defineMetrics(registry: Registry) {
  const registers = [registry]
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter<L>({ name: `wns_fanout_${name}`, help, labelNames, registers })
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Gauge<L>({ name: `wns_fanout_${name}`, help, labelNames, registers })
  const histogram = <L extends string>(name: string, help: string, labelNames: readonly L[], buckets: number[]) =>
    new Histogram<L>({ name: `wns_fanout_${name}`, help, labelNames, buckets, registers })

  return {
    sends: counter('sends_total', 'Recipients settled, by class', ['app', 'type', 'class']),
    httpResponses: counter('http_responses_total', 'Answers of WNS to posts, by HTTP status', ['app', 'status']),
    sendDuration: histogram('send_duration_seconds', 'From writing a post to its answer', ['app'], sendBuckets),
    retries: counter('retries_total', 'Recipients to be tried again, by reason', ['app', 'reason']),
    backlogRecipients: gauge('backlog_recipients', 'Recipients of sending campaigns not yet settled', ['app']),
    pendingRecipients: gauge('pending_recipients', 'Recipients not yet settled, by what holds them', ['app', 'held']),
    configuredRate: gauge('configured_rate_posts_per_second', 'Posts per second of the settings of the app', ['app']),
    gaugesRead: gauge('gauges_read_timestamp_seconds', 'When the gauges of all apps were last read from Redis', []),
    backlogSeconds: gauge('backlog_seconds', 'Backlog divided by the rate that is achievable', ['app']),
    oldestUnsettledBatch: gauge('oldest_unsettled_batch_seconds', 'Age of the oldest batch that could be sent', [
      'app',
    ]),
    campaigns: gauge('campaigns', 'Campaigns, by state', ['app', 'state']),
    campaignsEnded: counter('campaigns_ended_total', 'Campaigns that ended, by state and reason', [
      'app',
      'state',
      'reason',
    ]),
    campaignDuration: histogram(
      'campaign_duration_seconds',
      'From the start of a campaign to its end',
      ['app'],
      campaignBuckets,
    ),
    tokenRequests: counter('token_requests_total', 'Requests to the token service, by result', ['app', 'result']),
    effectiveRate: gauge('effective_rate', 'Posts per second that are allowed now', ['app']),
    permitWait: histogram('permit_wait_seconds', 'Time a worker waited for permits', ['app'], waitBuckets),
    guard: counter('guard_total', 'Decisions of the 30-minute guard', ['app', 'decision']),
    batchesFenced: counter('batches_fenced_total', 'Batches that a worker gave up because another owns them', ['app']),
    takeovers: counter('takeovers_total', 'Batches taken over from an owner that stopped checkpointing', ['app']),
    workersDied: counter('workers_died_total', 'Workers that died, and whose jobs this process gave to others', []),
    reconciled: counter('reconciled_total', 'Batches the reconciler put back into the queue, by reason', [
      'app',
      'reason',
    ]),
    ledgerDamaged: counter('ledger_damaged_total', 'Campaigns that were halted because their ledger is damaged', [
      'app',
    ]),
    scheduleRuns: counter('schedule_runs_total', 'Occurrences of schedules, by result', ['app', 'result']),
    webhookDeliveries: counter('webhook_deliveries_total', 'Attempts to deliver an event to a webhook, by result', [
      'app',
      'result',
    ]),
    webhookOldest: gauge('webhook_undelivered_seconds', 'Age of the oldest event that an enabled webhook has not got', [
      'app',
    ]),
    unreadableRecords: counter('unreadable_records_total', 'Stored records that could not be read, by kind', ['kind']),
    redisRollbacks: counter('redis_rollbacks_total', 'Number of times that Redis lost acknowledged writes', []),
    dataLost: gauge('data_lost', '1 while a data loss is not accepted; nothing is sent', []),
    redisUp: gauge('redis_up', '1 while Redis answers this process', []),
    redisMemory: gauge('redis_memory_ratio', 'Memory of the fullest Redis node as a share of maxmemory', []),
    redisProblem: gauge('redis_problem', '1 while Redis does not keep what it should, by kind', ['kind']),
    ready: gauge('ready', '1 while the process is ready', []),
    buildInfo: gauge('build_info', 'Always 1; the label is the version of the process', ['version']),
    operationErrors: counter('operation_errors_total', 'Internal operations that failed, by operation', ['operation']),
    apiRequestDuration: histogram(
      'api_request_duration_seconds',
      'Requests to the API',
      ['route', 'status'],
      requestBuckets,
    ),
    workersWanted: gauge('workers_wanted', 'Workers that the sending campaigns can use', []),
    lanesLimit: gauge('lanes_limit', 'Connections to WNS that a worker may open', []),
    lanes: gauge('lanes', 'Connections to WNS, by state', ['state']),
    checkpointDuration: histogram('checkpoint_duration_seconds', 'Time of one checkpoint', [], checkpointBuckets),
    channels: gauge('channels', 'Registered channels', ['app']),
    channelsOlderThan: gauge('channels_older_than', 'Channels that have not registered for a number of days', [
      'app',
      'days',
    ]),
    closedRawGates: gauge('closed_raw_gates', 'Channels whose raw gate is closed', ['app']),
    breakerOpen: gauge('breaker_open', '1 while a breaker stops sending', ['app', 'kind']),
  }
}

// WNS answers within tens of milliseconds; the upper end is the request timeout.
const sendBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const waitBuckets = [0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60]
const campaignBuckets = [1, 10, 60, 300, 900, 3600, 14_400, 86_400]
// One series for each bucket, route and status: few buckets.
const requestBuckets = [0.01, 0.1, 1, 10]
const checkpointBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5]

function createAppLabel(limit: number): (app: string) => string {
  const known = new Set<string>()
  return (app) => {
    if (known.has(app)) return app
    if (known.size >= limit) return 'other'
    known.add(app)
    return app
  }
}

function createCollectors(timeoutMs: number, onError: ((error: Error) => void) | undefined) {
  const collectors = new Set<Collector>()
  const unfinished = new Set<Collector>()
  let running: Promise<void> | undefined

  // Never rejects. A late collector does not start again before it has ended.
  async function collect(collector: Collector, signal: AbortSignal, late: Promise<'late'>): Promise<void> {
    if (unfinished.has(collector)) return
    unfinished.add(collector)
    const work = (async () => {
      try {
        await collector(signal)
      } catch (error) {
        if (!signal.aborted) onError?.(error instanceof Error ? error : new Error(String(error)))
      } finally {
        unfinished.delete(collector)
      }
    })()
    if ((await Promise.race([work, late])) === 'late') {
      onError?.(new Error(`collecting the gauges took longer than ${timeoutMs} ms; the last values are served`))
    }
  }

  async function runAll(): Promise<void> {
    const timeout = new AbortController()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => {
        resolve('late')
        timeout.abort()
      }, timeoutMs)
    })
    await Promise.all([...collectors].map((collector) => collect(collector, timeout.signal, late)))
    clearTimeout(timer)
  }

  return {
    add: (collector: Collector): void => {
      collectors.add(collector)
    },
    async run(): Promise<void> {
      running ??= runAll().finally(() => {
        running = undefined
      })
      await running
    },
  }
}
