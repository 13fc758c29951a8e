import type { PlannedBatch } from '@wns-fanout/state'

/** Bytes of a page in a bitmap over ordinals: 512 bits. */
export const PAGE_BYTES = 64
/** Recipients a batch is meant to hold; it never holds more. */
export const BATCH_RECIPIENTS = 512
/** A batch touches at most so many pages that have recipients, out of so many pages in all. */
const MAX_FULL_PAGES = 64
const MAX_SPAN_PAGES = 4096

/**
 * Cut a stretch of a frozen audience into batches, in order. Each recipient is in exactly one of them.
 *
 * @param bits the stretch, beginning at page `firstPage`
 * @param atMost how many batches to make
 * @param last whether the audience ends with this stretch
 * @returns the batches, and the page at which to go on. Without `last` a batch that is not full is left for the next
 *   call, so a stretch of 4,096 pages or more always gets on.
 */
export function cutBatches(
  bits: Uint8Array,
  firstPage: number,
  atMost: number,
  last: boolean,
): { readonly batches: readonly PlannedBatch[]; readonly nextPage: number } {
  const pages = Math.ceil(bits.length / PAGE_BYTES)
  const batches: PlannedBatch[] = []
  let nextPage = firstPage
  let start = -1
  let end = -1
  let recipients = 0
  let full = 0
  const take = (): void => {
    batches.push({ fromPage: firstPage + start, toPage: firstPage + end, recipients })
    nextPage = firstPage + end + 1
    start = -1
    recipients = 0
    full = 0
  }
  for (let page = 0; page < pages && batches.length < atMost; page += 1) {
    const count = popcount(bits, page * PAGE_BYTES, Math.min(bits.length, (page + 1) * PAGE_BYTES))
    if (count === 0) continue
    const fits = recipients + count <= BATCH_RECIPIENTS && full < MAX_FULL_PAGES && page - start < MAX_SPAN_PAGES
    if (start !== -1 && !fits) take()
    if (batches.length === atMost) break
    if (start === -1) start = page
    end = page
    recipients += count
    full += 1
    if (recipients === BATCH_RECIPIENTS) take()
  }
  if (batches.length < atMost) {
    const isWhole = last || pages - start >= MAX_SPAN_PAGES
    if (start !== -1 && isWhole) take()
    // Empty pages need not be looked at again; a batch that is still being filled begins the next stretch.
    nextPage = firstPage + (start === -1 ? pages : start)
  }
  return { batches, nextPage }
}

const ones = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length)

/** Bits set in `bits[from, to)`. */
export function popcount(bits: Uint8Array, from = 0, to = bits.length): number {
  let count = 0
  for (let at = from; at < to; at += 1) count += ones[bits[at] ?? 0] ?? 0
  return count
}

/** Ordinals of the bits set in `bits`, whose first bit is ordinal `base`, in order. */
export const ordinalsIn = function* (bits: Uint8Array, base: number): Generator<number> {
  for (let at = 0; at < bits.length; at += 1) {
    const byte = bits[at] ?? 0
    if (byte === 0) continue
    for (let bit = 0; bit < 8; bit += 1) if ((byte & (0x80 >> bit)) !== 0) yield base + at * 8 + bit
  }
}
