import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import { ordinalsIn, PAGE_BYTES, PAGE_SIZE, popcount, setBit } from '../src/index.ts'

test('a page of a bitmap has a bit for each of its ordinals', () => {
  expect(PAGE_BYTES * 8).toBe(PAGE_SIZE)
})

test('the first bit is the highest one of the first byte, as in Redis', () => {
  expect([...ordinalsIn(Uint8Array.of(0b1000_0001, 0, 0b0100_0000), 512)]).toEqual([512, 519, 529])
})

test('bits are counted between two bytes', () => {
  const bits = Uint8Array.of(0xff, 0b0101_0000, 0xff)
  expect([popcount(bits), popcount(bits, 1, 2), popcount(bits, 2), popcount(bits, 3)]).toEqual([18, 2, 8, 0])
})

property.prop([fc.uniqueArray(fc.integer({ min: 0, max: 2000 }))])(
  'the ordinals that are set are found, in order, and counted',
  (ordinals) => {
    const bits = new Uint8Array(251)
    for (const ordinal of ordinals) setBit(bits, ordinal)
    expect([...ordinalsIn(bits, 0)]).toEqual(ordinals.toSorted((one, other) => one - other))
    expect(popcount(bits)).toBe(ordinals.length)
  },
)
