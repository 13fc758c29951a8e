import type { FanoutWorker } from '@wns-fanout/fanout'
import type { Lifecycle, Logger, Metrics, OpsServer, Readiness } from '@wns-fanout/runtime'
import {
  crashAt,
  createLifecycle,
  createLogger,
  createMetrics,
  exitWhenParentGone,
  opsPortOf,
  showRedis,
  startOpsServer,
} from '@wns-fanout/runtime'
import type { RedisAccess, RedisConnection } from '@wns-fanout/state'
import {
  backLine,
  closeRedis,
  connectRedis,
  Keys,
  onceRedisServes,
  readKeyringFile,
  readRedisAccess,
  redisProblemKinds,
  redisStanding,
  replicaWarning,
  StuckConnections,
  waitForFitRedis,
  waitForRedis,
} from '@wns-fanout/state'
import type { WorkerConfig } from './config.ts'
import { workerConfig } from './config.ts'
import { redisProblem, redisSilent } from './redis-silence.ts'
import { reporter } from './report.ts'
import { wire } from './wire.ts'

/**
 * Start a worker; resolves when it serves every app, or waits until a loss of data is accepted. Exits with 1 and a
 * readable line when it cannot start.
 */
export async function startWorker(env: NodeJS.ProcessEnv): Promise<void> {
  try {
    await start(workerConfig(env), env)
  } catch (error) {
    // What the operator must do is in the message; a stack would bury it.
    createLogger({ name: 'worker' }).fatal(error instanceof Error ? error.message : String(error))
    process.exitCode = 1
  }
}

interface Process {
  readonly config: WorkerConfig
  readonly logger: Logger
  readonly life: Lifecycle
  readonly metrics: Metrics
}

async function start(config: WorkerConfig, env: NodeJS.ProcessEnv): Promise<void> {
  const logger = createLogger({ name: 'worker', level: config.LOG_LEVEL })
  const life = createLifecycle(logger)
  life.installSignals()
  exitWhenParentGone(life)
  const metrics = createMetrics({ onCollectError: (error) => logger.warn({ err: error }, 'metrics are incomplete') })
  try {
    await serve({ config, logger, life, metrics }, env)
  } catch (error) {
    // A stop while starting is no failure.
    if (life.signal.aborted) return
    await life.stop('it could not start')
    throw error
  }
}

/** Every part is stopped by `life`, in the opposite order. */
async function serve(parts: Process, env: NodeJS.ProcessEnv): Promise<void> {
  const { config, logger, life, metrics } = parts
  const keyring = await readKeyringFile(config.WNS_FANOUT_KEYRING_FILE)
  if (config.WNS_ROUTE_TO !== undefined)
    logger.warn({ routeTo: config.WNS_ROUTE_TO }, 'ALL TRAFFIC TO WNS GOES TO THE SIMULATOR: nothing reaches a device')

  const access = await readRedisAccess(config)
  const redis = openRedis(parts, access, 'worker')
  // The connection of a worker waits while Redis refuses writes; this one reports it.
  const look = openRedis(parts, access, 'producer')
  const serving: { worker?: FanoutWorker } = {}
  const keys = new Keys(config.WNS_FANOUT_PREFIX)
  const askRedis = () => redisProblem(look, keys)
  const open = () => connectRedis(config.REDIS_URL, { ...access, role: 'producer' })
  const stuck = new StuckConnections({ open })
  for (const connection of [redis, look]) stuck.add(connection)
  life.onStop('watch over the connections', () => stuck.stop())
  const spare = () => replicaWarning(look, config.WNS_FANOUT_DURABILITY)
  const ops = await openOps(parts, stuck, async () => {
    const [ofRedis, ofReplicas] = await Promise.all([askRedis(), spare().catch(() => undefined)])
    const problems = problemsOf(redis, ofRedis, serving.worker)
    return {
      ready: problems.length === 0,
      problems,
      ...(ofReplicas === undefined ? {} : { warnings: [ofReplicas] }),
    }
  })
  metrics.onCollect(async () => showRedis(metrics, redisProblemKinds, await redisStanding(look, keys)))
  await waitForFitRedis(look, {
    keys,
    allowVolatile: config.WNS_FANOUT_ALLOW_VOLATILE_REDIS,
    signal: life.signal,
    onWarning: (line) => logger.warn(line),
  })
  await waitForRedis(redis, { signal: life.signal })
  const warning = await onceRedisServes(look, spare, { signal: life.signal, onWaiting: (line) => logger.warn(line) })
  if (warning !== undefined) logger.warn({ warning }, 'Redis has more replicas than posts wait for')
  metrics.onCollect(async () =>
    metrics.redisProblem.set({ kind: 'spare-replicas' }, (await spare()) === undefined ? 0 : 1),
  )
  const emit = reporter(logger, metrics)
  const worker = wire({ ...parts, env, emit, redis, access, keyring, stuck, reached: crashAt(config.WNS_CRASH_AT) })
  life.onStop('worker', (signal) => stopWorker(worker, askRedis, signal))
  await worker.start()
  serving.worker = worker
  process.stdout.write(`${JSON.stringify({ ready: true, ops: ops.url })}\n`)
}

function openRedis(
  { config, logger, life }: Process,
  access: RedisAccess,
  role: 'worker' | 'producer',
): RedisConnection {
  const redis = connectRedis(config.REDIS_URL, {
    ...access,
    role,
    // Both connections have the same troubles; one report is enough.
    onError: (error, repeated) =>
      logger[role === 'worker' ? 'warn' : 'debug'](
        { err: error, ...(repeated > 0 ? { repeated } : {}) },
        'trouble with Redis',
      ),
    ...(role === 'worker'
      ? { onBack: (awayMs: number) => logger.info({ awayMs: Math.round(awayMs) }, backLine(awayMs)) }
      : {}),
  })
  life.onStop(`redis (${role})`, () => closeRedis(redis))
  return redis
}

async function openOps(
  { config, logger, life, metrics }: Process,
  stuck: StuckConnections,
  ready: () => Promise<Readiness>,
): Promise<OpsServer> {
  const ops = await startOpsServer({
    ...(await opsPortOf(config)),
    metrics,
    logger,
    stuck: () => stuck.problem,
    ready,
  })
  life.onStop('ops', () => ops.stop())
  return ops
}

/** Why the worker is not ready, for people. */
function problemsOf(
  redis: RedisConnection,
  ofRedis: string | undefined,
  worker: FanoutWorker | undefined,
): readonly string[] {
  return [
    worker === undefined ? 'starting' : undefined,
    redis.status === 'ready' ? ofRedis : 'Redis is away',
    worker?.problem,
  ].filter((each) => each !== undefined)
}

/** Let the worker hand its batches back. Without Redis it cannot, so the stop does not wait for it then. */
async function stopWorker(
  worker: FanoutWorker,
  askRedis: () => Promise<string | undefined>,
  deadline: AbortSignal,
): Promise<void> {
  const stopped = new AbortController()
  const handedBack = worker.stop().finally(() => stopped.abort())
  await Promise.race([handedBack, redisSilent(askRedis, AbortSignal.any([stopped.signal, deadline]))])
  if (stopped.signal.aborted) return handedBack
  handedBack.catch(() => {})
  throw new Error('Redis takes no writes; other workers take over the batches of this worker when its locks lapse')
}
