import { remembered } from './remembered.ts'

// One reader of time zones, for channels, schedules and campaigns at a local time.

export type ParsedTimeZone =
  | { readonly ok: true; readonly timeZone: string }
  | { readonly ok: false; readonly detail: string }

const LONGEST = 60

/**
 * The IANA name of a time zone: `europe/berlin` is `Europe/Berlin`, and an alias stays as it is. An offset such as
 * `+01:00` is rejected, since it has no daylight saving time and is rarely what was meant.
 */
export function parseTimeZone(text: string): ParsedTimeZone {
  return readTimeZone(text)
}

// `Intl.DateTimeFormat` takes 300 microseconds.
const readTimeZone = remembered(parse, LONGEST)

function parse(text: string): ParsedTimeZone {
  const name = text.trim()
  if (name.length > LONGEST || !/^[A-Za-z][A-Za-z0-9_+/-]*$/.test(name)) return rejected
  try {
    const resolved = new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone
    // Intl answers `Asia/Calcutta` to `Asia/Kolkata`; only the case is corrected.
    return { ok: true, timeZone: resolved.toLowerCase() === name.toLowerCase() ? resolved : name }
  } catch {
    return rejected
  }
}

const rejected: ParsedTimeZone = {
  ok: false,
  detail: 'a time zone is a name of the IANA database, such as Europe/Berlin or UTC; leave it out when it is not known',
}

/** Is this a time zone of the IANA database, such as `Europe/Berlin` or `UTC`? */
export function isTimeZone(timeZone: string): boolean {
  return parseTimeZone(timeZone).ok
}
