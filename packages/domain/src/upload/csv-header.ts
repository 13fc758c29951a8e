import { CURL_JOINS_LINES } from './hints.ts'
import type { LineIssue } from './record-reader.ts'

/** Which columns a CSV must and may have, all in lower case. */
export interface CsvColumns {
  readonly required: readonly string[]
  readonly optional: readonly string[]
  /** Columns that are read over; false refuses them by name. */
  readonly allowsOthers: boolean
}

export type CsvHeader =
  | { readonly ok: true; readonly delimiter: string; readonly names: readonly string[] }
  | { readonly ok: false; readonly issues: readonly LineIssue[] }

const delimiters = [',', ';', '\t', '|'] as const

/** The delimiter of a line `sep=;`, which Excel reads and writes in front of the header. */
export function separatorLine(text: string): string | undefined {
  return /^"?sep=(.)"?[,;\t|]*$/i.exec(text)?.[1]
}

/**
 * The header of a CSV: the delimiter by which most of its columns are known, and its names in lower case without the
 * empty ones at its end.
 *
 * @param cellsOf splits a line at a delimiter and trims the cells
 */
export function parseCsvHeader(
  text: string,
  columns: CsvColumns,
  cellsOf: (text: string, delimiter: string) => readonly string[],
  given?: string,
): CsvHeader {
  const known = new Set([...columns.required, ...columns.optional])
  const candidates = (given === undefined ? delimiters : [given]).map((delimiter) => {
    const names = withoutEmptyEnd(cellsOf(text, delimiter).map((cell) => cell.toLowerCase()))
    return { delimiter, names, hits: names.filter((name) => known.has(name)).length }
  })
  const best = candidates.toSorted((left, right) => right.hits - left.hits)[0]
  if (best === undefined || best.hits === 0) return { ok: false, issues: [whyNoHeader(text, columns)] }
  const issues = issuesOf(best.names, columns, known, text)
  return issues.length === 0 ? { ok: true, delimiter: best.delimiter, names: best.names } : { ok: false, issues }
}

function withoutEmptyEnd(names: readonly string[]): readonly string[] {
  return names.slice(0, names.findLastIndex((name) => name !== '') + 1)
}

function issuesOf(
  names: readonly string[],
  { required, allowsOthers }: CsvColumns,
  known: ReadonlySet<string>,
  text: string,
): LineIssue[] {
  if (text.includes('://')) return [joined(required)]
  const unknown = names.filter((name) => !known.has(name))
  const twice = names.filter((name, at) => known.has(name) && names.indexOf(name) !== at)
  return [
    ...required.filter((name) => !names.includes(name)).map((name) => issue(`the column "${name}" is missing`)),
    ...(allowsOthers ? [] : unknown).map((name) => issue(unknownColumn(name, known))),
    ...[...new Set(twice)].map((name) => issue(`the column "${name}" is there twice`)),
  ]
}

// A header without names that look like names may be data, which no answer may repeat.
function unknownColumn(name: string, known: ReadonlySet<string>): string {
  const shown = /^[a-z][a-z _-]{0,29}$/.test(name) ? `the column "${name}"` : 'a column'
  return `${shown} is unknown; known are ${[...known].join(', ')}`
}

function whyNoHeader(text: string, columns: CsvColumns): LineIssue {
  if (/^\s*[[{]/.test(text))
    return issue(
      'found JSON; send one object on each line with "Content-Type: application/x-ndjson" (CLI: --format ndjson)',
    )
  // Names of other tables may begin alike: `device` and `device_id`.
  const isOurs = columns.required.includes('channel')
  if (isOurs && columns.required.every((name) => new RegExp(`\\b${name}`, 'i').test(text)))
    return joined(columns.required)
  return issue(`found no header; the first line must name the columns, at least ${columns.required.join(',')}`)
}

function joined(required: readonly string[]): LineIssue {
  return issue(
    `found data in the line of the header ${required.join(',')}: the line ends are lost (${CURL_JOINS_LINES})`,
  )
}

function issue(detail: string): LineIssue {
  return { code: 'csv-header', detail }
}
