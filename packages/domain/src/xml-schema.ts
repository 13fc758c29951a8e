import type { AttributeType } from './xml-attribute-types.ts'
import type { XmlNode, XmlText } from './xml.ts'
import { PLACEHOLDER_MARK } from './placeholder-marks.ts'
import { placeIn } from './text-place.ts'

// Judges a document by a table of elements: what Windows shows nothing for is an error, what it merely ignores is a
// warning. Attributes that begin with "hint-" are wishes to the device, so a wrong one is a warning.

export interface ElementSchema {
  readonly attributes: Readonly<Record<string, AttributeType>>
  /** Attributes without which Windows shows nothing of the element. */
  readonly required?: readonly string[]
  /** Names of the elements that it may hold. */
  readonly children?: readonly string[]
  /** Whether it may hold text. */
  readonly holdsText?: boolean
}

export type DocumentSchema = Readonly<Record<string, ElementSchema>>

export interface Finding {
  readonly severity: 'error' | 'warning'
  readonly code: string
  readonly detail: string
}

/** Collects the findings of one document. */
export class Findings {
  readonly #text: string
  readonly #found: Finding[] = []

  constructor(text: string) {
    this.#text = text
  }

  get all(): readonly Finding[] {
    return this.#found
  }

  get hasErrors(): boolean {
    return this.#found.some(({ severity }) => severity === 'error')
  }

  error(node: XmlNode, code: string, detail: string): void {
    this.#add('error', node, code, detail)
  }

  warn(node: XmlNode, code: string, detail: string): void {
    this.#add('warning', node, code, detail)
  }

  #add(severity: Finding['severity'], node: XmlNode, code: string, detail: string): void {
    if (this.#found.length >= MAX_FINDINGS) return
    this.#found.push({ severity, code, detail: `${placeIn(this.#text, node.at)}: ${detail}` })
  }
}

const MAX_FINDINGS = 20

/** Judge an element and everything in it by the schema. Values with placeholders are judged for each recipient. */
export function checkElements(node: XmlNode, schema: DocumentSchema, findings: Findings): void {
  const rules = schema[node.name]
  if (rules === undefined) return
  checkAttributes(node, rules, findings)
  if (rules.holdsText !== true && node.texts.some(({ marked }) => marked.trim() !== ''))
    findings.error(node, 'xml-text-position', `text directly inside <${node.name}> is not shown; put it into <text>`)
  for (const child of node.children) {
    if (rules.children?.includes(child.name) === true) checkElements(child, schema, findings)
    else findings.error(child, 'xml-element', unexpected(child.name, node.name, schema))
  }
}

function unexpected(name: string, parent: string, schema: DocumentSchema): string {
  const shown = name.slice(0, 100)
  if (Object.hasOwn(schema, name)) {
    const parents = Object.keys(schema).filter((other) => schema[other]?.children?.includes(name) === true)
    const places = parents.map((each) => `<${each}>`).join(' or ')
    return `<${shown}> does not belong into <${parent}>${places === '' ? '' : `, but into ${places}`}`
  }
  const meant = Object.keys(schema).find((known) => known.toLowerCase() === name.toLowerCase())
  const hint = meant === undefined ? 'remove it' : `write <${meant}>`
  return `Windows does not know <${shown}> and shows nothing of it; ${hint}`
}

function checkAttributes(node: XmlNode, { attributes, required = [] }: ElementSchema, findings: Findings): void {
  for (const name of required)
    if (!node.attributes.has(name))
      findings.error(node, 'xml-attribute-missing', `<${node.name}> needs the attribute ${name}`)
  for (const [name, value] of node.attributes) {
    if (/^xml(?:ns)?(?::|$)/.test(name)) continue
    const type = Object.hasOwn(attributes, name) ? attributes[name] : undefined
    if (type === undefined) {
      const meant = Object.keys(attributes).find((known) => known.toLowerCase() === name.toLowerCase())
      const hint = meant === undefined ? 'Windows ignores it' : `write ${meant}`
      const detail = `<${node.name}> has no attribute ${name.slice(0, 100)}; ${hint}`
      findings.warn(node, 'xml-attribute-unknown', detail)
    } else if (!hasPlaceholder(value)) checkValue(node, name, type, value.marked, findings)
  }
}

function checkValue(node: XmlNode, name: string, type: AttributeType, value: string, findings: Findings): void {
  if (!type.takes(value)) {
    const detail = `${name} of <${node.name}> must be ${type.wanted}`
    if (name.startsWith('hint-')) findings.warn(node, 'xml-attribute-value', detail)
    else findings.error(node, 'xml-attribute-value', detail)
    return
  }
  const odd = type.odd?.(value)
  if (odd !== undefined) findings.warn(node, 'xml-attribute-value', `${name} of <${node.name}>: ${odd}`)
}

export function hasPlaceholder({ marked }: XmlText): boolean {
  return marked.includes(PLACEHOLDER_MARK)
}

/** The value of an attribute, or undefined when it is absent or differs from recipient to recipient. */
export function fixedValue(node: XmlNode, name: string): string | undefined {
  const value = node.attributes.get(name)
  return value === undefined || hasPlaceholder(value) ? undefined : value.marked
}

export function childrenNamed(node: XmlNode, name: string): readonly XmlNode[] {
  return node.children.filter((child) => child.name === name)
}
