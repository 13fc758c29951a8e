import type { IncomingMessage } from 'node:http'
import type { ChannelId, InputError, Parsed } from '@wns-fanout/domain'
import { channelIdSchema, inputErrorsOf, parseImportLine, Problem } from '@wns-fanout/domain'
import type { ImportLine } from '@wns-fanout/state'
import * as z from 'zod'
import { BadLine, csvReader } from './csv-lines.ts'
import { parseJson } from './json.ts'
import type { Line } from './lines.ts'
import { MAX_LINE_BYTES, readLines } from './lines.ts'
import { invalid } from './problem.ts'

/** The registrations of an upload, as fast as they are taken; a broken line is one with faults, and the rest goes on. */
export async function* readRegistrations(
  request: IncomingMessage,
  format: 'ndjson' | 'csv',
): AsyncGenerator<ImportLine> {
  const reader = format === 'csv' ? csvReader() : { expect: () => {}, parse: parseJson, end: () => {} }
  for await (const lines of readLines(request)) {
    reader.expect(lines)
    for (const line of lines) {
      const parsed = parsedLine(line, reader.parse, parseImportLine)
      if (parsed !== undefined) yield { line: line.number, parsed }
    }
  }
  reader.end()
}

const listLineSchema = z.strictObject({ channel: channelIdSchema })
const MAX_LIST_ERRORS = 100

/**
 * The channels of an upload of `{channel}` lines. Throws `invalid` with the first hundred faults, by line, after the last
 * line: a list that lacks some of its channels is not the one that was meant.
 */
export async function* readChannels(request: IncomingMessage): AsyncGenerator<ChannelId> {
  const errors: InputError[] = []
  for await (const lines of readLines(request)) {
    for (const line of lines) {
      const parsed = parsedLine(line, parseJson, parseListLine)
      if (parsed === undefined) continue
      if (parsed.ok) yield parsed.value
      else if (errors.length < MAX_LIST_ERRORS)
        errors.push(
          ...parsed.inputErrors.map((inputError) => ({ ...inputError, path: [line.number, ...inputError.path] })),
        )
    }
  }
  if (errors.length > 0) throw invalid('The list (pointers begin with the line)', errors.slice(0, MAX_LIST_ERRORS))
}

function parseListLine(input: unknown): Parsed<ChannelId> {
  const parsed = listLineSchema.safeParse(input)
  return parsed.success
    ? { ok: true, value: parsed.data.channel as ChannelId }
    : { ok: false, inputErrors: inputErrorsOf(parsed.error.issues) }
}

const lineErrors: Record<NonNullable<Line['inputError']>, string> = {
  'line-too-long': `a line may have at most ${MAX_LINE_BYTES} bytes`,
  encoding: 'the line is not UTF-8',
}

/** Undefined for a line that says nothing by itself, the header of a CSV. */
function parsedLine<T>(
  { text, inputError }: Line,
  parse: (text: string) => unknown,
  judge: (input: unknown) => Parsed<T>,
): Parsed<T> | undefined {
  if (inputError !== undefined) return refused(inputError, lineErrors[inputError])
  try {
    const input = parse(text)
    if (input === undefined) return undefined
    const judged = judge(input)
    return judged.ok ? judged : { ok: false, inputErrors: [oneOf(judged.inputErrors)] }
  } catch (error) {
    if (error instanceof BadLine) return refused(error.code, error.message)
    if (error instanceof Problem && error.code === 'malformed-json')
      return refused(error.code, error.message.replace('line 1 ', ''))
    throw error
  }
}

function refused(code: string, detail: string): Parsed<never> {
  return { ok: false, inputErrors: [{ path: [], code, detail }] }
}

const fields = new Set<unknown>(['channel', 'uri', 'tags', 'locale', 'vars'])

/**
 * A line is one entry of the answer, whatever is wrong with it. Whoever reads the answer may not always see what was
 * imported, so nothing of it is repeated: no name of an unknown field, no name of a variable.
 */
function oneOf(inputErrors: readonly InputError[]): InputError {
  const details = inputErrors.slice(0, 5).map(({ path: [field], code, detail }) => {
    if (code === 'unknown-field') return 'a field is unknown here; remove it'
    return fields.has(field) ? `${String(field)}: ${detail}` : detail
  })
  return { path: [], code: inputErrors[0]?.code ?? 'invalid', detail: [...new Set(details)].join('; ') }
}
