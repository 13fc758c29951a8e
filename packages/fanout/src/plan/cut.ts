import { PAGE_BYTES, PAGE_SIZE, popcount } from '@wns-fanout/domain'
import type { PlannedBatch } from '@wns-fanout/state'

/** Most recipients of a batch. A full page fits; a smaller batch, or the end of a canary, divides a page. */
export const BATCH_RECIPIENTS = PAGE_SIZE
/** Most pages with recipients in a batch, and most pages that it spans in all. */
const MAX_FULL_PAGES = 64
const MAX_SPAN_PAGES = 4096

export interface CutBounds {
  /** Recipients of the first page that are planned already. Default 0. */
  readonly before?: number
  /** Most recipients of a batch. Default 512. */
  readonly size?: number
  /** Most recipients to plan. Default: no limit. */
  readonly limit?: number
}

export interface Cut {
  readonly batches: readonly PlannedBatch[]
  /** The page at which the next stretch begins, and how many of its recipients are planned. */
  readonly nextPage: number
  readonly nextBefore: number
}

/**
 * Cut a stretch of a frozen audience into batches, in order. Each recipient is in exactly one of them.
 *
 * @param bits the stretch, whose first page is `firstPage`
 * @param atMost most batches to make
 * @param last whether the audience ends with this stretch
 * @returns Without `last` a batch that is not full is left for the next call. A stretch of at least 4,096 pages always
 *   makes progress.
 */
export function cutBatches(
  bits: Uint8Array,
  firstPage: number,
  atMost: number,
  last: boolean,
  { before = 0, size = BATCH_RECIPIENTS, limit = Infinity }: CutBounds = {},
): Cut {
  const pages = Math.ceil(bits.length / PAGE_BYTES)
  const batches: PlannedBatch[] = []
  let done = { page: 0, before }
  let left = limit
  /** The batch under construction; it has no recipients yet where `recipients` is 0. */
  let open = { fromPage: 0, before: 0, recipients: 0, full: 0 }
  const close = (toPage: number, after: number): void => {
    const part = open.before + after > 0 ? { before: open.before, after } : {}
    const range = { fromPage: firstPage + open.fromPage, toPage: firstPage + toPage, recipients: open.recipients }
    batches.push({ ...range, ...part })
    open = { fromPage: 0, before: 0, recipients: 0, full: 0 }
  }
  let lastWithRecipients = 0
  for (let page = 0; page < pages && batches.length < atMost && left > 0; page += 1) {
    const onPage = popcount(bits, page * PAGE_BYTES, Math.min(bits.length, (page + 1) * PAGE_BYTES))
    let taken = page === 0 ? before : 0
    while (taken < onPage && batches.length < atMost && left > 0) {
      const rest = onPage - taken
      // A page is divided only where it does not fit into a batch of its own.
      const fits = open.recipients + rest <= size && open.full < MAX_FULL_PAGES && page - open.fromPage < MAX_SPAN_PAGES
      if (open.recipients > 0 && !fits) {
        close(lastWithRecipients, 0)
        done = { page, before: taken }
        continue
      }
      if (open.recipients === 0) open = { fromPage: page, before: taken, recipients: 0, full: 0 }
      const count = Math.min(rest, size - open.recipients, left)
      open.recipients += count
      open.full += 1
      lastWithRecipients = page
      taken += count
      left -= count
      if (open.recipients < size && left > 0) continue
      close(page, onPage - taken)
      done = taken === onPage ? { page: page + 1, before: 0 } : { page, before: taken }
    }
  }
  if (batches.length < atMost && left > 0) {
    if (open.recipients === 0) done = { page: pages, before: 0 }
    else if (last || pages - open.fromPage >= MAX_SPAN_PAGES) {
      close(lastWithRecipients, 0)
      done = { page: pages, before: 0 }
    } else done = { page: open.fromPage, before: open.before }
  }
  return { batches, nextPage: firstPage + done.page, nextBefore: done.before }
}
