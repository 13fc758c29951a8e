import { parseTemplate } from './template.ts'
import { escapeXmlAttribute, escapeXmlText } from './xml.ts'

// XML is built as a tree and written in one place, where all escaping happens: a text cannot become markup.

/** An element of a document that is being built; its texts and attribute values may hold placeholders. */
export interface XmlElement {
  readonly name: string
  readonly attributes: Readonly<Record<string, string | undefined>>
  readonly children: readonly (XmlElement | string)[]
}

/** An element; attributes that are undefined and children that are false are left out. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | undefined>>,
  children: readonly (XmlElement | string | false)[] = [],
): XmlElement {
  return { name, attributes, children: children.filter((child) => child !== false) }
}

/**
 * The text of the document as a template of XML: literal text is escaped, placeholders stay as they are. Throws a
 * RangeError on text that XML cannot hold and on a malformed placeholder; lint input first.
 */
export function writeXml({ name, attributes, children }: XmlElement): string {
  const written = Object.entries(attributes)
    .map(([key, value]) => (value === undefined ? '' : ` ${key}="${escapeAround(value, escapeXmlAttribute)}"`))
    .join('')
  if (children.length === 0) return `<${name}${written}/>`
  const inside = children.map((child) =>
    typeof child === 'string' ? escapeAround(child, escapeXmlText) : writeXml(child),
  )
  return `<${name}${written}>${inside.join('')}</${name}>`
}

function escapeAround(text: string, escape: (literal: string) => string): string {
  const parsed = parseTemplate(text)
  if (!parsed.ok) throw new RangeError(`text cannot be written as XML: ${parsed.errors[0]?.detail}`)
  return parsed.template.parts.map((part) => (typeof part === 'string' ? escape(part) : part.source)).join('')
}
