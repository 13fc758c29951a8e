/** What an upload holds: one JSON object a line, a CSV with a header, or one channel id a line. */
export type UploadFormat = 'ndjson' | 'csv' | 'ids'

const formats: Readonly<Record<string, UploadFormat>> = {
  'application/x-ndjson': 'ndjson',
  'application/ndjson': 'ndjson',
  'application/jsonl': 'ndjson',
  'application/x-jsonlines': 'ndjson',
  'text/csv': 'csv',
  'text/tab-separated-values': 'csv',
  'text/plain': 'ids',
}

/** The media types of an upload in one of these formats, the usual one of each first. */
export function mediaTypesFor(accepted: readonly UploadFormat[]): string[] {
  return Object.entries(formats).flatMap(([type, format]) => (accepted.includes(format) ? [type] : []))
}

/** The format that a Content-Type names, without regard to its parameters. */
export function formatOf(contentType: string): UploadFormat | undefined {
  return formats[contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '']
}

/** The format that the name of a file shows, with `.gz` behind it or not. */
export function formatOfFile(name: string): UploadFormat | undefined {
  if (/\.(?:csv|tsv)(?:\.gz)?$/i.test(name)) return 'csv'
  if (/\.(?:ndjson|jsonl|json)(?:\.gz)?$/i.test(name)) return 'ndjson'
  return undefined
}
