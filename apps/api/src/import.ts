import type { IncomingMessage } from 'node:http'
import { parse as parseCsv } from 'csv-parse/sync'
import type { ChannelId, Fault, Parsed } from '@wns-fanout/domain'
import { channelIdSchema, faultsOf, parseImportLine, Problem } from '@wns-fanout/domain'
import type { ImportLine } from '@wns-fanout/state'
import * as z from 'zod'
import { parseJson } from './json.ts'
import type { Line } from './lines.ts'
import { MAX_LINE_BYTES, readLines } from './lines.ts'
import { invalid } from './problem.ts'

/** The registrations of an upload, as fast as they are taken; a broken line is one with faults, and the rest goes on. */
export async function* readRegistrations(
  request: IncomingMessage,
  format: 'ndjson' | 'csv',
): AsyncGenerator<ImportLine> {
  const reader = format === 'csv' ? csvReader() : { parse: parseJson, end: () => {} }
  for await (const lines of readLines(request)) {
    for (const line of lines) {
      const parsed = parsedLine(line, reader.parse, parseImportLine)
      if (parsed !== undefined) yield { line: line.number, parsed }
    }
  }
  reader.end()
}

const listLineSchema = z.strictObject({ channel: channelIdSchema })
const maxListFaults = 100

/**
 * The channels of an upload of `{channel}` lines. Throws `invalid` with the first hundred faults, by line, after the last
 * line: a list that lacks some of its channels is not the one that was meant.
 */
export async function* readChannels(request: IncomingMessage): AsyncGenerator<ChannelId> {
  const faults: Fault[] = []
  for await (const lines of readLines(request)) {
    for (const line of lines) {
      const parsed = parsedLine(line, parseJson, parseListLine)
      if (parsed === undefined) continue
      if (parsed.ok) yield parsed.value
      else if (faults.length < maxListFaults)
        faults.push(...parsed.faults.map((fault) => ({ ...fault, path: [line.number, ...fault.path] })))
    }
  }
  if (faults.length > 0) throw invalid('The list (pointers begin with the line)', faults.slice(0, maxListFaults))
}

const parseListLine = (input: unknown): Parsed<ChannelId> => {
  const parsed = listLineSchema.safeParse(input)
  return parsed.success
    ? { ok: true, value: parsed.data.channel as ChannelId }
    : { ok: false, faults: faultsOf(parsed.error.issues) }
}

const lineFaults: Record<NonNullable<Line['fault']>, string> = {
  'line-too-long': `a line may have at most ${MAX_LINE_BYTES} bytes`,
  encoding: 'the line is not UTF-8',
}

/** Undefined for a line that says nothing by itself, the header of a CSV. */
const parsedLine = <T>(
  { text, fault }: Line,
  parse: (text: string) => unknown,
  judge: (input: unknown) => Parsed<T>,
): Parsed<T> | undefined => {
  if (fault !== undefined) return refused(fault, lineFaults[fault])
  try {
    const input = parse(text)
    if (input === undefined) return undefined
    const judged = judge(input)
    return judged.ok ? judged : { ok: false, faults: [oneOf(judged.faults)] }
  } catch (error) {
    if (error instanceof BadLine) return refused(error.code, error.message)
    if (error instanceof Problem && error.code === 'malformed-json')
      return refused(error.code, error.message.replace('line 1 ', ''))
    throw error
  }
}

const refused = (code: string, detail: string): Parsed<never> => ({ ok: false, faults: [{ path: [], code, detail }] })

const fields = new Set<unknown>(['channel', 'uri', 'tags', 'locale', 'vars'])

/**
 * A line is one entry of the answer, whatever is wrong with it. Whoever reads the answer may not always see what was
 * imported, so nothing of it is repeated: no name of an unknown field, no name of a variable.
 */
const oneOf = (faults: readonly Fault[]): Fault => {
  const details = faults.slice(0, 5).map(({ path: [field], code, detail }) => {
    if (code === 'unknown-field') return 'a field is unknown here; remove it'
    return fields.has(field) ? `${String(field)}: ${detail}` : detail
  })
  return { path: [], code: faults[0]?.code ?? 'invalid', detail: [...new Set(details)].join('; ') }
}

const columns = ['channel', 'uri', 'tags', 'locale'] as const
type Column = (typeof columns)[number]

class BadLine extends Error {
  override readonly name = 'BadLine'
  readonly code: string

  constructor(code: string, detail: string) {
    super(detail)
    this.code = code
  }
}

// No field of a registration can hold a line break, so a record is a line: a forgotten quote spoils one line, not all
// that follow.
const csvReader = () => {
  let header: readonly Column[] | undefined
  return {
    parse: (text: string): unknown => {
      const cells = cellsOf(text)
      if (header !== undefined) return recordOf(header, cells)
      header = headerOf(cells)
      return undefined
    },
    end: (): void => {
      if (header === undefined) headerOf([])
    },
  }
}

const recordOf = (header: readonly Column[], cells: readonly string[]): unknown => {
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

const tagsOf = (cell: string): string[] =>
  cell
    .split(';')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '')

const cellsOf = (text: string): readonly string[] => {
  // Most files have no quotes, and splitting them is twenty times faster.
  if (!text.includes('"')) return text.split(',').map((cell) => cell.trim())
  try {
    return parseCsv(text, { relax_column_count: true, trim: true })[0] ?? []
  } catch {
    throw new BadLine('csv-quotes', 'the quotes of the line do not match; a record is one line')
  }
}

const headerOf = (cells: readonly string[]): readonly Column[] => {
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
