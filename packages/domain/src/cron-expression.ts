/** The values that each field of a cron expression allows; each list ascends without duplicates. */
export interface CronExpression {
  readonly minutes: readonly number[]
  readonly hours: readonly number[]
  readonly daysOfMonth: readonly number[]
  readonly months: readonly number[]
  /** 0 is Sunday, 6 is Saturday. */
  readonly daysOfWeek: readonly number[]
  /** Must a date match both day fields? As in crontab, yes if one of them starts with `*`; otherwise one is enough. */
  readonly needsBothDays: boolean
}

interface Field {
  readonly name: string
  readonly min: number
  readonly max: number
  /** Three-letter names of the values, from `min` upwards. */
  readonly names: readonly string[]
}

const fields = {
  minute: { name: 'minute', min: 0, max: 59, names: [] },
  hour: { name: 'hour', min: 0, max: 23, names: [] },
  dayOfMonth: { name: 'day of month', min: 1, max: 31, names: [] },
  month: {
    name: 'month',
    min: 1,
    max: 12,
    names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
  },
  // Sunday is both 0 and 7, as in crontab, so that `5-7` is a range.
  dayOfWeek: { name: 'day of week', min: 0, max: 7, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
} as const satisfies Record<string, Field>

const EXAMPLE = '"0 8 * * 1-5"'
const blanks = /[ \t]+/
const partPattern = /^(\*|[0-9]{1,3}|[a-z]{3})(?:-([0-9]{1,3}|[a-z]{3}))?(?:\/([0-9]{1,3}))?$/i

/**
 * Read five fields as crontab reads them: any number of blanks and tabs separates fields, and the entries of a list may
 * overlap. Returns the reasons instead if the text is not such an expression or matches no date.
 */
export function parseCron(text: string): CronExpression | { readonly problems: readonly string[] } {
  const trimmed = text.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, '')
  const parts = trimmed === '' ? [] : trimmed.split(blanks)
  const shape = problemOfShape(trimmed, parts.length)
  if (shape !== undefined) return { problems: [shape] }

  const [minute = '', hour = '', dayOfMonth = '', month = '', dayOfWeek = ''] = parts
  const problems: string[] = []
  const expression = {
    minutes: valuesOf(minute, fields.minute, problems),
    hours: valuesOf(hour, fields.hour, problems),
    daysOfMonth: valuesOf(dayOfMonth, fields.dayOfMonth, problems),
    months: valuesOf(month, fields.month, problems),
    daysOfWeek: ascending(valuesOf(dayOfWeek, fields.dayOfWeek, problems).map((day) => day % 7)),
    needsBothDays: dayOfMonth.startsWith('*') || dayOfWeek.startsWith('*'),
  }
  if (problems.length > 0) return { problems }
  if (datesFrom(expression, 0).next().done === true)
    return { problems: [`cron matches no date: no month in "${month}" has a day "${dayOfMonth}"`] }
  return expression
}

const DAY_MS = 86_400_000
/** The calendar repeats after 400 years, days of the week included. */
const CALENDAR_YEARS = 400

/** The dates from `fromMs` onwards that match, each as its midnight in UTC, for 400 years. */
export function* datesFrom(expression: CronExpression, fromMs: number): Generator<number> {
  const from = new Date(fromMs)
  const firstMonth = from.getUTCFullYear() * 12 + from.getUTCMonth()
  for (let month = firstMonth; month <= firstMonth + CALENDAR_YEARS * 12; month += 1) {
    if (!expression.months.includes((month % 12) + 1)) continue
    const year = Math.floor(month / 12)
    const endMs = Date.UTC(year, (month % 12) + 1)
    for (let dayMs = Date.UTC(year, month % 12); dayMs < endMs; dayMs += DAY_MS)
      if (dayMs >= fromMs && matchesDay(expression, new Date(dayMs))) yield dayMs
  }
}

function matchesDay({ daysOfMonth, daysOfWeek, needsBothDays }: CronExpression, date: Date): boolean {
  const ofMonth = daysOfMonth.includes(date.getUTCDate())
  const ofWeek = daysOfWeek.includes(date.getUTCDay())
  return needsBothDays ? ofMonth && ofWeek : ofMonth || ofWeek
}

function problemOfShape(text: string, count: number): string | undefined {
  const odd = /[^\x20-\x7e\t]/u.exec(text)?.[0].codePointAt(0)
  if (odd !== undefined)
    return `cron must be one line of plain ASCII, such as ${EXAMPLE}; found the character U+${odd.toString(16).toUpperCase().padStart(4, '0')}`
  if (text.startsWith('@'))
    return `cron macros such as "@daily" are not supported; write five fields, such as "0 0 * * *"`
  if (count !== 5)
    return `cron must have five fields (minute, hour, day of month, month, day of week), such as ${EXAMPLE}; found ${count}`
  return undefined
}

/** The values that a field allows. Adds a reason to `problems` for each part that is invalid. */
function valuesOf(text: string, field: Field, problems: string[]): number[] {
  const values = text.split(',').flatMap((part) => {
    const found = rangeOf(part, field)
    if (Array.isArray(found)) return found
    problems.push(found)
    return []
  })
  return ascending(values)
}

function ascending(values: readonly number[]): number[] {
  return [...new Set(values)].toSorted((a, b) => a - b)
}

function rangeOf(part: string, field: Field): number[] | string {
  const [, first, last, step] = partPattern.exec(part) ?? []
  if (first === undefined || (first === '*' && last !== undefined)) return wanted(part, field)
  const from = first === '*' ? field.min : valueOf(first, field)
  const until = last === undefined ? from : valueOf(last, field)
  if (from === undefined || until === undefined) return wanted(part, field)
  for (const value of [from, until])
    if (value < field.min || value > field.max)
      return `the ${field.name} must be ${field.min} to ${field.max}; found ${value}`
  if (from > until)
    return `the ${field.name} range "${part}" must run from low to high; write "${turned(from, until, field)}"`
  if (step !== undefined && Number(step) === 0) return `the ${field.name} step must be 1 or more; found 0`
  // `*`, and a single number with a step, run to the end of the field. Sunday is not counted twice.
  const isOpen = first === '*' || (last === undefined && step !== undefined)
  const end = isOpen ? Math.max(from, field === fields.dayOfWeek ? 6 : field.max) : until
  const values: number[] = []
  for (let value = from; value <= end; value += Number(step ?? 1)) values.push(value)
  return values
}

/** A descending range as two ascending ones; one that ends on Sunday needs only the other number of Sunday. */
function turned(from: number, until: number, field: Field): string {
  if (field.max === 7 && until === 0) return `${from}-7`
  return `${from}-${field.max === 7 ? 6 : field.max},${field.min}-${until}`
}

function valueOf(text: string, field: Field): number | undefined {
  if (/^[0-9]/.test(text)) return Number(text)
  const at = field.names.indexOf(text.toLowerCase())
  return at < 0 ? undefined : at + field.min
}

function wanted(part: string, field: Field): string {
  const names = field.names.length > 0 ? ` or a name such as ${field.names[1]}` : ''
  return (
    `the ${field.name} must be *, a number ${field.min} to ${field.max}${names}, a range, a step such as */2, ` +
    `or a list of these; found ${JSON.stringify(part.slice(0, 20))}`
  )
}
