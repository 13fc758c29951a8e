import type { NotificationType } from './notification.ts'
import { MAX_PAYLOAD_BYTES } from './notification.ts'
import type { InputError } from './problem.ts'
import type { Template, TemplateContext } from './template.ts'
import { parseTemplate, renderTemplate } from './template.ts'
import type { TileContent } from './tile-content.ts'
import { lintTileContent, tileElement } from './tile-content.ts'
import type { ToastContent } from './toast-content.ts'
import { lintToastContent, toastElement } from './toast-content.ts'
import { element, writeXml } from './xml-element.ts'
import { badgeValue } from './xml-attribute-types.ts'
import type { RenderChecks } from './xml-document.ts'
import { noChecks, reviewXml } from './xml-document.ts'
import { illegalCharacters } from './xml-escape.ts'
import type { XmlRoot } from './xml.ts'

// A body is compiled in one place: the lint reads its errors and warnings, the sender its result, so both mean the
// same.

/** One body, ready to send: the bytes when they are the same for all recipients, else the template. */
export type PreparedBody =
  | { readonly body: Buffer; readonly template: null }
  | { readonly body: null; readonly template: Template; readonly checks: RenderChecks }

export type CompiledBody =
  | { readonly ok: true; readonly prepared: PreparedBody; readonly warnings: readonly InputError[] }
  | { readonly ok: false; readonly inputErrors: readonly InputError[] }

/** The fields that hold the body of a notification, or of a variant of it. */
export interface BodySource {
  readonly xml?: string | undefined
  readonly content?: ToastContent | TileContent | undefined
  readonly value?: number | string | undefined
  readonly text?: string | undefined
  readonly base64?: string | undefined
}

/** Compile the body of a notification or of one of its variants: all its errors, or the body. Never throws. */
export function compileBody(type: NotificationType, source: BodySource): CompiledBody {
  const choices = choicesOf(type, source)
  const given = choices.flatMap(({ field, compiled }) => (compiled === undefined ? [] : [{ field, compiled }]))
  const inputErrors: InputError[] = given.flatMap(({ field, compiled }) =>
    compiled.ok ? [] : compiled.inputErrors.map((found) => ({ ...found, path: [field, ...found.path] })),
  )
  if (given.length === 0) inputErrors.push(inputError([], 'missing', `give one of ${fieldsOf(choices)}`))
  if (given.length > 1) inputErrors.push(inputError([], 'one-body', `give only one of ${fieldsOf(given)}`))
  const [only] = given
  if (only === undefined || !only.compiled.ok || inputErrors.length > 0) return { ok: false, inputErrors }
  const warnings = only.compiled.warnings.map((found) => ({ ...found, path: [only.field, ...found.path] }))
  return { ...only.compiled, warnings }
}

function fieldsOf(choices: readonly Pick<Choice, 'field'>[]): string {
  return choices.map(({ field }) => field).join(' and ')
}

interface Choice {
  readonly field: keyof BodySource
  readonly compiled: CompiledBody | undefined
}

/** The fields that this type takes its body from, with what was given in them. */
function choicesOf(type: NotificationType, source: BodySource): readonly Choice[] {
  switch (type) {
    case 'toast':
    case 'tile':
      return [
        choice('xml', source.xml, (xml) => compileXml(xml, type)),
        choice('content', source.content, compileContent),
      ]
    case 'badge':
      return [
        choice('xml', source.xml, (xml) => compileXml(xml, type)),
        choice('value', source.value, (value) => compileBadge(String(value))),
      ]
    case 'raw':
      return [choice('text', source.text, compileText), choice('base64', source.base64, compileBase64)]
    default:
      return type satisfies never
  }
}

function choice<T>(field: keyof BodySource, value: T | undefined, compile: (value: T) => CompiledBody): Choice {
  return {
    field,
    compiled: value === undefined ? undefined : compile(value),
  }
}

/** How a value is written into the bodies of this type. */
export function contextOf(type: NotificationType): TemplateContext {
  return type === 'raw' ? 'text' : 'xml'
}

function compileXml(xml: string, root: XmlRoot): CompiledBody {
  const parsed = parseTemplate(xml, 'xml')
  if (!parsed.ok) return parsed
  const { inputErrors, warnings, checks } = reviewXml(parsed.template, root)
  const errors = [...inputErrors, ...endsOfSections(parsed.template)]
  return errors.length > 0 ? { ok: false, inputErrors: errors } : fitting(parsed.template, 'xml', checks, warnings)
}

