import { SaxesParser } from 'saxes'
import type { InputError } from './problem.ts'

// WNS does not look at the XML: it answers 200 for anything and the device then shows nothing. So documents are judged
// here, strictly, and in linear time: what a parser could be led astray by (document types, entities, instructions,
// other encodings) is refused before one sees it.

/** Deepest nesting of elements; parsers take thousands, devices are never asked for more than a dozen. */
export const MAX_XML_DEPTH = 32
/** Longest document that is parsed at all, in characters; a notification has 5,000 bytes when it is sent. */
export const MAX_XML_LENGTH = 65_536
const MAX_ERRORS = 20

/**
 * Stands for a placeholder in a template that is checked as a document. A Unicode noncharacter: text may hold it, names
 * may not, so that a placeholder in a name is a fault by itself.
 */
export const PLACEHOLDER_MARK = '\uFDD0'

export type XmlRoot = 'toast' | 'tile' | 'badge'

/** All faults of a document that must be well-formed, have this root element and hold nothing but elements and text. */
export function checkXml(text: string, root: XmlRoot): InputError[] {
  if (text.length > MAX_XML_LENGTH)
    return [
      inputError('xml-too-long', `the document has ${text.length} characters; at most ${MAX_XML_LENGTH} are read`),
    ]
  const refused = [...illegalCharacters(text), ...forbiddenMarkup(text)]
  return refused.some(({ code }) => code !== 'xml-illegal-character')
    ? refused
    : [...refused, ...parse(text.replace(illegal, '\uFFFD'), root)]
}

/** What XML 1.0 cannot hold, not even escaped: control characters, lone surrogates, U+FFFE and U+FFFF. */
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const illegal = /[\0-\u0008\u000B\u000C\u000E-\u001F\uD800-\uDFFF\uFFFE\uFFFF]/gu

/** A fault at the first character that XML 1.0 cannot hold, if there is one. */
export function illegalCharacters(text: string): InputError[] {
  const at = text.search(illegal)
  if (at < 0) return []
  const code = text.charCodeAt(at).toString(16).toUpperCase().padStart(4, '0')
  return [inputError('xml-illegal-character', `${where(text, at)}: U+${code} is not a character of XML 1.0; remove it`)]
}

const declaration =
  /^<\?xml\s+version\s*=\s*(?:"1\.0"|'1\.0')(?:\s+encoding\s*=\s*(?:"[uU][tT][fF]-8"|'[uU][tT][fF]-8'))?(?:\s+standalone\s*=\s*(?:"yes"|'yes'|"no"|'no'))?\s*\?>/

function forbiddenMarkup(text: string): InputError[] {
  const errors: InputError[] = []
  if (text.startsWith('\uFEFF'))
    errors.push(inputError('xml-byte-order-mark', 'remove the byte order mark at the beginning'))
  const from = declaration.exec(text)?.[0].length ?? 0
  for (const { 0: found, index } of text.slice(from).matchAll(/<\?|<!(?!--|\[CDATA\[)/g)) {
    const place = where(text, from + index)
    if (found === '<!')
      errors.push(
        inputError('xml-doctype', `${place}: document types, entities and other declarations are not allowed`),
      )
    else if (from + index === 0 && /^<\?xml\s/.test(text))
      errors.push(
        inputError('xml-declaration', `${place}: the XML declaration may only be version 1.0 and encoding UTF-8`),
      )
    else errors.push(inputError('xml-instruction', `${place}: processing instructions are not allowed`))
    if (errors.length >= MAX_ERRORS) break
  }
  return errors
}

// Thrown through the parser to leave a document that is not worth reading on.
const enough = Symbol('enough')

function parse(text: string, root: XmlRoot): InputError[] {
  const inputErrors: InputError[] = []
  const parser = new SaxesParser({ xmlns: true, forceXMLVersion: true, defaultXMLVersion: '1.0' })
  const report = (code: string, detail: string): void => {
    inputErrors.push(inputError(code, `line ${parser.line}, column ${parser.column}: ${detail}`))
    if (inputErrors.length >= MAX_ERRORS) throw enough
  }
  const refuseMark = (place: string, content: string): void => {
    if (content.includes(PLACEHOLDER_MARK)) report('placeholder-position', `a placeholder may not stand in ${place}`)
  }
  let depth = 0
  let sawRoot = false

  parser.on('error', ({ message }) => {
    report('xml-malformed', clip(message.replace(/^\d+:\d+: /, '')))
  })
  parser.on('opentagstart', ({ name }) => {
    if (!sawRoot && name !== root) report('xml-root', `the root element is <${clip(name)}>; it must be <${root}>`)
    sawRoot = true
    if (++depth <= MAX_XML_DEPTH) return
    report('xml-too-deep', `elements are nested more than ${MAX_XML_DEPTH} deep`)
    throw enough
  })
  parser.on('attribute', ({ name, value }) => {
    if (/^xml(?:ns)?(?::|$)/.test(name)) refuseMark(`the attribute ${clip(name)}`, value)
  })
  parser.on('closetag', () => {
    depth -= 1
  })
  parser.on('comment', (content) => refuseMark('a comment', content))
  parser.on('cdata', (content) => refuseMark('a CDATA section', content))

  try {
    parser.write(text).close()
  } catch (error) {
    if (error !== enough) throw error
  }
  return inputErrors
}

function inputError(code: string, detail: string): InputError {
  return { path: [], code, detail }
}

function clip(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text
}

function where(text: string, at: number): string {
  const before = text.slice(0, at)
  const line = before.split('\n').length
  return `line ${line}, column ${at - (before.lastIndexOf('\n') + 1)}`
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
 * A recipient's own value as it may stand in text or in an attribute. Never throws, since one odd name may not stop a
 * campaign: what XML 1.0 cannot hold becomes U+FFFD.
 */
export function escapeXmlValue(value: string): string {
  return special.test(value) ? escapeXmlAttribute(value.replace(illegal, '\uFFFD')) : value
}
