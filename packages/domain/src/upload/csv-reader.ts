import { parse } from 'csv-parse/sync'
import { Problem } from '../problem.ts'
import type { CsvColumns } from './csv-header.ts'
import { parseCsvHeader, separatorLine } from './csv-header.ts'
import { CURL_JOINS_LINES } from './hints.ts'
import type { Line } from './lines.ts'
import type { LineIssue, LineRecord, RecordReader } from './record-reader.ts'
import { unreadable } from './record-reader.ts'

/** The cells of a row by the names of their columns. */
export type CsvRow = Readonly<Record<string, string>>

interface Header {
  readonly delimiter: string
  readonly names: readonly string[]
}

/**
 * Reads a CSV with a header; the delimiter may be a comma, a semicolon, a tab or a bar. No field can hold a line break,
 * so a record is a line: an unmatched quote spoils one line, not all that follow. Records are {@link CsvRow}s.
 */
export function csvReader(columns: CsvColumns): RecordReader {
  let header: Header | undefined
  let given: string | undefined
  /** Undefined for the line in front of the header that gives the delimiter. */
  const readHeader = (line: Line): Header | undefined => {
    refuseLongHeader(line)
    const separator = given === undefined ? separatorLine(line.text) : undefined
    given ??= separator
    if (separator !== undefined) return undefined
    const parsed = parseCsvHeader(line.text, columns, headerCells, given)
    if (!parsed.ok) throw refuse(parsed.issues, line.number)
    return parsed
  }
  return {
    read(lines) {
      if (header !== undefined) return rowsOf(lines, header)
      for (const [at, line] of lines.entries()) {
        header = readHeader(line)
        if (header !== undefined) return rowsOf(lines.slice(at + 1), header)
      }
      return []
    },
    end() {
      if (header === undefined)
        throw refuse([{ code: 'csv-header', detail: `found no header; wanted ${columns.required.join(',')},…` }], 1)
    },
  }
}

function refuse(issues: readonly LineIssue[], line: number): Problem {
  const count = issues.length === 1 ? '1 problem' : `${issues.length} problems`
  return new Problem(
    'invalid',
    `The header of the CSV has ${count}: ${issues.map(({ detail }) => detail).join('; ')}`,
    {
      inputErrors: issues.map((issue) => ({ path: [line], ...issue })),
    },
  )
}

function refuseLongHeader({ number, defect }: Line): void {
  if (defect === undefined) return
  const detail =
    defect === 'encoding'
      ? 'the header is not UTF-8; save the file as CSV UTF-8'
      : `found no line end in the header; every record needs its own line (${CURL_JOINS_LINES})`
  throw refuse([{ code: 'csv-header', detail }], number)
}

function rowsOf(lines: readonly Line[], header: Header): LineRecord[] {
  const quoted = quotedCells(lines, header.delimiter)
  return lines.flatMap((line) => {
    const defect = unreadable(line)
    if (defect !== undefined) return [defect]
    const cells = quoted.get(line.text) ?? cellsOf(line.text, header.delimiter)
    if (cells === undefined)
      return [issueOf(line, 'csv-quotes', 'the quotes of the line do not match; a record is one line')]
    return isHeaderAgain(cells, header) ? [] : [recordOf(line, cells, header)]
  })
}

function recordOf(line: Line, cells: readonly string[], { names }: Header): LineRecord {
  const extra = cells.slice(names.length)
  if (cells.length < names.length || extra.some((cell) => cell !== ''))
    return issueOf(line, 'csv-columns', `the line has ${cells.length} columns and the header has ${names.length}`)
  return { line: line.number, input: Object.fromEntries(names.map((name, at) => [name, cells[at] ?? ''])) }
}

// Files that were joined have their header in the middle. A single column may hold a channel with the name `channel`.
function isHeaderAgain(cells: readonly string[], { names }: Header): boolean {
  return names.length > 1 && names.every((name, at) => cells[at]?.toLowerCase() === name)
}

function issueOf({ number }: Line, code: string, detail: string): LineRecord {
  return { line: number, issue: { code, detail } }
}

// On its own the parser would take the first line break for the end of records, also a lone carriage return, and drop
// the text behind it.
function optionsFor(delimiter: string) {
  return { delimiter, relax_column_count: true, trim: true, record_delimiter: '\n' }
}

// Starting the parser costs far more than a line, so lines with quotes are read together. If one of them is broken or
// swallows the next, none is known and each is read alone.
function quotedCells(lines: readonly Line[], delimiter: string): ReadonlyMap<string, readonly string[]> {
  const texts = lines.map(({ text }) => text).filter((text) => text.includes('"'))
  if (texts.length < 2) return new Map()
  try {
    const records: readonly string[][] = parse(texts.join('\n'), optionsFor(delimiter))
    return records.length === texts.length ? new Map(texts.map((text, at) => [text, records[at] ?? []])) : new Map()
  } catch {
    return new Map()
  }
}

/** Undefined where the quotes of the line do not match. */
function cellsOf(text: string, delimiter: string): readonly string[] | undefined {
  // Most files have no quotes.
  if (!text.includes('"')) return text.split(delimiter).map((cell) => cell.trim())
  try {
    const records: readonly string[][] = parse(text, optionsFor(delimiter))
    return records[0] ?? []
  } catch {
    return undefined
  }
}

function headerCells(text: string, delimiter: string): readonly string[] {
  return cellsOf(text, delimiter) ?? []
}
