import type { Lifecycle, Logger } from '@wns-fanout/runtime'
import {
  crashAt,
  createLineWriter,
  createMetrics,
  listenProblem,
  opsPortOf,
  showRedis,
  startOpsServer,
} from '@wns-fanout/runtime'
import type { RedisAccess, RedisConnection } from '@wns-fanout/state'
import {
  backLine,
  closeRedis,
  connectLedger,
  connectRedis,
  DataSet,
  Keys,
  onceRedisServes,
  readKeyringFile,
  readRedisAccess,
  redisProblemKinds,
  redisStanding,
  ReplicatedWrites,
  StuckConnections,
  waitForFitRedis,
  waitForRedis,
  writeProblem,
} from '@wns-fanout/state'
import { createTransport, createWebhookTransport, requestToken } from '@wns-fanout/wns'
import { auditLimits, keyBootstrapped } from './audit/outside-requests.ts'
import { ensureKeyFile } from './bootstrap-key.ts'
import type { ApiConfig } from './config.ts'
import { DataWatch } from './data-watch.ts'
import { collectGauges } from './gauges.ts'
import { buildServer } from './server.ts'
import { collectWebhookGauges } from './webhook-gauges.ts'
import { wire } from './wire.ts'

export interface StartOptions {
  readonly config: ApiConfig
  readonly env: Readonly<Record<string, string | undefined>>
  readonly logger: Logger
  readonly life: Lifecycle
}

/** Connects to Redis, waiting for it, and refuses one that would forget campaigns. */
export async function openRedis(options: StartOptions, access: RedisAccess): Promise<RedisConnection> {
  const redis = connectTo(options, access)
  await untilFit(redis, options)
  return redis
}

function connectTo({ config, logger, life }: StartOptions, access: RedisAccess): RedisConnection {
  const redis = connectRedis(config.REDIS_URL, {
    ...access,
    role: 'producer',
    onError: (error) => logger.debug({ err: error }, 'Redis connection'),
    onBack: (awayMs) => logger.info({ awayMs: Math.round(awayMs) }, backLine(awayMs)),
  })
  life.onStop('redis', () => closeRedis(redis))
  return redis
}

async function untilFit(redis: RedisConnection, { config, logger, life }: StartOptions): Promise<void> {
  await waitForFitRedis(redis, {
    keys: new Keys(config.WNS_FANOUT_PREFIX),
    allowVolatile: config.WNS_FANOUT_ALLOW_VOLATILE_REDIS,
    signal: life.signal,
    onWarning: (line) => logger.warn(line),
  })
}

/** Where replicas must have a write before it is answered: on a connection of its own, which `WAIT` blocks. */
async function openReplicatedWrites(
  { config, logger, life }: StartOptions,
  access: RedisAccess,
  redis: RedisConnection,
  stuck: StuckConnections,
): Promise<ReplicatedWrites | undefined> {
  const replicas = config.WNS_FANOUT_DURABILITY
  if (replicas === 0) return undefined
  const waiter = connectLedger(config.REDIS_URL, {
    ...access,
    onError: (error) => logger.debug({ err: error }, 'the connection that waits for replicas failed'),
  })
  stuck.add(waiter)
  life.onStop('connection that waits for replicas', () => closeRedis(waiter))
  await waitForRedis(waiter, { signal: life.signal, onWaiting: (line) => logger.warn(line) })
  return new ReplicatedWrites(redis, waiter, new Keys(config.WNS_FANOUT_PREFIX), { replicas })
}

/**
 * Starts the API; every part is stopped by `life`, in the opposite order. Where data is lost it serves what can be
 * read, and the rest once that is accepted.
 */
