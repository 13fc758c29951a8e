import type { Placeholder } from './placeholder.ts'
import type { Template } from './template.ts'
import { parseTemplate, templateOf } from './template.ts'
import { escapeXmlAttribute, escapeXmlText } from './xml-escape.ts'

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
 * The document as a template of XML: literal text is escaped, placeholders stay. Throws a RangeError on text that XML
 * cannot hold and on an invalid placeholder; lint input first.
 */
export function writeXml(root: XmlElement): Template {
  const parts: (string | Placeholder)[] = []
  write(root, parts)
  return templateOf(joined(parts))
}

function write({ name, attributes, children }: XmlElement, parts: (string | Placeholder)[]): void {
  parts.push(`<${name}`)
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined) continue
    parts.push(` ${key}="`, ...escapeAround(value, escapeXmlAttribute), '"')
  }
  if (children.length === 0) {
    parts.push('/>')
    return
  }
  parts.push('>')
  for (const child of children) {
    if (typeof child === 'string') parts.push(...escapeAround(child, escapeXmlText))
    else write(child, parts)
  }
  parts.push(`</${name}>`)
}

function escapeAround(text: string, escape: (literal: string) => string): (string | Placeholder)[] {
  const parsed = parseTemplate(text)
  if (!parsed.ok) throw new RangeError(`text cannot be written as XML: ${parsed.inputErrors[0]?.detail}`)
  return parsed.template.parts.map((part) => (typeof part === 'string' ? escape(part) : part))
}

/** The same parts with neighboring texts joined. */
function joined(parts: readonly (string | Placeholder)[]): (string | Placeholder)[] {
  const result: (string | Placeholder)[] = []
  for (const part of parts) {
    const last = result.at(-1)
    if (typeof part === 'string' && typeof last === 'string') result[result.length - 1] = last + part
    else result.push(part)
  }
  return result
}
