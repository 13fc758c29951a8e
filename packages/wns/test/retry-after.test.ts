import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import { MAX_RETRY_AFTER_MS, MIN_RETRY_AFTER_MS, parseRetryAfter } from '../src/index.ts'

const nowMs = Date.UTC(1994, 10, 6, 8, 49, 7)

test.each([
  ['30', 30_000],
  [' 30 ', 30_000],
  ['0', 1_000],
  ['1', 1_000],
  ['86400', 900_000],
  ['999999999999999', 900_000],
  ['Sun, 06 Nov 1994 08:49:37 GMT', 30_000],
  ['Sunday, 06-Nov-94 08:49:37 GMT', 30_000],
  ['Sun Nov  6 08:49:37 1994', 30_000],
  ['Sun, 06 Nov 1994 08:00:00 GMT', 1_000],
  ['Sun, 06 Nov 2094 08:00:00 GMT', 900_000],
  ['-5', undefined],
  ['1e9', undefined],
  ['1.5', undefined],
  ['soon', undefined],
  ['Sun, 99 Nov 1994 08:49:37 GMT', undefined],
  ['', undefined],
  [undefined, undefined],
])('a Retry-After of %j is %j ms', (text, expected) => {
  expect(parseRetryAfter(text, nowMs)).toBe(expected)
})

property.prop([
  fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.integer().map(String),
    fc.date().map(String),
    fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
  ),
  fc.double(),
])('any text at any time is a wait of 1 s to 15 min, or none', (text, now) => {
  const waitMs = parseRetryAfter(text, now)
  if (waitMs !== undefined)
    expect(waitMs).toSatisfy((ms: number) => ms >= MIN_RETRY_AFTER_MS && ms <= MAX_RETRY_AFTER_MS)
})
