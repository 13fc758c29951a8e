import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Writable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Logger, createLogger } from '../src/index.ts'

/** Waits until the condition holds; fails after `timeoutMs`. */
export async function until(condition: () => boolean, timeoutMs = 15_000): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error(`Still not so after ${timeoutMs} ms: ${condition.toString()}`)
    await wait(5)
  }
}

export interface Listening {
  readonly logger: Logger
  readonly text: () => string
  readonly lines: () => Record<string, unknown>[]
}

/** A logger whose lines can be looked at. */
export function listen(level = 'trace'): Listening {
  let text = ''
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString('utf8')
      done()
    },
  })
  return {
    logger: createLogger({ name: 'test', level, destination }),
    text: () => text,
    lines: () =>
      text
        .split('\n')
        .filter((line) => line !== '')
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every line of a logger is an object
        .map((line) => JSON.parse(line) as Record<string, unknown>),
  }
}

export interface Run {
  readonly process: ChildProcess
  /** The lines it wrote on stdout so far. */
  said(): string[]
  /** What it wrote on stderr so far. */
  logged(): string
  ended(): Promise<{ code: number | null; signal: NodeJS.Signals | null }>
}

const running = new Set<ChildProcess>()

/** Runs a fixture as a process of its own; `endAll` in afterEach ends what is left. */
export function run(name: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Run {
  const script = fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))
  const child = spawn(process.execPath, ['--conditions=@wns-fanout/source', script, ...args], { env, stdio: 'pipe' })
  running.add(child)
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    out += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    err += chunk
  })
  child.stdin.on('error', () => {})
  const closed = once(child, 'close')
  return {
    process: child,
    said: () => out.split('\n').slice(0, -1),
    logged: () => err,
    async ended() {
      await closed
      running.delete(child)
      return { code: child.exitCode, signal: child.signalCode }
    },
  }
}

export async function endAll(): Promise<void> {
  await Promise.all(
    [...running].map(async (child) => {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    }),
  )
  running.clear()
}
