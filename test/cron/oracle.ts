/**
 * What a cron expression means, the slow way: look at the clock of a zone minute by minute, and at each date whether it
 * matches. Shares no code with `packages/domain`.
 */
const MINUTE_MS = 60_000
const QUARTER = 15
const DAY = 24 * 60

/** A clock between two minutes. Minutes count from 1970, local ones as if they were UTC. */
export interface Clock {
  readonly fromMinute: number
  readonly untilMinute: number
  /** The local minute that index 0 of `firstShown` stands for. */
  readonly firstLocal: number
  /** The minute at which the clock first shows each local minute; 0 when it never does. */
  readonly firstShown: Int32Array
  /** The later minutes at which it shows a local minute again. */
  readonly shownAgain: ReadonlyMap<number, readonly number[]>
  /** The minutes at which the clock jumps. */
  readonly jumps: readonly number[]
}

/** Look at the clock of a zone during some days. */
export function lookAtClock(timeZone: string, fromMs: number, untilMs: number): Clock {
  const local = clockOf(timeZone)
  const fromMinute = fromMs / MINUTE_MS
  const untilMinute = untilMs / MINUTE_MS
  const firstLocal = fromMinute - DAY
  const firstShown = new Int32Array(untilMinute - fromMinute + 3 * DAY)
  const shownAgain = new Map<number, number[]>()
  const jumps: number[] = []
  const note = (minute: number, localMinute: number): void => {
    const at = localMinute - firstLocal
    if (firstShown[at] === 0) firstShown[at] = minute
    else shownAgain.set(localMinute, [...(shownAgain.get(localMinute) ?? []), minute])
  }
  let shown = local(fromMinute)
  for (let minute = fromMinute; minute < untilMinute; minute += QUARTER) {
    const next = local(minute + QUARTER)
    // A quarter of an hour that moves the clock by as much is not looked into.
    if (next - shown === QUARTER) for (let n = 0; n < QUARTER; n += 1) note(minute + n, shown + n)
    else {
      for (let n = 0; n < QUARTER; n += 1) note(minute + n, local(minute + n))
      for (let n = 0; n < QUARTER; n += 1)
        if (local(minute + n + 1) - local(minute + n) !== 1) jumps.push(minute + n + 1)
    }
    shown = next
  }
  return { fromMinute, untilMinute, firstLocal, firstShown, shownAgain, jumps }
}

/** The local minute that a clock shows at a minute. */
export function clockOf(timeZone: string): (minute: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  })
  return (minute) => {
    const [month = 0, day, year = 0, hour, ofHour] = (format.format(minute * MINUTE_MS).match(/\d+/g) ?? []).map(Number)
    return Date.UTC(year, month - 1, day, hour, ofHour) / MINUTE_MS
  }
}

/** The local minutes of some days that an expression matches, in order. */
export function matchingMinutes(expression: string, fromMs: number, untilMs: number): Int32Array {
  const [minute = '', hour = '', dayOfMonth = '', month = '', dayOfWeek = ''] = expression.trim().split(/\s+/)
  const times: number[] = []
  for (let n = 0; n < DAY; n += 1)
    if (matches(hour, Math.floor(n / 60), 0, 23) && matches(minute, n % 60, 0, 59)) times.push(n)
  const found: number[] = []
  for (let dayMs = fromMs; dayMs < untilMs; dayMs += DAY * MINUTE_MS) {
    const date = new Date(dayMs)
    if (!matches(named(month, MONTHS, 1), date.getUTCMonth() + 1, 1, 12)) continue
    const ofMonth = matches(dayOfMonth, date.getUTCDate(), 1, 31)
    const weekday = date.getUTCDay()
    const inWeek = named(dayOfWeek, DAYS, 0)
    const ofWeek = matches(inWeek, weekday, 0, 6) || (weekday === 0 && matches(inWeek, 7, 0, 7))
    const both = dayOfMonth[0] === '*' || dayOfWeek[0] === '*'
    if (both ? ofMonth && ofWeek : ofMonth || ofWeek) for (const time of times) found.push(dayMs / MINUTE_MS + time)
  }
  return Int32Array.from(found)
}

/** Does an hour field name every hour? Such an expression also runs in an hour that the clock shows again. */
export function isEveryHour(expression: string): boolean {
  const hour = expression.trim().split(/\s+/)[1] ?? ''
  return Array.from({ length: 24 }, (_, n) => n).every((n) => matches(hour, n, 0, 23))
}

/** The minutes at which local minutes are due, in order, each once. */
export function dueMinutes(clock: Clock, localMinutes: Int32Array, everyHour: boolean): number[] {
  const { firstLocal, firstShown, shownAgain } = clock
  const due: number[] = []
  for (const local of localMinutes) {
    let back = 0
    // Skipped: as many minutes after the last one that the clock showed before.
    while (firstShown[local - firstLocal - back] === 0 && back < 2 * DAY) back += 1
    const shown = firstShown[local - firstLocal - back] ?? 0
    if (shown === 0) continue
    due.push(shown + back)
    if (everyHour && back === 0) due.push(...(shownAgain.get(local) ?? []))
  }
  return due
    .filter((minute) => minute >= clock.fromMinute && minute < clock.untilMinute)
    .toSorted((a, b) => a - b)
    .filter((minute, at, all) => minute !== all[at - 1])
}

const MONTHS = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ')
const DAYS = 'sun mon tue wed thu fri sat'.split(' ')

function named(field: string, names: readonly string[], first: number): string {
  return field.replaceAll(/[a-z]+/gi, (name) => String(names.indexOf(name.toLowerCase()) + first))
}

function matches(field: string, value: number, min: number, max: number): boolean {
  return field.split(',').some((part) => {
    const [range = '', step] = part.split('/')
    const [low, high] = range === '*' ? [min, max] : range.split('-').map(Number)
    if (low === undefined) return false
    const end = high ?? (step === undefined ? low : max)
    return value >= low && value <= end && (value - low) % Number(step ?? 1) === 0
  })
}
