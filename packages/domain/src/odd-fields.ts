import { isName } from './ids.ts'
import { parseLocale } from './locale.ts'
import { parseTimeZone } from './time-zone.ts'

// Lists of devices come from other systems, with locales, time zones and tags that those systems allowed. None is worth
// a device: with `skip-field` an import leaves out such a field and registers the device.

export const oddFieldPolicies = ['strict', 'skip-field'] as const
export type OddFieldPolicy = (typeof oddFieldPolicies)[number]

/** A field that `withoutOddFields` leaves out. */
export type SkippedField = 'locale' | 'timeZone' | 'tags'

export interface CleanedLine {
  readonly input: unknown
  /** Fields of which something was left out, each once. */
  readonly skipped: readonly SkippedField[]
}

/** A line of an import without a locale, a time zone and tags that are none; anything else stays as it is. */
export function withoutOddFields(input: unknown): CleanedLine {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return { input, skipped: [] }
  const { locale, timeZone, tags, ...rest } = input as Readonly<Record<string, unknown>>
  const skipped: SkippedField[] = []
  const cleaned: Record<string, unknown> = { ...rest }
  if (isLocale(locale)) cleaned['locale'] = locale
  else if ('locale' in input) skipped.push('locale')
  if (isZone(timeZone)) cleaned['timeZone'] = timeZone
  else if ('timeZone' in input) skipped.push('timeZone')
  if (Array.isArray(tags)) {
    const valid = tags.filter((tag) => typeof tag === 'string' && isName(tag))
    // Without a valid one the field is left out: an empty list would clear the tags of a known channel.
    if (valid.length > 0 || tags.length === 0) cleaned['tags'] = valid
    if (valid.length < tags.length) skipped.push('tags')
  } else if (tags === null) cleaned['tags'] = tags
  else if ('tags' in input) skipped.push('tags')
  return { input: cleaned, skipped }
}

function isZone(timeZone: unknown): boolean {
  return timeZone === null || (typeof timeZone === 'string' && parseTimeZone(timeZone).ok)
}

function isLocale(locale: unknown): boolean {
  return locale === null || (typeof locale === 'string' && parseLocale(locale).ok)
}
