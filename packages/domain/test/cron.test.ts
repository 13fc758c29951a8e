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
  // The clocks skip 02:30, so it runs at 03:30, once.
  ['30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00Z', ['2026-03-29T01:30Z', '2026-03-30T00:30Z']],
  ['30 2 * * *', 'Europe/Berlin', '2026-03-29T01:10Z', ['2026-03-29T01:30Z', '2026-03-30T00:30Z']],
  ['30 2 * * *', 'America/New_York', '2026-03-07T12:00Z', ['2026-03-08T07:30Z', '2026-03-09T06:30Z']],
  // Both run at 03:30, which is one occurrence.
  ['30 2,3 * * *', 'Europe/Berlin', '2026-03-28T12:00Z', ['2026-03-29T01:30Z', '2026-03-30T00:30Z']],
  // The clocks show 02:30 twice: only the first time counts, from whatever instant the search starts.
  ['30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00Z', ['2026-10-25T00:30Z', '2026-10-26T01:30Z']],
  ['30 2 * * *', 'Europe/Berlin', '2026-10-25T00:30Z', ['2026-10-26T01:30Z', '2026-10-27T01:30Z']],
  ['30 2 * * *', 'Europe/Berlin', '2026-10-25T01:10Z', ['2026-10-26T01:30Z', '2026-10-27T01:30Z']],
  ['30 1 * * *', 'America/New_York', '2026-10-31T12:00Z', ['2026-11-01T05:30Z', '2026-11-02T06:30Z']],
  ['30 1 * * *', 'America/New_York', '2026-11-01T06:10Z', ['2026-11-02T06:30Z', '2026-11-03T06:30Z']],
  // An expression for every hour also runs in the hour that is shown again.
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
  ['0 * * * *', 'Europe/Berlin', '2026-10-24T23:30Z', ['2026-10-25T00:00Z', '2026-10-25T01:00Z', '2026-10-25T02:00Z']],
  ['0 0-23 * * *', 'Europe/Berlin', '2026-10-25T00:30Z', ['2026-10-25T01:00Z', '2026-10-25T02:00Z']],
  ['0 */2 * * *', 'Europe/Berlin', '2026-10-24T23:30Z', ['2026-10-25T00:00Z', '2026-10-25T03:00Z']],
  // Clocks that skip midnight: 24 April 2026 begins at 01:00.
  [
    '0 0 * * *',
    'Africa/Cairo',
    '2026-04-22T12:00Z',
    ['2026-04-22T22:00Z', '2026-04-23T22:00Z', '2026-04-24T21:00Z', '2026-04-25T21:00Z'],
  ],
  ['0 0 24 4 *', 'Africa/Cairo', '2026-01-01T00:00Z', ['2026-04-23T22:00Z', '2027-04-23T22:00Z']],
  ['0 0 30 4 *', 'Africa/Cairo', '2026-01-01T00:00Z', ['2026-04-29T21:00Z', '2027-04-29T22:00Z', '2028-04-29T21:00Z']],
  // Clocks that go back at midnight: 23:30 is shown twice on the same evening, 00:00 once.
  ['30 23 * * *', 'Asia/Beirut', '2026-10-24T12:00Z', ['2026-10-24T20:30Z', '2026-10-25T21:30Z']],
  ['0 0 * * *', 'Asia/Beirut', '2026-10-24T12:00Z', ['2026-10-24T22:00Z', '2026-10-25T22:00Z']],
  // Clocks that go back at 01:00 to 00:00: midnight is shown twice.
  ['0 0 * * *', 'America/Havana', '2026-10-31T12:00Z', ['2026-11-01T04:00Z', '2026-11-02T05:00Z']],
  ['0 0 * * *', 'America/Havana', '2026-11-01T04:30Z', ['2026-11-02T05:00Z', '2026-11-03T05:00Z']],
  // Clocks that skip the last hour of a date: its time falls on the next date.
  ['30 23 * * 6', 'America/Nuuk', '2026-03-27T12:00Z', ['2026-03-29T01:30Z', '2026-04-05T00:30Z']],
  // Clocks that are moved by half an hour.
  ['0 8 4 * *', 'Australia/Lord_Howe', '2026-09-30T00:00Z', ['2026-10-03T21:00Z', '2026-11-03T21:00Z']],
  ['15 2 * * *', 'Australia/Lord_Howe', '2026-10-03T12:00Z', ['2026-10-03T15:45Z', '2026-10-04T15:15Z']],
  ['45 1 * * *', 'Australia/Lord_Howe', '2026-04-04T12:00Z', ['2026-04-04T14:45Z', '2026-04-05T15:15Z']],
  // A date that was skipped as a whole: its times fall on the next one.
  ['0 8 30 12 *', 'Pacific/Apia', '2011-12-01T00:00Z', ['2011-12-30T18:00Z', '2012-12-29T18:00Z']],
] as const)('%s in %s after %s', (cron, timeZone, after, expected) => {
  expect(next(cron, timeZone, after, expected.length)).toEqual(expected)
})

