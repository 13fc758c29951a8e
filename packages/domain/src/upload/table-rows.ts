import { cellWithoutGuard } from '../csv-line.ts'
import type { Row } from '../table-mapping.ts'
import { csvReader } from './csv-reader.ts'
import { readLines } from './lines.ts'
import { ndjsonReader } from './ndjson-reader.ts'
import type { LineIssue } from './record-reader.ts'

export interface TableRow {
  readonly line: number
  /** The line as the file has it. */
  readonly text: string
  readonly row: Row | LineIssue
  readonly isRow: boolean
}

/**
 * The rows of a CSV with any header, or of NDJSON. Names of CSV columns are in lower case. Throws the Problem `invalid`
 * for a CSV without one of the `columns`.
 *
 * @param onHeader called with the lines in front of the first row of a CSV
 */
export async function* readRows(
  pieces: AsyncIterable<Buffer>,
  format: 'ndjson' | 'csv',
  columns: readonly string[],
  onHeader: (text: string) => void,
): AsyncGenerator<TableRow[]> {
  const reader = format === 'csv' ? csvReader({ required: columns, optional: [], allowsOthers: true }) : ndjsonReader()
  let isFirst = format === 'csv'
  for await (const lines of readLines(pieces)) {
    const records = reader.read(lines)
    const texts = new Map(lines.map(({ number, text }) => [number, text]))
    if (isFirst) {
      const first = records[0]?.line ?? Number.POSITIVE_INFINITY
      const header = lines.filter(({ number }) => number < first)
      onHeader(header.map(({ text }) => `${text}\n`).join(''))
      isFirst = records.length === 0
    }
    yield records.map((record) => {
      const about = { line: record.line, text: texts.get(record.line) ?? '' }
      if ('issue' in record) return { ...about, row: record.issue, isRow: false }
      if (typeof record.input !== 'object' || record.input === null || Array.isArray(record.input))
        return { ...about, row: noObject, isRow: false }
      return {
        ...about,
        row: format === 'csv' ? withoutGuards(record.input as Row) : (record.input as Row),
        isRow: true,
      }
    })
  }
  reader.end()
}

const noObject: LineIssue = { code: 'wrong-type', detail: 'the line is not a JSON object' }

function withoutGuards(row: Row): Row {
  return Object.fromEntries(Object.entries(row).map(([name, cell]) => [name, cellWithoutGuard(String(cell))]))
}
