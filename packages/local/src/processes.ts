import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'

/** How a process ended: one of the two is null. Both are null when it failed to start. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** Whether a process with this id runs. A zombie (ended, not yet reaped by its parent) does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // EPERM: the process exists and belongs to another user.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
  return !isZombie(pid)
}

function isZombie(pid: number): boolean {
  if (process.platform !== 'linux') return false
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The name before the state is in parentheses and can contain any character.
    return /^\) [ZX]/.test(stat.slice(stat.lastIndexOf(')')))
  } catch {
    return true
  }
}

/** Resolves when the child has ended, also when it never started. Never rejects. */
export async function exitOf(child: ChildProcess): Promise<Exit> {
  if (child.exitCode !== null || child.signalCode !== null) return { code: child.exitCode, signal: child.signalCode }
  return await new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
    child.once('error', () => {
      if (child.pid === undefined) resolve({ code: null, signal: null })
    })
  })
}

/** SIGTERM, then SIGKILL after `graceMs`; complete when the child is gone. */
export async function endChild(child: ChildProcess, exited: Promise<Exit>, graceMs: number): Promise<Exit> {
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
  try {
    return await exited
  } finally {
    clearTimeout(timer)
  }
}

/** Waits until a spawned child has a pid; throws the reason when the system cannot start it. */
export async function spawned(child: ChildProcess): Promise<number> {
  if (child.pid === undefined) await once(child, 'spawn')
  if (child.pid === undefined) throw new Error('the process has no id')
  return child.pid
}

/** "exit code 1" or "signal SIGKILL". */
export function describeExit({ code, signal }: Exit): string {
  if (signal !== null) return `signal ${signal}`
  return code === null ? 'a failed start' : `exit code ${code}`
}
