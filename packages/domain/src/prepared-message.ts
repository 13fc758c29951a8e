import type { PreparedBody } from './notification-body.ts'
import { compileBody, contextOf } from './notification-body.ts'
import type { Notification, NotificationType } from './notification.ts'
import { MAX_PAYLOAD_BYTES } from './notification.ts'
import type { ContentValues } from './missing-variables.ts'
import { lackingIn, valuesFor } from './missing-variables.ts'
import type { Placeholder } from './placeholder.ts'
import type { TemplateContext } from './template.ts'
import { fallbacksOf, parseLocale } from './locale.ts'
import { renderTemplate } from './template.ts'
import { passesChecks } from './xml-document.ts'

/**
 * All of a notification that is the same for every recipient of a campaign, made once. The sender adds Authorization,
 * Content-Type, Content-Length, MS-CV and X-WNS-TTL, which counts from the moment of sending.
 */
export type PreparedMessage = PreparedBody & {
  readonly type: NotificationType
  readonly contentType: 'text/xml' | 'application/octet-stream'
  /** X-WNS-* headers; names and values are printable ASCII. */
  readonly headers: Readonly<Record<string, string>>
  /** How variables are written into the body and into every variant. */
  readonly context: TemplateContext
  readonly ttlSeconds?: number
  /** Other bodies, by canonical locale in lower case. */
  readonly variants: ReadonlyMap<string, PreparedBody>
  /** Values of the campaign for the placeholders. */
  readonly values: ContentValues
  /** Whether any body holds a placeholder. */
  readonly isPersonalized: boolean
  /** Whether WNS keeps it for a device that is not connected. */
  readonly isCached: boolean
}

/**
 * Prepare a notification that passed `lintNotification`. Throws a RangeError on one with errors.
 *
 * @param values those of the campaign, which is its request
 */
export function prepareMessage(
  notification: Notification,
  { missing, fallbacks, valuesByTag }: ContentValues = {},
): PreparedMessage {
  const { type, ttlSeconds } = notification
  const prepared = compiled(type, notification)
  const variants = new Map<string, PreparedBody>()
  for (const [locale, variant] of Object.entries(notification.variants ?? {}))
    variants.set(variantKey(locale), compiled(type, variant))
  return {
    ...prepared,
    type,
    contentType: type === 'raw' ? 'application/octet-stream' : 'text/xml',
    headers: headersOf(notification),
    context: contextOf(type),
    ...(ttlSeconds !== undefined && { ttlSeconds }),
    variants,
    values: { missing, fallbacks, valuesByTag },
    isCached: notification.cachePolicy === 'cache',
    isPersonalized: [prepared, ...variants.values()].some(({ template }) => template !== null),
  }
}

/** Why the body for a recipient is not sent. */
export type BodyRejection = 'too-large' | 'invalid-content' | 'missing-variable'

export type RenderedBody =
  | { readonly ok: true; readonly body: Buffer }
  | { readonly ok: false; readonly reason: BodyRejection }

/**
 * The body for one recipient, in the variant of the recipient's locale if there is one: `de-AT` takes `de-at`, else
 * `de`, else the body of the notification. A body with the recipient's values is judged like one that was given: by its
 * size, and by what Windows shows. Never throws.
 *
 * @param own the variables of the recipient
 * @param tags its tags, where the campaign has values by tag
 */
export function bodyFor(
  message: PreparedMessage,
  own: Readonly<Record<string, string>> = {},
  locale?: string,
  tags: readonly string[] = [],
): RenderedBody {
  const prepared = locale === undefined ? message : variantFor(message, locale)
  if (prepared.body !== null) return { ok: true, body: prepared.body }
  const vars = withFallbacks(message, prepared, valuesFor(message.values, own, tags))
  if (vars === undefined) return { ok: false, reason: 'missing-variable' }
  const body = renderTemplate(prepared.template, vars, message.context)
  if (body.length > MAX_PAYLOAD_BYTES) return { ok: false, reason: 'too-large' }
  if (body.length === 0 || !passesChecks(prepared.checks, vars, () => body.toString('utf8')))
    return { ok: false, reason: 'invalid-content' }
  return { ok: true, body }
}

/** The placeholders without a fallback for which a recipient has no value, in the body that it would get. */
export function lackingFor(
  message: PreparedMessage,
  own: Readonly<Record<string, string>>,
  locale: string,
  tags: readonly string[],
): Placeholder[] {
  return lackingIn(variantFor(message, locale).template, valuesFor(message.values, own, tags))
}

/** The values, with the fallbacks of the campaign for missing ones; undefined where one must not be missing. */
function withFallbacks(
  { values: { missing, fallbacks = {} } }: PreparedMessage,
  { template }: PreparedBody,
  values: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> | undefined {
  if (missing === undefined) return values
  const lacking = lackingIn(template, values).map(({ name }) => name)
  if (lacking.length === 0) return values
  if (missing !== 'fallback' || !lacking.every((name) => Object.hasOwn(fallbacks, name))) return undefined
  return { ...fallbacks, ...values }
}

/** The body that recipients of this locale get; worth keeping by a caller with many recipients of few locales. */
export function variantFor(message: PreparedMessage, locale: string): PreparedBody {
  if (message.variants.size === 0) return message
  for (const range of fallbacksOf(locale)) {
    const variant = message.variants.get(range)
    if (variant !== undefined) return variant
  }
  return message
}

function variantKey(locale: string): string {
  const parsed = parseLocale(locale)
  if (!parsed.ok) throw new RangeError('a variant has no valid locale; lint the notification before it is prepared')
  return parsed.locale.toLowerCase()
}

function headersOf(notification: Notification): Record<string, string> {
  const { type, cachePolicy, requestForStatus = type === 'raw', wnsTag, wnsGroup } = notification
  const { suppressPopup, wnsPriority, collectionId } = notification
  const headers: Record<string, string> = { 'X-WNS-Type': `wns/${type}` }
  const set = (name: string, value: string | number | boolean | undefined): void => {
    if (value === undefined) return
    // The last check before the socket, for a notification that was not linted.
    if (!/^[\x21-\x7e]{1,64}$/.test(String(value))) throw new RangeError(`${name} is not printable ASCII`)
    headers[name] = String(value)
  }
  set('X-WNS-Cache-Policy', cachePolicy)
  // Raw notifications report the device's state by default: the raw gate lives on it.
  set('X-WNS-RequestForStatus', requestForStatus || undefined)
  set('X-WNS-Tag', wnsTag)
  set('X-WNS-Group', wnsGroup)
  set('X-WNS-SuppressPopup', suppressPopup)
  set('X-WNS-PRIORITY', wnsPriority)
  set('X-WNS-CollectionId', collectionId)
  return headers
}

function compiled(type: NotificationType, source: Parameters<typeof compileBody>[1]): PreparedBody {
  const result = compileBody(type, source)
  if (result.ok) return result.prepared
  throw new RangeError(`this notification has errors (${result.inputErrors[0]?.code}); lint it before it is prepared`)
}
