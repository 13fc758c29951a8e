import type { CrashPoints } from '@wns-fanout/fanout'

/**
 * For tests of what a crash leaves behind: the process kills itself, without a chance to clean up, when it reaches the
 * crash point for the nth time.
 *
 * @param where `<crash point>:<nth>`, or undefined for a process that does not
 */
export const crashAt = (where: string | undefined): CrashPoints['reached'] => {
  if (where === undefined) return undefined
  const [fatal, nth] = where.split(':')
  let left = Number(nth)
  return (point) => {
    if (point !== fatal) return
    left -= 1
    if (left === 0) process.kill(process.pid, 'SIGKILL')
  }
}
