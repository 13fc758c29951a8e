import type { InputError } from './problem.ts'
import { PLACEHOLDER_MARK, escapeXmlValue } from './xml.ts'

// A text with places for a recipient's own variables: `{{vars.name}}`, or `{{vars.name|fallback}}` for recipients without
// that variable. A value is written as text wherever it lands, and a fallback is plain text too: neither adds structure.
// Every `{{` opens a placeholder, so that a misspelled one is a fault and not a message to a million people; whoever needs
// two braces writes `&#123;{` in XML, or sends raw bytes.

/** A placeholder; `source` is how it was written. */
export interface Placeholder {
  readonly name: string
  readonly fallback: string
  readonly source: string
}

export interface Template {
  readonly parts: readonly (string | Placeholder)[]
  /** The variables it asks for, each once, in order of appearance. */
  readonly names: readonly string[]
  /** Whether recipients get different texts. */
  readonly isPersonalised: boolean
}

export type ParsedTemplate =
  | { readonly ok: true; readonly template: Template }
  | { readonly ok: false; readonly errors: readonly InputError[] }

/** Where a template lands: values are escaped in `xml` and left alone in `text`. */
export type TemplateContext = 'xml' | 'text'

const placeholder = /^\s*vars\.([a-zA-Z][a-zA-Z0-9_]{0,39})\s*$/
const MAX_ERRORS = 20

/** All faults of a text, or the template that it is; linear in the text. */
export function parseTemplate(text: string): ParsedTemplate {
  const parts: (string | Placeholder)[] = []
  const names = new Set<string>()
  const errors: InputError[] = []
  let from = 0
  for (let open = text.indexOf('{{'); open >= 0; open = text.indexOf('{{', from)) {
    const close = text.indexOf('}}', open + 2)
    if (close < 0) {
      errors.push(inputError('placeholder-unclosed', `the placeholder at character ${open + 1} has no closing }}`))
      break
    }
    const inner = text.slice(open + 2, close)
    const bar = inner.indexOf('|')
    const name = placeholder.exec(bar < 0 ? inner : inner.slice(0, bar))?.[1]
    if (open > from) parts.push(text.slice(from, open))
    from = close + 2
    if (name === undefined) {
      const wanted =
        '{{vars.name}} or {{vars.name|fallback}}, with a name of a letter and at most 39 letters, digits or _'
      errors.push(inputError('placeholder-name', `the placeholder at character ${open + 1} must be ${wanted}`))
      if (errors.length >= MAX_ERRORS) break
      continue
    }
    names.add(name)
    parts.push({ name, fallback: bar < 0 ? '' : inner.slice(bar + 1), source: text.slice(open, from) })
  }
  if (errors.length > 0) return { ok: false, errors }
  if (from < text.length) parts.push(text.slice(from))
  return { ok: true, template: { parts, names: [...names], isPersonalised: names.size > 0 } }
}

/**
 * The UTF-8 bytes for one recipient; a variable that is neither given nor has a fallback is empty. The caller checks the
 * length. Never throws.
 */
export function renderTemplate(
  template: Template,
  vars: Readonly<Record<string, string>>,
  context: TemplateContext,
): Buffer {
  let text = ''
  for (const part of template.parts) {
    if (typeof part === 'string') text += part
    else {
      // Own variables only: a template may well ask for `constructor`.
      const value = Object.hasOwn(vars, part.name) ? vars[part.name]! : part.fallback
      text += context === 'xml' ? escapeXmlValue(value) : value
    }
  }
  return Buffer.from(text, 'utf8')
}

/** A template of XML with each placeholder covered by marks, line by line in its place, so that faults keep their position. */
export function coverPlaceholders({ parts }: Template): string {
  return parts
    .map((part) => (typeof part === 'string' ? part : part.source.replace(/[^\n]/g, PLACEHOLDER_MARK)))
    .join('')
}

function inputError(code: string, detail: string): InputError {
  return { path: [], code, detail }
}
