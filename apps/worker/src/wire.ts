import type { AppId, Listener } from '@wns-fanout/domain'
import type { CrashPoints } from '@wns-fanout/fanout'
import { AppPermits, Campaigns, conditionOf, FanoutWorker, Queues, runSchedules } from '@wns-fanout/fanout'
import type { Lifecycle, Logger, Metrics } from '@wns-fanout/runtime'
import type { Keyring, RateLimit, RedisConnection } from '@wns-fanout/state'
import {
  AppStore,
  Audiences,
  CampaignStore,
  ensureEpoch,
  Keys,
  Ledger,
  Permits,
  Registry,
  Schedules,
  TokenPool,
} from '@wns-fanout/state'
import type { Transport } from '@wns-fanout/wns'
import { createLanePool, createTransport } from '@wns-fanout/wns'
import { askForToken, tokenSource } from './app-tokens.ts'
import type { WorkerConfig } from './config.ts'

export interface WireOptions extends CrashPoints {
  readonly config: WorkerConfig
  readonly env: Readonly<Record<string, string | undefined>>
  readonly logger: Logger
  readonly life: Lifecycle
  readonly metrics: Metrics
  readonly emit: Listener
  readonly redis: RedisConnection
  readonly keyring: Keyring
}

/** Makes a worker of its parts. Those that have to be stopped are registered with `life`; the worker itself is not. */
export const wire = async (options: WireOptions): Promise<FanoutWorker> => {
  const { config, env, life, metrics, emit, redis, keyring, reached } = options
  const keys = new Keys(config.WNS_FANOUT_PREFIX)
  const { epoch } = await ensureEpoch(redis, keys)
  const apps = new AppStore(redis, keys, keyring, { env })
  const transport = createTransport({
    routeTo: config.WNS_ROUTE_TO,
    caFile: config.WNS_CA_FILE,
    httpsProxy: config.HTTPS_PROXY,
  })
  const lanes = createLanePool(transport, { lanes: config.WNS_FANOUT_LANES })
  life.onStop('lanes', () => lanes.stop())
  metrics.onCollect(() => {
    for (const [state, count] of Object.entries(lanes.stats())) metrics.lanes.set({ state }, count)
  })
  const queues = new Queues(redis, keys, (queue, error) => emit({ type: 'queue.error', queue, error }), { reached })
  life.onStop('queues', () => queues.close())
  const tokens = makeTokenPool(options, keys, apps, transport)
  const stores = {
    redis,
    keys,
    apps,
    audiences: new Audiences(redis, keys),
    campaigns: new CampaignStore(redis, keys),
    ledger: new Ledger(redis, keys),
    queues,
  }
  const permits = new Permits(redis, keys)
  const schedules = new Schedules(redis, keys)
  const campaigns = new Campaigns({
    ...stores,
    registry: new Registry(redis, keys),
    condition: conditionOf(apps, permits),
    reached,
  })
  const limits = new Map<AppId, RateLimit>()
  const identities = new Map<AppId, string>()

  return new FanoutWorker({
    ...stores,
    epoch,
    lanes,
    permits: makePermits(options, permits, limits),
    token: once((app: AppId) => tokenSource(tokens, app)),
    emit,
    onApp: ({ settings, identity }) => {
      limits.set(settings.app, { ratePerSecond: settings.ratePerSecond, burst: settings.burst })
      // A token of the client that the app was before would be answered by 403, and refuse recipients for good.
      if (identities.get(settings.app) !== identity) tokens.forget(settings.app)
      identities.set(settings.app, identity)
    },
    onAppGone: (app) => {
      limits.delete(app)
      identities.delete(app)
      tokens.forget(app)
    },
    runSchedules: async (served, signal) =>
      runSchedules({ apps, schedules, campaigns, emit }, served, await schedules.redisNowMs(), signal),
    laneCount: config.WNS_FANOUT_LANES,
    lockMs: config.WNS_FANOUT_LOCK_MS,
    reached,
    ...(config.WNS_FANOUT_APPS === undefined ? {} : { only: new Set(config.WNS_FANOUT_APPS) }),
  })
}

const makeTokenPool = (
  { redis, keyring, metrics, logger, life, reached }: WireOptions,
  keys: Keys,
  apps: AppStore,
  transport: Transport,
): TokenPool =>
  new TokenPool(
    redis,
    keys,
    keyring,
    (app) => {
      reached?.('token-asked')
      return askForToken(apps, app, transport)
    },
    {
      breaker: apps,
      onRequest: (app, result) => metrics.tokenRequests.inc({ app: metrics.appLabel(app), result }),
      onError: (error) => logger.warn({ err: error }, 'a token could not be refreshed'),
      signal: life.signal,
    },
  )

/** The permits of each app; an app that has not been looked at yet may hardly send. */
const makePermits = (
  { metrics, emit, life }: WireOptions,
  permits: Permits,
  limits: ReadonlyMap<AppId, RateLimit>,
): ((app: AppId) => AppPermits) => {
  const made: AppPermits[] = []
  life.onStop('permits', () => made.forEach((each) => each.stop()))
  return once((app) => {
    const appPermits = new AppPermits(permits, app, {
      limit: () => limits.get(app) ?? { ratePerSecond: 1, burst: 1 },
      onRate: ({ effectiveRate }) => metrics.effectiveRate.set({ app: metrics.appLabel(app) }, effectiveRate),
      onGrant: ({ count, atMs }) => emit({ type: 'permits.granted', app, count, atMs }),
      onDecrease: ({ effectiveRate, pausedUntilMs }) =>
        emit({
          type: 'rate.decreased',
          app,
          ratePerSecond: effectiveRate,
          ...(pausedUntilMs === undefined ? {} : { throttledUntil: new Date(pausedUntilMs).toISOString() }),
        }),
      onError: (error) => emit({ type: 'queue.error', queue: `permits of ${app}`, error }),
    })
    made.push(appPermits)
    return appPermits
  })
}

const once = <K, V>(make: (key: K) => V): ((key: K) => V) => {
  const made = new Map<K, V>()
  return (key) => {
    const known = made.get(key)
    if (known !== undefined) return known
    const value = make(key)
    made.set(key, value)
    return value
  }
}
