import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { localInstant } from '../src/local-delivery.ts'

function at(text: string): number {
  return Date.parse(text)
}

function iso(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString().replace(':00.000Z', 'Z')
}

describe('07:00 reaches each zone at its own seven', () => {
  // Berlin and New York put their clocks back and forward on different days, Tokyo and Kolkata never.
  test.each([
    // Start in summer.
    ['2026-07-01T00:00Z', 'Europe/Berlin', '2026-07-01T05:00Z'],
    ['2026-07-01T00:00Z', 'America/New_York', '2026-07-01T11:00Z'],
    ['2026-07-01T00:00Z', 'Asia/Tokyo', '2026-07-01T22:00Z'],
    ['2026-07-01T00:00Z', 'Asia/Kolkata', '2026-07-01T01:30Z'],
    // The night in which Berlin puts its clocks back, New York a week later.
    ['2026-10-24T12:00Z', 'Europe/Berlin', '2026-10-25T06:00Z'],
    ['2026-10-24T12:00Z', 'America/New_York', '2026-10-25T11:00Z'],
    ['2026-10-24T12:00Z', 'Asia/Tokyo', '2026-10-24T22:00Z'],
    ['2026-10-24T12:00Z', 'Asia/Kolkata', '2026-10-25T01:30Z'],
    // The night in which New York puts its clocks forward, Berlin three weeks later.
    ['2026-03-07T18:00Z', 'Europe/Berlin', '2026-03-08T06:00Z'],
    ['2026-03-07T18:00Z', 'America/New_York', '2026-03-08T11:00Z'],
    ['2026-03-07T18:00Z', 'Pacific/Kiritimati', '2026-03-08T17:00Z'],
    ['2026-03-07T18:00Z', 'Pacific/Pago_Pago', '2026-03-07T18:00Z'],
  ])('a start at %s reaches %s at %s', (start, zone, instant) => {
    expect(iso(localInstant({ localTime: '07:00' }, zone, at(start)))).toBe(instant)
  })
})

describe('a time that the clocks skip or show twice', () => {
  test.each([
    ['02:30', '2026-03-28T12:00Z', '2026-03-29T01:30Z'],
    ['02:30', '2026-10-24T12:00Z', '2026-10-25T00:30Z'],
    // The first 02:30 has passed, the second one is to come.
    ['02:30', '2026-10-25T01:00Z', '2026-10-25T01:30Z'],
  ])('%s in Berlin, from %s on, is %s', (localTime, start, instant) => {
    expect(iso(localInstant({ localTime }, 'Europe/Berlin', at(start)))).toBe(instant)
  })
})

describe('a time that has passed', () => {
  const start = at('2026-07-01T08:00Z')
  test.each([
    ['now', '2026-07-01T08:00Z'],
    ['tomorrow', '2026-07-02T05:00Z'],
    ['skip', undefined],
    [undefined, '2026-07-02T05:00Z'],
  ] as const)('with the policy %s is sent to at %s', (localTimePassed, instant) => {
    expect(iso(localInstant({ localTime: '07:00', localTimePassed }, 'Europe/Berlin', start))).toBe(instant)
  })

  test('up to 15 minutes ago counts as now', () => {
    const seven = at('2026-07-01T05:00Z')
    const skipped = { localTime: '07:00', localTimePassed: 'skip' } as const
    expect(localInstant(skipped, 'Europe/Berlin', seven + 14 * 60_000)).toBe(seven + 14 * 60_000)
    expect(localInstant(skipped, 'Europe/Berlin', seven + 15 * 60_000)).toBeUndefined()
  })
})

describe('a date', () => {
  const terms = { localTime: '07:00', localDate: '2026-07-03' }
  test.each([
    ['Pacific/Kiritimati', '2026-07-02T17:00Z'],
    ['Europe/Berlin', '2026-07-03T05:00Z'],
    ['Pacific/Pago_Pago', '2026-07-03T18:00Z'],
  ])('is that of the clocks of %s', (zone, instant) => {
    expect(iso(localInstant(terms, zone, at('2026-07-01T12:00Z')))).toBe(instant)
  })

  test('that has ended in a zone is followed by the next time that comes', () => {
    expect(iso(localInstant(terms, 'Pacific/Kiritimati', at('2026-07-03T12:00Z')))).toBe('2026-07-03T17:00Z')
    expect(iso(localInstant(terms, 'Pacific/Kiritimati', at('2026-07-05T18:00Z')))).toBe('2026-07-06T17:00Z')
  })
})

const MINUTE_MS = 60_000
const zones = ['Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe', 'Africa/Casablanca', 'UTC']
const clocks = new Map(
  zones.map((timeZone) => [
    timeZone,
    new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }),
  ]),
)

property.prop(
  [
    fc.constantFrom(...zones),
    fc.integer({ min: 0, max: 23 }),
    fc.integer({ min: 0, max: 59 }),
    fc.integer({ min: at('2025-01-01T00:00Z') / MINUTE_MS, max: at('2027-01-01T00:00Z') / MINUTE_MS }),
  ],
  { numRuns: 200 },
)('the instant is the first minute at which the clocks show the time', (zone, hour, minute, startMinute) => {
  const localTime = `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`
  const clock = clocks.get(zone)
  let naive = startMinute - 14
  while (clock?.format(naive * MINUTE_MS) !== localTime && naive < startMinute + 26 * 60) naive += 1
  const found = localInstant({ localTime }, zone, startMinute * MINUTE_MS) ?? 0
  // Clocks that skip the time on that day show it an hour later, and not within the day.
  if (naive >= startMinute + 25 * 60) expect(clock?.format(found)).not.toBe(localTime)
  else if (clock?.format(found) === localTime) expect(found).toBe(Math.max(naive, startMinute) * MINUTE_MS)
})