const zones = [
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'Africa/Cairo',
  'Asia/Kolkata',
  'UTC',
] as const
const crons = ['30 2 * * *', '30 1 * * *', '*/7 * * * *', '0 */2 * * *', '15,45 2,3 * * *', '0 0 1 * 1'] as const
const yearMs = { min: Date.UTC(2026, 0), max: Date.UTC(2027, 0) }
// Half of the instants are near a change of clocks.
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
  'times ascend, follow the instant of the question, and do not depend on it',
  (cron, timeZone, afterMs, laterMs) => {
    const runs = nextRuns(cron, timeZone, afterMs, 5)
    expect(runs).toEqual([...new Set(runs)].toSorted((a, b) => a - b))
    expect(runs[0]).toBeGreaterThan(afterMs)
    const fromMs = afterMs + laterMs
    const seen = runs.filter((ms) => ms > fromMs)
    expect(nextRuns(cron, timeZone, fromMs, 5).slice(0, seen.length)).toEqual(seen)
  },
)

test('the latest of several missed times is due', () => {
  const hour = 3_600_000
  expect(latestRun('*/15 * * * *', 'UTC', 0, hour)).toBe(hour)
  expect(latestRun('*/15 * * * *', 'UTC', 0, hour - 1)).toBe(hour * 0.75)
  expect(latestRun('*/15 * * * *', 'UTC', hour, hour + 1)).toBeUndefined()
})

// As crontab reads them. A day field that begins with `*` restricts nothing, so that a date must match the other one
// too.
test.each([
  ['0 0 */2 * 1', '2026-06-01T12:00Z', ['2026-06-15T00:00Z', '2026-06-29T00:00Z', '2026-07-13T00:00Z']],
  ['0 8 */5 * 1-5', '2026-06-01T12:00Z', ['2026-06-11T08:00Z', '2026-06-16T08:00Z', '2026-06-26T08:00Z']],
  ['0 0 13 * */5', '2026-01-01T00:00Z', ['2026-02-13T00:00Z', '2026-03-13T00:00Z', '2026-09-13T00:00Z']],
  ['0 0 *,13 * 5', '2026-06-01T00:00Z', ['2026-06-05T00:00Z', '2026-06-12T00:00Z']],
  // Neither begins with `*`: a match of either is enough.
  ['0 0 13 * 5', '2026-06-01T00:00Z', ['2026-06-05T00:00Z', '2026-06-12T00:00Z', '2026-06-13T00:00Z']],
  ['0 0 1-31 * 5', '2026-06-01T00:00Z', ['2026-06-02T00:00Z', '2026-06-03T00:00Z']],
  ['0 0 1-31/2 * 1', '2026-06-01T00:00Z', ['2026-06-03T00:00Z', '2026-06-05T00:00Z', '2026-06-07T00:00Z']],
  ['0 0 1 * 0-7', '2026-06-01T00:00Z', ['2026-06-02T00:00Z', '2026-06-03T00:00Z']],
  // Blanks and overlapping lists.
  ['  0   8 *\t* *\r\n', '2026-06-01T00:00Z', ['2026-06-01T08:00Z', '2026-06-02T08:00Z']],
  ['0 9-12,12-17 * * *', '2026-06-01T11:30Z', ['2026-06-01T12:00Z', '2026-06-01T13:00Z']],
  ['*/15,0 * * * *', '2026-06-01T11:50Z', ['2026-06-01T12:00Z', '2026-06-01T12:15Z']],
  ['0 0 * * 1-5,5', '2026-06-04T00:00Z', ['2026-06-05T00:00Z', '2026-06-08T00:00Z']],
  // Sunday is 0 and 7.
  ['0 0 * * 7', '2026-06-01T00:00Z', ['2026-06-07T00:00Z', '2026-06-14T00:00Z']],
  ['0 0 * * 5-7', '2026-06-01T00:00Z', ['2026-06-05T00:00Z', '2026-06-06T00:00Z', '2026-06-07T00:00Z']],
  ['0 0 * * 0,7', '2026-06-01T00:00Z', ['2026-06-07T00:00Z', '2026-06-14T00:00Z']],
  ['0 0 1 jan,JUL *', '2026-06-01T00:00Z', ['2026-07-01T00:00Z', '2027-01-01T00:00Z']],
  // A step after a single number continues to the end of the field.
  ['50/5 8 * * *', '2026-06-01T00:00Z', ['2026-06-01T08:50Z', '2026-06-01T08:55Z', '2026-06-02T08:50Z']],
  ['0 0 * * 5/1', '2026-06-01T00:00Z', ['2026-06-05T00:00Z', '2026-06-06T00:00Z', '2026-06-12T00:00Z']],
  // 28 years apart, and 40 across 2100.
  [
    '0 0 29 2 */7',
    '2026-06-01T00:00Z',
    ['2032-02-29T00:00Z', '2060-02-29T00:00Z', '2088-02-29T00:00Z', '2128-02-29T00:00Z'],
  ],
] as const)('%j is read as crontab reads it', (cron, after, expected) => {
  expect(cronError(cron)).toBeUndefined()
  expect(next(cron, 'UTC', after, expected.length)).toEqual(expected)
})

