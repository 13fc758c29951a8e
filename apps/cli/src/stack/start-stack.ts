import type { Exit, PartEnded, Supervisor } from '@wns-fanout/local'
import { createSupervisor, describeExit, ensureKeyringFile } from '@wns-fanout/local'
import type { Folder } from './folder.ts'
import type { ApiPart, PartOptions, SimulatorPart, WorkerPart } from './parts.ts'
import {
  GRACE_WITHOUT_REDIS_MS,
  readApiKey,
  startApi,
  startEmbeddedRedis,
  startSimulator,
  startWorker,
} from './parts.ts'
import type { RunningStack } from './stack-file.ts'
import { rewriteStackFile } from './stack-file.ts'

export interface StackOptions {
  readonly folder: Folder
  /** Null starts a Redis of our own in the folder. */
  readonly redisUrl: string | null
  /** Whether our own Redis keeps its data for the next start. */
  readonly persistence: 'aof' | 'none'
  readonly simulate: boolean
  readonly workers: number
  /** Of the API; 0 takes a free one. */
  readonly port: number
  /** Whether an API or a worker that died is started again after a second. */
  readonly restart: boolean
  /** Further variables for the API and workers; undefined removes one. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Receives each event as one line of text. */
  readonly log: (line: string) => void
  /** Receives each line that the API, workers and the simulator write. */
  readonly onLog?: (name: string, line: string) => void
  /** Called when a part is up, with the milliseconds it took. */
  readonly onPart?: (name: string, tookMs: number) => void
  /** For development: restart the API and workers when a source file changes. */
  readonly watch?: boolean
  /** For development: accept debuggers, the API on 9229 and worker n on 9229 + n. */
  readonly inspect?: boolean
  /** Aborts the start. A running stack is stopped by `stop`. */
  readonly signal?: AbortSignal
}

export interface Stack {
  /** The current state; a restarted worker has a new process and port. */
  current(): RunningStack
  /** Resolves when an indispensable part has ended on its own. */
  readonly failed: Promise<PartEnded>
  /** Stops API and workers, then the simulator and Redis. The caller removes stack.json. */
  stop(): Promise<void>
}

const RESTART_AFTER_MS = 1000
/** The port that debuggers try first. */
const INSPECT_PORT = 9229

