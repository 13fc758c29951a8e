import type { AppId } from '@wns-fanout/domain'
import type { TokenSource } from '@wns-fanout/fanout'
import { AppPermits, FanoutWorker, Queues } from '@wns-fanout/fanout'
import { createLifecycle, createLogger, createMetrics, exitWhenParentGone, startOpsServer } from '@wns-fanout/runtime'
import type { RateLimit } from '@wns-fanout/state'
import {
  AppStore,
  Audiences,
  CampaignStore,
  Keys,
  Ledger,
  Permits,
  TokenPool,
  checkRedis,
  closeRedis,
  connectRedis,
  ensureEpoch,
  readKeyringFile,
  waitForRedis,
} from '@wns-fanout/state'
import { createLanePool, createTransport, requestToken } from '@wns-fanout/wns'
import type { WorkerConfig } from './config.ts'
import { workerConfig } from './config.ts'
import { crashAt } from './crash-at.ts'
import { reporter } from './report.ts'

/** Start a worker; resolves when it serves every app. Exits with 1 and a readable line when it cannot start. */
export const startWorker = async (env: NodeJS.ProcessEnv): Promise<void> => {
  try {
    await start(workerConfig(env), env)
  } catch (error) {
    process.stderr.write(`wns-fanout worker cannot start: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(1)
  }
}

const start = async (config: WorkerConfig, env: NodeJS.ProcessEnv): Promise<void> => {
  const logger = createLogger({ name: 'worker', level: config.LOG_LEVEL })
  const life = createLifecycle(logger)
  life.installSignals()
  exitWhenParentGone(life)
  const metrics = createMetrics({ onCollectError: (error) => logger.warn({ err: error }, 'metrics are incomplete') })
  const emit = reporter(logger, metrics)
  const keyring = await readKeyringFile(config.WNS_FANOUT_KEYRING_FILE)
  if (config.WNS_ROUTE_TO !== undefined)
    logger.warn({ routeTo: config.WNS_ROUTE_TO }, 'ALL TRAFFIC TO WNS GOES TO THE SIMULATOR: nothing reaches a device')

  const reached = crashAt(config.WNS_CRASH_AT)
  const redis = connectRedis(config.REDIS_URL, {
    role: 'worker',
    onError: (error) => logger.warn({ err: error }, 'trouble with Redis'),
  })
  life.onStop('redis', () => closeRedis(redis))
  let ready = false
  const ops = await startOpsServer({
    host: config.WNS_FANOUT_HOST,
    port: config.OPS_PORT,
    metrics,
    logger,
    ready: () => {
      const problems = [...(ready ? [] : ['starting']), ...(redis.status === 'ready' ? [] : ['Redis is away'])]
      return { ready: problems.length === 0, problems }
    },
  })
  life.onStop('ops', () => ops.stop())
  await waitForRedis(redis, { signal: life.signal, onWaiting: (line) => logger.warn(line) })
  const problems = await checkRedis(redis, { allowVolatile: config.WNS_FANOUT_ALLOW_VOLATILE_REDIS })
  for (const { fatal, detail } of problems) if (!fatal) logger.warn(detail)
  const fatal = problems.filter((problem) => problem.fatal)
  if (fatal.length > 0) throw new Error(fatal.map(({ detail }) => detail).join(' '))

  const keys = new Keys(config.WNS_FANOUT_PREFIX)
  await ensureEpoch(redis, keys)
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

  const tokens = new TokenPool(
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
  const permits = new Permits(redis, keys)
  const limits = new Map<AppId, RateLimit>()
  const identities = new Map<AppId, string>()
  const permitsOf = once((app: AppId) => {
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
    life.onStop('permits', () => appPermits.stop())
    return appPermits
  })

  const queues = new Queues(redis, keys, (queue, error) => emit({ type: 'queue.error', queue, error }), { reached })
  life.onStop('queues', () => queues.close())
  const worker = new FanoutWorker({
    redis,
    keys,
    apps,
    audiences: new Audiences(redis, keys),
    campaigns: new CampaignStore(redis, keys),
    ledger: new Ledger(redis, keys),
    queues,
    lanes,
    permits: permitsOf,
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
    laneCount: config.WNS_FANOUT_LANES,
    lockMs: config.WNS_FANOUT_LOCK_MS,
    reached,
    ...(config.WNS_FANOUT_APPS === undefined ? {} : { only: new Set(config.WNS_FANOUT_APPS) }),
  })
  life.onStop('worker', () => worker.stop())
  await worker.start()
  ready = true
  process.stdout.write(`${JSON.stringify({ ready: true, ops: ops.url })}\n`)
}

/** One request to the token service; with a second secret, both are tried before the credentials count as bad. */
const askForToken = async (apps: AppStore, app: AppId, transport: Parameters<typeof requestToken>[1]) => {
  const credentials = await apps.credentials(app)
  if (credentials === null)
    return { ok: false, permanent: true, code: 'no-app', explanation: `app ${app} does not exist any more` } as const
  const { previousClientSecret, ...current } = credentials
  const answer = await requestToken(current, transport)
  if (answer.ok || !answer.permanent || previousClientSecret === undefined) return answer
  const previous = await requestToken({ ...current, clientSecret: previousClientSecret }, transport)
  return previous.ok ? previous : answer
}

const tokenSource = (tokens: TokenPool, app: AppId): TokenSource => ({
  accepted: undefined,
  current: () => tokens.peek(app),
  async fetch(rejected) {
    if (rejected !== undefined) await tokens.reject(app, rejected, { wasAccepted: this.accepted === rejected })
    await tokens.get(app)
  },
})

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
