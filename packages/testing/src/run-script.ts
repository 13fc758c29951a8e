import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { logEntries } from './log-entries.ts'

export interface ScriptOptions {
  readonly args?: readonly string[]
  /** The whole environment; default that of this process. */
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
}

export interface ScriptExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A script that runs as a separate process, with pipes for stdin, stdout and stderr. */
export interface Script extends AsyncDisposable {
  readonly process: ChildProcess
  readonly pid: number
  /** Everything written to stdout so far. */
  stdout(): string
  /** Everything written to stderr so far. */
  stderr(): string
  /** The first JSON object on stdout; rejects with the output when the process ends without one. */
  firstObject(): Promise<Readonly<Record<string, unknown>>>
  /** Resolves when the process has ended and its output is complete. */
  ended(): Promise<ScriptExit>
}

/** Starts a TypeScript file with this Node; disposing of it kills the process and waits for its end. */
export function runScript(path: string, { args = [], env = process.env, cwd }: ScriptOptions = {}): Script {
  const child = spawn(process.execPath, ['--conditions=@wns-fanout/source', path, ...args], {
    env,
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk))
  child.stdin.on('error', () => {})
  const closed = once(child, 'close')
  closed.catch(() => {})

  async function ended(): Promise<ScriptExit> {
    await closed
    return { code: child.exitCode, signal: child.signalCode }
  }

  async function firstObject(): Promise<Readonly<Record<string, unknown>>> {
    for (;;) {
      const complete = stdout.slice(0, stdout.lastIndexOf('\n') + 1)
      const [first] = logEntries(complete)
      if (first !== undefined) return first
      await Promise.race([once(child.stdout, 'data'), closed])
      if (child.exitCode !== null || child.signalCode !== null) {
        await closed
        const [late] = logEntries(stdout)
        if (late !== undefined) return late
        throw new Error(`${path} ended without a JSON object on stdout:\n${stdout}${stderr}`)
      }
    }
  }

  return {
    process: child,
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    firstObject,
    ended,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await ended()
    },
  }
}
