import type { NotificationType } from './notification.ts'
import { MAX_PAYLOAD_BYTES } from './notification.ts'
import type { Fault } from './problem.ts'
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
  | { readonly ok: false; readonly faults: readonly Fault[] }

/** The fields in which a notification, or a variant of it, says what its body is. */
export interface BodySource {
  readonly xml?: string | undefined
  readonly content?: ToastContent | TileContent | undefined
  readonly value?: number | string | undefined
  readonly text?: string | undefined
  readonly base64?: string | undefined
}

/** Compile the body of a notification or of one of its variants: all its faults, or the body. Never throws. */
export const compileBody = (type: NotificationType, source: BodySource): CompiledBody => {
  const choices = choicesOf(type, source)
  const given = choices.flatMap(({ field, compiled }) => (compiled === undefined ? [] : [{ field, compiled }]))
  const faults: Fault[] = given.flatMap(({ field, compiled }) =>
    compiled.ok ? [] : compiled.faults.map((found) => ({ ...found, path: [field, ...found.path] })),
  )
  if (given.length === 0) faults.push(fault([], 'missing', `give one of ${fieldsOf(choices)}`))
  if (given.length > 1) faults.push(fault([], 'one-body', `give only one of ${fieldsOf(given)}`))
  const [only] = given
  return only === undefined || faults.length > 0 ? { ok: false, faults } : only.compiled
}

const fieldsOf = (choices: readonly Pick<Choice, 'field'>[]): string => choices.map(({ field }) => field).join(' and ')

interface Choice {
  readonly field: keyof BodySource
  readonly compiled: CompiledBody | undefined
}

/** The ways in which this type can say its body. */
const choicesOf = (type: NotificationType, source: BodySource): readonly Choice[] => {
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

const choice = <T>(field: keyof BodySource, value: T | undefined, compile: (value: T) => CompiledBody): Choice => ({
  field,
  compiled: value === undefined ? undefined : compile(value),
})

/** How a value is written into the bodies of this type. */
export const contextOf = (type: NotificationType): TemplateContext => (type === 'raw' ? 'text' : 'xml')

const compileXml = (xml: string, root: XmlRoot): CompiledBody => {
  const parsed = parseTemplate(xml)
  if (!parsed.ok) return parsed
  const faults = [...checkXml(coverPlaceholders(parsed.template), root), ...endsOfSections(parsed.template)]
  return faults.length > 0 ? { ok: false, faults } : fitting(parsed.template, 'xml')
}

// `]]>` may not stand in text, and a value can complete it: `{{vars.a}}>` is well-formed until somebody is called `]]`.
const endsOfSections = ({ parts }: Template): Fault[] =>
  parts.some((part, index) => typeof part === 'string' && /^\]?>/.test(part) && index > 0)
    ? [fault([], 'placeholder-position', 'write &gt; instead of > behind a placeholder')]
    : []

const compileContent = (content: ToastContent | TileContent): CompiledBody => {
  const faults = [
    ...textFaults(content),
    ...('title' in content ? lintToastContent(content) : lintTileContent(content)),
  ]
  if (faults.length > 0) return { ok: false, faults }
  return compileWritten(writeXml('title' in content ? toastElement(content) : tileElement(content)))
}

/** What no text anywhere in a content may hold. */
const textFaults = (value: unknown): Fault[] => {
  if (typeof value === 'string') {
    const parsed = parseTemplate(value)
    return parsed.ok ? illegalCharacters(value) : [...parsed.faults, ...illegalCharacters(value)]
  }
  if (typeof value !== 'object' || value === null) return []
  const steps: [string | number, unknown][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value)
  return steps.flatMap(([step, inner]) => textFaults(inner).map((found) => ({ ...found, path: [step, ...found.path] })))
}

const glyphs =
  'none activity alarm alert attention available away busy error newMessage paused playing unavailable'.split(' ')
const badgeNames = new Set(glyphs)

const isBadgeValue = (value: string): boolean =>
  badgeNames.has(value) || (/^(?:0|[1-9][0-9]{0,9})$/.test(value) && Number(value) <= 2_147_483_647)

const compileBadge = (value: string): CompiledBody => {
  const parsed = parseTemplate(value)
  if (!parsed.ok) return parsed
  const [only, ...more] = parsed.template.parts
  const fine =
    typeof only === 'object'
      ? more.length === 0 && (only.fallback === '' || isBadgeValue(only.fallback))
      : isBadgeValue(value)
  if (fine) return compileWritten(writeXml(element('badge', { value })))
  const wanted = `an integer from 0 to 2147483647, one of ${glyphs.join(', ')}, or one placeholder with such a fallback`
  return { ok: false, faults: [fault([], 'badge-value', `a badge is ${wanted}`)] }
}

// What we wrote ourselves is well-formed by construction and is not parsed again.
const compileWritten = (xml: string): CompiledBody => {
  const parsed = parseTemplate(xml)
  return parsed.ok ? fitting(parsed.template, 'xml') : parsed
}

const compileText = (text: string): CompiledBody => {
  const parsed = parseTemplate(text)
  const faults = parsed.ok ? [] : [...parsed.faults]
  if (text.includes('\0'))
    faults.push(fault([], 'raw-nul', 'an app sees raw text only up to the first NUL character; remove it'))
  if (!text.isWellFormed()) faults.push(fault([], 'raw-surrogate', 'the text holds half a surrogate pair'))
  return parsed.ok && faults.length === 0 ? fitting(parsed.template, 'text') : { ok: false, faults }
}

const compileBase64 = (base64: string): CompiledBody => {
  const body = Buffer.from(base64, 'base64')
  // Node skips over what is not base64; only the canonical form comes back the same.
  if (body.toString('base64') !== base64) {
    const detail = 'this is not base64: A-Z a-z 0-9 + /, padded with =, without line breaks'
    return { ok: false, faults: [fault([], 'base64', detail)] }
  }
  const faults = sizeFaults(body, false)
  return faults.length > 0 ? { ok: false, faults } : { ok: true, prepared: { body, template: null } }
}

const fitting = (template: Template, context: TemplateContext): CompiledBody => {
  const body = renderTemplate(template, {}, context)
  const faults = sizeFaults(body, template.isPersonalised)
  if (faults.length > 0) return { ok: false, faults }
  return { ok: true, prepared: template.isPersonalised ? { body: null, template } : { body, template: null } }
}

const sizeFaults = ({ length }: Buffer, isPersonalised: boolean): Fault[] => {
  const whose = isPersonalised ? ' for a recipient without variables' : ''
  if (length === 0) return [fault([], 'payload-empty', `the payload is empty${whose}; WNS refuses that`)]
  if (length <= MAX_PAYLOAD_BYTES) return []
  return [
    fault([], 'payload-too-large', `the payload has ${length} bytes${whose}; WNS takes at most ${MAX_PAYLOAD_BYTES}`),
  ]
}

const fault = (path: (string | number)[], code: string, detail: string): Fault => ({ path, code, detail })
