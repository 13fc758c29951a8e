import { PAGE_BYTES, PAGE_SIZE, popcount } from '@wns-fanout/domain'
import type { PlannedBatch } from '@wns-fanout/state'

/** Most recipients of a batch. A full page fits, so only the end of a canary divides a page. */
export const BATCH_RECIPIENTS = PAGE_SIZE
/** Most pages with recipients in a batch, and most pages that it spans in all. */
const MAX_FULL_PAGES = 64
const MAX_SPAN_PAGES = 4096

/**
 * Cut a stretch of a frozen audience into batches, in order. Each recipient is in exactly one of them.
 *
 * @param bits the stretch, whose first page is `firstPage`
 * @param atMost most batches to make
 * @param last whether the audience ends with this stretch
 * @param bounds `before`: recipients of the first page that are planned already; `limit`: most recipients to plan. The
 *   next stretch begins at the page that the limit divides
 * @returns the batches, and the page at which the next stretch begins. Without `last` a batch that is not full is left
 *   for the next call. A stretch of at least 4,096 pages always makes progress.
 */
export function cutBatches(
  bits: Uint8Array,
  firstPage: number,
  atMost: number,
  last: boolean,
  { before = 0, limit = Infinity }: { readonly before?: number; readonly limit?: number } = {},
): { readonly batches: readonly PlannedBatch[]; readonly nextPage: number } {
  const pages = Math.ceil(bits.length / PAGE_BYTES)
  const batches: PlannedBatch[] = []
  let nextPage = firstPage
  let start = -1
  let end = -1
  let recipients = 0
  let full = 0
  let left = limit
  const take = (after = 0): void => {
    const others = start === 0 ? before : 0
    batches.push({
      fromPage: firstPage + start,
      toPage: firstPage + end,
      recipients,
      ...(others + after > 0 ? { before: others, after } : {}),
    })
    nextPage = firstPage + end + (after > 0 ? 0 : 1)
    start = -1
    recipients = 0
    full = 0
  }
  for (let page = 0; page < pages && batches.length < atMost && left > 0; page += 1) {
    const onPage = popcount(bits, page * PAGE_BYTES, Math.min(bits.length, (page + 1) * PAGE_BYTES))
    const count = onPage - (page === 0 ? before : 0)
    if (count === 0) continue
    const fits = recipients + count <= BATCH_RECIPIENTS && full < MAX_FULL_PAGES && page - start < MAX_SPAN_PAGES
    if (start !== -1 && !fits) take()
    if (batches.length === atMost) break
    if (start === -1) start = page
    end = page
    recipients += Math.min(count, left)
    full += 1
    left -= count
    if (left <= 0) take(-left)
    else if (recipients === BATCH_RECIPIENTS) take()
  }
  if (batches.length < atMost && left > 0) {
    const isWhole = last || pages - start >= MAX_SPAN_PAGES
    if (start !== -1 && isWhole) take()
    // Empty pages are done with; a batch that is not full begins the next stretch.
    nextPage = firstPage + (start === -1 ? pages : start)
  }
  return { batches, nextPage }
}
