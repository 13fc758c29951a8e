import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { isMainThread } from 'node:worker_threads'

export interface Guarded {
  readonly command: string
  readonly args: readonly string[]
  /** Call it with the process spawned from `command` and `args`. */
  watch(child: ChildProcess): void
}

/**
 * How to start any program so that it gets SIGTERM when this process ends, even by SIGKILL. On Linux the kernel sends
 * the signal, elsewhere a watchdog process does.
 */
export function dieWithParent(
  command: string,
  args: readonly string[],
  { path = process.env['PATH'] ?? '', parentPid = process.pid } = {},
): Guarded {
  const setpriv = process.platform === 'linux' && isMainThread ? findSetpriv(path) : undefined
  if (setpriv === undefined) return { command, args, watch: startWatchdog }
  const guard = ['--pdeathsig', 'TERM', '/bin/sh', '-c', START_IF_PARENT_LIVES, 'sh', String(parentPid)]
  return { command: setpriv, args: [...guard, command, ...args], watch: () => {} }
}

// The kernel signals only an end of the parent after this request; an earlier one shows in the parent's id.
const START_IF_PARENT_LIVES = '[ "$PPID" -eq "$1" ] || exit 1; shift; exec "$@"'

// The kernel watches the spawning thread, so only the main thread may spawn. The setpriv of busybox lacks the option.
function findSetpriv(path: string): string | undefined {
  const found = path
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, 'setpriv'))
    .find(isExecutable)
  if (found === undefined) return undefined
  const help = spawnSync(found, ['--help'], { encoding: 'utf8', timeout: 5000 })
  return help.stdout?.includes('--pdeathsig') ? found : undefined
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

// Its stdin is a pipe that the system closes when this process ends. It is stopped if the program ends first.
const WATCHDOG_SOURCE = `
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
  const watchdog = spawn(process.execPath, ['--eval', WATCHDOG_SOURCE, String(child.pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    env: {},
  })
  watchdog.on('error', () => {})
  watchdog.stdin.on('error', () => {})
  watchdog.unref()
  child.once('exit', () => watchdog.kill('SIGKILL'))
}
