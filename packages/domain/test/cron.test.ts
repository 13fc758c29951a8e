import { fc, test as prop } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import { cronError, isTimeZone, latestRun, nextRuns } from '../src/index.ts'

function next(cron: string, timeZone: string, after: string, count: number): string[] {
  return nextRuns(cron, timeZone, Date.parse(after), count).map((ms) =>
    new Date(ms).toISOString().replace(':00.000Z', 'Z'),
  )
}

test.each([
  ['0 8 * * 1-5', 'UTC', '2026-01-02T08:00Z', ['2026-01-05T08:00Z', '2026-01-06T08:00Z']],
  ['0 8 * * MON', 'UTC', '2026-01-02T08:00Z', ['2026-01-05T08:00Z', '2026-01-12T08:00Z']],
  ['0 0 29 2 *', 'UTC', '2026-01-01T00:00Z', ['2028-02-29T00:00Z', '2032-02-29T00:00Z']],
  // 02:30 is skipped: it comes at 03:30, once.
  ['30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00Z', ['2026-03-29T01:30Z', '2026-03-30T00:30Z']],
  ['30 2 * * *', 'Europe/Berlin', '2026-03-29T01:10Z', ['2026-03-29T01:30Z', '2026-03-30T00:30Z']],
  ['30 2 * * *', 'America/New_York', '2026-03-07T12:00Z', ['2026-03-08T07:30Z', '2026-03-09T06:30Z']],
  // What is skipped to where another occurrence is anyway is one with it.
  ['30 2,3 * * *', 'Europe/Berlin', '2026-03-28T12:00Z', ['2026-03-29T01:30Z', '2026-03-30T00:30Z']],
  // 02:30 comes twice: the first one counts, wherever one starts to look.
  ['30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00Z', ['2026-10-25T00:30Z', '2026-10-26T01:30Z']],
  ['30 2 * * *', 'Europe/Berlin', '2026-10-25T00:30Z', ['2026-10-26T01:30Z', '2026-10-27T01:30Z']],
  ['30 2 * * *', 'Europe/Berlin', '2026-10-25T01:10Z', ['2026-10-26T01:30Z', '2026-10-27T01:30Z']],
  ['30 1 * * *', 'America/New_York', '2026-10-31T12:00Z', ['2026-11-01T05:30Z', '2026-11-02T06:30Z']],
  ['30 1 * * *', 'America/New_York', '2026-11-01T06:10Z', ['2026-11-02T06:30Z', '2026-11-03T06:30Z']],
  // Every half hour is every half hour.
  [
    '*/30 * * * *',
    'Europe/Berlin',
    '2026-10-25T00:15Z',
    ['2026-10-25T00:30Z', '2026-10-25T01:00Z', '2026-10-25T01:30Z'],
  ],
  [
    '*/30 * * * *',
    'Europe/Berlin',
    '2026-03-29T00:15Z',
    ['2026-03-29T00:30Z', '2026-03-29T01:00Z', '2026-03-29T01:30Z'],
  ],
] as const)('%s in %s after %s', (cron, timeZone, after, expected) => {
  expect(next(cron, timeZone, after, expected.length)).toEqual(expected)
})

const zones = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata', 'UTC'] as const
const crons = ['30 2 * * *', '30 1 * * *', '*/7 * * * *', '0 */2 * * *', '15,45 2,3 * * *', '0 0 1 * 1'] as const
const yearMs = { min: Date.UTC(2026, 0), max: Date.UTC(2027, 0) }
// Half of the instants lie near a change of clocks.
const changes = [
  '2026-03-08T07:00Z',
  '2026-03-29T01:00Z',
  '2026-10-25T01:00Z',
  '2026-11-01T06:00Z',
  '2026-10-03T15:30Z',
]
const instants = fc.oneof(
  fc.integer(yearMs),
  fc
    .tuple(fc.constantFrom(...changes), fc.integer({ min: -14_400_000, max: 14_400_000 }))
    .map(([change, byMs]) => Date.parse(change) + byMs),
)

prop.prop([fc.constantFrom(...crons), fc.constantFrom(...zones), instants, fc.integer({ min: 0, max: 200_000_000 })])(
  'times grow, come after the instant asked for, and are the same whoever asks from when',
  (cron, timeZone, afterMs, laterMs) => {
    const runs = nextRuns(cron, timeZone, afterMs, 5)
    expect(runs).toEqual([...new Set(runs)].toSorted((a, b) => a - b))
    expect(runs[0]).toBeGreaterThan(afterMs)
    const fromMs = afterMs + laterMs
    const seen = runs.filter((ms) => ms > fromMs)
    expect(nextRuns(cron, timeZone, fromMs, 5).slice(0, seen.length)).toEqual(seen)
  },
)

test('of several missed times the latest one is due, and none before the first', () => {
  const hour = 3_600_000
  expect(latestRun('*/15 * * * *', 'UTC', 0, hour)).toBe(hour)
  expect(latestRun('*/15 * * * *', 'UTC', 0, hour - 1)).toBe(hour * 0.75)
  expect(latestRun('*/15 * * * *', 'UTC', hour, hour + 1)).toBeUndefined()
})

test.each([
  '',
  '0 8 * *',
  '0 0 8 * * *',
  '@daily',
  'H 8 * * *',
  '0 8 L * *',
  '0 8 * * 5#2',
  '60 8 * * *',
  '0 24 * * *',
  '0 8 * * MOO',
  '5-1 * * * *',
  '*/0 * * * *',
  '0 0 30 2 *',
  '0  8 * * *',
])('"%s" is no cron expression', (cron) => {
  expect(cronError(cron)).toMatch(/^cron (must be five fields|has no next time: .)/)
})

test('names of time zones are told from what only looks like one', () => {
  expect(['Europe/Berlin', 'UTC', 'America/Argentina/Buenos_Aires'].every(isTimeZone)).toBe(true)
  expect(['', 'Mars/Olympus', '+01:00', 'Berlin', '../etc'].some(isTimeZone)).toBe(false)
})