/**
 * Starts Redis, the simulator, the API and workers as child processes and writes stack.json once all are ready. When
 * one fails to start, the others are stopped and its error is thrown.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const supervisor = createSupervisor({ log: options.log })
  try {
    return await assemble(options, supervisor)
  } catch (error) {
    await supervisor.stop()
    throw error
  }
}

async function assemble(options: StackOptions, supervisor: Supervisor): Promise<Stack> {
  const { folder, log } = options
  const own = new Set<number>()
  const workers = new Map<number, WorkerPart>()
  let api: ApiPart | undefined
  let apiKey = ''
  let ready = false
  let stopping = false
  let redisIsGone = false

  await ensureKeyringFile(folder.keyringFile)
  const common = {
    folder,
    onLog: options.onLog,
    signal: options.signal,
    graceMs: () => (redisIsGone ? GRACE_WITHOUT_REDIS_MS : undefined),
  }
  const simulatorOptions: PartOptions = { ...common, env: options.env ?? {} }
  const [redis, simulator] = await all([
    options.redisUrl === null
      ? timed(
          'Redis',
          async () =>
            await supervisor.add('redis', async () => await startEmbeddedRedis(folder, options.persistence, log)),
        )
      : Promise.resolve(null),
    options.simulate
      ? timed(
          'simulator',
          async () => await supervisor.add('simulator', async () => await startSimulator(simulatorOptions)),
        )
      : Promise.resolve(null),
  ])
  redis?.exited.then(
    () => (redisIsGone = true),
    () => {},
  )
  const redisUrl = redis?.url ?? options.redisUrl ?? ''
  const partOptions: PartOptions = { ...common, watch: options.watch, env: envOf(options, redisUrl, simulator) }
  const inspecting = (offset: number): Pick<PartOptions, 'inspectPort'> =>
    options.inspect === true ? { inspectPort: INSPECT_PORT + offset } : {}

  await all([addApi(), ...Array.from({ length: options.workers }, async (_, index) => await addWorker(index + 1))])
  apiKey = await readApiKey(folder)
  await save()
  ready = true

  return {
    current,
    failed: supervisor.failed,
    async stop() {
      stopping = true
      await supervisor.stop()
    },
  }

  async function addApi(): Promise<void> {
    await timed('API', async () => await supervisor.add('api', startApiAgain, restartOptions('api')))
  }

  async function startApiAgain(): Promise<ApiPart> {
    // A restarted API keeps its port.
    const port = api === undefined ? options.port : Number(new URL(api.url).port)
    api = await startApi({ ...partOptions, ...inspecting(0) }, port)
    return api
  }

  async function addWorker(number: number): Promise<void> {
    const name = `worker-${number}`
    const start = async (): Promise<WorkerPart> => {
      const worker = await startWorker({ ...partOptions, ...inspecting(number) }, name)
      own.add(worker.pid)
      workers.set(number, worker)
      return worker
    }
    await timed(name, async () => {
      if (options.restart) await supervisor.add(name, start, restartOptions(name))
      else await supervisor.add(name, async () => await mortal(name, number, await start()))
    })
  }

  function restartOptions(name: string): Parameters<Supervisor['add']>[2] {
    if (!options.restart) return {}
    return { restart: { afterMs: RESTART_AFTER_MS, onRestart: async () => await saveBecause(`${name} restarted`) } }
  }

  /** A part that may end: without `exited` the supervisor ignores its end, and the others continue. */
  async function mortal(name: string, number: number, worker: WorkerPart): Promise<Pick<WorkerPart, 'stop'>> {
    void (async () => {
      const exit: Exit | undefined = await worker.exited
      workers.delete(number)
      if (exit !== undefined) await saveBecause(`${name} ended (${describeExit(exit)}); not restarted`)
    })()
    return { stop: async () => await worker.stop() }
  }

  async function saveBecause(line: string): Promise<void> {
    if (!ready || stopping) return
    log(line)
    await save().catch((error: unknown) => log(`writing stack.json failed: ${String(error)}`))
  }

  async function save(): Promise<void> {
    await rewriteStackFile(folder, current(), own)
  }

  function current(): RunningStack {
    const running = [...workers].toSorted(([a], [b]) => a - b).map(([, worker]) => worker)
    return {
      api: api?.url ?? '',
      apiKey,
      ops: { api: api?.ops ?? '', workers: running.map(({ ops }) => ops) },
      redis: redisUrl,
      pids: {
        main: process.pid,
        api: api?.pid ?? null,
        workers: running.map(({ pid }) => pid),
        redis: redis?.pid ?? null,
        simulator: simulator?.pid ?? null,
      },
      simulator: simulator?.about ?? null,
      env: Object.fromEntries(
        Object.entries(partOptions.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
      ),
    }
  }

  async function timed<T>(name: string, act: () => Promise<T>): Promise<T> {
    const startedMs = performance.now()
    const result = await act()
    options.onPart?.(name, performance.now() - startedMs)
    return result
  }
}

function envOf(
  options: StackOptions,
  redisUrl: string,
  simulator: SimulatorPart | null,
): Readonly<Record<string, string | undefined>> {
  return {
    LOG_LEVEL: process.env['LOG_LEVEL'] ?? 'info',
    // No log shipper reads the output of a stack on one machine; `audit list` shows the entries.
    WNS_FANOUT_AUDIT_STDOUT: process.env['WNS_FANOUT_AUDIT_STDOUT'] ?? '0',
    // The figures of a stack on one machine are read by a person, who wants those of now.
    WNS_FANOUT_SCRAPE_CACHE_MS: process.env['WNS_FANOUT_SCRAPE_CACHE_MS'] ?? '0',
    ...options.env,
    REDIS_URL: redisUrl,
    WNS_FANOUT_KEYRING_FILE: options.folder.keyringFile,
    ...(simulator === null
      ? {}
      : {
          WNS_ROUTE_TO: `${simulator.about.host}:${simulator.about.port}`,
          WNS_CA_FILE: simulator.about.caFile,
          // A proxy cannot reach the simulator on this machine.
          HTTPS_PROXY: undefined,
          https_proxy: undefined,
        }),
  }
}

/** Like `Promise.all`, but throws only after all promises have settled, so that nothing starts after the error. */
async function all<T extends readonly Promise<unknown>[]>(
  promises: readonly [...T],
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(promises)
  return (await Promise.all(promises)) as { -readonly [K in keyof T]: Awaited<T[K]> }
}
