import type { AppId, Listener } from '@wns-fanout/domain'
import type { CrashPoints } from '@wns-fanout/fanout'
import {
  Campaigns,
  conditionOf,
  FanoutWorker,
  AppPermits,
  Queues,
  ScheduleRunner,
  WebhookRunner,
} from '@wns-fanout/fanout'
import type { Auditor, Lifecycle, Logger, Metrics } from '@wns-fanout/runtime'
import { createAuditor, createLineWriter } from '@wns-fanout/runtime'
import type { Keyring, RateLimit, RedisAccess, RedisConnection, StuckConnections } from '@wns-fanout/state'
import {
  ApiKeys,
  AppEvents,
  AppStore,
  Audiences,
  AuditTrail,
  CampaignStore,
  closeRedis,
  connectLedger,
  DataSet,
  Keys,
  Ledger,
  Permits,
  Registry,
  ReplicatedScripts,
  Schedules,
  Templates,
  TokenPool,
  Webhooks,
} from '@wns-fanout/state'
import type { Transport } from '@wns-fanout/wns'
import { createLanePool, createTransport, createWebhookTransport } from '@wns-fanout/wns'
import { askForToken, tokenSource } from './app-tokens.ts'
import type { WorkerConfig } from './config.ts'
import { PerApp } from './per-app.ts'

export interface WireOptions extends CrashPoints {
  readonly config: WorkerConfig
  readonly env: Readonly<Record<string, string | undefined>>
  readonly logger: Logger
  readonly life: Lifecycle
  readonly metrics: Metrics
  readonly emit: Listener
  readonly redis: RedisConnection
  /** How further connections to Redis are made. */
  readonly access: RedisAccess
  readonly keyring: Keyring
  /** Watches the connections of the process. */
  readonly stuck: Pick<StuckConnections, 'add'>
}

/** Makes a worker of its parts. Those that have to be stopped are registered with `life`; the worker itself is not. */
export function wire(options: WireOptions): FanoutWorker {
  const { config, env, life, metrics, emit, redis, keyring, reached } = options
  const keys = new Keys(config.WNS_FANOUT_PREFIX)
  const apps = new AppStore(redis, keys, keyring, {
    secrets: { env, dir: config.WNS_FANOUT_SECRETS_DIR },
    onUnreadable: (app) => emit({ type: 'app.unreadable', app }),
  })
  const transport = createTransport({
    routeTo: config.WNS_ROUTE_TO,
    caFile: config.WNS_CA_FILE,
    httpsProxy: config.HTTPS_PROXY,
    noProxy: config.NO_PROXY,
  })
  const lanes = createLanePool(transport, { lanes: config.WNS_FANOUT_LANES })
  life.onStop('lanes', () => lanes.stop())
  metrics.lanesLimit.set(config.WNS_FANOUT_LANES)
  metrics.onCollect(() => {
    for (const [state, count] of Object.entries(lanes.stats())) metrics.lanes.set({ state }, count)
  })
  const ledgerRedis = openLedger(options)
  const replicated = ledgerRedis && openReplicated(options, ledgerRedis, keys)
  const queues = new Queues(redis, keys, (operation, error) => emit({ type: 'operation.failed', operation, error }), {
    reached,
  })
  life.onStop('queues', () => queues.close())
  const tokens = makeTokenPool(options, keys, apps, transport)
  const stores = {
    redis,
    keys,
    apps,
    audiences: new Audiences(redis, keys),
    events: new AppEvents(redis, keys),
    campaigns: new CampaignStore(redis, keys),
    ledger: new Ledger(redis, keys, replicated),
    ledgerRedis,
    queues,
  }
  const permits = new Permits(redis, keys)
  const schedules = new Schedules(redis, keys)
  const templates = new Templates(redis, keys)
  const condition = conditionOf(apps, permits)
  const campaigns = new Campaigns({
    ...stores,
    registry: new Registry(redis, keys),
    condition,
    reached,
    onSlot: (app, decision) => metrics.countSlot(app, decision),
  })
  const auditor = makeAuditor(options, keys)
  const scheduleRunner = new ScheduleRunner({
    apps,
    schedules,
    templates,
    campaigns,
    apiKeys: new ApiKeys(redis, keys),
    emit,
    audit: (facts) => auditor.record('control', facts),
  })
  const webhooks = new WebhookRunner({
    webhooks: new Webhooks(redis, keys, keyring),
    events: stores.events,
    transport: createWebhookTransport({
      privateHosts: config.WNS_FANOUT_WEBHOOK_PRIVATE_HOSTS,
      caFile: config.WNS_FANOUT_WEBHOOK_CA_FILE,
      httpsProxy: config.HTTPS_PROXY,
      noProxy: config.NO_PROXY,
    }),
    emit,
  })
  const limits = new Map<AppId, RateLimit>()
  const identities = new Map<AppId, string>()
  const permitsOf = makePermits(options, permits, limits)
  const tokenOf = new PerApp((app) => tokenSource(tokens, app))

  return new FanoutWorker({
    ...stores,
    dataSet: new DataSet(redis, keys),
    condition,
    lanes,
    permits: (app) => permitsOf.get(app),
    token: (app) => tokenOf.get(app),
    emit,
    onApp: ({ settings, identity }) => {
      metrics.startApp(settings.app)
      limits.set(settings.app, { ratePerSecond: settings.ratePerSecond, burst: settings.burst })
      // WNS would answer 403 to a token of the previous client, and recipients would be rejected permanently.
      if (identities.get(settings.app) !== identity) tokens.forget(settings.app)
      identities.set(settings.app, identity)
    },
    onAppGone: (app) => {
      limits.delete(app)
      identities.delete(app)
      tokens.forget(app)
      tokenOf.forget(app)
      // Pause and permits belong to the removed app.
      permitsOf.forget(app)?.stop()
    },
    runSchedules: async (served, signal) => scheduleRunner.run(served, await schedules.redisNowMs(), signal),
    webhooks,
    laneCount: config.WNS_FANOUT_LANES,
    lockMs: config.WNS_FANOUT_LOCK_MS,
    reached,
    ...(config.WNS_FANOUT_APPS === undefined ? {} : { only: new Set(config.WNS_FANOUT_APPS) }),
  })
}

