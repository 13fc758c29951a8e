import type { NotificationType } from './notification.ts'
import { MAX_PAYLOAD_BYTES } from './notification.ts'
import type { InputError } from './problem.ts'
import type { Template, TemplateContext } from './template.ts'
import { coverPlaceholders, parseTemplate, renderTemplate } from './template.ts'
import type { TileContent } from './tile-content.ts'
import { lintTileContent, tileElement } from './tile-content.ts'
import type { ToastContent } from './toast-content.ts'
import { lintToastContent, toastElement } from './toast-content.ts'
import { element, writeXml } from './xml-element.ts'
import type { XmlRoot } from './xml.ts'
import { checkXml, illegalCharacters } from './xml.ts'

// A body is compiled in one place: the lint reads its faults, the sender its result, so both mean the same.

/** One body, ready to send: the bytes when they are the same for everybody, else the template. */
export type PreparedBody =
  | { readonly body: Buffer; readonly template: null }
  | { readonly body: null; readonly template: Template }

export type CompiledBody =
  | { readonly ok: true; readonly prepared: PreparedBody }
  | { readonly ok: false; readonly errors: readonly InputError[] }

/** The fields in which a notification, or a variant of it, says what its body is. */
export interface BodySource {
  readonly xml?: string | undefined
  readonly content?: ToastContent | TileContent | undefined
  readonly value?: number | string | undefined
  readonly text?: string | undefined
  readonly base64?: string | undefined
}

/** Compile the body of a notification or of one of its variants: all its faults, or the body. Never throws. */
export function compileBody(type: NotificationType, source: BodySource): CompiledBody {
  const choices = choicesOf(type, source)
  const given = choices.flatMap(({ field, compiled }) => (compiled === undefined ? [] : [{ field, compiled }]))
  const inputErrors: InputError[] = given.flatMap(({ field, compiled }) =>
    compiled.ok ? [] : compiled.errors.map((found) => ({ ...found, path: [field, ...found.path] })),
  )
  if (given.length === 0) inputErrors.push(inputError([], 'missing', `give one of ${fieldsOf(choices)}`))
  if (given.length > 1) inputErrors.push(inputError([], 'one-body', `give only one of ${fieldsOf(given)}`))
  const [only] = given
  return only === undefined || inputErrors.length > 0 ? { ok: false, errors: inputErrors } : only.compiled
}

function fieldsOf(choices: readonly Pick<Choice, 'field'>[]): string {
  return choices.map(({ field }) => field).join(' and ')
}

interface Choice {
  readonly field: keyof BodySource
  readonly compiled: CompiledBody | undefined
}

/** The ways in which this type can say its body. */
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
  const parsed = parseTemplate(xml)
  if (!parsed.ok) return parsed
  const inputErrors = [...checkXml(coverPlaceholders(parsed.template), root), ...endsOfSections(parsed.template)]
  return inputErrors.length > 0 ? { ok: false, errors: inputErrors } : fitting(parsed.template, 'xml')
}

// `]]>` may not stand in text, and a value can complete it: `{{vars.a}}>` is well-formed until somebody is called `]]`.
function endsOfSections({ parts }: Template): InputError[] {
  return parts.some((part, index) => typeof part === 'string' && /^\]?>/.test(part) && index > 0)
    ? [inputError([], 'placeholder-position', 'write &gt; instead of > behind a placeholder')]
    : []
}

function compileContent(content: ToastContent | TileContent): CompiledBody {
  const inputErrors = [
    ...textErrors(content),
    ...('title' in content ? lintToastContent(content) : lintTileContent(content)),
  ]
  if (inputErrors.length > 0) return { ok: false, errors: inputErrors }
  return compileWritten(writeXml('title' in content ? toastElement(content) : tileElement(content)))
}

/** What no text anywhere in a content may hold. */
function textErrors(value: unknown): InputError[] {
  if (typeof value === 'string') {
    const parsed = parseTemplate(value)
    return parsed.ok ? illegalCharacters(value) : [...parsed.errors, ...illegalCharacters(value)]
  }
  if (typeof value !== 'object' || value === null) return []
  const steps: [string | number, unknown][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value)
  return steps.flatMap(([step, inner]) => textErrors(inner).map((found) => ({ ...found, path: [step, ...found.path] })))
}

const glyphs =
  'none activity alarm alert attention available away busy error newMessage paused playing unavailable'.split(' ')
const badgeNames = new Set(glyphs)

function isBadgeValue(value: string): boolean {
  return badgeNames.has(value) || (/^(?:0|[1-9][0-9]{0,9})$/.test(value) && Number(value) <= 2_147_483_647)
}

function compileBadge(value: string): CompiledBody {
  const parsed = parseTemplate(value)
  if (!parsed.ok) return parsed
  const [only, ...more] = parsed.template.parts
  const fine =
    typeof only === 'object'
      ? more.length === 0 && (only.fallback === '' || isBadgeValue(only.fallback))
      : isBadgeValue(value)
  if (fine) return compileWritten(writeXml(element('badge', { value })))
  const wanted = `an integer from 0 to 2147483647, one of ${glyphs.join(', ')}, or one placeholder with such a fallback`
  return { ok: false, errors: [inputError([], 'badge-value', `a badge is ${wanted}`)] }
}

// What we wrote ourselves is well-formed by construction and is not parsed again.
function compileWritten(xml: string): CompiledBody {
  const parsed = parseTemplate(xml)
  return parsed.ok ? fitting(parsed.template, 'xml') : parsed
}

function compileText(text: string): CompiledBody {
  const parsed = parseTemplate(text)
  const inputErrors = parsed.ok ? [] : [...parsed.errors]
  if (text.includes('\0'))
    inputErrors.push(inputError([], 'raw-nul', 'an app sees raw text only up to the first NUL character; remove it'))
  if (!text.isWellFormed()) inputErrors.push(inputError([], 'raw-surrogate', 'the text holds half a surrogate pair'))
  return parsed.ok && inputErrors.length === 0 ? fitting(parsed.template, 'text') : { ok: false, errors: inputErrors }
}

function compileBase64(base64: string): CompiledBody {
  const body = Buffer.from(base64, 'base64')
  // Node skips over what is not base64; only the canonical form comes back the same.
  if (body.toString('base64') !== base64) {
    const detail = 'this is not base64: A-Z a-z 0-9 + /, padded with =, without line breaks'
    return { ok: false, errors: [inputError([], 'base64', detail)] }
  }
  const inputErrors = sizeErrors(body, false)
  return inputErrors.length > 0 ? { ok: false, errors: inputErrors } : { ok: true, prepared: { body, template: null } }
}

function fitting(template: Template, context: TemplateContext): CompiledBody {
  const body = renderTemplate(template, {}, context)
  const inputErrors = sizeErrors(body, template.isPersonalised)
  if (inputErrors.length > 0) return { ok: false, errors: inputErrors }
  return { ok: true, prepared: template.isPersonalised ? { body: null, template } : { body, template: null } }
}

function sizeErrors({ length }: Buffer, isPersonalised: boolean): InputError[] {
  const whose = isPersonalised ? ' for a recipient without variables' : ''
  if (length === 0) return [inputError([], 'payload-empty', `the payload is empty${whose}; WNS refuses that`)]
  if (length <= MAX_PAYLOAD_BYTES) return []
  return [
    inputError(
      [],
      'payload-too-large',
      `the payload has ${length} bytes${whose}; WNS takes at most ${MAX_PAYLOAD_BYTES}`,
    ),
  ]
}

function inputError(path: (string | number)[], code: string, detail: string): InputError {
  return { path, code, detail }
}
