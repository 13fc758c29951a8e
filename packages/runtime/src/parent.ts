import { closeSync, fstatSync, openSync } from 'node:fs'
import type { Readable } from 'node:stream'
import type { Lifecycle } from './lifecycle.ts'
import { sleep } from './sleep.ts'

const STDERR = 2

export interface ParentWatch {
  readonly env?: NodeJS.ProcessEnv
  readonly stdin?: Readable & { unref?: () => void }
  /** How long the stop may take before the process exits anyway, in milliseconds; default 2000. */
  readonly graceMs?: number
}

/**
 * With WNS_FANOUT_PARENT_PIPE=1, stops and exits when stdin ends. The parent holds the other end, which the system
 * closes even after SIGKILL, so a child never outlives its parent. Returns whether it watches stdin.
 */
export function exitWhenParentGone(
  life: Pick<Lifecycle, 'stop'>,
  { env = process.env, stdin = process.stdin, graceMs = 2000 }: ParentWatch = {},
): boolean {
  if (env['WNS_FANOUT_PARENT_PIPE'] !== '1') return false
  let gone = false
  const onGone = (): void => {
    if (gone) return
    gone = true
    void leave(life, graceMs)
  }
  stdin.once('end', onGone)
  stdin.once('close', onGone)
  stdin.once('error', onGone)
  stdin.resume()
  // Watching must not keep the process alive.
  stdin.unref?.()
  return true
}

async function leave(life: Pick<Lifecycle, 'stop'>, graceMs: number): Promise<never> {
  const report = await Promise.race([life.stop('parent gone'), sleep(graceMs)])
  discardUnreadLog()
  process.exit(report?.clean === true ? 0 : 1)
}

/**
 * At the exit the logger writes its last lines synchronously, and sonic-boom 4.2.1 repeats a write without end if its
 * reader is gone. The parent was the reader of a pipe, so the lines have no reader.
 */
function discardUnreadLog(): void {
  const stderr = fstatSync(STDERR)
  if (!stderr.isFIFO() && !stderr.isSocket()) return
  closeSync(STDERR)
  // The lowest free number, which is the one that was closed.
  openSync('/dev/null', 'w')
}
