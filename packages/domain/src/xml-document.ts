import { badgeSchema, checkBadge } from './badge-schema.ts'
import type { Placeholder } from './placeholder.ts'
import { textsAroundPlaceholders } from './placeholder-marks.ts'
import type { InputError } from './problem.ts'
import type { Template } from './template.ts'
import { coverPlaceholders, renderText, templateOf } from './template.ts'
import { checkTile, tileSchema } from './tile-schema.ts'
import { checkToast, toastSchema } from './toast-schema.ts'
import type { AttributeType } from './xml-attribute-types.ts'
import type { DocumentSchema } from './xml-schema.ts'
import { Findings, hasPlaceholder } from './xml-schema.ts'
import type { XmlNode, XmlRoot, XmlText } from './xml.ts'
import { readXml } from './xml.ts'

// A document of XML is judged twice: once as a template, before a campaign is stored, and once for each recipient whose
// variables land where not every text is valid. Both judge by the same tables.

/** What must hold for the values of each recipient; it is empty where any value is valid. */
export interface RenderChecks {
  /** Attributes with placeholders, and their types. */
  readonly values: readonly { readonly value: Template; readonly type: AttributeType }[]
  /** Texts of which at least one must not be blank, for each binding that shows nothing else. */
  readonly shown: readonly (readonly Template[])[]
  /** The root element when ids have placeholders: then the whole document is judged again. */
  readonly document: XmlRoot | null
}

export interface ReviewedXml {
  readonly inputErrors: readonly InputError[]
  readonly warnings: readonly InputError[]
  readonly checks: RenderChecks
}

export const noChecks: RenderChecks = { values: [], shown: [], document: null }

const roots = {
  toast: { schema: toastSchema, check: checkToast },
  tile: { schema: tileSchema, check: checkTile },
  badge: { schema: badgeSchema, check: checkBadge },
} as const satisfies Record<XmlRoot, { schema: DocumentSchema; check: (root: XmlNode, findings: Findings) => void }>

/** Judge a template of XML: its errors, its warnings, and what is left to judge for each recipient. */
export function reviewXml(template: Template, root: XmlRoot): ReviewedXml {
  const covered = coverPlaceholders(template)
  const read = readXml(covered, root)
  if (read.root === null) return { inputErrors: read.inputErrors, warnings: [], checks: noChecks }
  const findings = new Findings(covered)
  roots[root].check(read.root, findings)
  const checks = checksOf(read.root, root, template)
  const fallbacks = checkFallbacks(checks)
  return {
    inputErrors: [...inputErrorsOf(findings, 'error'), ...fallbacks.inputErrors],
    warnings: [...inputErrorsOf(findings, 'warning'), ...fallbacks.warnings],
    checks,
  }
}

function inputErrorsOf(findings: Findings, wanted: 'error' | 'warning'): InputError[] {
  return findings.all
    .filter(({ severity }) => severity === wanted)
    .map(({ code, detail }) => ({ path: [], code, detail }))
}

/** Attributes that decide about other elements: when one has a placeholder, the whole document is judged again. */
const structural = new Set(['id', 'type', 'hint-inputId', 'defaultInput'])

function checksOf(node: XmlNode, root: XmlRoot, template: Template): RenderChecks {
  const placeholders = template.parts.filter((part) => typeof part !== 'string')
  if (placeholders.length === 0) return noChecks
  const values: { value: Template; type: AttributeType }[] = []
  const shown: Template[][] = []
  let document: XmlRoot | null = null
  const visit = (each: XmlNode): void => {
    for (const [name, value] of each.attributes) {
      const type = roots[root].schema[each.name]?.attributes[name]
      if (type === undefined || !hasPlaceholder(value)) continue
      if (!name.startsWith('hint-')) values.push({ value: valueOf(value, placeholders), type })
      if (structural.has(name) && each.name !== 'header') document = root
    }
    if (root === 'toast' && each.name === 'binding') {
      const texts = textsOf(each)
      if (!showsWithoutVariables(each)) shown.push(texts.map((text) => valueOf(text, placeholders)))
    }
    for (const child of each.children) visit(child)
  }
  visit(node)
  return { values, shown, document }
}

/** The template of one text of the document. */
function valueOf({ marked, firstPlaceholder }: XmlText, placeholders: readonly Placeholder[]): Template {
  const parts: (string | Placeholder)[] = []
  for (const [index, text] of textsAroundPlaceholders(marked).entries()) {
    const placeholder = index === 0 ? undefined : placeholders[firstPlaceholder + index - 1]
    if (placeholder !== undefined) parts.push(placeholder)
    if (text !== '') parts.push(text)
  }
  return templateOf(parts)
}

function textsOf(node: XmlNode): readonly XmlText[] {
  return [...(node.name === 'text' ? node.texts : []), ...node.children.flatMap(textsOf)]
}

function showsWithoutVariables(node: XmlNode): boolean {
  if (node.name === 'text')
    return node.texts.some(({ marked }) => textsAroundPlaceholders(marked).some((text) => text.trim() !== ''))
  return node.name === 'image' || node.name === 'progress' || node.children.some(showsWithoutVariables)
}

const noVariables: Readonly<Record<string, string>> = {}

/** A fallback must be valid where it lands; a placeholder without one costs the recipients that lack the variable. */
function checkFallbacks({ values, shown }: RenderChecks): Pick<ReviewedXml, 'inputErrors' | 'warnings'> {
  const inputErrors: InputError[] = []
  const warnings: InputError[] = []
  for (const { value, type } of values) {
    if (type.takes(renderText(value, noVariables, 'text'))) continue
    const hasFallbacks = value.parts.every((part) => typeof part === 'string' || part.fallback !== '')
    const names = value.names.map((name) => `vars.${name}`).join(' and ')
    if (hasFallbacks)
      inputErrors.push(
        inputError('placeholder-value', `with its fallback, the value of ${names} must be ${type.wanted}`),
      )
    else warnings.push(inputError('placeholder-value', lacking(names, `a value there must be ${type.wanted}`)))
  }
  for (const texts of shown) {
    if (texts.some((text) => renderText(text, noVariables, 'text').trim() !== '')) continue
    const names = [...new Set(texts.flatMap((text) => text.names))].map((name) => `vars.${name}`).join(' and ')
    warnings.push(inputError('placeholder-value', lacking(names, 'the toast would show nothing')))
  }
  return { inputErrors, warnings }
}

function lacking(names: string, why: string): string {
  return `recipients without ${names} are rejected, since ${why}; give a fallback such as {{vars.name|fallback}}`
}

/** Whether the document with these values is one that Windows shows. */
export function passesChecks(
  { values, shown, document }: RenderChecks,
  vars: Readonly<Record<string, string>>,
  render: () => string,
): boolean {
  if (!values.every(({ value, type }) => type.takes(renderText(value, vars, 'text')))) return false
  if (!shown.every((texts) => texts.some((text) => renderText(text, vars, 'text').trim() !== ''))) return false
  if (document === null) return true
  const text = render()
  const { root } = readXml(text, document)
  if (root === null) return false
  const findings = new Findings(text)
  roots[document].check(root, findings)
  return !findings.hasErrors
}

function inputError(code: string, detail: string): InputError {
  return { path: [], code, detail }
}