// `]]>` may not stand in text, and a value can complete it: `{{vars.a}}>` is well-formed until a value ends with `]]`.
function endsOfSections({ parts }: Template): InputError[] {
  return parts.some((part, index) => typeof part === 'string' && /^\]?>/.test(part) && index > 0)
    ? [inputError([], 'placeholder-position', 'write &gt; instead of > behind a placeholder')]
    : []
}

function compileContent(content: ToastContent | TileContent): CompiledBody {
  const isToast = 'title' in content
  const inputErrors = [...textErrors(content), ...(isToast ? lintToastContent(content) : lintTileContent(content))]
  if (inputErrors.length > 0) return { ok: false, inputErrors }
  return compileWritten(writeXml(isToast ? toastElement(content) : tileElement(content)), isToast ? 'toast' : 'tile')
}

/** What no text anywhere in a content may hold. */
function textErrors(value: unknown): InputError[] {
  if (typeof value === 'string') {
    const parsed = parseTemplate(value)
    return parsed.ok ? illegalCharacters(value) : [...parsed.inputErrors, ...illegalCharacters(value)]
  }
  if (typeof value !== 'object' || value === null) return []
  const steps: [string | number, unknown][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value)
  return steps.flatMap(([step, inner]) => textErrors(inner).map((found) => ({ ...found, path: [step, ...found.path] })))
}

function compileBadge(value: string): CompiledBody {
  const parsed = parseTemplate(value)
  if (!parsed.ok) return parsed
  const [only, ...more] = parsed.template.parts
  const isValid =
    typeof only === 'object'
      ? more.length === 0 && (only.fallback === '' || badgeValue.takes(only.fallback))
      : badgeValue.takes(value)
  if (isValid) return compileWritten(writeXml(element('badge', { value })), 'badge')
  const detail = `a badge must be ${badgeValue.wanted}, or one placeholder with such a fallback`
  return { ok: false, inputErrors: [inputError([], 'badge-value', detail)] }
}

/** A document that we wrote: its places mean nothing to the author. */
function compileWritten(template: Template, root: XmlRoot): CompiledBody {
  const { inputErrors, warnings, checks } = reviewXml(template, root)
  if (inputErrors.length > 0) return { ok: false, inputErrors: inputErrors.map(withoutPlace) }
  return fitting(template, 'xml', checks, warnings.map(withoutPlace))
}

function withoutPlace(found: InputError): InputError {
  return { ...found, detail: found.detail.replace(/^line \d+, column \d+: /, '') }
}

function compileText(text: string): CompiledBody {
  const parsed = parseTemplate(text)
  const inputErrors = parsed.ok ? [] : [...parsed.inputErrors]
  if (text.includes('\0'))
    inputErrors.push(inputError([], 'raw-nul', 'an app reads raw text only up to the first NUL character; remove it'))
  if (!text.isWellFormed()) inputErrors.push(inputError([], 'raw-surrogate', 'the text holds half a surrogate pair'))
  if (!parsed.ok || inputErrors.length > 0) return { ok: false, inputErrors }
  return fitting(parsed.template, 'text', noChecks, [])
}

function compileBase64(base64: string): CompiledBody {
  const body = Buffer.from(base64, 'base64')
  // Node skips over what is not base64; only the canonical form comes back the same.
  if (body.toString('base64') !== base64) {
    const detail = 'this is not base64: A-Z a-z 0-9 + /, padded with =, without line breaks'
    return { ok: false, inputErrors: [inputError([], 'base64', detail)] }
  }
  const inputErrors = sizeErrors(body, false)
  if (inputErrors.length > 0) return { ok: false, inputErrors }
  return { ok: true, prepared: { body, template: null }, warnings: [] }
}

function fitting(
  template: Template,
  context: TemplateContext,
  checks: RenderChecks,
  warnings: readonly InputError[],
): CompiledBody {
  const body = renderTemplate(template, {}, context)
  const inputErrors = sizeErrors(body, template.isPersonalized)
  if (inputErrors.length > 0) return { ok: false, inputErrors }
  const prepared: PreparedBody = template.isPersonalized ? { body: null, template, checks } : { body, template: null }
  return { ok: true, prepared, warnings }
}

function sizeErrors({ length }: Buffer, isPersonalized: boolean): InputError[] {
  const whose = isPersonalized ? ' for a recipient without variables' : ''
  if (length === 0) return [inputError([], 'payload-empty', `the payload is empty${whose}; WNS rejects that`)]
  if (length <= MAX_PAYLOAD_BYTES) return []
  const detail = `the payload has ${length} bytes${whose}; WNS takes at most ${MAX_PAYLOAD_BYTES}`
  return [inputError([], 'payload-too-large', detail)]
}

function inputError(path: (string | number)[], code: string, detail: string): InputError {
  return { path, code, detail }
}
