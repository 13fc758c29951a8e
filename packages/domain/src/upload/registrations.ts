import type { Parsed, Registration } from '../channel.ts'
import { parseImportLine } from '../channel.ts'
import type { ChannelId } from '../ids.ts'
import { channelIdSchema } from '../ids.ts'
import type { OddFieldPolicy, SkippedField } from '../odd-fields.ts'
import { withoutOddFields } from '../odd-fields.ts'
import type { InputError } from '../problem.ts'
import { namesIn, truthOf } from '../table-mapping.ts'
import type { CsvRow } from './csv-reader.ts'
import { csvReader } from './csv-reader.ts'
import { readLines } from './lines.ts'
import { ndjsonReader } from './ndjson-reader.ts'
import type { LineIssue, LineRecord } from './record-reader.ts'

/** One line of an import, counted from 1, already judged. */
export interface ImportedLine {
  readonly line: number
  readonly parsed: Parsed<Registration>
  /** The id of a line that was refused, where it can be read. */
  readonly channel?: ChannelId
  /** Fields of which the policy `skip-field` left something out; absent when there are none. */
  readonly skipped?: readonly SkippedField[]
}

const columns = {
  required: ['channel'],
  optional: ['uri', 'tags', 'locale', 'optedout', 'optedoutof', 'registeredat', 'timezone'],
  allowsOthers: false,
}

/**
 * The registrations of an upload, as fast as they are taken. A broken line is reported, and the others are read.
 * Throws a Problem for an upload that is too large or has another format.
 */
export async function* readRegistrations(
  pieces: AsyncIterable<Buffer>,
  format: 'ndjson' | 'csv',
  policy: OddFieldPolicy = 'strict',
): AsyncGenerator<ImportedLine> {
  const reader = format === 'csv' ? csvReader(columns) : ndjsonReader()
  const inputOf = format === 'csv' ? (input: unknown) => registrationFields(input as CsvRow) : (input: unknown) => input
  for await (const lines of readLines(pieces)) {
    for (const record of reader.read(lines)) yield judged(record, inputOf, policy)
  }
  reader.end()
}

function judged(record: LineRecord, inputOf: (input: unknown) => unknown, policy: OddFieldPolicy): ImportedLine {
  const { line } = record
  if ('issue' in record) return { line, parsed: { ok: false, inputErrors: [asFault(record.issue)] } }
  const given = inputOf(record.input)
  const { input, skipped } = policy === 'strict' ? { input: given, skipped: [] } : withoutOddFields(given)
  const parsed = parseImportLine(input)
  if (!parsed.ok) return { line, parsed: { ok: false, inputErrors: [oneOf(parsed.inputErrors)] }, ...idOf(input) }
  return { line, parsed, ...(skipped.length === 0 ? {} : { skipped }) }
}

function idOf(input: unknown): { readonly channel?: ChannelId } {
  const id = typeof input === 'object' && input !== null && 'channel' in input ? input.channel : undefined
  const parsed = channelIdSchema.safeParse(id)
  return parsed.success ? { channel: parsed.data as ChannelId } : {}
}

// An empty cell is an absent field, which keeps its value; only JSON can clear one.
function registrationFields({
  channel,
  uri = '',
  tags = '',
  locale = '',
  optedout = '',
  optedoutof = '',
  registeredat = '',
  timezone = '',
}: CsvRow): object {
  return {
    channel,
    ...(uri === '' ? {} : { uri }),
    ...(tags === '' ? {} : { tags: namesIn(tags) }),
    ...(locale === '' ? {} : { locale }),
    ...(optedout === '' ? {} : { optedOut: truthOf(optedout) }),
    ...(optedoutof === '' ? {} : { optedOutOf: namesIn(optedoutof) }),
    ...(registeredat === '' ? {} : { registeredAt: registeredat }),
    ...(timezone === '' ? {} : { timeZone: timezone }),
  }
}

function asFault(issue: LineIssue): InputError {
  return { path: [], ...issue }
}

const fields: ReadonlySet<unknown> = new Set([
  'channel',
  'uri',
  'tags',
  'locale',
  'timeZone',
  'vars',
  'optedOut',
  'optedOutOf',
  'registeredAt',
])

/**
 * A line is one entry of the answer, however many errors it has. The reader of the answer may not be allowed to see the
 * upload, so the entry repeats nothing of it: no name of an unknown field, no name of a variable.
 */
function oneOf(errors: readonly InputError[]): InputError {
  const details = errors.slice(0, 5).map(({ path: [field], code, detail }) => {
    if (code === 'unknown-field') return 'a field is unknown here; remove it'
    return fields.has(field) ? `${String(field)}: ${detail}` : detail
  })
  return { path: [], code: errors[0]?.code ?? 'invalid', detail: [...new Set(details)].join('; ') }
}
