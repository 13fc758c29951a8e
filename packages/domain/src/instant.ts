import * as z from 'zod'

/** A time in a request. */
export const instantSchema = z.iso.datetime({
  offset: true,
  error: 'a time must be ISO 8601 with a zone, e.g. 2026-01-31T09:30:00.000Z',
})