test.each([
  ['', 'cron must have five fields (minute, hour, day of month, month, day of week), such as "0 8 * * 1-5"; found 0'],
  [
    '0 8 * *',
    'cron must have five fields (minute, hour, day of month, month, day of week), such as "0 8 * * 1-5"; found 4',
  ],
  [
    '0 0 8 * * *',
    'cron must have five fields (minute, hour, day of month, month, day of week), such as "0 8 * * 1-5"; found 6',
  ],
  ['0 8 * * 1 \n0 9 * * 1', 'cron must be one line of plain ASCII, such as "0 8 * * 1-5"; found the character U+000A'],
  ['0\u00a08 * * *', 'cron must be one line of plain ASCII, such as "0 8 * * 1-5"; found the character U+00A0'],
  ['@daily', 'cron macros such as "@daily" are not supported; write five fields, such as "0 0 * * *"'],
  ['H 8 * * *', 'the minute must be *, a number 0 to 59, a range, a step such as */2, or a list of these; found "H"'],
  [
    '0 8 ? * *',
    'the day of month must be *, a number 1 to 31, a range, a step such as */2, or a list of these; found "?"',
  ],
  [
    '0 8 L * *',
    'the day of month must be *, a number 1 to 31, a range, a step such as */2, or a list of these; found "L"',
  ],
  [
    '0 8 * * 5#2',
    'the day of week must be *, a number 0 to 7 or a name such as mon, a range, a step such as */2, ' +
      'or a list of these; found "5#2"',
  ],
  [
    '0 8 * mon moo',
    'the month must be *, a number 1 to 12 or a name such as feb, a range, a step such as */2, ' +
      'or a list of these; found "mon"; ' +
      'the day of week must be *, a number 0 to 7 or a name such as mon, a range, a step such as */2, ' +
      'or a list of these; found "moo"',
  ],
  ['60 24 * * *', 'the minute must be 0 to 59; found 60; the hour must be 0 to 23; found 24'],
  [
    '0 8 0 13 8',
    'the day of month must be 1 to 31; found 0; the month must be 1 to 12; found 13; ' +
      'the day of week must be 0 to 7; found 8',
  ],
  [
    '0 8 1,,2 * *',
    'the day of month must be *, a number 1 to 31, a range, a step such as */2, or a list of these; found ""',
  ],
  [
    '*-5 * * * *',
    'the minute must be *, a number 0 to 59, a range, a step such as */2, or a list of these; found "*-5"',
  ],
  ['5-1 * * * *', 'the minute range "5-1" must run from low to high; write "5-59,0-1"'],
  ['0 8 * * fri-sun', 'the day of week range "fri-sun" must run from low to high; write "5-7"'],
  ['0 8 * * fri-mon', 'the day of week range "fri-mon" must run from low to high; write "5-6,0-1"'],
  ['*/0 * * * *', 'the minute step must be 1 or more; found 0'],
  ['0 0 30 2 *', 'cron matches no date: no month in "2" has a day "30"'],
  ['0 0 31 2,4 */2', 'cron matches no date: no month in "2,4" has a day "31"'],
])('%j is rejected with the reason', (cron, reason) => {
  expect(cronError(cron)).toBe(reason)
})

const signs = ['0', '1', '5', '9', '*', '/', ',', '-', '?', 'L', 'W', 'H', 'a', ' ', '\t', '@', '#']
prop.prop([fc.string({ maxLength: 30 }), fc.array(fc.constantFrom(...signs), { maxLength: 30 })])(
  'any text either has a reason in our own words or a next time',
  (text, pieces) => {
    for (const cron of [text, pieces.join('')]) {
      const problem = cronError(cron)
      if (problem === undefined) expect(next(cron, 'Europe/Berlin', '2026-01-01T00:00Z', 1)).toHaveLength(1)
      else expect(problem).toMatch(/^(cron m|the (minute|hour|day of month|month|day of week) )/)
    }
  },
)

test('time zones are names of the IANA database', () => {
  expect(['Europe/Berlin', 'UTC', 'America/Argentina/Buenos_Aires'].every(isTimeZone)).toBe(true)
  expect(['', 'Mars/Olympus', '+01:00', 'Berlin', '../etc'].some(isTimeZone)).toBe(false)
})
