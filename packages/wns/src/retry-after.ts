/** Shortest and longest wait that a server may ask for: a shorter one is no relief, a longer one is a bad header. */
export const MIN_RETRY_AFTER_MS = 1_000
export const MAX_RETRY_AFTER_MS = 900_000

const seconds = /^\d{1,15}$/
const DAYS = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)'
const MONTHS = '(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)'
// The three forms of RFC 9110 section 5.6.7. `Date.parse` alone would also accept a street address as a date.
const fixedDate = new RegExp(`^${DAYS}, \\d{2} ${MONTHS} \\d{4} \\d{2}:\\d{2}:\\d{2} GMT$`)
const rfc850Date = new RegExp(`^${DAYS}[a-z]{3,6}, \\d{2}-${MONTHS}-\\d{2} \\d{2}:\\d{2}:\\d{2} GMT$`)
const asctimeDate = new RegExp(`^${DAYS} ${MONTHS} [ \\d]\\d \\d{2}:\\d{2}:\\d{2} \\d{4}$`)

/**
 * Milliseconds to wait according to a Retry-After value (seconds or an HTTP date), clamped to 1 s … 15 min. `nowMs`
 * is the wall clock that the date is compared with. Undefined for a missing or unreadable value. Never throws.
 */
export function parseRetryAfter(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined || text.length > 64) return undefined
  const value = text.trim()
  if (seconds.test(value)) return clamp(Number(value) * 1000)
  const atMs = dateMs(value)
  return Number.isNaN(atMs) || !Number.isFinite(nowMs) ? undefined : clamp(atMs - nowMs)
}

function dateMs(value: string): number {
  if (fixedDate.test(value) || rfc850Date.test(value)) return Date.parse(value)
  return asctimeDate.test(value) ? Date.parse(`${value} GMT`) : Number.NaN
}

function clamp(waitMs: number): number {
  return Math.min(Math.max(waitMs, MIN_RETRY_AFTER_MS), MAX_RETRY_AFTER_MS)
}
