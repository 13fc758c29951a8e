import { parseLocale } from './locale.ts'
import type { BodySource } from './notification-body.ts'
import { compileBody } from './notification-body.ts'
import type { Notification, NotificationType } from './notification.ts'
import { MAX_TTL_SECONDS, MAX_VARIANTS, collectionIdPattern, wnsLabelPattern } from './notification.ts'
import type { InputError } from './problem.ts'

// WNS answers 400 for some of these mistakes. For the rest it answers 200, and the device shows nothing.

export interface LintContext {
  /** Where the app's tokens come from: Entra apps get toast and raw only. */
  readonly credentialsKind: 'store' | 'entra'
}

/** All errors of a notification, its options, its body and its variants; empty means it can be sent. Never throws. */
export function lintNotification(notification: Notification, { credentialsKind }: LintContext): InputError[] {
  return [
    ...lintType(notification.type, credentialsKind),
    ...lintOptions(notification),
    ...bodyErrors(notification.type, notification, []),
    ...lintVariants(notification),
  ]
}

function lintType(type: NotificationType, credentialsKind: LintContext['credentialsKind']): InputError[] {
  return credentialsKind === 'entra' && (type === 'tile' || type === 'badge')
    ? [inputError('type', 'type-not-supported', `apps with Entra credentials receive toast and raw only, not ${type}`)]
    : []
}

const onlyFor = [
  ['wnsTag', ['toast', 'tile']],
  ['wnsGroup', ['toast']],
  ['suppressPopup', ['toast']],
  ['collectionId', ['toast']],
] as const satisfies [keyof Notification, NotificationType[]][]

function lintOptions(notification: Notification): InputError[] {
  const { type, ttlSeconds, wnsTag, wnsGroup, wnsPriority, collectionId } = notification
  const errors: InputError[] = []
  const check = (field: keyof Notification, isFine: boolean, wanted: string): void => {
    if (!isFine) errors.push(inputError(field, 'wrong-value', `${field} must be ${wanted}`))
  }
  for (const [field, types] of onlyFor)
    if (notification[field] !== undefined && !types.some((fitting) => fitting === type))
      errors.push(
        inputError(field, 'not-for-this-type', `${field} is for ${types.join(' and ')}, not for ${type}; remove it`),
      )
  // WNS rejects a time to live of 0 together with no-cache, and 0 makes no sense for the rest.
  if (ttlSeconds !== undefined)
    check('ttlSeconds', isWithin(ttlSeconds, 1, MAX_TTL_SECONDS), `an integer from 1 to ${MAX_TTL_SECONDS} (7 days)`)
  if (wnsPriority !== undefined) check('wnsPriority', isWithin(wnsPriority, 1, 4), 'an integer from 1 to 4')
  if (wnsTag !== undefined) check('wnsTag', wnsLabelPattern.test(wnsTag), '1 to 16 ASCII letters and digits')
  if (wnsGroup !== undefined) check('wnsGroup', wnsLabelPattern.test(wnsGroup), '1 to 16 ASCII letters and digits')
  if (collectionId !== undefined)
    check('collectionId', collectionIdPattern.test(collectionId), '1 to 64 ASCII letters, digits and . _ ~ -')
  return errors
}

function isWithin(number: number, least: number, most: number): boolean {
  return Number.isInteger(number) && number >= least && number <= most
}

function lintVariants({ type, variants = {} }: Notification): InputError[] {
  const inputErrors: InputError[] = []
  const entries = Object.entries(variants)
  if (entries.length > MAX_VARIANTS)
    inputErrors.push(
      inputError('variants', 'out-of-range', `${entries.length} variants; at most ${MAX_VARIANTS} are possible`),
    )
  const seen = new Set<string>()
  for (const [locale, variant] of entries.slice(0, MAX_VARIANTS)) {
    const at = ['variants', locale]
    const parsed = parseLocale(locale)
    if (!parsed.ok) inputErrors.push({ path: at, code: 'locale', detail: parsed.detail })
    else if (seen.has(parsed.locale)) {
      const detail = `another variant has this locale too, which is read as ${parsed.locale}`
      inputErrors.push({ path: at, code: 'duplicate-locale', detail })
    } else seen.add(parsed.locale)
    inputErrors.push(...bodyErrors(type, variant, at))
  }
  return inputErrors
}

/**
 * What is odd about the bodies of a notification without being wrong: WNS takes it and Windows shows it, though not all
 * of it or not to all recipients. Never throws.
 */
export function warningsOf({ type, variants = {}, ...rest }: Notification): InputError[] {
  const bodies: [readonly (string | number)[], BodySource][] = [
    [[], rest],
    ...Object.entries(variants)
      .slice(0, MAX_VARIANTS)
      .map(([locale, variant]): [readonly string[], BodySource] => [['variants', locale], variant]),
  ]
  return bodies.flatMap(([at, source]) => {
    const compiled = compileBody(type, source)
    return compiled.ok ? compiled.warnings.map((found) => ({ ...found, path: [...at, ...found.path] })) : []
  })
}

function bodyErrors(type: NotificationType, source: BodySource, at: readonly (string | number)[]): InputError[] {
  const compiled = compileBody(type, source)
  return compiled.ok ? [] : compiled.inputErrors.map((found) => ({ ...found, path: [...at, ...found.path] }))
}

function inputError(field: keyof Notification, code: string, detail: string): InputError {
  return { path: [field], code, detail }
}
