/** A JSON log line as text: `level message (error or problem)`. Other lines stay as they are. */
export function readableLog(line: string): string {
  const entry = parseLog(line)
  if (entry === undefined) return line
  const err = fieldOf(entry.fields, 'err')
  const why = textIn(err, 'message') ?? textIn(entry.fields, 'problem')
  return `${entry.level}  ${entry.message}${why === undefined || why === entry.message ? '' : ` (${why})`}`
}

export interface LogEntry {
  readonly level: string
  /** The numbers of pino: 30 info, 40 warn, 50 error. */
  readonly severity: number
  readonly message: string
  readonly fields: unknown
}

const levels: ReadonlyMap<number, string> = new Map([
  [10, 'trace'],
  [20, 'debug'],
  [30, 'info'],
  [40, 'warn'],
  [50, 'error'],
  [60, 'fatal'],
])

export function parseLog(line: string): LogEntry | undefined {
  if (!line.startsWith('{')) return undefined
  let fields: unknown
  try {
    fields = JSON.parse(line)
  } catch {
    return undefined
  }
  const level = fieldOf(fields, 'level')
  const severity = typeof level === 'number' ? level : ([...levels].find(([, name]) => name === level)?.[0] ?? 0)
  const message = textIn(fields, 'msg') ?? textIn(fields, 'message')
  if (severity === 0 || message === undefined) return undefined
  return { level: levels.get(severity) ?? 'info', severity, message, fields }
}

/** A field of an unknown value. */
export function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

/** A text field of an unknown value. */
export function textIn(value: unknown, name: string): string | undefined {
  const field = fieldOf(value, name)
  return typeof field === 'string' ? field : undefined
}
