import { parse as parseCsv } from 'csv-parse/sync'
import type { Line } from './lines.ts'
import { invalid } from './problem.ts'

/** A line that cannot be read; `code` is a stable word, the message never repeats the line. */
export class BadLine extends Error {
  override readonly name = 'BadLine'
  readonly code: string

  constructor(code: string, detail: string) {
    super(detail)
    this.code = code
  }
}

const columns = ['channel', 'uri', 'tags', 'locale'] as const
type Column = (typeof columns)[number]

/**
 * Reads a CSV of registrations line by line. No field of a registration can hold a line break, so a record is a line: a
 * forgotten quote spoils one line, not all that follow.
 */
export function csvReader() {
  let header: readonly Column[] | undefined
  let known: ReadonlyMap<string, readonly string[]> = new Map()
  return {
    /** The lines that `parse` will be asked for next: together they are read much faster. */
    expect: (lines: readonly Line[]): void => {
      known = cellsOfAll(lines)
    },
    /** An import line; undefined for the header. Throws `BadLine`, or `invalid` for a wrong header. */
    parse: (text: string): unknown => {
      const cells = known.get(text) ?? cellsOf(text)
      if (header !== undefined) return recordOf(header, cells)
      header = headerOf(cells)
      return undefined
    },
    /** Throws when there was no header. */
    end: (): void => {
      if (header === undefined) headerOf([])
    },
  }
}

function recordOf(header: readonly Column[], cells: readonly string[]): unknown {
  if (cells.length !== header.length)
    throw new BadLine('csv-columns', `the line has ${cells.length} columns and the header has ${header.length}`)
  const record: { channel?: string; uri?: string; tags?: string[]; locale?: string } = {}
  for (const [at, column] of header.entries()) {
    const cell = cells[at] ?? ''
    if (column === 'tags') record.tags = tagsOf(cell)
    // A cell is always there; an empty one means that there is no locale.
    else if (column !== 'locale' || cell !== '') record[column] = cell
  }
  return record
}

function tagsOf(cell: string): string[] {
  return cell
    .split(';')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '')
}

// Left to itself the parser takes the first line break for the end of records, a lone carriage return too: what came
// behind one was dropped without a word.
const options = { relax_column_count: true, trim: true, record_delimiter: '\n' }

// The parser costs far more to begin than to go on, so lines with quotes are read together; if one of them is broken or
// swallows the next, none is known and each is read alone.
function cellsOfAll(lines: readonly Line[]): ReadonlyMap<string, readonly string[]> {
  const texts = lines.map(({ text }) => text).filter((text) => text.includes('"'))
  if (texts.length < 2) return new Map()
  try {
    const records: readonly string[][] = parseCsv(texts.join('\n'), options)
    return records.length === texts.length ? new Map(texts.map((text, at) => [text, records[at] ?? []])) : new Map()
  } catch {
    return new Map()
  }
}

function cellsOf(text: string): readonly string[] {
  // Most files have no quotes.
  if (!text.includes('"')) return text.split(',').map((cell) => cell.trim())
  try {
    const records: readonly string[][] = parseCsv(text, options)
    return records[0] ?? []
  } catch {
    throw new BadLine('csv-quotes', 'the quotes of the line do not match; a record is one line')
  }
}

function headerOf(cells: readonly string[]): readonly Column[] {
  const names = cells.map((cell) => cell.toLowerCase())
  const unknown = names.filter((name) => !(columns as readonly string[]).includes(name)).length
  const details = [
    ...['channel', 'uri'].filter((name) => !names.includes(name)).map((name) => `the column "${name}" is missing`),
    ...(unknown === 0 ? [] : [`${unknown} columns are unknown; known are ${columns.join(', ')}`]),
    ...(new Set(names).size === names.length ? [] : ['a column is there twice']),
  ]
  if (details.length > 0)
    throw invalid(
      'The first line, which must be the CSV header,',
      details.map((detail) => ({ path: [], code: 'csv-header', detail })),
    )
  return names as Column[]
}
