import type { FanoutWorker } from '@wns-fanout/fanout'
import type { Lifecycle, Logger, Metrics, OpsServer } from '@wns-fanout/runtime'
import {
  crashAt,
  createLifecycle,
  createLogger,
  createMetrics,
  exitWhenParentGone,
  sleep,
  startOpsServer,
} from '@wns-fanout/runtime'
import type { RedisConnection } from '@wns-fanout/state'
import { closeRedis, connectRedis, Keys, readKeyringFile, waitForFitRedis, writeProblem } from '@wns-fanout/state'
import type { WorkerConfig } from './config.ts'
import { workerConfig } from './config.ts'
import { redisSilent } from './redis-silence.ts'
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

  const redis = openRedis(parts)
  const serving: { worker?: FanoutWorker } = {}
  const keys = new Keys(config.WNS_FANOUT_PREFIX)
  const ops = await openOps(parts, () => problemsOf(redis, keys, serving.worker))
  await waitForFitRedis(redis, {
    keys,
    allowVolatile: config.WNS_FANOUT_ALLOW_VOLATILE_REDIS,
    signal: life.signal,
    onWarning: (line) => logger.warn(line),
  })
  const emit = reporter(logger, metrics)
  const worker = wire({ ...parts, env, emit, redis, keyring, reached: crashAt(config.WNS_CRASH_AT) })
  life.onStop('worker', (signal) => stopWorker(worker, redis, signal))
  await worker.start()
  serving.worker = worker
  process.stdout.write(`${JSON.stringify({ ready: true, ops: ops.url })}\n`)
}

function openRedis({ config, logger, life }: Process): RedisConnection {
  const redis = connectRedis(config.REDIS_URL, {
    role: 'worker',
    onError: (error) => logger.warn({ err: error }, 'trouble with Redis'),
  })
  life.onStop('redis', () => closeRedis(redis))
  return redis
}

async function openOps(
  { config, logger, life, metrics }: Process,
  findProblems: () => Promise<readonly string[]>,
): Promise<OpsServer> {
  const ops = await startOpsServer({
    host: config.WNS_FANOUT_HOST,
    port: config.OPS_PORT,
    metrics,
    logger,
    ready: async () => {
      const problems = await findProblems()
      return { ready: problems.length === 0, problems }
    },
  })
  life.onStop('ops', () => ops.stop())
  return ops
}

/** Why the worker is not ready, for people. */
async function problemsOf(
  redis: RedisConnection,
  keys: Keys,
  worker: FanoutWorker | undefined,
): Promise<readonly string[]> {
  const disk = redis.status === 'ready' ? await redisProblemNow(redis, keys) : 'Redis is away'
  return [worker === undefined ? 'starting' : undefined, disk, worker?.problem].filter((each) => each !== undefined)
}

const ASK_REDIS_MS = 1000

/**
 * Why nothing can be written to this Redis. A Redis that does not answer is not reported here.
 */
async function redisProblemNow(redis: RedisConnection, keys: Keys): Promise<string | undefined> {
  const answered = new AbortController()
  const late = sleep(ASK_REDIS_MS, answered.signal).catch(() => undefined)
  const found = writeProblem(redis, keys)
    .catch(() => undefined)
    .finally(() => answered.abort())
  return (await Promise.race([found, late])) ?? undefined
}

/** Let the worker hand its batches back. Without Redis it cannot, so the stop does not wait for it then. */
async function stopWorker(worker: FanoutWorker, redis: RedisConnection, deadline: AbortSignal): Promise<void> {
  const stopped = new AbortController()
  const handedBack = worker.stop().finally(() => stopped.abort())
  await Promise.race([handedBack, redisSilent(redis, AbortSignal.any([stopped.signal, deadline]))])
  if (stopped.signal.aborted) return handedBack
  handedBack.catch(() => {})
  throw new Error('Redis does not answer; other workers take over the batches of this worker when its locks lapse')
}
