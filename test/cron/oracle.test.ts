import { expect, test } from 'vitest'
import type { Plan } from './compare.ts'
import { compareZone, plansOf } from './compare.ts'
import { expressions } from './expressions.ts'
import { clockOf, dueMinutes, isEveryHour, lookAtClock, matchingMinutes } from './oracle.ts'

const DAY_MS = 86_400_000
const WEEK_MS = 7 * DAY_MS
const MINUTE_MS = 60_000
const WEEKS = 366

/** Distances from UTC in minutes, once a week from 2024 to 2030. */
function offsetsByWeek(zone: string): number[] {
  const local = clockOf(zone)
  return weekStarts.map((ms) => local(ms / MINUTE_MS) - ms / MINUTE_MS)
}
const weekStarts = Array.from({ length: WEEKS }, (_, n) => Date.UTC(2024, 0, 1) + n * WEEK_MS)

/** Zones with the same clocks throughout count once: about a quarter of all names. */
function zonesByClock(): Map<string, { readonly zone: string; readonly offsets: readonly number[] }> {
  return new Map(
    Intl.supportedValuesOf('timeZone').map((zone) => {
      const offsets = offsetsByWeek(zone)
      return [offsets.join(), { zone, offsets }]
    }),
  )
}

/** The weeks to compare: an ordinary one, and the first that changes each offset to each other one. */
function weeksOf(offsets: readonly number[]): readonly number[] {
  const changes = new Map<string, number>()
  for (const [n, offset] of offsets.entries()) {
    const change = `${offset} ${offsets[n + 1] ?? offset}`
    if (!changes.has(change)) changes.set(change, n)
  }
  return [...changes.values()]
}

test('in the weeks in which clocks change, in every zone, each expression runs when the oracle expects it', () => {
  const plans = new Map<number, Plan[]>()
  const differences: string[] = []
  let runs = 0
  const clocks = zonesByClock()
  for (const { zone, offsets } of clocks.values())
    for (const startMs of weeksOf(offsets).map((n) => weekStarts[n] ?? 0)) {
      const [fromMs, untilMs] = [startMs - 2 * DAY_MS, startMs + WEEK_MS + 2 * DAY_MS]
      if (!plans.has(startMs)) plans.set(startMs, plansOf(expressions, fromMs, untilMs))
      const compared = compareZone(zone, plans.get(startMs) ?? [], fromMs, untilMs)
      runs += compared.runs
      differences.push(...compared.differences)
    }
  expect(differences.slice(0, 20)).toEqual([])
  // Fewer would mean that the clocks of the zones were not found.
  expect(clocks.size).toBeGreaterThan(50)
  expect(runs).toBeGreaterThan(100_000)
})

// These times were worked out by hand.
test.each([
  ['0 0 * * *', 'Africa/Cairo', '2026-04-23', ['2026-04-22T22:00', '2026-04-23T22:00', '2026-04-24T21:00']],
  ['30 2 * * *', 'Europe/Berlin', '2026-03-28', ['2026-03-28T01:30', '2026-03-29T01:30', '2026-03-30T00:30']],
  ['30 2 * * *', 'Europe/Berlin', '2026-10-24', ['2026-10-24T00:30', '2026-10-25T00:30', '2026-10-26T01:30']],
  ['30 23 * * *', 'Asia/Beirut', '2026-10-24', ['2026-10-24T20:30', '2026-10-25T21:30', '2026-10-26T21:30']],
  ['0 * * * 6', 'America/Nuuk', '2026-03-28', ['2026-03-28T02:00', '2026-03-28T03:00', '2026-03-28T04:00']],
] as const)('the oracle expects %s in %s', (cron, zone, date, expected) => {
  const fromMs = Date.parse(date)
  const untilMs = fromMs + 3 * DAY_MS
  const due = dueMinutes(
    lookAtClock(zone, fromMs - DAY_MS, untilMs + DAY_MS),
    matchingMinutes(cron, fromMs, untilMs),
    isEveryHour(cron),
  )
  expect(due.slice(0, 3).map((minute) => new Date(minute * MINUTE_MS).toISOString().slice(0, 16))).toEqual(expected)
})
