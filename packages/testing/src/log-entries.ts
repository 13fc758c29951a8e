/** A line of a log in NDJSON. */
export type LogEntry = Readonly<Record<string, unknown>>

/** The entries of an NDJSON log, in order, without lines that are no JSON objects (Node's warnings, stack traces). */
export function logEntries(text: string): LogEntry[] {
  return text.split('\n').flatMap((line) => {
    const entry = line.startsWith('{') ? parse(line) : undefined
    return entry === undefined ? [] : [entry]
  })
}

function parse(line: string): LogEntry | undefined {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- JSON that starts with a brace is an object
    return JSON.parse(line) as LogEntry
  } catch {
    return undefined
  }
}
