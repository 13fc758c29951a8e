import { fc, test as property } from '@fast-check/vitest'
import { ordinalsIn, PAGE_BYTES, PAGE_SIZE } from '@wns-fanout/domain'
import { cutBatches } from '../../src/plan/cut.ts'
import { describe, expect, test } from 'vitest'

function pages(...counts: readonly number[]): Uint8Array {
  const bits = new Uint8Array(counts.length * PAGE_BYTES)
  counts.forEach((count, page) => {
    for (let slot = 0; slot < count; slot += 1) {
      const at = page * PAGE_BYTES + (slot >> 3)
      bits[at] = (bits[at] ?? 0) | (0x80 >> (slot & 7))
    }
  })
  return bits
}

test('a dense audience is one batch a page', () => {
  expect(cutBatches(pages(512, 512), 0, 10, true)).toEqual({
    batches: [
      { fromPage: 0, toPage: 0, recipients: 512 },
      { fromPage: 1, toPage: 1, recipients: 512 },
    ],
    nextPage: 2,
    nextBefore: 0,
  })
})

test('sparse pages are gathered until the next would not fit', () => {
  expect(cutBatches(pages(200, 0, 300, 20, 512), 7, 10, true).batches).toEqual([
    { fromPage: 7, toPage: 9, recipients: 500 },
    { fromPage: 10, toPage: 10, recipients: 20 },
    { fromPage: 11, toPage: 11, recipients: 512 },
  ])
})

test('a batch that is not full waits for the next stretch of the audience', () => {
  const first = cutBatches(pages(512, 100), 0, 10, false)
  expect(first).toEqual({ batches: [{ fromPage: 0, toPage: 0, recipients: 512 }], nextPage: 1, nextBefore: 0 })
})

test('a limit divides a page, and the next batch takes the rest of it', () => {
  const bits = pages(200, 512, 100)
  expect(cutBatches(bits, 4, 1, true, { limit: 300 })).toEqual({
    batches: [{ fromPage: 4, toPage: 4, recipients: 200 }],
    nextPage: 5,
    nextBefore: 0,
  })
  const rest = bits.subarray(PAGE_BYTES)
  expect(cutBatches(rest, 5, 1, true, { limit: 100 })).toEqual({
    batches: [{ fromPage: 5, toPage: 5, recipients: 100, before: 0, after: 412 }],
    nextPage: 5,
    nextBefore: 100,
  })
  expect(cutBatches(rest, 5, 10, true, { before: 100 })).toEqual({
    batches: [{ fromPage: 5, toPage: 6, recipients: 512, before: 100, after: 0 }],
    nextPage: 7,
    nextBefore: 0,
  })
})

test('a limit at the end of a page divides none', () => {
  expect(cutBatches(pages(512, 512), 0, 1, true, { limit: 512 })).toEqual({
    batches: [{ fromPage: 0, toPage: 0, recipients: 512 }],
    nextPage: 1,
    nextBefore: 0,
  })
})

test('no more batches are made than asked for', () => {
  expect(cutBatches(pages(512, 512, 512), 0, 2, true)).toMatchObject({ nextPage: 2, batches: { length: 2 } })
})

test('an empty audience has no batches and is planned to its end', () => {
  expect(cutBatches(pages(0, 0, 0), 5, 10, true)).toEqual({ batches: [], nextPage: 8, nextBefore: 0 })
  expect(cutBatches(new Uint8Array(0), 5, 10, true)).toEqual({ batches: [], nextPage: 5, nextBefore: 0 })
})

test('a stretch as wide as a batch may be always gets on', () => {
  const lonely = pages(...Array.from({ length: 4096 }, (_, page) => (page === 4000 ? 1 : 0)))
  expect(cutBatches(lonely, 0, 10, false)).toEqual({ batches: [], nextPage: 4000, nextBefore: 0 })
  const alone = pages(...Array.from({ length: 4096 }, (_, page) => (page === 0 ? 1 : 0)))
  expect(cutBatches(alone, 0, 10, false)).toEqual({
    batches: [{ fromPage: 0, toPage: 0, recipients: 1 }],
    nextPage: 4096,
    nextBefore: 0,
  })
})

test('a stretch without recipients is skipped', () => {
  expect(cutBatches(pages(0, 0), 0, 10, false).nextPage).toBe(2)
})

test('a batch smaller than a page divides it, and the next one begins where it ends', () => {
  expect(cutBatches(pages(150, 30), 2, 10, true, { size: 64 })).toEqual({
    batches: [
      { fromPage: 2, toPage: 2, recipients: 64, before: 0, after: 86 },
      { fromPage: 2, toPage: 2, recipients: 64, before: 64, after: 22 },
      { fromPage: 2, toPage: 3, recipients: 52, before: 128, after: 0 },
    ],
    nextPage: 4,
    nextBefore: 0,
  })
  expect(cutBatches(pages(150, 30), 2, 1, true, { size: 64, before: 64 })).toMatchObject({
    batches: [{ recipients: 64, before: 64, after: 22 }],
    nextPage: 2,
    nextBefore: 128,
  })
})

describe('for any audience', () => {
  const counts = fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.constant(0) },
      { weight: 2, arbitrary: fc.integer({ min: 1, max: 20 }) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 512 }) },
    ),
    { maxLength: 300 },
  )

  property.prop([
    counts,
    fc.integer({ min: 1, max: 7 }),
    fc.integer({ min: 2, max: 90 }),
    fc.integer({ min: 1, max: 512 }),
  ])(
    'each recipient is in exactly one batch, in order, whatever the steps, the stretches and the size of a batch',
    (given, atMost, stretchPages, size) => {
      const bits = pages(...given)
      const seen: number[] = []
      let cursor = 0
      let before = 0
      let wide = stretchPages
      for (let last = false; !last || cursor * PAGE_BYTES < bits.length;) {
        const stretch = bits.subarray(cursor * PAGE_BYTES, (cursor + wide) * PAGE_BYTES)
        last = (cursor + wide) * PAGE_BYTES >= bits.length
        const { batches, nextPage, nextBefore } = cutBatches(stretch, cursor, atMost, last, { before, size })
        for (const batch of batches) {
          const onPages = [
            ...ordinalsIn(
              bits.subarray(batch.fromPage * PAGE_BYTES, (batch.toPage + 1) * PAGE_BYTES),
              batch.fromPage * PAGE_SIZE,
            ),
          ]
          const inBatch = onPages.slice(batch.before ?? 0, onPages.length - (batch.after ?? 0))
          expect(batch.recipients).toBe(inBatch.length)
          expect(batch.recipients).toBeGreaterThan(0)
          expect(batch.recipients).toBeLessThanOrEqual(size)
          seen.push(...inBatch)
        }
        // A stretch that is too short to hold a batch makes progress only when it is wider.
        wide = nextPage === cursor && nextBefore === before ? wide * 2 : stretchPages
        cursor = nextPage
        before = nextBefore
      }
      expect(seen).toEqual([...ordinalsIn(bits, 0)])
    },
  )
})
