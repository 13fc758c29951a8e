import { byteOf, code, codeOf, codeTable, isSettled, postsOf, PAGE_BYTES, popcount } from '@wns-fanout/domain'
import type { BatchRange, BatchSalvage, RepairedBatch } from '@wns-fanout/state'

export interface RepairTerms {
  /** The first page that was not planned as a whole, and how many of its recipients were planned. */
  readonly cursor: number
  readonly cursorBefore: number
  readonly plannedRecipients: number
  readonly stopCode: number
}

/** The batch with the number of recipients by the audience, which is whole and so more reliable than the batch. */
export function recounted(batch: BatchSalvage, bits: Uint8Array): BatchSalvage {
  if (batch.range === undefined) return batch
  const recipients = recipientsOn(bits, batch.range)
  return { ...batch, range: recipients === 0 ? undefined : { ...batch.range, recipients } }
}

/** Is a batch closed, and do its range, its vector and the audience agree? */
export function isWhole({ range, closed, vector, closedAs }: BatchSalvage, bits: Uint8Array): boolean {
  if (range === undefined || !closed || !matchesAudience(range, bits)) return false
  if (vector === null) return closedAs !== undefined
  return vector.length === range.recipients && vector.every((byte) => hasKnownCode(byte) && isSettled(codeOf(byte)))
}

/**
 * The damaged batches of a campaign as the repair closes them. Together with the whole batches they hold each recipient
 * of the plan once, so that each has its line in the results.
 *
 * @param bits the frozen audience; empty if it is lost
 */
export function repairedBatches(
  damaged: readonly BatchSalvage[],
  whole: readonly BatchSalvage[],
  bits: Uint8Array,
  terms: RepairTerms,
): RepairedBatch[] {
  const placed = damaged.filter(isPlaced)
  const known = [...whole.filter(isPlaced), ...placed].toSorted((a, b) => a.seq - b.seq)
  const lost = damaged.filter(({ range }) => range === undefined).toSorted((a, b) => a.seq - b.seq)
  const found = bits.length === 0 ? placeByCount(lost, known, terms) : placeInGaps(lost, known, bits, terms)
  return [...placed, ...found].map((batch) => ({
    seq: batch.seq,
    ...batch.range,
    bytes: bytesOf(batch, bits, terms.stopCode),
  }))
}

type PlacedBatch = BatchSalvage & { readonly range: BatchRange }

function isPlaced(batch: BatchSalvage): batch is PlacedBatch {
  return batch.range !== undefined
}

/**
 * Batches follow each other in the order of the pages, so the pages between two known batches belong to the lost
 * batches between them. One lost batch takes the pages and keeps its vector. Of several in a row the first takes all
 * pages: the cut between them is lost, so their vectors cannot be read.
 */
function placeInGaps(
  lost: readonly BatchSalvage[],
  known: readonly PlacedBatch[],
  bits: Uint8Array,
  { cursor, cursorBefore }: RepairTerms,
): PlacedBatch[] {
  const pages = Math.ceil(bits.length / PAGE_BYTES)
  return neighbors(lost).flatMap(([first, ...others]) => {
    const previous = known.findLast(({ seq }) => seq < first.seq)?.range
    const next = known.find(({ seq }) => seq > first.seq)?.range
    const { fromPage, before } = startAfter(previous, bits)
    const planEnd = cursorBefore > 0 ? { fromPage: cursor, before: cursorBefore } : undefined
    const pageEnd = Math.max(fromPage, cursor > fromPage ? cursor : pages)
    const { toPage, after } = endBefore(next ?? planEnd, pageEnd, fromPage, bits)
    const pagesOf = { fromPage, toPage, ...(before + after > 0 ? { before, after } : {}) }
    const range = { ...pagesOf, recipients: recipientsOn(bits, pagesOf) }
    const nothing = { fromPage: toPage + 1, toPage, recipients: 0 }
    const wasOpened = others.every((batch) => batch.wasOpened === false) ? first.wasOpened : undefined
    const unreadable = { vector: null, closed: false, closedAs: undefined, wasOpened }
    return [
      { ...first, ...(others.length === 0 ? {} : unreadable), range },
      ...others.map((batch) => ({ ...batch, vector: null, range: nothing })),
    ]
  })
}

