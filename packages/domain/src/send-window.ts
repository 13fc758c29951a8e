import * as z from 'zod'
import { instantsOf, offsetsOf, stretchesAround } from './local-time.ts'
import { timeOfDay, timeOfDayMs } from './time-of-day.ts'
import { isTimeZone } from './time-zone.ts'

// A daily window of time in which a campaign may post, or the quiet hours in which those of an app may not.

const zone = z.string().refine((text) => text === 'device' || isTimeZone(text), {
  error: 'zone must be "device" or a name of the IANA database, such as Europe/Berlin or UTC',
})

const hours = z
  .strictObject({
    from: timeOfDay('from'),
    to: timeOfDay('to').meta({ description: 'On the next day, if it is before `from`.' }),
    zone: zone.meta({ description: 'Whose clocks count: those of each `device`, or those of one zone.' }),
  })
  .superRefine(({ from, to }, context) => {
    if (from === to)
      context.addIssue({ code: 'custom', message: 'from and to must be different times of day', path: ['to'] })
  })

export const sendWindowSchema = hours.meta({
  id: 'SendWindow',
  description: 'Posts start within these hours of each day only; the rest of the campaign waits for the next day.',
})
export const quietHoursSchema = hours.meta({
  id: 'QuietHours',
  description: 'Hours of each day in which no campaign posts, except an urgent one with `ignoreQuietHours`.',
})

/** Daily hours; `zone` is `device` or the name of a time zone. */
export interface SendWindow {
  readonly from: string
  readonly to: string
  readonly zone: string
}

/** The window outside of quiet hours. */
export function outsideOf({ from, to, zone: of }: SendWindow): SendWindow {
  return { from: to, to: from, zone: of }
}

/** A period in which posts may start, in milliseconds since 1970. */
export interface OpenPeriod {
  readonly opensAtMs: number
  /** The first millisecond after it. */
  readonly closesAtMs: number
}

const DAY_MS = 86_400_000
/** Windows that are open together on no day of a week are never open together. */
const MOST_DAYS = 8

/**
 * The period in which all windows are open for a device in a time zone: the one that contains `atMs`, or else the next.
 * Undefined where there is none within a week. Throws a RangeError for an unknown zone.
 */
export function openPeriod(windows: readonly SendWindow[], timeZone: string, atMs: number): OpenPeriod | undefined {
  let opensAtMs = atMs
  while (opensAtMs < atMs + MOST_DAYS * DAY_MS) {
    const fromMs = opensAtMs
    const periods = windows.map((window) => nextPeriod(window, timeZone, fromMs))
    const latestMs = Math.max(fromMs, ...periods.map((period) => period.opensAtMs))
    const closesAtMs = Math.min(Infinity, ...periods.map((period) => period.closesAtMs))
    if (latestMs === fromMs) return { opensAtMs, closesAtMs }
    opensAtMs = latestMs
  }
  return undefined
}

/** The first period of one window that ends after an instant; its beginning may be before. */
function nextPeriod({ from, to, zone: of }: SendWindow, timeZone: string, atMs: number): OpenPeriod {
  const offsetAt = offsetsOf(of === 'device' ? timeZone : of)
  const instant = (dayMs: number, time: string): number =>
    instantsOf(dayMs + timeOfDayMs(time), stretchesAround(dayMs, offsetAt))[0] ?? dayMs
  const today = Math.floor((atMs + offsetAt(atMs)) / DAY_MS) * DAY_MS
  const overnight = timeOfDayMs(to) <= timeOfDayMs(from) ? DAY_MS : 0
  for (let dayMs = today - DAY_MS; ; dayMs += DAY_MS) {
    const closesAtMs = instant(dayMs + overnight, to)
    if (closesAtMs > atMs) return { opensAtMs: instant(dayMs, from), closesAtMs }
  }
}