/** Schedules are run by workers, so workers write to the audit log. */
function makeAuditor({ config, redis, life, emit }: WireOptions, keys: Keys): Auditor {
  const lines = createLineWriter(1)
  life.onStop('audit lines', () => lines.flush())
  const trail = new AuditTrail(redis, keys, 'control', {
    maxEntries: config.WNS_FANOUT_AUDIT_MAX_ENTRIES,
    maxDays: config.WNS_FANOUT_AUDIT_DAYS,
  })
  return createAuditor({
    append: (_, facts) => trail.append(facts),
    write: lines.write,
    isShipped: config.WNS_FANOUT_AUDIT_STDOUT,
    onUnstored: (error) => emit({ type: 'operation.failed', operation: 'audit', error }),
  })
}

/** Batches are parked when replicas do not acknowledge for this time; twice that fits into the shutdown time. */
const REPLICA_PATIENCE_MS = 10_000

/** The ledger's own connection where it waits for replicas, since `WAIT` blocks it; else it shares the worker's. */
function openLedger({
  config,
  access,
  logger,
  life,
  stuck,
}: WireOptions): ReturnType<typeof connectLedger> | undefined {
  if (config.WNS_FANOUT_DURABILITY === 0) return undefined
  const redis = connectLedger(config.REDIS_URL, {
    ...access,
    onError: (error) => logger.debug({ err: error }, 'the connection of the ledger failed'),
  })
  stuck.add(redis)
  life.onStop('connection of the ledger', () => closeRedis(redis))
  return redis
}

/** Where posts wait for replicas. */
function openReplicated(
  { config, life, metrics, emit }: WireOptions,
  redis: ReturnType<typeof connectLedger>,
  keys: Keys,
): ReplicatedScripts {
  const replicated = new ReplicatedScripts(redis, keys, {
    replicas: config.WNS_FANOUT_DURABILITY,
    patienceMs: Math.min(REPLICA_PATIENCE_MS, config.WNS_FANOUT_LOCK_MS / 2),
    onChange: (problem) => emit({ type: 'replication.changed', ...(problem === undefined ? {} : { problem }) }),
  })
  metrics.onCollect(() => metrics.redisProblem.set({ kind: 'replicas' }, replicated.problem === undefined ? 0 : 1))
  life.onStop('ledger', () => replicated.stop())
  return replicated
}

function makeTokenPool(
  { redis, keyring, metrics, emit, logger, life, reached }: WireOptions,
  keys: Keys,
  apps: AppStore,
  transport: Transport,
): TokenPool {
  return new TokenPool(
    redis,
    keys,
    keyring,
    (app) => {
      reached?.('token-asked')
      return askForToken(apps, app, transport, (error) =>
        emit({ type: 'operation.failed', operation: 'read a client secret', error }),
      )
    },
    {
      breaker: apps,
      onRequest: (app, result) => metrics.tokenRequests.inc({ app: metrics.appLabel(app), result }),
      onError: (error) => logger.warn({ err: error }, 'a token could not be refreshed'),
      signal: life.signal,
    },
  )
}

/** The permits of each app; an app that has not been looked at yet may hardly send. */
function makePermits(
  { metrics, emit, life }: WireOptions,
  permits: Permits,
  limits: ReadonlyMap<AppId, RateLimit>,
): PerApp<AppPermits> {
  const permitsOf = new PerApp(
    (app) =>
      new AppPermits(permits, app, {
        limit: () => limits.get(app) ?? { ratePerSecond: 1, burst: 1 },
        onRate: ({ effectiveRate }) => metrics.effectiveRate.set({ app: metrics.appLabel(app) }, effectiveRate),
        onWaited: (waitMs) => emit({ type: 'permits.waited', app, waitMs }),
        onGrant: ({ count, atMs }) => emit({ type: 'permits.granted', app, count, atMs }),
        onDecrease: ({ effectiveRate, pausedUntilMs }) =>
          emit({
            type: 'rate.decreased',
            app,
            ratePerSecond: effectiveRate,
            ...(pausedUntilMs === undefined ? {} : { throttledUntil: new Date(pausedUntilMs).toISOString() }),
          }),
        onError: (error) => emit({ type: 'operation.failed', operation: `permits of ${app}`, error }),
      }),
  )
  life.onStop('permits', () => permitsOf.all().forEach((each) => each.stop()))
  return permitsOf
}
