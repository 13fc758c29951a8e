import { InvalidArgumentError } from 'commander'
import { describe, expect, test } from 'vitest'
import { instant, integer, names, past, seconds, share } from '../src/input/arguments.ts'

describe('option values', () => {
  test.each([
    ['90', 90],
    ['90s', 90],
    ['15m', 900],
    ['2h', 7200],
    ['1d', 86_400],
  ])('%s is a duration', (text, expected) => expect(seconds(text)).toBe(expected))
  test.each(['', 'soon', '1w', '-5', '1.5h', '15 m'])('"%s" is not a duration', (text) =>
    expect(() => seconds(text)).toThrow(InvalidArgumentError),
  )

  test.each([
    ['0.2', 0.2],
    ['5%', 0.05],
    ['100%', 1],
  ])('%s is a share', (text, expected) => expect(share(text)).toBe(expected))
  test.each(['', '0', '101%', '2', 'half'])('"%s" is not a share', (text) =>
    expect(() => share(text)).toThrow(InvalidArgumentError),
  )

  test('a whole number may have underscores and must be within bounds', () => {
    expect(integer(1, 1_000_000)('100_000')).toBe(100_000)
    for (const text of ['', '0', '1.5', '2000000', 'x'])
      expect(() => integer(1, 1_000_000)(text)).toThrow(InvalidArgumentError)
  })

  test('a time has a zone or is relative to now', () => {
    expect(instant('2026-01-31T10:30:00+01:00')).toBe('2026-01-31T09:30:00.000Z')
    expect(Date.parse(instant('+2h')) - Date.now()).toBeGreaterThan(7_190_000)
    for (const text of ['', 'tomorrow', '2026-01-31T10:30:00', '2026-13-31T10:30:00Z'])
      expect(() => instant(text)).toThrow(InvalidArgumentError)
  })

  test('a time in the past has a zone or is an age', () => {
    expect(past('2026-01-31T10:30:00+01:00')).toBe('2026-01-31T09:30:00.000Z')
    expect(Date.now() - Date.parse(past('90d'))).toBeGreaterThanOrEqual(90 * 86_400_000)
    for (const text of ['', '90', '+2h', 'yesterday', '2026-01-31T10:30:00', '2026-13-31T10:30:00Z'])
      expect(() => past(text)).toThrow(InvalidArgumentError)
  })

  test('names are separated by commas, over several uses', () => {
    expect(names('c', names('a, b'))).toEqual(['a', 'b', 'c'])
  })
})
