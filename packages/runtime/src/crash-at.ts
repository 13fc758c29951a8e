import * as z from 'zod'
import { variable } from './config.ts'

/** The variable with which tests crash a process at one of its crash points: `<point>:<nth>`. */
export function crashAtVariable<Point extends string>(points: readonly Point[]) {
  return variable(z.templateLiteral([z.enum(points), ':', z.int().min(1)]).optional(), {
    wanted: '<crash point>:<n>, the points being those of test/chaos/README.md',
    example: `${points[0] ?? ''}:1`,
    meaning:
      'For tests only: the process kills itself when it reaches this point for the nth time. ' +
      'Rejected with NODE_ENV=production.',
    usedBy: ['api', 'worker'],
  })
}

/**
 * For tests of crashes: the process kills itself with SIGKILL, without cleaning up, when it reaches the crash point for
 * the nth time.
 *
 * @param where `<crash point>:<nth>`, or undefined for no crash
 */
export function crashAt(where: string | undefined): ((point: string) => void) | undefined {
  if (where === undefined) return undefined
  const [fatal, nth] = where.split(':')
  let left = Number(nth)
  return (point) => {
    if (point !== fatal) return
    left -= 1
    if (left === 0) process.kill(process.pid, 'SIGKILL')
  }
}
