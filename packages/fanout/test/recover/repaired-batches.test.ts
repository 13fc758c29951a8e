import type { Ordinal } from '@wns-fanout/domain'
import { byteOf, code, ordinalsIn } from '@wns-fanout/domain'
import type { BatchSalvage } from '@wns-fanout/state'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cutBatches } from '../../src/plan/cut.ts'
import { isWhole, recounted, repairedBatches } from '../../src/recover/repaired-batches.ts'

const accepted = byteOf(code.accepted, 1)

/** The first recipients of each page are in the audience: this many of them. */
function audience(...counts: readonly number[]): Uint8Array {
  const bits = new Uint8Array(counts.length * 64)
  counts.forEach((count, page) => {
    for (let slot = 0; slot < count; slot += 1) {
      const at = page * 64 + (slot >> 3)
      bits[at] = (bits[at] ?? 0) | (0x80 >> (slot & 7))
    }
  })
  return bits
}

/** A closed batch of one page whose recipients were all accepted. */
function closed(seq: number, recipients: number): BatchSalvage {
  const vector = new Uint8Array(recipients).fill(accepted)
  const range = { fromPage: seq, toPage: seq, recipients }
  return { seq, range, wasOpened: true, closed: true, closedAs: undefined, vector }
}

/** A batch of which nothing is left. */
function vanished(seq: number): BatchSalvage {
  return { seq, range: undefined, wasOpened: undefined, closed: false, closedAs: undefined, vector: null }
}

const terms = { cursor: 4, cursorBefore: 0, plannedRecipients: 12, stopCode: code.cancelled }
const bits = audience(3, 3, 3, 3)

describe('a damaged batch', () => {
  test('keeps its outcomes if only its hash was lost', () => {
    const lost = { ...closed(1, 3), range: undefined, closed: false }
    expect(repairedBatches([lost], [closed(0, 3), closed(2, 3), closed(3, 3)], bits, terms)).toEqual([
      { seq: 1, fromPage: 1, toPage: 1, recipients: 3, bytes: new Uint8Array(3).fill(accepted) },
    ])
  })

  test('is in doubt if its vector was lost after it was opened', () => {
    const lost = { ...closed(1, 3), vector: null }
    expect(repairedBatches([lost], [closed(0, 3)], bits, terms)).toMatchObject([{ seq: 1, bytes: code.inDoubt }])
  })

  test('is cancelled if it was certainly never opened', () => {
    const planned = { ...vanished(1), range: { fromPage: 1, toPage: 1, recipients: 3 }, wasOpened: false }
    expect(repairedBatches([planned], [closed(0, 3)], bits, terms)).toMatchObject([{ seq: 1, bytes: code.cancelled }])
  })

  test('settles credited recipients as in doubt with one more post, and unsent ones by the stop', () => {
    const open = { ...closed(1, 3), closed: false, vector: Uint8Array.of(accepted, code.credited, code.pending) }
    expect(repairedBatches([open], [closed(0, 3)], bits, terms)).toMatchObject([
      { bytes: Uint8Array.of(accepted, byteOf(code.inDoubt, 1), code.cancelled) },
    ])
  })

  test('is in doubt if the audience holds another number of recipients', () => {
    const batch = closed(1, 4)
    expect(isWhole(batch, bits)).toBe(false)
    expect(repairedBatches([batch], [closed(0, 3)], bits, terms)).toMatchObject([{ bytes: code.inDoubt }])
    expect(recounted(batch, bits).range).toEqual({ fromPage: 1, toPage: 1, recipients: 3 })
  })

  test('gives its pages to the first of several lost neighbors, in doubt unless none was opened', () => {
    const whole = [closed(0, 3), closed(3, 3)]
    expect(repairedBatches([vanished(1), vanished(2)], whole, bits, terms)).toEqual([
      { seq: 1, fromPage: 1, toPage: 2, recipients: 6, bytes: code.inDoubt },
      { seq: 2, fromPage: 3, toPage: 2, recipients: 0, bytes: code.inDoubt },
    ])
    const unopened = [1, 2].map((seq) => ({ ...vanished(seq), wasOpened: false }))
    expect(repairedBatches(unopened, whole, bits, terms)[0]).toMatchObject({ recipients: 6, bytes: code.cancelled })
  })

  test('without an audience counts its vector, or the planned recipients that are left', () => {
    const readable = { ...vanished(2), vector: new Uint8Array(3).fill(accepted) }
    expect(repairedBatches([vanished(1), readable], [closed(0, 3)], new Uint8Array(0), terms)).toMatchObject([
      { seq: 1, recipients: 6, bytes: code.inDoubt },
      { seq: 2, recipients: 3, bytes: readable.vector },
    ])
  })
})

test('whatever batches are lost, each planned recipient is in exactly one batch', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(200), { minLength: 1, maxLength: 30 }),
      fc.infiniteStream(fc.boolean()),
      (counts, isLost) => {
        const all = audience(...counts)
        const { batches, nextPage } = cutBatches(all, 0, 1000, true)
        const salvaged = batches.map((range, seq): BatchSalvage => ({
          ...(isLost.next().value === true ? vanished(seq) : closed(seq, range.recipients)),
          range,
        }))
        const damaged = salvaged
          .filter(({ vector }) => vector === null)
          .map((batch) => ({ ...batch, range: undefined }))
        const whole = salvaged.filter(({ vector }) => vector !== null)
        const repaired = repairedBatches(damaged, whole, all, { ...terms, cursor: nextPage })
        const ranges = [...whole.flatMap(({ seq, range }) => (range ? [{ seq, ...range }] : [])), ...repaired]
        const listed = ranges
          .toSorted((a, b) => a.seq - b.seq)
          .flatMap(({ fromPage, toPage }) => [
            ...ordinalsIn(all.subarray(fromPage * 64, (toPage + 1) * 64), fromPage * 512),
          ])
        expect(listed).toEqual([...ordinalsIn(all, 0 as Ordinal)])
        expect(ranges.reduce((sum, { recipients }) => sum + recipients, 0)).toBe(listed.length)
      },
    ),
  )
})
