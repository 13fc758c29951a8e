import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'

/** The number of permits from the bucket of an app, and the Redis time of the grant. */
export interface Granted {
  readonly app: string
  readonly atMs: number
  readonly count: number
}

/** The grants in the logs of the workers (at level trace), in the order in which Redis made them. */
export async function readGrantLog(files: readonly string[], app: string): Promise<Granted[]> {
  const grants: Granted[] = []
  for (const file of files) {
    for await (const line of createInterface({ input: createReadStream(file) })) {
      if (!line.includes('"permits.granted"')) continue
      const grant = JSON.parse(line) as Granted
      if (grant.app === app) grants.push(grant)
    }
  }
  return grants.toSorted((left, right) => left.atMs - right.atMs)
}

/** Redis time has microseconds and the logged time thousandths of a millisecond, so they may differ by two. */
const CLOCK_STEP_SECONDS = 0.000_002

/**
 * The most by which the grants in any window of t seconds exceed rate · t + burst; 0 when none does. A bucket that
 * leaks at the rate holds at each moment the worst of all windows that end there.
 */
export function overshootOf(grants: readonly Granted[], ratePerSecond: number, burst: number): number {
  let level = 0
  let worst = 0
  let beforeMs = grants[0]?.atMs ?? 0
  for (const { atMs, count } of grants) {
    level = Math.max(0, level - (ratePerSecond * (atMs - beforeMs)) / 1000) + count
    worst = Math.max(worst, level)
    beforeMs = atMs
  }
  const over = worst - burst
  return over <= ratePerSecond * CLOCK_STEP_SECONDS ? 0 : over
}
