import { CronExpressionParser } from 'cron-parser'

const ATOM = '(?:\\*|\\d{1,2}|[A-Za-z]{3})'
const PART = `${ATOM}(?:-${ATOM})?(?:/\\d{1,2})?`
// Five fields of plain cron: what else the parser knows (seconds, @daily, L, #, H) means something else elsewhere.
const fiveFields = new RegExp(`^(?:${PART}(?:,${PART})* ){4}${PART}(?:,${PART})*$`)

/** Why `cron` is no cron expression, for people; undefined when it is one that has a next time. */
export function cronError(cron: string): string | undefined {
  if (!fiveFields.test(cron))
    return 'cron must be five fields with one space between them: minute hour day-of-month month day-of-week, e.g. "0 8 * * 1-5"'
  try {
    nextRuns(cron, 'UTC', 0, 1)
    return undefined
  } catch (error) {
    return `cron has no next time: ${error instanceof Error ? error.message : String(error)}`
  }
}

/** Is it a time zone of the IANA database, such as `Europe/Berlin` or `UTC`? */
export function isTimeZone(timeZone: string): boolean {
  // An offset such as +01:00 knows no daylight saving time, so it is rarely what was meant.
  if (!/^[A-Za-z]/.test(timeZone)) return false
  try {
    return new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

/**
 * The next `count` times of a cron expression after `afterMs`, in milliseconds since 1970, growing.
 *
 * When clocks go forward, a time that is skipped comes as much later: 02:30 runs once, at 03:30. When they go back, a
 * time of a fixed hour runs once, the first time that the clock shows it; an expression for every hour goes on every
 * hour. The times do not depend on `afterMs`: whoever asks in between sees the same ones.
 *
 * Throws when there is no such time or the expression is none.
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

/** Longer than any hour that clocks show twice, together with the hour before it. */
const SHIFT_MS = 3 * 3_600_000

function* runsAfter(cron: string, timeZone: string, afterMs: number): Generator<number> {
  // The parser would take the second 02:30 for the first one if it began between the two. It has to see both.
  const format = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' })
  const offset = (atMs: number): string | undefined =>
    format.formatToParts(atMs).find(({ type }) => type === 'timeZoneName')?.value
  const fromMs = offset(afterMs) === offset(afterMs - SHIFT_MS) ? afterMs : afterMs - SHIFT_MS
  const expression = CronExpressionParser.parse(cron, { tz: timeZone, currentDate: new Date(fromMs) })
  let lastMs = afterMs
  for (;;) {
    const atMs = expression.next().getTime()
    if (atMs <= lastMs) continue
    lastMs = atMs
    yield atMs
  }
}