/** Where a batch begins that follows a known one, which may hold a part of its last page only. */
function startAfter(previous: BatchRange | undefined, bits: Uint8Array): { fromPage: number; before: number } {
  if (previous === undefined) return { fromPage: 0, before: 0 }
  const { toPage, after = 0 } = previous
  if (after === 0) return { fromPage: toPage + 1, before: 0 }
  return { fromPage: toPage, before: recipientsOn(bits, { fromPage: toPage, toPage }) - after }
}

/** Where a batch ends that a known one follows, or the end of the plan. */
function endBefore(
  next: Pick<BatchRange, 'fromPage' | 'before'> | undefined,
  planEnd: number,
  fromPage: number,
  bits: Uint8Array,
): { toPage: number; after: number } {
  if (next === undefined) return { toPage: planEnd - 1, after: 0 }
  const page = next.fromPage
  if ((next.before ?? 0) === 0) return { toPage: Math.max(fromPage, page) - 1, after: 0 }
  return { toPage: page, after: recipientsOn(bits, { fromPage: page, toPage: page }) - (next.before ?? 0) }
}

/** Without the audience its recipients cannot be listed, but they count. */
function placeByCount(
  lost: readonly BatchSalvage[],
  known: readonly PlacedBatch[],
  { plannedRecipients }: RepairTerms,
): PlacedBatch[] {
  const counted = sum(known.map(({ range }) => range.recipients)) + sum(lost.map(({ vector }) => vector?.length ?? 0))
  let uncounted = Math.max(0, plannedRecipients - counted)
  const page = (known.at(-1)?.range.toPage ?? -1) + 1
  return lost.map((batch) => {
    const recipients = batch.vector?.length ?? uncounted
    if (batch.vector === null) uncounted = 0
    return { ...batch, range: { fromPage: page, toPage: page, recipients } }
  })
}

/** Groups of batches with consecutive numbers. */
function neighbors(batches: readonly BatchSalvage[]): [BatchSalvage, ...BatchSalvage[]][] {
  const groups: [BatchSalvage, ...BatchSalvage[]][] = []
  for (const batch of batches) {
    const group = groups.at(-1)
    if (group?.at(-1)?.seq === batch.seq - 1) group.push(batch)
    else groups.push([batch])
  }
  return groups
}

function bytesOf(batch: PlacedBatch, bits: Uint8Array, stopCode: number): Uint8Array | number {
  const { range, vector, closedAs, closed } = batch
  const isReadable = matchesAudience(range, bits)
  if (isReadable && vector !== null && vector.length === range.recipients)
    return vector.map((byte) => settledByte(byte, stopCode))
  if (vector === null && isReadable && closed && closedAs !== undefined) return closedAs
  if (vector === null && !closed && batch.wasOpened === false) return stopCode
  return code.inDoubt
}

/** The byte of a recipient whose batch is closed as it was found. */
function settledByte(byte: number, stopCode: number): number {
  if (!hasKnownCode(byte)) return byteOf(code.inDoubt, postsOf(byte))
  if (codeOf(byte) === code.credited) return byteOf(code.inDoubt, postsOf(byte) + 1)
  return isSettled(codeOf(byte)) ? byte : byteOf(stopCode, postsOf(byte))
}

/** If the audience holds another number of recipients than the batch, no byte can be matched to its recipient. */
function matchesAudience(range: BatchRange, bits: Uint8Array): boolean {
  const recipients = recipientsOn(bits, range)
  return recipients === 0 || recipients === range.recipients
}

function recipientsOn(bits: Uint8Array, range: Omit<BatchRange, 'recipients'>): number {
  const { fromPage, toPage, before = 0, after = 0 } = range
  const onPages = popcount(
    bits,
    Math.min(bits.length, fromPage * PAGE_BYTES),
    Math.min(bits.length, (toPage + 1) * PAGE_BYTES),
  )
  return Math.max(0, onPages - before - after)
}

function hasKnownCode(byte: number): boolean {
  return codeTable[codeOf(byte)] !== undefined
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0)
}
