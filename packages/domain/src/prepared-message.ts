import type { PreparedBody } from './notification-body.ts'
import { compileBody, contextOf } from './notification-body.ts'
import type { Notification, NotificationType } from './notification.ts'
import type { TemplateContext } from './template.ts'
import { renderTemplate } from './template.ts'

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
  /** Other bodies, by locale in lower case. */
  readonly variants: ReadonlyMap<string, PreparedBody>
  /** Whether any body holds a placeholder. */
  readonly isPersonalised: boolean
}

/** Prepare a notification that `lintNotification` found no fault in. Throws a RangeError on one with faults. */
export function prepareMessage(notification: Notification): PreparedMessage {
  const { type, ttlSeconds } = notification
  const prepared = compiled(type, notification)
  const variants = new Map<string, PreparedBody>()
  for (const [locale, variant] of Object.entries(notification.variants ?? {}))
    variants.set(locale.toLowerCase(), compiled(type, variant))
  return {
    ...prepared,
    type,
    contentType: type === 'raw' ? 'application/octet-stream' : 'text/xml',
    headers: headersOf(notification),
    context: contextOf(type),
    ...(ttlSeconds !== undefined && { ttlSeconds }),
    variants,
    isPersonalised: [prepared, ...variants.values()].some(({ template }) => template !== null),
  }
}

/**
 * The body for one recipient, in the variant of the recipient's locale if there is one: `de-AT` takes `de-at`, else
 * `de`, else the body of the notification. The caller checks the length of a personalised one. Never throws.
 */
export function bodyFor(
  message: PreparedMessage,
  vars: Readonly<Record<string, string>> = {},
  locale?: string,
): Buffer {
  const { body, template } = locale === undefined ? message : variantFor(message, locale)
  return body ?? renderTemplate(template, vars, message.context)
}

/** The body that recipients of this locale get; worth keeping by a caller with many recipients of few locales. */
export function variantFor(message: PreparedMessage, locale: string): PreparedBody {
  if (message.variants.size === 0) return message
  // The lookup of RFC 4647: drop subtags from the end.
  for (let range = locale.toLowerCase(); range !== ''; range = shortened(range)) {
    const variant = message.variants.get(range)
    if (variant !== undefined) return variant
  }
  return message
}

function shortened(range: string): string {
  return range.slice(0, Math.max(0, range.lastIndexOf('-')))
}

function headersOf(notification: Notification): Record<string, string> {
  const { type, cachePolicy, requestForStatus = type === 'raw', wnsTag, wnsGroup } = notification
  const { suppressPopup, wnsPriority, collectionId } = notification
  const headers: Record<string, string> = { 'X-WNS-Type': `wns/${type}` }
  const set = (name: string, value: string | number | boolean | undefined): void => {
    if (value === undefined) return
    // The last door before the socket, should a notification come here without lint.
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
  throw new RangeError(`this notification has faults (${result.errors[0]?.code}); lint it before it is prepared`)
}
