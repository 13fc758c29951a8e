import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

export type Guarded = {
  readonly command: string
  readonly args: readonly string[]
  /** To be called with the process that was spawned from `command` and `args`. */
  watch(child: ChildProcess): void
}

/**
 * How to start a program that knows nothing of us so that it gets SIGTERM when this process ends, even by SIGKILL.
 * On Linux the kernel does it. It looks at the thread that spawned, so spawn from the main thread.
 */
export function dieWithParent(command: string, args: readonly string[], path = process.env['PATH'] ?? ''): Guarded {
  const setpriv = process.platform === 'linux' ? findOnPath('setpriv', path) : undefined
  if (setpriv === undefined) return { command, args, watch: startWatchdog }
  return { command: setpriv, args: ['--pdeathsig', 'TERM', command, ...args], watch: () => {} }
}

function findOnPath(name: string, path: string): string | undefined {
  return path
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

// Its stdin is a pipe from us, which the system closes when we end. It is ended when the program has ended before.
const watchdogSource = `
const pid = Number(process.argv[1])
const send = (signal) => { try { process.kill(pid, signal) } catch { process.exit(0) } }
process.stdin.resume()
process.stdin.on('close', () => {
  send('SIGTERM')
  setInterval(() => send(0), 50)
  setTimeout(() => { send('SIGKILL'); process.exit(0) }, 5000)
})
`

function startWatchdog(child: ChildProcess): void {
  if (child.pid === undefined) return
  const watchdog = spawn(process.execPath, ['--eval', watchdogSource, String(child.pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    env: {},
  })
  watchdog.on('error', () => {})
  watchdog.stdin.on('error', () => {})
  watchdog.unref()
  child.once('exit', () => watchdog.kill('SIGKILL'))
}
