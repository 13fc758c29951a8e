import { parseImportLine } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import { channelOf, importLine, kindOf, mix, numberOf } from '../src/demo/mix.ts'

test('the shares of the mix sum to the whole', () => {
  expect(mix.reduce((sum, { perMille }) => sum + perMille, 0)).toBe(1000)
})

test('100,000 devices have the shares of the mix, within a tenth of a percent of all', () => {
  const counts = new Map<string, number>()
  for (let n = 0; n < 100_000; n += 1) {
    const { behavior } = kindOf(n)
    counts.set(behavior, (counts.get(behavior) ?? 0) + 1)
  }
  for (const { behavior, perMille } of mix)
    expect(Math.abs((counts.get(behavior) ?? 0) - perMille * 100)).toBeLessThan(300)
})

test('every kind is there among 3,000 devices', () => {
  const seen = new Set(Array.from({ length: 3000 }, (_, n) => kindOf(n).behavior))
  expect([...seen].toSorted()).toEqual(mix.map(({ behavior }) => behavior).toSorted())
})

test('a line of the import is the same in every run and its number can be read back', () => {
  const line = importLine(42, 'S-1-15-2-1')
  expect(line).toBe(importLine(42, 'S-1-15-2-1'))
  const parsed = parseImportLine(JSON.parse(line))
  if (!parsed.ok) throw new Error(parsed.inputErrors.map(({ detail }) => detail).join())
  expect(parsed.value.channel).toBe('device-00000042')
  expect(new URL(parsed.value.uri?.raw ?? '').searchParams.get('token')).toBe('ok.S-1-15-2-1.42')
  expect(numberOf('device-00000042')).toBe(42)
  expect(numberOf('ok.S-1-15-2-1.42')).toBe(42)
  expect(numberOf(channelOf(1_234_567))).toBe(1_234_567)
  expect(numberOf('tablet')).toBeUndefined()
})
