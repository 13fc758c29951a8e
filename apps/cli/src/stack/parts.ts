import { readFile } from 'node:fs/promises'
import type { Child, LocalRedis, Part, RedisCommand } from '@wns-fanout/local'
import { findRedis, freePort, startChild, startRedis, workerHeapLimits } from '@wns-fanout/local'
import { Failure } from '../failure.ts'
import type { Folder } from './folder.ts'
import { fieldOf, readableLog, textIn } from './log-line.ts'
import { cacheDir, scriptOf } from './scripts.ts'

/** Options of all parts of a stack. */
export interface PartOptions {
  readonly folder: Folder
  readonly env: Readonly<Record<string, string | undefined>>
  readonly onLog?: ((name: string, line: string) => void) | undefined
  /** Stops the part when aborted, even while it starts. */
  readonly signal?: AbortSignal | undefined
  /** How long a part may take to stop, in milliseconds; evaluated when it stops. Default 30000. */
  readonly graceMs?: (() => number | undefined) | undefined
  /** For development: restart the API and workers when a source file changes. They keep their ports. */
  readonly watch?: boolean | undefined
  /** For development: the port on which the part accepts a debugger. */
  readonly inspectPort?: number | undefined
}

/** Without Redis a process cannot return its batches, so waiting longer is useless. */
export const GRACE_WITHOUT_REDIS_MS = 2000

export interface ApiPart extends Part {
  readonly pid: number
  readonly url: string
  readonly ops: string
}

export interface WorkerPart extends Part {
  readonly pid: number
  readonly ops: string
}

export interface SimulatorPart extends Part {
  readonly pid: number
  readonly about: { readonly host: string; readonly port: number; readonly caFile: string; readonly control: string }
}

/** A Redis of this stack with its data in the folder. */
export async function startEmbeddedRedis(
  folder: Folder,
  persistence: 'aof' | 'none',
  log: (line: string) => void,
): Promise<LocalRedis> {
  const redis: RedisCommand = await findRedis({ cacheDir: cacheDir(), log }).catch((error: unknown) => {
    throw new Failure('no-redis', error instanceof Error ? error.message : 'no Redis server found', {
      cause: error,
    })
  })
  return await startRedis({ redis, dir: folder.redisDir, persistence, logFile: folder.logFile('redis') })
}

export async function startSimulator(options: PartOptions): Promise<SimulatorPart> {
  const child = await start(options, 'simulator', {
    script: scriptOf('wns-simulator'),
    args: ['--port', '0', '--control-port', '0', '--ca-file', options.folder.caFile, '--exit-with-stdin'],
    readyLine: (line) => textIn(line, 'control') !== undefined,
  })
  const line = await child.ready
  const about = {
    host: textIn(line, 'host') ?? '127.0.0.1',
    port: Number(fieldOf(line, 'port')),
    caFile: textIn(line, 'caFile') ?? options.folder.caFile,
    control: urlOf(fieldOf(line, 'control')),
  }
  return { pid: child.pid, about, exited: child.exited, stop: stopOf(child, options) }
}

/** The API on `port` (0: any free one). Once it is ready, its first key is in the folder's api-key file. */
export async function startApi(options: PartOptions, port: number): Promise<ApiPart> {
  const child = await start(
    {
      ...options,
      env: {
        ...options.env,
        PORT: await portFor(options, port),
        OPS_PORT: await portFor(options, 0),
        [BOOTSTRAP_VARIABLE]: options.folder.apiKeyFile,
      },
    },
    'api',
    { script: scriptOf('api'), ...forDevelopment(options) },
  )
  const line = await child.ready
  return {
    pid: child.pid,
    url: urlOf(fieldOf(line, 'api')),
    ops: urlOf(fieldOf(line, 'ops')),
    exited: child.exited,
    stop: stopOf(child, options),
  }
}

const BOOTSTRAP_VARIABLE = 'WNS_FANOUT_BOOTSTRAP_KEY_FILE'

export async function startWorker(options: PartOptions, name: string): Promise<WorkerPart> {
  const development = forDevelopment(options)
  const child = await start({ ...options, env: { ...options.env, OPS_PORT: await portFor(options, 0) } }, name, {
    script: scriptOf('worker'),
    ...development,
    nodeArgs: [...workerHeapLimits, ...(development.nodeArgs ?? [])],
  })
  const line = await child.ready
  return {
    pid: child.pid,
    ops: urlOf(fieldOf(line, 'ops')),
    exited: child.exited,
    stop: stopOf(child, options),
  }
}

const USUAL_GRACE_MS = 30_000

function stopOf(child: Child, { graceMs }: PartOptions) {
  return async (): Promise<unknown> => await child.stop({ graceMs: graceMs?.() ?? USUAL_GRACE_MS })
}

/** The first API key, which the API wrote to the folder. */
export async function readApiKey(folder: Folder): Promise<string> {
  const key = (await readFile(folder.apiKeyFile, 'utf8').catch(() => '')).trim()
  if (key !== '') return key
  throw new Failure('no-api-key', `the API wrote no key to ${folder.apiKeyFile}; see ${folder.logFile('api')}`)
}

type ChildOptions = Pick<Parameters<typeof startChild>[0], 'script' | 'args' | 'readyLine' | 'nodeArgs' | 'watch'>

function forDevelopment({ watch, inspectPort }: PartOptions): Pick<ChildOptions, 'nodeArgs' | 'watch'> {
  return {
    ...(watch === true ? { watch } : {}),
    ...(inspectPort === undefined ? {} : { nodeArgs: [`--inspect=127.0.0.1:${inspectPort}`] }),
  }
}

/** A part that reloads must find its port again, so it cannot take any free one. */
async function portFor({ watch }: PartOptions, port: number): Promise<string> {
  return String(port === 0 && watch === true ? await freePort() : port)
}

/** Starts a child and waits until it is ready; stops it when it does not become ready. */
async function start({ folder, env, onLog, signal }: PartOptions, name: string, options: ChildOptions): Promise<Child> {
  const logFile = folder.logFile(name)
  const child = await startChild({
    ...options,
    name,
    env,
    logFile,
    ...(onLog === undefined ? {} : { onLine: (line) => onLog(name, line) }),
  })
  const giveUp = (): void => void child.stop({ graceMs: 1000 })
  signal?.addEventListener('abort', giveUp, { once: true })
  try {
    if (signal?.aborted === true) giveUp()
    await child.ready
    return child
  } catch (error) {
    await child.stop({ graceMs: 1000 })
    if (signal?.aborted === true) throw new Failure('interrupted', 'interrupted while it started', { cause: error })
    const [first = '', ...output] = startProblem(error)
    // With `onLog` the lines have been shown already.
    const lines = onLog === undefined ? [first, ...output] : [first.replace(/ Its output ends with:$/, '')]
    throw new Failure('start-failed', [...lines, `  full log: ${logFile}`].join('\n'), { cause: error })
  } finally {
    signal?.removeEventListener('abort', giveUp)
  }
}

/** The message of a failed start, its JSON log lines as text and each only once. */
function startProblem(error: unknown): readonly string[] {
  const [first = '', ...rest] = (error instanceof Error ? error.message : String(error)).split('\n')
  return [first, ...new Set(rest.map((line) => `  ${readableLog(line)}`))]
}

/** Ready lines contain a URL, or only a port of this machine. */
function urlOf(value: unknown): string {
  return typeof value === 'number' ? `http://127.0.0.1:${value}` : String(value).replace(/\/$/, '')
}
