import { execFile } from 'node:child_process'

export interface RunResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Access to the machine; tests replace it to simulate a machine without Redis. */
export interface Probe {
  /** The value of PATH. */
  readonly path: string
  readonly isRoot: boolean
  /** Runs a command to its end. The code is 127 when it cannot start, and 124 when it takes too long. */
  run(command: string, args: readonly string[], options?: RunOptions): Promise<RunResult>
}

export interface RunOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly timeoutMs?: number
}

/** The first line that is not empty. */
export function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0] ?? ''
}

/** The machine of this process. */
export function thisMachine(): Probe {
  return { path: process.env['PATH'] ?? '', isRoot: process.getuid?.() === 0, run }
}

async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { cwd, env = {}, timeoutMs = 60_000 } = options
  return await new Promise<RunResult>((resolve) => {
    execFile(
      command,
      [...args],
      {
        ...(cwd === undefined ? {} : { cwd }),
        env: { ...process.env, ...env },
        timeout: timeoutMs,
        killSignal: 'SIGKILL',
      },
      (error, stdout, stderr) => {
        if (error === null) resolve({ code: 0, stdout, stderr })
        else if (error.killed === true)
          resolve({ code: 124, stdout, stderr: `${command} took longer than ${timeoutMs} ms` })
        else if (typeof error.code === 'number') resolve({ code: error.code, stdout, stderr })
        else resolve({ code: 127, stdout, stderr: error.message })
      },
    )
  })
}
