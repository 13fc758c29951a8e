import { SaxesParser } from 'saxes'
import { PLACEHOLDER_MARK, countPlaceholders } from './placeholder-marks.ts'
import type { InputError } from './problem.ts'
import { placeIn } from './text-place.ts'
import { illegalCharacters, replaceIllegalCharacters } from './xml-escape.ts'
import { checkMarkup } from './xml-markup.ts'
import { wordsFor } from './xml-parser-errors.ts'

// WNS does not look at the XML: it answers 200 for anything and the device then shows nothing. So documents are judged
// here, strictly and in linear time. This file judges whether a document is well-formed; `xml-schema.ts` judges whether
// Windows shows it.

/** Deepest nesting of elements; parsers take thousands, devices are never asked for more than a dozen. */
export const MAX_XML_DEPTH = 32
/** Longest document that is parsed at all, in characters; a notification has 5,000 bytes when it is sent. */
export const MAX_XML_LENGTH = 65_536
const MAX_ERRORS = 20

export type XmlRoot = 'toast' | 'tile' | 'badge'

/** A text of a document in which marks stand for placeholders; the first of them is number `firstPlaceholder`. */
export interface XmlText {
  readonly marked: string
  readonly firstPlaceholder: number
}

export interface XmlNode {
  readonly name: string
  /** Where it begins in the document, in characters from 0. */
  readonly at: number
  readonly attributes: ReadonlyMap<string, XmlText>
  readonly children: readonly XmlNode[]
  /** Its own texts, without those of its children. */
  readonly texts: readonly XmlText[]
}

export interface ReadXml {
  readonly inputErrors: readonly InputError[]
  /** The root element; null when the document has errors. */
  readonly root: XmlNode | null
}

/**
 * Read a document that must be well-formed, have this root element and hold nothing but elements and text: all its
 * errors, or its root element.
 */
export function readXml(text: string, root: XmlRoot): ReadXml {
  if (text.length > MAX_XML_LENGTH) {
    const detail = `the document has ${text.length} characters; at most ${MAX_XML_LENGTH} are read`
    return { inputErrors: [{ path: [], code: 'xml-too-long', detail }], root: null }
  }
  const markup = checkMarkup(text)
  const inputErrors = [...illegalCharacters(text), ...markup.inputErrors]
  if (!markup.mayParse) return { inputErrors, root: null }
  const parsed = parse(replaceIllegalCharacters(markup.text), root)
  inputErrors.push(...parsed.inputErrors)
  return { inputErrors, root: inputErrors.length > 0 ? null : parsed.root }
}

// Thrown through the parser to leave a document that is not worth reading on.
const enough = Symbol('enough')

interface OpenNode extends XmlNode {
  readonly children: OpenNode[]
  readonly texts: XmlText[]
}

function parse(text: string, wanted: XmlRoot): ReadXml {
  const inputErrors: InputError[] = []
  const parser = new SaxesParser({ xmlns: true, forceXMLVersion: true, defaultXMLVersion: '1.0' })
  const reject = (code: string, detail: string, at = Math.max(0, parser.position - 1)): void => {
    inputErrors.push({ path: [], code, detail: `${placeIn(text, at)}: ${detail}` })
    if (inputErrors.length >= MAX_ERRORS) throw enough
  }
  const rejectMark = (place: string, content: string): void => {
    if (content.includes(PLACEHOLDER_MARK)) reject('placeholder-position', `a placeholder may not stand in ${place}`)
  }
  const open: OpenNode[] = []
  let root: OpenNode | null = null
  let depth = 0
  let startsAt = 0
  let placeholders = 0
  let lastClosed = ''
  const textOf = (marked: string): XmlText => {
    const firstPlaceholder = placeholders
    placeholders += countPlaceholders(marked)
    return { marked, firstPlaceholder }
  }

  parser.on('error', ({ message }) => {
    reject('xml-malformed', wordsFor(message, lastClosed))
  })
  parser.on('opentagstart', ({ name }) => {
    startsAt = Math.max(0, text.lastIndexOf('<', parser.position - 1))
    if (depth === 0 && root === null && name !== wanted)
      reject('xml-root', `the root element is <${clip(name)}>; it must be <${wanted}>`, startsAt)
    if (++depth <= MAX_XML_DEPTH) return
    reject('xml-too-deep', `elements are nested more than ${MAX_XML_DEPTH} deep`, startsAt)
    throw enough
  })
  parser.on('attribute', ({ name, value }) => {
    if (/^xml(?:ns)?(?::|$)/.test(name)) rejectMark(`the attribute ${clip(name)}`, value)
  })
  parser.on('opentag', ({ name, attributes }) => {
    const node: OpenNode = {
      name,
      at: startsAt,
      attributes: new Map(Object.values(attributes).map(({ name: key, value }) => [key, textOf(value)])),
      children: [],
      texts: [],
    }
    if (root === null) root = node
    else open.at(-1)?.children.push(node)
    open.push(node)
  })
  parser.on('closetag', ({ name }) => {
    depth -= 1
    lastClosed = name
    open.pop()
  })
  const addText = (content: string): void => {
    const node = open.at(-1)
    if (node !== undefined) node.texts.push(textOf(content))
  }
  parser.on('text', addText)
  parser.on('cdata', (content) => {
    rejectMark('a CDATA section', content)
    addText(content)
  })
  parser.on('comment', (content) => rejectMark('a comment', content))

  try {
    parser.write(text).close()
  } catch (error) {
    if (error !== enough) throw error
  }
  return { inputErrors, root }
}

function clip(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text
}
