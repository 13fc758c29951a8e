import * as z from 'zod'

/** A time of day such as `07:00`. `what` is the field, for the error. */
export function timeOfDay(what: string): z.ZodString {
  return z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, { error: `${what} must be a time of day such as "07:00"` })
}

/** Milliseconds since midnight of a time of day. */
export function timeOfDayMs(text: string): number {
  const [hours = 0, minutes = 0] = text.split(':').map(Number)
  return (hours * 60 + minutes) * 60_000
}
