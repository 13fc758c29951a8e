import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createClient } from '@wns-fanout/client'
import type { Client } from '@wns-fanout/client'
import type { TemporaryFolder } from '@wns-fanout/local'
import { ensureKeyringFile, freePort, startChild, temporaryFolder } from '@wns-fanout/local'
import { Keys, closeRedis, connectRedis } from '@wns-fanout/state'
import type { RedisConnection } from '@wns-fanout/state'
import { request } from 'undici'
import type { Figures } from './figures.ts'
import { ChaosProcess } from './process.ts'
import type { RedisServers } from './redis-server.ts'
import { ChaosRedis } from './redis-server.ts'
import { root } from './root.ts'

export interface ChaosOptions {
  readonly workers: number
  readonly lockMs: number
  /** More environment for every process. */
  readonly env?: Readonly<Record<string, string>>
  /** Receives every verdict on campaigns of this system. */
  readonly judged?: ((figures: Figures) => void) | undefined
}

/** A whole system of real processes in which everything can be broken and repaired. */
export interface ChaosSystem<R extends RedisServers = ChaosRedis> {
  readonly api: Client
  /** What answers `api`: on the same port and with the same keys in all its lives. */
  readonly apiProcess: ChaosProcess
  readonly redis: R
  readonly workers: readonly ChaosProcess[]
  readonly lockMs: number
  /** A connection of the observer's own, past every proxy. */
  readonly look: RedisConnection
  readonly keys: Keys
  readonly folder: string
  judged(figures: Figures): void
  /** Aborted when the system stops: whatever still waits for it must not wait any longer. */
  readonly stopping: AbortSignal
  /** Replace the simulator's faults; `{}` is a healthy WNS. */
  wns(faults: object): Promise<void>
  control(method: 'GET' | 'POST', path: string, body?: unknown): Promise<Response>
  stop(): Promise<void>
}

/** Whatever its Redis is. */
export type AnySystem = ChaosSystem<RedisServers>

type Response = Awaited<ReturnType<typeof request>>

function isObject(line: unknown): boolean {
  return typeof line === 'object' && line !== null
}

/** Redis with an append-only file, simulator, API and workers, which reach Redis through their own proxies. */
export function startChaosSystem(options: ChaosOptions): Promise<ChaosSystem> {
  return startChaosSystemOn(async (dir) => new ChaosRedis(dir, await freePort()), options)
}

/** The same on other servers, made for a folder that is gone with the system. */
export async function startChaosSystemOn<R extends RedisServers>(
  servers: (dir: string) => Promise<R>,
  options: ChaosOptions,
): Promise<ChaosSystem<R>> {
  const folder = await temporaryFolder('wns-fanout-chaos-')
  const stops: (() => Promise<unknown>)[] = [() => folder.remove()]
  const stopping = new AbortController()
  const stop = async (): Promise<void> => {
    stopping.abort(new Error('the system of this run stops'))
    for (const end of stops.splice(0).toReversed()) await end().catch(complain)
  }
  try {
    const redis = await servers(join(folder.path, 'redis'))
    stops.push(() => redis.stop())
    await redis.start()
    return { ...(await start(options, redis, folder, stops)), stopping: stopping.signal, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function complain(error: unknown): void {
  process.stderr.write(`chaos: something did not stop: ${error instanceof Error ? error.message : 'unknown'}\n`)
}

async function start<R extends RedisServers>(
  options: ChaosOptions,
  redis: R,
  folder: TemporaryFolder,
  stops: (() => Promise<unknown>)[],
): Promise<Omit<ChaosSystem<R>, 'stop' | 'stopping'>> {
  const simulator = await startChild({
    name: 'simulator',
    script: root('apps/wns-simulator/src/main.ts'),
    args: ['--ca-file', join(folder.path, 'ca.pem'), '--exit-with-stdin'],
    logFile: join(folder.path, 'simulator.log'),
    readyLine: isObject,
  })
  stops.push(() => simulator.stop())
  const wns = (await simulator.ready) as { host: string; port: number; caFile: string; control: string }
  const keyring = join(folder.path, 'keyring')
  const keyFile = join(folder.path, 'api-key')
  await ensureKeyringFile(keyring)
  const env = {
    WNS_FANOUT_PREFIX: 'chaos:',
    WNS_FANOUT_KEYRING_FILE: keyring,
    WNS_ROUTE_TO: `${wns.host}:${wns.port}`,
    WNS_CA_FILE: wns.caFile,
    OPS_PORT: '0',
    WNS_FANOUT_SCRAPE_CACHE_MS: '0',
    LOG_LEVEL: 'info',
    WNS_FANOUT_LOCK_MS: String(options.lockMs),
    WNS_FANOUT_LANES: '64',
    ...options.env,
  }
  const parts = { redis, folder: folder.path }
  const apiProcess = await ChaosProcess.make({
    ...parts,
    name: 'api',
    script: 'apps/api/src/main.ts',
    env: { ...env, PORT: String(await freePort()), LOG_LEVEL: 'warn', WNS_FANOUT_BOOTSTRAP_KEY_FILE: keyFile },
  })
  stops.push(() => apiProcess.dispose())
  await apiProcess.start()
  const workers = await Promise.all(
    Array.from({ length: options.workers }, async (_, n) => {
      const worker = await ChaosProcess.make({
        ...parts,
        name: `worker-${n + 1}`,
        script: 'apps/worker/src/main.ts',
        env,
      })
      stops.push(() => worker.dispose())
      await worker.start()
      return worker
    }),
  )
  const look = connectRedis(redis.url(redis.port), { role: 'worker', onError: () => {} })
  stops.push(() => closeRedis(look))
  const control: AnySystem['control'] = async (method, path, body) => {
    const answer = await request(`${wns.control}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    })
    if (answer.statusCode >= 300) throw new Error(`${method} ${path} of the simulator answered ${answer.statusCode}`)
    return answer
  }
  return {
    api: createClient({ url: apiProcess.url, apiKey: (await readFile(keyFile, 'utf8')).trim() }),
    apiProcess,
    redis,
    workers,
    lockMs: options.lockMs,
    look,
    keys: new Keys(env.WNS_FANOUT_PREFIX),
    folder: folder.path,
    judged: (figures) => options.judged?.(figures),
    async wns(faults) {
      const answer = await request(`${wns.control}/v1/faults`, { method: 'PUT', body: JSON.stringify(faults) })
      const text = await answer.body.text()
      if (answer.statusCode >= 300) throw new Error(`the simulator refused the faults: ${text}`)
    },
    control,
  }
}
