import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createClient } from '@wns-fanout/client'
import type { Client } from '@wns-fanout/client'
import type { Child, LocalRedis, TemporaryFolder } from '@wns-fanout/local'
import { ensureKeyringFile, findRedis, freePort, startChild, startRedis, temporaryFolder } from '@wns-fanout/local'
import { Keys, closeRedis, connectRedis } from '@wns-fanout/state'
import type { RedisConnection } from '@wns-fanout/state'
import { request } from 'undici'
import type { FaultProxy } from './fault-proxy.ts'
import { startFaultProxy } from './fault-proxy.ts'

export interface ChaosOptions {
  readonly workers: number
  readonly lockMs: number
  /** More environment for every worker. */
  readonly env?: Readonly<Record<string, string>>
}

/** A whole system of real processes in which everything can be broken and mended. */
export interface ChaosSystem {
  readonly api: Client
  readonly redis: ChaosRedis
  readonly workers: readonly ChaosWorker[]
  readonly lockMs: number
  /** A connection of the observer's own, past every proxy. */
  readonly look: RedisConnection
  readonly keys: Keys
  readonly folder: string
  /** Replace the simulator's faults; `{}` is a healthy WNS. */
  wns(faults: object): Promise<void>
  control(method: 'GET' | 'POST', path: string, body?: unknown): Promise<Response>
  stop(): Promise<void>
}

type Response = Awaited<ReturnType<typeof request>>

const root = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const isObject = (line: unknown): boolean => typeof line === 'object' && line !== null

