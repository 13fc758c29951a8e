import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { TableRow } from '@wns-fanout/domain'
import { Problem, readRows } from '@wns-fanout/domain'
import { UsageError } from '../failure.ts'
import type { Source } from './read.ts'

/** Rows in one upload: some hundred milliseconds of the API. */
export const ROWS_PER_UPLOAD = 5000

export interface FileOptions {
  readonly format: 'ndjson' | 'csv'
  readonly isGzip: boolean
  readonly columns: readonly string[]
  readonly onHeader: (text: string) => void
  readonly onBytes: (bytes: number) => void
}

/** The rows of a file, in runs of some thousand. Throws `UsageError` for a file of another format. */
export async function* fileRows(source: Source, options: FileOptions): AsyncGenerator<readonly TableRow[]> {
  const pieces = counted(source, options)
  let run: TableRow[] = []
  try {
    for await (const rows of readRows(pieces, options.format, options.columns, options.onHeader)) {
      run.push(...rows)
      if (run.length < ROWS_PER_UPLOAD) continue
      yield run
      run = []
    }
  } catch (error) {
    throw error instanceof Problem ? new UsageError(`${source.name}: ${error.message}`) : error
  }
  if (run.length > 0) yield run
}

async function* counted({ stream }: Source, { isGzip, onBytes }: FileOptions): AsyncGenerator<Buffer> {
  let bytes = 0
  const pieces = async function* (): AsyncGenerator<Buffer> {
    for await (const piece of stream as AsyncIterable<Buffer>) {
      bytes += piece.length
      onBytes(bytes)
      yield piece
    }
  }
  yield* isGzip ? (Readable.from(pieces()).pipe(createGunzip()) as AsyncIterable<Buffer>) : pieces()
}
