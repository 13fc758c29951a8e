import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import type { SendWindow } from '../src/send-window.ts'
import { openPeriod, outsideOf, quietHoursSchema, sendWindowSchema } from '../src/send-window.ts'

function at(text: string): number {
  return Date.parse(text)
}

function shown(windows: readonly SendWindow[], zone: string, now: string): readonly string[] | undefined {
  const period = openPeriod(windows, zone, at(now))
  if (period === undefined) return undefined
  return [period.opensAtMs, period.closesAtMs].map((ms) => new Date(ms).toISOString().replace(':00.000Z', 'Z'))
}

const day = { from: '08:00', to: '20:00', zone: 'device' }
const night = { from: '22:00', to: '06:00', zone: 'device' }

test.each([
  ['is open', day, 'UTC', '2026-07-01T12:00Z', ['2026-07-01T12:00Z', '2026-07-01T20:00Z']],
  ['opens at its first minute', day, 'UTC', '2026-07-01T08:00Z', ['2026-07-01T08:00Z', '2026-07-01T20:00Z']],
  ['is closed at its last', day, 'UTC', '2026-07-01T20:00Z', ['2026-07-02T08:00Z', '2026-07-02T20:00Z']],
  ['opens later on the day', day, 'America/New_York', '2026-07-01T09:00Z', ['2026-07-01T12:00Z', '2026-07-02T00:00Z']],
  [
    'is that of one zone',
    { ...day, zone: 'Asia/Tokyo' },
    'UTC',
    '2026-07-01T12:00Z',
    ['2026-07-01T23:00Z', '2026-07-02T11:00Z'],
  ],
  ['is open over midnight', night, 'UTC', '2026-07-01T23:00Z', ['2026-07-01T23:00Z', '2026-07-02T06:00Z']],
  ['is open after midnight', night, 'UTC', '2026-07-01T05:00Z', ['2026-07-01T05:00Z', '2026-07-01T06:00Z']],
  [
    'has an hour more where the clocks are put back',
    night,
    'Europe/Berlin',
    '2026-10-24T20:00Z',
    ['2026-10-24T20:00Z', '2026-10-25T05:00Z'],
  ],
] as const)('a window %s', (_what, window, zone, now, period) => {
  expect(shown([window], zone, now)).toEqual(period)
})

describe('two windows', () => {
  test('are open where both are', () => {
    const evening = { from: '18:00', to: '23:00', zone: 'UTC' }
    expect(shown([day, evening], 'UTC', '2026-07-01T09:00Z')).toEqual(['2026-07-01T18:00Z', '2026-07-01T20:00Z'])
  })

  test('that are never open together have no period', () => {
    expect(openPeriod([day, night], 'UTC', at('2026-07-01T09:00Z'))).toBeUndefined()
  })

  test('without one, any time is open', () => {
    expect(openPeriod([], 'UTC', 5)).toEqual({ opensAtMs: 5, closesAtMs: Infinity })
  })
})

test('outside of quiet hours is the rest of the day', () => {
  expect(outsideOf(night)).toEqual({ from: '06:00', to: '22:00', zone: 'device' })
})

test.each([
  [{ from: '8:00', to: '20:00', zone: 'device' }, 'from'],
  [{ from: '08:00', to: '24:00', zone: 'device' }, 'to'],
  [{ from: '08:00', to: '08:00', zone: 'device' }, 'to'],
  [{ from: '08:00', to: '20:00', zone: 'Mars/Olympus' }, 'zone'],
])('%o is not a window', (input, field) => {
  for (const schema of [sendWindowSchema, quietHoursSchema])
    expect(schema.safeParse(input).error?.issues.map(({ path }) => path[0])).toEqual([field])
})

const MINUTE_MS = 60_000
const zones = ['Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'UTC']
const clocks = new Map(
  zones.map((timeZone) => [
    timeZone,
    new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }),
  ]),
)
const time = fc.integer({ min: 0, max: 95 }).map((quarter) => {
  const [hour, minute] = [Math.floor(quarter / 4), (quarter % 4) * 15]
  return `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`
})
// Days without a change of the clocks in any of these zones: there, what the clocks show decides alone.
const quarters = fc.integer({
  min: at('2026-05-01T00:00Z') / MINUTE_MS / 15,
  max: at('2026-09-01T00:00Z') / MINUTE_MS / 15,
})

property.prop(
  [
    fc.array(fc.record({ from: time, to: time, zone: fc.constantFrom('device', ...zones) }), {
      minLength: 1,
      maxLength: 2,
    }),
    fc.constantFrom(...zones),
    quarters,
  ],
  {
    numRuns: 150,
  },
)('the period is the first in which the clocks are within all windows', (given, zone, quarter) => {
  const windows = given.filter(({ from, to }) => from !== to)
  const isOpen = (ms: number): boolean =>
    windows.every(({ from, to, zone: of }) => {
      const now = clocks.get(of === 'device' ? zone : of)?.format(ms) ?? ''
      return from < to ? from <= now && now < to : now >= from || now < to
    })
  const startMs = quarter * 15 * MINUTE_MS
  let opensAtMs = startMs
  while (!isOpen(opensAtMs) && opensAtMs < startMs + 2 * 24 * 60 * MINUTE_MS) opensAtMs += 15 * MINUTE_MS
  const found = openPeriod(windows, zone, startMs)
  if (!isOpen(opensAtMs)) expect(found).toBeUndefined()
  else {
    expect(found?.opensAtMs).toBe(opensAtMs)
    const closesAtMs = Math.min(found?.closesAtMs ?? 0, opensAtMs + 3 * 24 * 60 * MINUTE_MS)
    for (let ms = opensAtMs; ms < closesAtMs; ms += 15 * MINUTE_MS) expect(isOpen(ms)).toBe(true)
    if (windows.length === 1) expect(isOpen(closesAtMs)).toBe(false)
  }
})
