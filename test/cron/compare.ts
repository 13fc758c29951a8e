import { latestRun, nextRuns } from '@wns-fanout/domain'
import type { Clock } from './oracle.ts'
import { dueMinutes, isEveryHour, lookAtClock, matchingMinutes } from './oracle.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

export interface Plan {
  readonly cron: string
  readonly isEveryHour: boolean
  /** Local minutes that match, in and around the time that is compared. */
  readonly localMinutes: Int32Array
}

export interface Comparison {
  /** Times that were compared. */
  readonly runs: number
  readonly differences: readonly string[]
}

/** Read expressions once, for all zones. */
export function plansOf(crons: readonly string[], fromMs: number, untilMs: number): Plan[] {
  return crons.map((cron) => ({
    cron,
    isEveryHour: isEveryHour(cron),
    localMinutes: matchingMinutes(cron, fromMs - 3 * DAY_MS, untilMs + 3 * DAY_MS),
  }))
}

/** Compare all times of all expressions in a zone with the oracle's, and the answers around each jump of its clock. */
export function compareZone(timeZone: string, plans: readonly Plan[], fromMs: number, untilMs: number): Comparison {
  const clock = lookAtClock(timeZone, fromMs - 2 * DAY_MS, untilMs + 2 * DAY_MS)
  const differences: string[] = []
  let runs = 0
  for (const plan of plans) {
    const dueMs = dueMinutes(clock, plan.localMinutes, plan.isEveryHour).map((minute) => minute * MINUTE_MS)
    const expected = dueMs.filter((atMs) => atMs >= fromMs && atMs < untilMs)
    // One more than expected, so that a time too many shows.
    const found = nextRuns(plan.cron, timeZone, fromMs - 1, expected.length + 1).filter((atMs) => atMs < untilMs)
    runs += expected.length
    differences.push(...differenceOf(`${plan.cron} in ${timeZone}`, expected, found))
    differences.push(...differencesAround(clock, plan, timeZone, dueMs, fromMs, untilMs))
  }
  return { runs, differences }
}

/** A question asked around a jump, at any minute, gets the same times. */
function differencesAround(
  { jumps }: Clock,
  { cron }: Plan,
  timeZone: string,
  dueMs: readonly number[],
  fromMs: number,
  untilMs: number,
): string[] {
  const lastMs = dueMs.at(-3) ?? -Infinity
  const asked = jumps
    .map((minute) => minute * MINUTE_MS)
    .filter((jumpMs) => jumpMs > fromMs + DAY_MS && jumpMs < untilMs - DAY_MS && jumpMs + DAY_MS < lastMs)
    .flatMap((jumpMs) => [-HOUR_MS, -MINUTE_MS, -1, 0, 29 * MINUTE_MS, HOUR_MS + 1].map((byMs) => jumpMs + byMs))
  return asked.flatMap((atMs) => {
    const at = new Date(atMs).toISOString()
    const next = indexAfter(dueMs, atMs)
    const expected = dueMs.slice(next, next + 3)
    const latest = dueMs.slice(Math.max(0, next - 1), next).find((ms) => ms > atMs - HOUR_MS)
    return [
      ...differenceOf(`${cron} in ${timeZone} after ${at}`, expected, nextRuns(cron, timeZone, atMs, 3)),
      ...differenceOf(
        `${cron} in ${timeZone} in the hour to ${at}`,
        latest === undefined ? [] : [latest],
        [latestRun(cron, timeZone, atMs - HOUR_MS, atMs)].filter((ms) => ms !== undefined),
      ),
    ]
  })
}

/** Where the times after an instant begin. */
function indexAfter(sorted: readonly number[], atMs: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if ((sorted[middle] ?? Infinity) > atMs) high = middle
    else low = middle + 1
  }
  return low
}

function differenceOf(what: string, expected: readonly number[], found: readonly number[]): string[] {
  const at = expected.findIndex((ms, n) => ms !== found[n])
  if (at < 0 && found.length === expected.length) return []
  return [`${what}: expected ${shown(expected[at])}, found ${shown(found[at])}`]
}

function shown(ms: number | undefined): string {
  return ms === undefined ? 'none' : new Date(ms).toISOString()
}