export async function startApi(options: StartOptions): Promise<{ readonly api: string; readonly ops: string }> {
  const { config, env, logger, life } = options
  const keyring = await readKeyringFile(config.WNS_FANOUT_KEYRING_FILE)
  const transport = createTransport({
    routeTo: config.WNS_ROUTE_TO,
    caFile: config.WNS_CA_FILE,
    httpsProxy: config.HTTPS_PROXY,
    noProxy: config.NO_PROXY,
  })
  if (config.WNS_ROUTE_TO !== undefined)
    logger.warn(
      { routeTo: config.WNS_ROUTE_TO },
      'connections to WNS and its token service go to another place (WNS_ROUTE_TO)',
    )

  const access = await readRedisAccess(config)
  const redis = connectTo(options, access)
  const stuck = new StuckConnections({ open: () => connectRedis(config.REDIS_URL, { ...access, role: 'producer' }) })
  stuck.add(redis)
  life.onStop('watch over the connections', () => stuck.stop())
  const keys = new Keys(config.WNS_FANOUT_PREFIX)
  const metrics = createMetrics({ onCollectError: (error) => logger.warn({ err: error }, 'gauges') })
  const data = new DataWatch(new DataSet(redis, keys), {
    async begin() {
      // A key that went with other data would be taken for one that is here, and not be entered again.
      deps.apiKeys.forget()
      if (config.WNS_FANOUT_BOOTSTRAP_KEY_FILE === undefined) return
      const made = await ensureKeyFile(deps.apiKeys, config.WNS_FANOUT_BOOTSTRAP_KEY_FILE)
      if (made !== undefined) await deps.audit.auditor.record('control', keyBootstrapped(made))
    },
    onChange(problem) {
      metrics.dataLost.set(problem === undefined ? 0 : 1)
      if (problem !== undefined) metrics.redisRollbacks.inc()
      if (problem === undefined)
        logger.warn('writes are accepted again: Redis has its earlier data, or the loss was accepted')
      else logger.error({ problem }, 'nothing is written: the data in Redis is not the one from before')
    },
  })
  // Open before Redis answers: an orchestrator that gets no answer would restart the process again and again.
  let serves = false
  const ready = async () => {
    const problem = serves ? ((await writeProblem(redis, keys)) ?? (await data.look())) : 'starting'
    return { ready: problem === undefined, problems: problem === undefined ? [] : [problem] }
  }
  const ops = await startOpsServer({
    ...(await opsPortOf(config)),
    metrics,
    logger,
    stuck: () => stuck.problem,
    ready,
    serves: () => serves,
  })
  life.onStop('ops server', () => ops.stop())
  metrics.onCollect(async () => showRedis(metrics, redisProblemKinds, await redisStanding(redis, keys)))
  await untilFit(redis, options)
  const writes = await openReplicatedWrites(options, access, redis, stuck)
  const lines = createLineWriter(1)
  life.onStop('audit lines', () => lines.flush())
  const { deps, close } = wire({
    audit: {
      limits: auditLimits(config),
      isShipped: config.WNS_FANOUT_AUDIT_STDOUT,
      write: lines.write,
      onUnstored(error) {
        metrics.operationErrors.inc({ operation: 'audit' })
        logger.error({ err: error }, 'an audit entry is not stored; it is on stdout')
      },
    },
    onSlot: metrics.countSlot,
    redis,
    keys,
    keyring,
    logger,
    secrets: { env, dir: config.WNS_FANOUT_SECRETS_DIR },
    reached: crashAt(config.WNS_CRASH_AT),
    dataProblem: () => data.problem,
    confirmWrites: writes && (() => writes.confirm()),
    webhookTransport: createWebhookTransport({
      privateHosts: config.WNS_FANOUT_WEBHOOK_PRIVATE_HOSTS,
      caFile: config.WNS_FANOUT_WEBHOOK_CA_FILE,
      httpsProxy: config.HTTPS_PROXY,
      noProxy: config.NO_PROXY,
    }),
    askToken: (credentials) => requestToken(credentials, transport, { signal: life.signal }),
  })
  life.onStop('queues', close)

  metrics.onCollect((signal) => collectGauges(metrics, deps, signal))
  metrics.onCollect((signal) => collectWebhookGauges(metrics, deps, signal))

  const server = await buildServer(
    deps,
    {
      keepAliveMs: config.WNS_FANOUT_KEEP_ALIVE_MS,
      requestsPerSecond: config.WNS_FANOUT_KEY_REQUESTS_PER_SECOND,
      trustProxy: config.WNS_FANOUT_TRUST_PROXY,
      hasDocs: config.WNS_FANOUT_DOCS,
    },
    ({ route, status, durationMs }) =>
      metrics.apiRequestDuration.observe({ route, status: String(status) }, durationMs / 1000),
  )
  life.onStop('api server', () => {
    serves = false
    return server.close()
  })
  const api = await listen(server, config)
  serves = true
  await onceRedisServes(redis, () => data.look(), { signal: life.signal, onWaiting: (line) => logger.warn(line) })
  const watching = data.run(life.signal)
  life.onStop('watch over the data', () => watching)
  return { api, ops: ops.url }
}

async function listen(server: Awaited<ReturnType<typeof buildServer>>, config: ApiConfig): Promise<string> {
  const { WNS_FANOUT_HOST: host, PORT: port } = config
  try {
    const address = await server.listen({ host, port })
    return address.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//127.0.0.1:')
  } catch (error) {
    if (!(error instanceof Error)) throw error
    throw new Error(listenProblem(error, host, port, 'PORT'), { cause: error })
  }
}
