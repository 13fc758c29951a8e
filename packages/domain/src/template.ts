import { foreignSyntax } from './foreign-syntax.ts'
import type { Placeholder } from './placeholder.ts'
import { parsePlaceholder } from './placeholder.ts'
import type { InputError } from './problem.ts'
import { PLACEHOLDER_CONTINUED, PLACEHOLDER_MARK } from './placeholder-marks.ts'
import { decodeReferences, escapeXmlValue } from './xml-escape.ts'

// A text with places for the variables of a recipient: `{{vars.name}}`, or `{{vars.name|fallback}}` for recipients
// without that variable; the grammar is in `placeholder.ts`. A value is written as text wherever it lands and adds no
// structure. Every `{{` opens a placeholder, and the syntax of other template languages is rejected, so a misspelled
// placeholder is an error and not a message to a million people. For two braces as text, write `&#123;{` in XML, or
// send raw bytes.

export interface Template {
  readonly parts: readonly (string | Placeholder)[]
  /** The variables it asks for, each once, in order of appearance. */
  readonly names: readonly string[]
  /** Whether recipients get different texts. */
  readonly isPersonalized: boolean
}

export type ParsedTemplate =
  | { readonly ok: true; readonly template: Template }
  | { readonly ok: false; readonly inputErrors: readonly InputError[] }

/**
 * Where a template lands. In `xml`, values are escaped and fallbacks may be written with references such as `&amp;`.
 */
export type TemplateContext = 'xml' | 'text'

const MAX_ERRORS = 20

/** All errors of a text, or the template that it is; linear in the text. */
export function parseTemplate(text: string, context: TemplateContext = 'text'): ParsedTemplate {
  const parts: (string | Placeholder)[] = []
  const inputErrors: InputError[] = []
  const reject = (at: number, code: string, detail: string): void => {
    inputErrors.push({ path: [], code, detail: `character ${at + 1}: ${detail}` })
  }
  const literal = (from: number, to: number): void => {
    if (to <= from) return
    const part = text.slice(from, to)
    for (const { at, hint } of foreignSyntax(part)) reject(from + at, 'foreign-syntax', hint)
    parts.push(part)
  }
  let from = 0
  for (let open = text.indexOf('{{'); open >= 0; open = text.indexOf('{{', from)) {
    literal(from, open)
    const close = text.indexOf('}}', open + 2)
    from = close < 0 ? text.length : close + 2
    if (close < 0) {
      reject(open, 'placeholder-unclosed', 'the placeholder has no closing }}')
      break
    }
    const inner = text.slice(open + 2, close)
    const parsed = parsePlaceholder(context === 'xml' ? decodeReferences(inner) : inner)
    if (parsed.ok) parts.push({ name: parsed.name, fallback: parsed.fallback, source: text.slice(open, from) })
    else reject(open, parsed.code, parsed.detail)
    if (inputErrors.length >= MAX_ERRORS) break
  }
  if (inputErrors.length < MAX_ERRORS) literal(from, text.length)
  if (inputErrors.length > 0) return { ok: false, inputErrors: inputErrors.slice(0, MAX_ERRORS) }
  return { ok: true, template: templateOf(parts) }
}

/** A template of texts and placeholders that are known already. */
export function templateOf(parts: readonly (string | Placeholder)[]): Template {
  const names = new Set<string>()
  for (const part of parts) if (typeof part !== 'string') names.add(part.name)
  return { parts, names: [...names], isPersonalized: names.size > 0 }
}

/**
 * The UTF-8 bytes for one recipient; a variable that is neither given nor has a fallback is empty. The caller checks
 * the length. Never throws.
 */
export function renderTemplate(
  template: Template,
  vars: Readonly<Record<string, string>>,
  context: TemplateContext,
): Buffer {
  return Buffer.from(renderText(template, vars, context), 'utf8')
}

/** The text for one recipient, as `renderTemplate` encodes it. */
export function renderText(
  { parts }: Template,
  vars: Readonly<Record<string, string>>,
  context: TemplateContext,
): string {
  let text = ''
  for (const part of parts) {
    if (typeof part === 'string') text += part
    else {
      // Own variables only: a template may well ask for `constructor`.
      const value = Object.hasOwn(vars, part.name) ? vars[part.name]! : part.fallback
      text += context === 'xml' ? escapeXmlValue(value) : value
    }
  }
  return text
}

/**
 * A template of XML with each placeholder covered by marks of the same length, so that errors keep their position. The
 * first character of each placeholder is `PLACEHOLDER_MARK`; line breaks stay.
 */
export function coverPlaceholders({ parts }: Template): string {
  return parts
    .map((part) =>
      typeof part === 'string'
        ? part
        : PLACEHOLDER_MARK + part.source.slice(1).replace(/[^\n]/g, PLACEHOLDER_CONTINUED),
    )
    .join('')
}
