/** A time as JSON, PostgreSQL and spreadsheets write it; without a zone it is UTC, without a time midnight. */
const form =
  /^(?<date>\d{4}-\d\d-\d\d)(?:[T ](?<time>\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?) ?(?<zone>Z|[+-]\d\d(?::?\d\d)?)?)?$/i

const MAX_AHEAD_MS = 24 * 60 * 60 * 1000

export type ParsedRegisteredAt =
  | { readonly ok: true; readonly time: string }
  | { readonly ok: false; readonly detail: string }

/** The time at which a device got its channel URI, as ISO 8601 in whole seconds. Never later than tomorrow. */
export function parseRegisteredAt(text: string, nowMs: number = Date.now()): ParsedRegisteredAt {
  const { date, time = '00:00', zone = 'Z' } = form.exec(text.trim())?.groups ?? {}
  // Date.parse moves a day that does not exist into the next month.
  const isDay = date !== undefined && new Date(`${date}T00:00:00Z`).getUTCDate() === Number(date.slice(-2))
  const at = isDay ? Date.parse(`${date}T${time}${offsetOf(zone)}`) : Number.NaN
  if (Number.isNaN(at) || at < 0)
    return { ok: false, detail: 'registeredAt must be a time since 1970 such as "2026-05-31T08:30:00Z"' }
  // Clocks differ a little, and a day without its zone may be ahead by hours.
  if (at > nowMs + MAX_AHEAD_MS)
    return { ok: false, detail: 'registeredAt must be the time of the last registration; it is in the future' }
  const seconds = Math.floor(Math.min(at, nowMs) / 1000)
  return { ok: true, time: new Date(seconds * 1000).toISOString() }
}

/** `+02`, `+0200` and `+02:00` as the last of them. */
function offsetOf(zone: string): string {
  if (/^z$/i.test(zone)) return 'Z'
  const digits = zone.slice(1).replace(':', '').padEnd(4, '0')
  return `${zone.slice(0, 1)}${digits.slice(0, 2)}:${digits.slice(2)}`
}
