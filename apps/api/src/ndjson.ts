import { Readable } from 'node:stream'

// Pieces of about this many characters: a write per line would cost more than making it.
const pieceLength = 16 * 1024

/** A stream of JSON lines, read only as fast as its reader takes it. */
export const ndjson = (items: AsyncIterable<object>): Readable =>
  Readable.from(
    pieces(items, (item) => `${JSON.stringify(item)}\n`, ''),
    { objectMode: false },
  )

/** A CSV with this header, a row for each item. */
export const csv = <T>(
  items: AsyncIterable<T>,
  header: readonly string[],
  rowOf: (item: T) => readonly string[],
): Readable =>
  Readable.from(
    pieces(items, (item) => csvLine(rowOf(item)), csvLine(header)),
    { objectMode: false },
  )

async function* pieces<T>(items: AsyncIterable<T>, lineOf: (item: T) => string, head: string): AsyncGenerator<string> {
  let piece = head
  for await (const item of items) {
    piece += lineOf(item)
    if (piece.length < pieceLength) continue
    yield piece
    piece = ''
  }
  if (piece !== '') yield piece
}

const csvLine = (cells: readonly string[]): string => `${cells.map(csvCell).join(',')}\r\n`

// A cell that begins like a formula would be one in a spreadsheet; channel ids are chosen by others.
const csvCell = (cell: string): string => {
  const safe = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
