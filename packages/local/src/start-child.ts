import { type ChildProcess, spawn } from 'node:child_process'
import { type WriteStream, createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Guarded, dieWithParent } from './die-with-parent.ts'
import { eachLine, lastLines } from './lines.ts'
import { type Exit, describeExit, endChild, exitOf, spawned } from './processes.ts'

export interface StartChildOptions {
  /** For messages. */
  readonly name: string
  /** Path of a `.ts` file (runs from source) or a `.js` file. */
  readonly script: string
  readonly args?: readonly string[]
  /** Arguments of Node itself, for example `--inspect=9229`. */
  readonly nodeArgs?: readonly string[]
  /** Restarts the program when one of its source files changes (`node --watch`). Only its first ready line counts. */
  readonly watch?: boolean
  /** Added to the environment of this process; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  /**
   * Which JSON line on stdout means ready: true (the default) for one with `"ready": true`, false for none, or a
   * predicate of the parsed line.
   */
  readonly readyLine?: boolean | ((line: unknown) => boolean)
  /** Time limit to become ready, in milliseconds; then the child is killed. Default 60000. */
  readonly readyTimeoutMs?: number
  /** File to which the output is appended. */
  readonly logFile?: string
  /** Receives each line of output, including the ready line. */
  readonly onLine?: (line: string, from: 'stdout' | 'stderr') => void
}

export interface Child {
  readonly name: string
  readonly pid: number
  /** The parsed ready line (undefined without one); rejects with the last output if the child ends before. */
  readonly ready: Promise<unknown>
  readonly exited: Promise<Exit>
  /** Sends SIGTERM, and SIGKILL after `graceMs` (default 30000); resolves when the child has ended. Idempotent. */
  stop(options?: { graceMs?: number }): Promise<Exit>
}

const watchArgs = ['--watch', '--watch-preserve-output']

/**
 * Starts one of our processes. Its stdin is a pipe that the system closes when this process ends; with
 * WNS_FANOUT_PARENT_PIPE=1 the child then ends too. Throws only if the child cannot be spawned.
 */
export async function startChild(options: StartChildOptions): Promise<Child> {
  const { name, script, args = [], cwd, logFile } = options
  if (logFile !== undefined) await mkdir(dirname(logFile), { recursive: true })
  const conditions = script.endsWith('.ts') ? ['--conditions=@wns-fanout/source'] : []
  const nodeArgs = [...(options.watch === true ? watchArgs : []), ...(options.nodeArgs ?? []), ...conditions]
  const nodeLine = [...nodeArgs, script, ...args]
  // The program ends with its stdin, but the watching Node above it would not.
  const guarded: Guarded =
    options.watch === true
      ? dieWithParent(process.execPath, nodeLine)
      : { command: process.execPath, args: nodeLine, watch: () => {} }
  const child = spawn(guarded.command, guarded.args, {
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...process.env, ...options.env, WNS_FANOUT_PARENT_PIPE: '1' },
    stdio: ['pipe', 'pipe', 'pipe'],
    // Ctrl-C in a terminal goes to the whole group; a group of its own lets us decide the order of stopping.
    detached: true,
  })
  const exited = exitOf(child)
  child.stdin.on('error', () => {})
  const log = logFile === undefined ? undefined : openLog(logFile)
  const ready = whenReady(child, exited, options, log)
  // Callers that ignore `ready` use `exited`.
  ready.catch(() => {})
  const pid = await spawned(child)
  guarded.watch(child)

  let stopped: Promise<Exit> | undefined
  return {
    name,
    pid,
    ready,
    exited,
    stop: ({ graceMs = 30_000 } = {}) => (stopped ??= endChild(child, exited, graceMs)),
  }
}

function openLog(file: string): WriteStream {
  const log = createWriteStream(file, { flags: 'a', mode: 0o600 })
  // A full disk must lose log lines only.
  log.on('error', () => {})
  return log
}

async function whenReady(
  child: ChildProcess,
  exited: Promise<Exit>,
  { name, readyLine = true, readyTimeoutMs = 60_000, onLine }: StartChildOptions,
  log: WriteStream | undefined,
): Promise<unknown> {
  const isReady = typeof readyLine === 'function' ? readyLine : hasReadyTrue
  const last = lastLines(20)
  const closed = new Promise<void>((resolve) => {
    child.once('close', () => {
      log?.end()
      resolve()
    })
    child.once('error', () => resolve())
  })

  const line = new Promise<unknown>((resolve) => {
    const take = (text: string, from: 'stdout' | 'stderr'): void => {
      last.add(text)
      log?.write(`${text}\n`)
      onLine?.(text, from)
      if (from !== 'stdout' || !text.startsWith('{')) return
      const parsed = parseJson(text)
      if (isReady(parsed)) resolve(parsed)
    }
    if (child.stdout !== null) eachLine(child.stdout, (text) => take(text, 'stdout'))
    if (child.stderr !== null) eachLine(child.stderr, (text) => take(text, 'stderr'))
    if (readyLine === false) resolve(undefined)
  })

  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`${name} was not ready within ${readyTimeoutMs} ms. Its output ends with:\n${last.text()}`))
    }, readyTimeoutMs)
  })
  const ended = (async (): Promise<never> => {
    const exit = await exited
    await closed
    throw new Error(`${name} ended before it was ready (${describeExit(exit)}). Its output ends with:\n${last.text()}`)
  })()
  try {
    return await Promise.race([line, ended, late])
  } finally {
    clearTimeout(timer)
  }
}

function hasReadyTrue(line: unknown): boolean {
  return typeof line === 'object' && line !== null && 'ready' in line && line.ready === true
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
