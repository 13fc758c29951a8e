import { Readable } from 'node:stream'

// Pieces of about this many characters: a write per line would cost more than making it.
const PIECE_LENGTH = 16 * 1024

/** A stream of JSON lines, read only as fast as its reader takes it. */
export function ndjson(items: AsyncIterable<object>): Readable {
  return Readable.from(
    pieces(items, (item) => `${JSON.stringify(item)}\n`, ''),
    { objectMode: false },
  )
}

/** A CSV with this header, a row for each item. */
export function csv<T>(
  items: AsyncIterable<T>,
  header: readonly string[],
  rowOf: (item: T) => readonly string[],
): Readable {
  return Readable.from(
    pieces(items, (item) => csvLine(rowOf(item)), csvLine(header)),
    { objectMode: false },
  )
}

async function* pieces<T>(items: AsyncIterable<T>, lineOf: (item: T) => string, head: string): AsyncGenerator<string> {
  let piece = head
  for await (const item of items) {
    piece += lineOf(item)
    if (piece.length < PIECE_LENGTH) continue
    yield piece
    piece = ''
  }
  if (piece !== '') yield piece
}

function csvLine(cells: readonly string[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`
}

// A cell that begins like a formula would be one in a spreadsheet; channel ids are chosen by others.
function csvCell(cell: string): string {
  const safe = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
