import { compileBody } from './notification-body.ts'
import type { Notification, NotificationType } from './notification.ts'
import { MAX_TTL_SECONDS, MAX_VARIANTS, collectionIdPattern, wnsLabelPattern } from './notification.ts'
import type { InputError } from './problem.ts'

// WNS answers 400 for some of these mistakes and 200 for the rest, and then a device quietly shows nothing to anybody.

export interface LintContext {
  /** Where the app's tokens come from: Entra apps get toast and raw only. */
  readonly credentialsKind: 'store' | 'entra'
}

/** All faults of a notification, its options, its body and its variants, at once; empty means it can be sent. Never throws. */
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
  // WNS refuses a time to live of 0 together with no-cache, and 0 makes no sense for the rest.
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
    if (!isLocale(locale))
      inputErrors.push({ path: at, code: 'locale', detail: 'a variant is named by a BCP 47 tag such as en or pt-BR' })
    if (seen.has(locale.toLowerCase()))
      inputErrors.push({
        path: at,
        code: 'duplicate-locale',
        detail: 'another variant has this locale, in other letters',
      })
    seen.add(locale.toLowerCase())
    inputErrors.push(...bodyErrors(type, variant, at))
  }
  return inputErrors
}

// Intl also judges what the grammar cannot, such as a region given twice.
function isLocale(locale: string): boolean {
  if (!/^[a-z]{2,8}(?:-[a-z0-9]{1,8}){0,6}$/i.test(locale)) return false
  try {
    return Intl.getCanonicalLocales(locale).length === 1
  } catch {
    return false
  }
}

function bodyErrors(
  type: NotificationType,
  source: Parameters<typeof compileBody>[1],
  at: readonly (string | number)[],
): InputError[] {
  const compiled = compileBody(type, source)
  return compiled.ok ? [] : compiled.errors.map((found) => ({ ...found, path: [...at, ...found.path] }))
}

function inputError(field: keyof Notification, code: string, detail: string): InputError {
  return { path: [field], code, detail }
}
