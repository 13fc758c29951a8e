import { Readable } from 'node:stream'
import { csvLines } from '@wns-fanout/domain'

// One write for each line would cost more than the line.
const LINES_PER_PIECE = 200

/** A stream of JSON lines, read only as fast as its reader takes it. */
export function ndjson(items: AsyncIterable<object>): Readable {
  return Readable.from(
    pieces(items, (some) => some.map((item) => `${JSON.stringify(item)}\n`).join('')),
    { objectMode: false },
  )
}

/** A CSV with this header, a row for each item, read only as fast as its reader takes it. */
export function csv<T>(
  items: AsyncIterable<T>,
  header: readonly string[],
  rowOf: (item: T) => readonly string[],
): Readable {
  return Readable.from(csvPieces(items, header, rowOf), { objectMode: false })
}

async function* csvPieces<T>(
  items: AsyncIterable<T>,
  header: readonly string[],
  rowOf: (item: T) => readonly string[],
): AsyncGenerator<string> {
  yield csvLines([header])
  yield* pieces(items, (some) => csvLines(some.map((item) => rowOf(item))))
}

async function* pieces<T>(items: AsyncIterable<T>, textOf: (items: readonly T[]) => string): AsyncGenerator<string> {
  let some: T[] = []
  for await (const item of items) {
    some.push(item)
    if (some.length < LINES_PER_PIECE) continue
    yield textOf(some)
    some = []
  }
  if (some.length > 0) yield textOf(some)
}
