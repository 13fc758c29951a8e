import { cellWithoutGuard } from '../csv-line.ts'
import type { ChannelId } from '../ids.ts'
import { channelIdSchema } from '../ids.ts'
import { readJson } from '../json.ts'
import type { CsvRow } from './csv-reader.ts'
import { csvReader } from './csv-reader.ts'
import type { Line } from './lines.ts'
import { readLines } from './lines.ts'
import { ndjsonReader } from './ndjson-reader.ts'
import type { LineIssue, LineRecord, RecordReader } from './record-reader.ts'
import { unreadable } from './record-reader.ts'
import type { UploadFormat } from './upload-format.ts'

export type ChannelIdLine =
  | { readonly line: number; readonly channel: ChannelId }
  | { readonly line: number; readonly issue: LineIssue }

/**
 * The channel ids of an upload: lines of JSON or rows of a CSV with a `channel`, whatever else they hold, so that the
 * results of a campaign can be read as they are; or bare ids, one a line. The format `ids` means any of the three, by
 * its first line. Throws a Problem for an upload that is too large or has another format.
 */
export async function* readChannelIds(
  pieces: AsyncIterable<Buffer>,
  format: UploadFormat,
): AsyncGenerator<ChannelIdLine> {
  const reader = readerFor(format)
  for await (const lines of readLines(pieces)) {
    for (const record of reader.read(lines)) {
      if ('issue' in record) yield record
      else yield channelIn(record.line, record.input)
    }
  }
  reader.end()
}

function readerFor(format: UploadFormat): RecordReader {
  switch (format) {
    case 'csv':
      return csvChannels()
    case 'ndjson':
      return ndjsonReader()
    case 'ids':
      return anyReader()
    default:
      return format satisfies never
  }
}

function csvChannels(): RecordReader {
  const reader = csvReader({ required: ['channel'], optional: [], allowsOthers: true })
  return {
    read: (lines) =>
      reader.read(lines).map((record) => {
        if ('issue' in record) return record
        const { channel = '' } = record.input as CsvRow
        return { line: record.line, input: { channel: cellWithoutGuard(channel) } }
      }),
    end: reader.end,
  }
}

/** Chooses by the first line. A lone id `channel` is an id and no header. */
function anyReader(): RecordReader {
  let chosen: RecordReader | undefined
  return {
    read(lines) {
      chosen ??= lines[0] === undefined ? undefined : readerByLine(lines[0].text.trim())
      return chosen?.read(lines) ?? []
    },
    end: () => chosen?.end(),
  }
}

function readerByLine(text: string): RecordReader {
  if (/^[[{]/.test(text)) return ndjsonReader()
  return /^"?sep=|(?:^|[,;\t|])"?channel"?[,;\t|]|[,;\t|]"?channel"?$/i.test(text) ? csvChannels() : bareIds
}

const bareIds: RecordReader = {
  read: (lines) => lines.map((line) => unreadable(line) ?? bareId(line)),
  end: () => {},
}

/** A line of JSON may stand among bare ids. */
function bareId({ number, text }: Line): LineRecord {
  const id = text.trim()
  if (!id.startsWith('{')) return { line: number, input: { channel: id } }
  const read = readJson(id)
  return read.ok
    ? { line: number, input: read.value }
    : { line: number, issue: { code: 'malformed-json', detail: 'wanted a channel id or {"channel": "…"}' } }
}

function channelIn(line: number, input: unknown): ChannelIdLine {
  const channel = typeof input === 'object' && input !== null && 'channel' in input ? input.channel : undefined
  const parsed = channelIdSchema.safeParse(channel)
  if (parsed.success) return { line, channel: parsed.data as ChannelId }
  return { line, issue: channel === undefined ? missing : wrongId }
}

const missing: LineIssue = { code: 'missing', detail: 'the line has no "channel"; wanted {"channel": "…"}' }

const wrongId: LineIssue = {
  code: 'wrong-value',
  detail: 'a channel id must be a text of 1 to 128 printable ASCII characters without spaces',
}
