import * as z from 'zod'
import { instantsOf, offsetsOf, stretchesAround } from './local-time.ts'
import { timeOfDay, timeOfDayMs } from './time-of-day.ts'
import { isTimeZone } from './time-zone.ts'

// A campaign at a local time reaches each device when the clocks of its time zone show that time.

export const passedPolicies = ['now', 'tomorrow', 'skip'] as const
/** What a zone gets whose time has passed when the campaign starts. */
export type PassedPolicy = (typeof passedPolicies)[number]

export const localTimeShape = {
  localTime: timeOfDay('localTime')
    .optional()
    .meta({ description: 'Time of day at which each time zone gets the campaign.', example: '07:00' }),
  localDate: z.iso
    .date({ error: 'localDate must be a date such as "2026-11-30"' })
    .optional()
    .meta({ description: 'With `localTime`: the date of each zone. Default: the date of its clocks at the start.' }),
  localTimePassed: z
    .enum(passedPolicies)
    .optional()
    .meta({
      description:
        'With `localTime`: what a zone gets whose time passed more than 15 minutes before the start: the campaign at ' +
        'once, at that time on the next day (the default), or nothing.',
    }),
  defaultTimeZone: z
    .string()
    .refine(isTimeZone, { error: 'defaultTimeZone must be a name of the IANA database, such as Europe/Berlin or UTC' })
    .optional()
    .meta({ description: 'With `localTime`: the zone of channels without a `timeZone`. Default: UTC.' }),
}

/** The fields of a request that decide when each zone gets it. */
export const localTimeFields = ['localTime', 'localDate', 'localTimePassed', 'defaultTimeZone'] as const

export interface LocalTimeTerms {
  /** HH:MM */
  readonly localTime: string
  /** YYYY-MM-DD */
  readonly localDate?: string | undefined
  readonly localTimePassed?: PassedPolicy | undefined
}

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
/** A schedule that starts a campaign at the very local time is a little late, and must not wait for a day. */
const PASSED_AFTER_MS = 15 * MINUTE_MS

/**
 * The instant at which a zone gets a campaign, in milliseconds since 1970; `startMs` where it is sent to at once,
 * undefined where it is left out. A time that the clocks show twice is the first one that has not passed; one that they
 * skip is that much later. Throws a RangeError for an unknown zone.
 *
 * @param startMs when the campaign starts
 */
export function localInstant(terms: LocalTimeTerms, timeZone: string, startMs: number): number | undefined {
  const { localDate, localTimePassed = 'tomorrow' } = terms
  const offsetAt = offsetsOf(timeZone)
  const firstDay =
    localDate === undefined
      ? Math.floor((startMs + offsetAt(startMs)) / DAY_MS) * DAY_MS
      : Date.parse(`${localDate}T00:00:00Z`)
  const timeOn = (dayMs: number): number | undefined =>
    instantsOf(dayMs + timeOfDayMs(terms.localTime), stretchesAround(dayMs, offsetAt)).find(
      (atMs) => atMs > startMs - PASSED_AFTER_MS,
    )
  const instant = timeOn(firstDay)
  if (instant !== undefined) return Math.max(instant, startMs)
  if (localTimePassed === 'now') return startMs
  if (localTimePassed === 'skip') return undefined
  const today = Math.floor((startMs + offsetAt(startMs)) / DAY_MS) * DAY_MS
  const next = timeOn(today) ?? timeOn(today + DAY_MS)
  return next === undefined ? startMs : Math.max(next, startMs)
}

/** The last instant at which a date begins or ends in some zone, at the other end of the world. */
export function endOfLocalDate(localDate: string): number {
  return Date.parse(`${localDate}T00:00:00Z`) + DAY_MS + DAY_MS / 2
}

export const waveSchema = z
  .strictObject({
    at: z.string(),
    recipients: z.number().int(),
    timeZones: z.array(z.string()).meta({ description: 'Without those of which no channel is a recipient.' }),
  })
  .meta({ id: 'Wave' })
/** The recipients of a campaign that get it at the same instant. */
export type Wave = z.infer<typeof waveSchema>
