/** A period in which the clocks of a zone keep one distance from UTC. */
export interface Stretch {
  readonly fromMs: number
  /** The first millisecond after it. */
  readonly untilMs: number
  /** Local time minus UTC. */
  readonly offsetMs: number
}

export type OffsetAt = (atMs: number) => number

/** No clock is further from UTC than this. */
export const MAX_OFFSET_MS = 16 * 3_600_000
const DAY_MS = 86_400_000
const SECOND_MS = 1000
/** `GMT+05:30` at the end of a date; `GMT` alone is UTC. */
const longOffset = /GMT(?:([+-])(\d{2}):(\d{2})(?::(\d{2}))?)?$/

/** More than the IANA database has zones. Names are accepted in any mix of cases, so the database is no limit. */
const MAX_CLOCKS = 1000
/** More midnights than ten years have; a read of all of them again is cheap. */
const MAX_MIDNIGHTS = 4000

// Intl takes 300 µs to make a format and 3 µs to read an offset, and the leader asks every few seconds.
const clocks = new Map<string, OffsetAt>()

/** The distance of a zone's clocks from UTC at any instant. Throws a RangeError for an unknown zone. */
export function offsetsOf(timeZone: string): OffsetAt {
  const known = clocks.get(timeZone)
  if (known !== undefined) return known
  const clock = readClock(timeZone)
  if (clocks.size >= MAX_CLOCKS) clocks.clear()
  clocks.set(timeZone, clock)
  return clock
}

function readClock(timeZone: string): OffsetAt {
  const format = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' })
  const midnights = new Map<number, number>()
  return (atMs) => {
    const known = midnights.get(atMs)
    if (known !== undefined) return known
    const [, sign, hours, minutes, seconds] = longOffset.exec(format.format(atMs)) ?? []
    const total = Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds ?? 0)
    const offsetMs = (sign === '-' ? -total : total) * SECOND_MS
    if (atMs % DAY_MS !== 0) return offsetMs
    if (midnights.size >= MAX_MIDNIGHTS) midnights.clear()
    midnights.set(atMs, offsetMs)
    return offsetMs
  }
}

/**
 * The stretches that a local date can overlap, in order. The first has no beginning and the last has no end, because
 * changes further away do not matter to the date.
 *
 * @param dayMs midnight of the date in UTC
 */
export function stretchesAround(dayMs: number, offsetAt: OffsetAt): Stretch[] {
  const stretches: Stretch[] = []
  let fromMs = -Infinity
  let offsetMs = offsetAt(dayMs - DAY_MS)
  // No zone changes its clocks and changes them back within a day, so one probe a day finds every change.
  for (const probeMs of [dayMs, dayMs + DAY_MS, dayMs + 2 * DAY_MS]) {
    const endOffsetMs = offsetAt(probeMs)
    while (offsetMs !== endOffsetMs) {
      const untilMs = firstChange(Math.max(fromMs, probeMs - DAY_MS), probeMs, offsetAt)
      stretches.push({ fromMs, untilMs, offsetMs })
      fromMs = untilMs
      offsetMs = offsetAt(untilMs)
    }
  }
  return [...stretches, { fromMs, untilMs: Infinity, offsetMs }]
}

/** The second at which the clocks leave the offset of `fromMs`; `untilMs` has another one. */
function firstChange(fromMs: number, untilMs: number, offsetAt: OffsetAt): number {
  const offsetMs = offsetAt(fromMs)
  let low = fromMs
  let high = untilMs
  while (high - low > SECOND_MS) {
    const middle = low + Math.floor((high - low) / 2 / SECOND_MS) * SECOND_MS
    if (offsetAt(middle) === offsetMs) low = middle
    else high = middle
  }
  return high
}

/** The instants at which clocks show a local time, in order. If they skip it, the one that much later. Never empty. */
export function instantsOf(localMs: number, stretches: readonly Stretch[]): number[] {
  const shown: number[] = []
  let skippedMs = localMs
  for (const { fromMs, untilMs, offsetMs } of stretches) {
    const atMs = localMs - offsetMs
    if (atMs >= fromMs && atMs < untilMs) shown.push(atMs)
    // The clocks left this stretch before they could show the time.
    if (atMs >= untilMs) skippedMs = atMs
  }
  return shown.length > 0 ? shown : [skippedMs]
}
