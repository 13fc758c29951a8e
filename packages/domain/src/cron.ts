import type { CronExpression } from './cron-expression.ts'
import type { Stretch } from './local-time.ts'
import { datesFrom, parseCron } from './cron-expression.ts'
import { instantsOf, MAX_OFFSET_MS, offsetsOf, stretchesAround } from './local-time.ts'

/** Why `cron` is not a valid cron expression, for people; undefined if it is valid. */
export function cronError(cron: string): string | undefined {
  const parsed = parseCron(cron)
  return 'problems' in parsed ? parsed.problems.join('; ') : undefined
}

/**
 * The next `count` times of a cron expression after `afterMs`, in milliseconds since 1970, ascending.
 *
 * Every local time that matches runs once, at the first instant that shows it. If the clocks skip it, it runs that much
 * later: 02:30 runs at 03:30. An expression for every hour also runs in the hour that the clocks show again.
 * The times do not depend on `afterMs`. Throws for an invalid expression or an unknown time zone.
 */
export function nextRuns(cron: string, timeZone: string, afterMs: number, count: number): number[] {
  const runs: number[] = []
  for (const atMs of runsAfter(cron, timeZone, afterMs)) if (runs.push(atMs) >= count) break
  return runs
}

/** The latest time after `afterMs` and not after `nowMs`; undefined when there is none. */
export function latestRun(cron: string, timeZone: string, afterMs: number, nowMs: number): number | undefined {
  let latest: number | undefined
  for (const atMs of runsAfter(cron, timeZone, afterMs)) {
    if (atMs > nowMs) break
    latest = atMs
  }
  return latest
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

function* runsAfter(cron: string, timeZone: string, afterMs: number): Generator<number> {
  const expression = parseCron(cron)
  if ('problems' in expression) throw new RangeError(expression.problems.join('; '))
  const offsetAt = offsetsOf(timeZone)
  const today = Math.floor((afterMs + offsetAt(afterMs)) / DAY_MS) * DAY_MS
  // A clock change can move times of one date past times of the next, so times are held until no later date has earlier
  // ones.
  let waiting: number[] = []
  let lastMs = afterMs
  for (const dayMs of datesFrom(expression, today - DAY_MS)) {
    const ready = waiting.filter((atMs) => atMs < dayMs - MAX_OFFSET_MS)
    waiting = waiting.slice(ready.length)
    for (const atMs of ready)
      if (atMs > lastMs) {
        lastMs = atMs
        yield atMs
      }
    waiting = [...waiting, ...timesOn(dayMs, expression, stretchesAround(dayMs, offsetAt))].toSorted((a, b) => a - b)
  }
  yield* waiting.filter((atMs) => atMs > lastMs)
}

/** All times of a local date, in the order of its clock, which need not be the order of the instants. */
function timesOn(dayMs: number, { hours, minutes }: CronExpression, stretches: readonly Stretch[]): number[] {
  const isEveryHour = hours.length === 24
  const times: number[] = []
  for (const hour of hours)
    for (const minute of minutes) {
      const instants = instantsOf(dayMs + hour * HOUR_MS + minute * MINUTE_MS, stretches)
      times.push(...(isEveryHour ? instants : instants.slice(0, 1)))
    }
  return times
}