/** Redis with an append-only file, simulator, API and workers, each worker behind a proxy of its own. */
export const startChaosSystem = async (options: ChaosOptions): Promise<ChaosSystem> => {
  const folder = await temporaryFolder('wns-fanout-chaos-')
  const stops: (() => Promise<unknown>)[] = [() => folder.remove()]
  const stop = async (): Promise<void> => {
    for (const end of stops.splice(0).toReversed()) await end().catch(complain)
  }
  try {
    return { ...(await start(options, folder, stops)), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

const complain = (error: unknown): void => {
  process.stderr.write(`chaos: something did not stop: ${error instanceof Error ? error.message : 'unknown'}\n`)
}

const start = async (
  options: ChaosOptions,
  folder: TemporaryFolder,
  stops: (() => Promise<unknown>)[],
): Promise<Omit<ChaosSystem, 'stop'>> => {
  const redis = new ChaosRedis(join(folder.path, 'redis'), await freePort())
  stops.push(() => redis.stop())
  await redis.start()
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
    REDIS_URL: redis.url(redis.port),
    WNS_FANOUT_PREFIX: 'chaos:',
    WNS_FANOUT_KEYRING_FILE: keyring,
    WNS_ROUTE_TO: `${wns.host}:${wns.port}`,
    WNS_CA_FILE: wns.caFile,
    OPS_PORT: '0',
    LOG_LEVEL: 'info',
    WNS_FANOUT_LOCK_MS: String(options.lockMs),
    WNS_FANOUT_LANES: '64',
    ...options.env,
  }
  const apiChild = await startChild({
    name: 'api',
    script: root('apps/api/src/main.ts'),
    env: { ...env, PORT: '0', LOG_LEVEL: 'warn', WNS_FANOUT_BOOTSTRAP_KEY_FILE: keyFile },
    logFile: join(folder.path, 'api.log'),
    readyLine: isObject,
  })
  stops.push(() => apiChild.stop())
  const { api: url } = (await apiChild.ready) as { api: string }
  const workers = await Promise.all(
    Array.from({ length: options.workers }, async (_, n) => {
      const proxy = await startFaultProxy(redis.port)
      const worker = new ChaosWorker(
        `worker-${n + 1}`,
        proxy,
        { ...env, REDIS_URL: redis.url(proxy.port) },
        folder.path,
      )
      stops.push(() => worker.dispose())
      await worker.start()
      return worker
    }),
  )
  const look = connectRedis(redis.url(redis.port), { role: 'worker', onError: () => {} })
  stops.push(() => closeRedis(look))
  const control: ChaosSystem['control'] = async (method, path, body) => {
    const answer = await request(`${wns.control}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    })
    if (answer.statusCode >= 300) throw new Error(`${method} ${path} of the simulator answered ${answer.statusCode}`)
    return answer
  }
  return {
    api: createClient({ url, apiKey: (await readFile(keyFile, 'utf8')).trim() }),
    redis,
    workers,
    lockMs: options.lockMs,
    look,
    keys: new Keys(env.WNS_FANOUT_PREFIX),
    folder: folder.path,
    async wns(faults) {
      const answer = await request(`${wns.control}/v1/faults`, { method: 'PUT', body: JSON.stringify(faults) })
      const text = await answer.body.text()
      if (answer.statusCode >= 300) throw new Error(`the simulator refused the faults: ${text}`)
    },
    control,
  }
}

/** A Redis that keeps its port, its user and its data from one life to the next. */
export class ChaosRedis {
  readonly port: number
  readonly dir: string
  #running: LocalRedis | undefined
  /** The server's first password is of one run only, so its clients are a user of their own. */
  readonly #user = ['--user', 'chaos', 'on', '>chaos', '~*', '&*', '+@all']

  constructor(dir: string, port: number) {
    this.dir = dir
    this.port = port
  }

  url(port: number): string {
    return `redis://chaos:chaos@127.0.0.1:${port}`
  }

  async start(extraArgs: readonly string[] = []): Promise<void> {
    if (this.#running !== undefined) return
    this.#running = await startRedis({
      redis: await findRedis({ cacheDir: root('.cache') }),
      dir: this.dir,
      port: this.port,
      persistence: 'aof',
      extraArgs: [...this.#user, '--enable-debug-command', 'local', ...extraArgs],
    })
  }

  /** Complete when the process is gone. */
  async kill(): Promise<void> {
    const running = this.#running
    if (running === undefined) return
    this.#running = undefined
    process.kill(running.pid, 'SIGKILL')
    await running.exited
  }

  /** In order, with everything on disk. */
  async stop(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    await running?.stop()
  }
}

/** One worker through all its lives. Its acts are to be called one after another. */
export class ChaosWorker {
  readonly name: string
  readonly proxy: FaultProxy
  readonly #env: Readonly<Record<string, string>>
  readonly #folder: string
  #child: Child | undefined
  #ops = ''
  lives = 0

  constructor(name: string, proxy: FaultProxy, env: Readonly<Record<string, string>>, folder: string) {
    this.name = name
    this.proxy = proxy
    this.#env = env
    this.#folder = folder
  }

  get isRunning(): boolean {
    return this.#child !== undefined
  }

  get ops(): string {
    return this.#ops
  }

  get logFile(): string {
    return join(this.#folder, `${this.name}.log`)
  }

  async start(extra: Readonly<Record<string, string>> = {}): Promise<void> {
    if (this.#child !== undefined) return
    this.lives += 1
    const child = await startChild({
      name: this.name,
      script: root('apps/worker/src/main.ts'),
      env: { ...this.#env, ...extra },
      logFile: this.logFile,
    })
    this.#child = child
    guard(child)
    const { ops } = (await child.ready) as { ops: string }
    this.#ops = ops
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    process.kill(child.pid, 'SIGKILL')
    await this.ended()
  }

  freeze(): void {
    if (this.#child !== undefined) process.kill(this.#child.pid, 'SIGSTOP')
  }

  thaw(): void {
    if (this.#child !== undefined) process.kill(this.#child.pid, 'SIGCONT')
  }

  /** SIGTERM, as an orchestrator does it; resolves to the exit code, null when it had to be killed. */
  async terminate(graceMs = 30_000): Promise<number | null> {
    const child = this.#child
    if (child === undefined) return 0
    const { code } = await child.stop({ graceMs })
    this.#child = undefined
    return code
  }

  /** Resolves when the process has ended by itself; after `timeoutMs` it is killed, and this rejects. */
  async ended(timeoutMs = 60_000): Promise<NodeJS.Signals | null> {
    const child = this.#child
    if (child === undefined) return null
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      process.kill(child.pid, 'SIGKILL')
    }, timeoutMs)
    const { signal } = await child.exited
    clearTimeout(timer)
    this.#child = undefined
    if (isLate) throw new Error(`${this.name} was to end and did not within ${timeoutMs} ms`)
    return signal
  }

  async dispose(): Promise<void> {
    this.thaw()
    this.proxy.set({ kind: 'pass' })
    await this.terminate(5000)
    await this.proxy.close()
  }
}

/** A process that is frozen cannot see that we are gone: whoever freezes it ends it. */
const guarded = new Set<number>()
const guard = ({ pid, exited }: Child): void => {
  if (!process.listeners('exit').includes(endGuarded)) process.on('exit', endGuarded)
  guarded.add(pid)
  exited.then(
    () => guarded.delete(pid),
    () => {},
  )
}
const endGuarded = (): void => {
  for (const pid of guarded) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It is gone already.
    }
  }
}
