import { expect, test } from 'vitest'
import { parseTimeZone } from '../src/time-zone.ts'

test.each([
  ['Europe/Berlin', 'Europe/Berlin'],
  [' europe/berlin ', 'Europe/Berlin'],
  ['America/Argentina/Buenos_Aires', 'America/Argentina/Buenos_Aires'],
  ['Asia/Kolkata', 'Asia/Kolkata'],
  ['UTC', 'UTC'],
  ['Etc/GMT+5', 'Etc/GMT+5'],
])('%s is the time zone %s', (text, timeZone) => {
  expect(parseTimeZone(text)).toEqual({ ok: true, timeZone })
})

test.each(['', '+01:00', 'Berlin', 'Mars/Olympus', '../etc', 'Europe/Berlin;x', 'a,b', '@', 'x'.repeat(61)])(
  '"%s" is not a time zone',
  (text) => {
    expect(parseTimeZone(text)).toMatchObject({ ok: false, detail: expect.stringContaining('Europe/Berlin') })
  },
)
