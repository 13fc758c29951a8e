import { expect, test } from 'vitest'
import { parseRegisteredAt } from '../src/registered-at.ts'

const now = Date.parse('2026-11-27T12:00:00Z')

test.each([
  ['2026-05-31T08:30:00Z', '2026-05-31T08:30:00.000Z'],
  ['2026-05-31T08:30:00.123456Z', '2026-05-31T08:30:00.000Z'],
  ['2026-05-31 08:30:00.5+02', '2026-05-31T06:30:00.000Z'],
  ['2026-05-31 08:30:00-0330', '2026-05-31T12:00:00.000Z'],
  ['2026-05-31T08:30+05:45', '2026-05-31T02:45:00.000Z'],
  ['2026-05-31 08:30', '2026-05-31T08:30:00.000Z'],
  ['2026-05-31', '2026-05-31T00:00:00.000Z'],
  ['2026-11-28', '2026-11-27T12:00:00.000Z'],
])('%s is read as %s', (text, time) => {
  expect(parseRegisteredAt(text, now)).toEqual({ ok: true, time })
})

test.each(['', 'yesterday', '31.05.2026', '2026-02-30', '2026-13-01', '1969-12-31', '1764244800', '2026-05-31T25:00'])(
  '"%s" is rejected with an example',
  (text) => {
    expect(parseRegisteredAt(text, now)).toEqual({ ok: false, detail: expect.stringContaining('2026-05-31T08:30:00Z') })
  },
)

test('a time that is more than a day ahead is rejected', () => {
  expect(parseRegisteredAt('2026-11-29T00:00:00Z', now)).toEqual({
    ok: false,
    detail: expect.stringContaining('in the future'),
  })
})
