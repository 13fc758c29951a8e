// The types of attributes in toast, tile and badge documents. A type judges a text as it is sent, so that the value of
// a recipient is judged by the same rule as a value in the document.

export interface AttributeType {
  /** The values it takes, for people: `must be …`. */
  readonly wanted: string
  readonly takes: (value: string) => boolean
  /** A value that Windows shows but that is likely a mistake; the text describes the oddity. */
  readonly odd?: (value: string) => string | undefined
}

export const anyText: AttributeType = { wanted: 'a text', takes: () => true }

export const someText: AttributeType = { wanted: 'a text that is not empty', takes: (value) => value !== '' }

/** One of some words. Windows compares without case, so other case is odd and not wrong. */
export function oneOf(...words: readonly string[]): AttributeType {
  const known = new Set(words)
  const lowerCase = new Map(words.map((word) => [word.toLowerCase(), word]))
  return {
    wanted: words.length === 1 ? `"${words[0]}"` : `one of ${words.join(', ')}`,
    takes: (value) => lowerCase.has(value.toLowerCase()),
    odd: (value) => (known.has(value) ? undefined : `write "${lowerCase.get(value.toLowerCase())}", in this case`),
  }
}

export const trueOrFalse: AttributeType = {
  wanted: 'true or false',
  takes: (value) => /^(?:true|false|1|0)$/i.test(value),
}

export function integer(least: number, most: number): AttributeType {
  return {
    wanted:
      most === Number.MAX_SAFE_INTEGER ? `an integer of at least ${least}` : `an integer from ${least} to ${most}`,
    takes: (value) => /^(?:0|[1-9][0-9]{0,14})$/.test(value) && Number(value) >= least && Number(value) <= most,
  }
}

export const anyInteger = integer(0, Number.MAX_SAFE_INTEGER)

/** A data binding of the app, `{name}`, which the app fills on the device. */
function isDataBinding(value: string): boolean {
  return /^\{[A-Za-z_][A-Za-z0-9_]*\}$/.test(value)
}

export const progressValue: AttributeType = {
  wanted: 'a number from 0 to 1, "indeterminate", or a data binding such as {value}',
  takes: (value) =>
    value === 'indeterminate' || isDataBinding(value) || (/^[0-9]*\.?[0-9]+$/.test(value) && Number(value) <= 1),
}

export const timestamp: AttributeType = {
  wanted: 'an ISO 8601 time such as 2026-01-31T09:30:00Z',
  takes: (value) =>
    /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,7})?)?(?:Z|[+-]\d\d:?\d\d)?$/.test(value) &&
    !Number.isNaN(Date.parse(value.replace(/\.\d+/, ''))),
}

export const language: AttributeType = {
  wanted: 'a BCP 47 language tag such as en-US',
  takes: (value) => /^[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*$/.test(value),
}

// oxlint-disable-next-line no-control-regex -- control characters are what no URI holds
const unprintable = /[\0-\u001F\u007F]/
const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/

function uriOf(schemes: readonly string[], allowsRelative: boolean): Pick<AttributeType, 'takes' | 'odd'> {
  const known = new Set(schemes)
  return {
    takes: (value) => {
      if (value.trim() === '' || unprintable.test(value)) return false
      const found = scheme.exec(value)?.[1]?.toLowerCase()
      return found === undefined ? allowsRelative : known.has(found)
    },
    odd: (value) => {
      if (/[ "<>\\^`{|}]/.test(value)) return 'it has characters that a URI cannot hold; percent-encode them'
      if (/^https?:\/?(?!\/)/i.test(value)) return 'a web address begins with https:// and a host'
      return undefined
    },
  }
}

/** The source of an image. Windows loads it from the web, the package of the app or its local data. */
export const imageUri: AttributeType = {
  wanted: 'a URI with http, https, ms-appx, ms-appdata, ms-resource or file, or a path relative to baseUri',
  ...uriOf(['http', 'https', 'ms-appx', 'ms-appx-web', 'ms-appdata', 'ms-resource', 'file'], true),
}

export const baseUri: AttributeType = {
  wanted: 'a URI with http, https, ms-appx, ms-appdata or file',
  ...uriOf(['http', 'https', 'ms-appx', 'ms-appx-web', 'ms-appdata', 'file'], false),
}

const sounds = new Set([
  'Default',
  'IM',
  'Mail',
  'Reminder',
  'SMS',
  ...['Alarm', 'Call'].flatMap((kind) => ['', 2, 3, 4, 5, 6, 7, 8, 9, 10].map((number) => `Looping.${kind}${number}`)),
])

/** The sound of a toast: one of Windows, or a file of the app. */
export const soundUri: AttributeType = {
  wanted:
    'ms-winsoundevent:Notification.Default or another sound of Windows, or a URI with ms-appx, ms-appdata or ' +
    'ms-resource',
  ...uriOf(['ms-winsoundevent', 'ms-appx', 'ms-appdata', 'ms-resource', 'file'], false),
  odd: (value) => {
    const sound = /^ms-winsoundevent:Notification\.(.*)$/i.exec(value)?.[1]
    if (sound === undefined && !/^ms-winsoundevent:/i.test(value)) return undefined
    return sound !== undefined && sounds.has(sound) ? undefined : 'Windows has no such sound and plays its default'
  },
}

/** The words that a badge may show instead of a number. */
export const glyphs =
  'none activity alarm alert attention available away busy error newMessage paused playing unavailable'.split(' ')
const knownGlyphs = new Set(glyphs)
function isBadgeNumber(value: string): boolean {
  return /^(?:0|[1-9][0-9]{0,9})$/.test(value) && Number(value) <= 2_147_483_647
}

export const badgeValue: AttributeType = {
  wanted: `an integer from 0 to 2147483647 or one of ${glyphs.join(', ')}`,
  takes: (value) => knownGlyphs.has(value) || isBadgeNumber(value),
}

export const branding = oneOf('none', 'logo', 'name', 'nameAndLogo', 'auto')
export const textStacking = oneOf('top', 'center', 'bottom')
export const textStyle = oneOf(
  ...['caption', 'body', 'base', 'subtitle'].flatMap((style) => [style, `${style}Subtle`]),
  ...['title', 'subheader', 'header'].flatMap((style) => [style, `${style}Subtle`, `${style}Numeral`]),
  'default',
)
