import { remembered } from './remembered.ts'

// One reader of locales, for channels, for variants of a notification and for matching the two. It takes what other
// systems write for a locale when only one thing can be meant, and keeps language, script, region and variants.

export type ParsedLocale =
  | { readonly ok: true; readonly locale: string }
  | { readonly ok: false; readonly detail: string }

const LONGEST = 100

/**
 * The canonical form of a locale: `en_US`, `EN-us` and `en_US.UTF-8` are `en-US`; extensions such as those of
 * `de-DE-u-co-phonebk` are dropped, since they define sorting and number formats and not the language.
 */
export function parseLocale(text: string): ParsedLocale {
  return readLocale(text)
}

// `Intl.Locale` takes 10 microseconds, twice as long as all other fields of an import line together.
const readLocale = remembered(parse, LONGEST)

function parse(text: string): ParsedLocale {
  const plain = text
    .slice(0, LONGEST + 1)
    .trim()
    .replace(/[.@].*$/s, '')
    .replaceAll('_', '-')
  if (text.length > LONGEST || !/^[A-Za-z0-9-]+$/.test(plain)) return rejected
  try {
    const { baseName } = new Intl.Locale(plain)
    return /^und\b/.test(baseName) ? rejected : { ok: true, locale: baseName }
  } catch {
    return rejected
  }
}

const rejected: ParsedLocale = {
  ok: false,
  detail: 'a locale is a BCP 47 tag such as en or pt-BR; leave it out when it is not known',
}

/** A locale and its fallbacks (RFC 4647 lookup), most exact first, in lower case: `zh-hant-tw`, `zh-hant`, `zh`. */
export function* fallbacksOf(locale: string): Generator<string> {
  for (let range = locale.toLowerCase(); range !== ''; range = range.slice(0, Math.max(0, range.lastIndexOf('-'))))
    yield range
}
