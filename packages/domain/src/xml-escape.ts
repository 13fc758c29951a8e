import type { InputError } from './problem.ts'
import { placeIn } from './text-place.ts'

// What XML 1.0 can hold, and how text is written into it and read back.

/** What XML 1.0 cannot hold, not even escaped: control characters, lone surrogates, U+FFFE and U+FFFF. */
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const illegal = /[\0-\u0008\u000B\u000C\u000E-\u001F\uD800-\uDFFF\uFFFE\uFFFF]/gu

/** An error at the first character that XML 1.0 cannot hold, if there is one. */
export function illegalCharacters(text: string): InputError[] {
  const at = text.search(illegal)
  if (at < 0) return []
  const code = text.charCodeAt(at).toString(16).toUpperCase().padStart(4, '0')
  const detail = `${placeIn(text, at)}: U+${code} is not a character of XML 1.0; remove it`
  return [{ path: [], code: 'xml-illegal-character', detail }]
}

/** A text of which XML 1.0 can hold every character: what it cannot hold becomes U+FFFD. */
export function replaceIllegalCharacters(text: string): string {
  return text.replace(illegal, '\uFFFD')
}

const references: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
  // A parser turns these into spaces in an attribute, and a carriage return into a line feed anywhere.
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
}

/**
 * Text as it must stand between tags. Throws a RangeError on a character that XML 1.0 cannot hold: check input with
 * `illegalCharacters` first.
 */
export function escapeXmlText(text: string): string {
  return legal(text).replace(/[&<>\r]/g, (character) => references[character]!)
}

/** Text as it must stand in an attribute, between quotes of either kind. Throws as `escapeXmlText` does. */
export function escapeXmlAttribute(text: string): string {
  return legal(text).replace(/[&<>"'\t\n\r]/g, (character) => references[character]!)
}

function legal(text: string): string {
  const [first] = illegalCharacters(text)
  if (first !== undefined) throw new RangeError(`text cannot be written as XML: ${first.detail}`)
  return text
}

// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const special = /[&<>"'\0-\u001F\uD800-\uDFFF\uFFFE\uFFFF]/u

/**
 * A recipient's value as it may stand in text or in an attribute. Never throws, since one odd name must not stop a
 * campaign: what XML 1.0 cannot hold becomes U+FFFD.
 */
export function escapeXmlValue(value: string): string {
  return special.test(value) ? escapeXmlAttribute(replaceIllegalCharacters(value)) : value
}

const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/** A text with its character references and the five entities of XML replaced; anything else after `&` stays. */
export function decodeReferences(text: string): string {
  if (!text.includes('&')) return text
  return text.replace(
    /&(?:(amp|lt|gt|quot|apos)|#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6}));/g,
    (whole, name, decimal, hex) => {
      if (typeof name === 'string') return named[name] ?? whole
      const point = typeof decimal === 'string' ? Number(decimal) : Number.parseInt(String(hex), 16)
      return point <= 0x10_ffff ? String.fromCodePoint(point) : whole
    },
  )
}
