// A channel URI comes from a client and decides where the app's bearer token goes, so it is judged on its raw text by a
// grammar on which RFC 3986 and WHATWG parsers cannot disagree, and it is stored and sent byte for byte: WNS answers
// 404 for a re-encoded token, and its own sample token holds the invalid escape `%bU`, which no decoder takes.

/** Longest channel URI in characters; WNS publishes no figure, the longest seen are a few hundred. */
export const MAX_CHANNEL_URI_LENGTH = 2048

// The only domain of WNS channels, by the firewall list of WNS (port 443). `wns.windows.com` is for devices.
const WNS_DOMAIN = 'notify.windows.com'

/** Where to post: connect to `origin`, send `path` as the request target without touching it. */
export interface ChannelTarget {
  /** Lower case, `notify.windows.com` or below it. */
  readonly host: string
  /** `https://<host>`; the default port is never written. */
  readonly origin: string
  /**
   * The origin-form request target: all that followed the authority, byte for byte. RFC 9112 section 3.2.1 wants a `/`
   * where the path is empty, so `?token=x` becomes `/?token=x` and nothing becomes `/`. It may begin with `//` and hold
   * `/../`: give it to the socket as it is, never resolve it against a base.
   */
  readonly path: string
}

/** A channel URI that passed every check. `raw` is the very text that was registered. */
export interface ChannelUri extends ChannelTarget {
  readonly raw: string
}

export type ChannelUriProblem =
  | 'not-text'
  | 'too-long'
  | 'scheme'
  | 'authority'
  | 'characters'
  | 'host'
  | 'web-push'
  | 'ambiguous'

export type ParsedChannelUri =
  | { readonly ok: true; readonly uri: ChannelUri }
  | { readonly ok: false; readonly reason: ChannelUriProblem; readonly detail: string }

// The whole grammar: no userinfo, no other port, no escape or non-ASCII character in the authority, no fragment, and
// only characters of RFC 3986 behind it. Without the `u` flag, `i` folds ASCII only (U+017F and U+212A stay outside).
// Each part begins with a character that the part before it cannot hold, so a match never backtracks.
const grammar = /^https:\/\/([a-z0-9.-]+)(?::443)?([/?][a-z0-9\-._~!$&'()*+,;=:@/?%]*)?$/i

const details: Record<ChannelUriProblem, string> = {
  'not-text': 'a channel URI is a string',
  'too-long': `a channel URI has at most ${MAX_CHANNEL_URI_LENGTH} characters`,
  scheme: 'a channel URI begins with https://',
  authority:
    'a channel URI names a plain host after https://, without user, password, escapes or a port other than 443',
  characters:
    'a channel URI holds only the characters of RFC 3986 and no fragment; register it exactly as Windows gave it',
  host: `the host of a channel URI is ${WNS_DOMAIN} or a name below it; a token is sent nowhere else`,
  'web-push':
    'this is an endpoint of web push in Edge (path /w/), which takes no token of an app; register the URI from Windows',
  ambiguous: 'this channel URI means different hosts to different parsers',
}

function refuse(reason: ChannelUriProblem): ParsedChannelUri {
  return { ok: false, reason, detail: details[reason] }
}

/**
 * Judge a URI that someone registers. Never throws, linear in the input, and the detail never repeats the URI, which is
 * a capability.
 */
export function parseChannelUri(raw: unknown): ParsedChannelUri {
  if (typeof raw !== 'string') return refuse('not-text')
  if (raw.length > MAX_CHANNEL_URI_LENGTH) return refuse('too-long')
  const parts = grammar.exec(raw)
  if (parts === null) return refuse(whyNotGrammatical(raw))
  const host = parts[1]!.toLowerCase()
  if (!isWnsHost(host)) return refuse('host')
  if (isWebPush(parts[2])) return refuse('web-push')
  if (!whatwgAgrees(raw, host)) return refuse('ambiguous')
  return { ok: true, uri: { raw, host, origin: `https://${host}`, path: requestTarget(parts[2]) } }
}

/**
 * The target of a URI that passed `parseChannelUri` once, or null. It judges the grammar and the host again, as the
 * sender's own defense against a registry that was tampered with, and leaves out only the comparison with `URL`.
 */
export function splitChannelUri(raw: string): ChannelTarget | null {
  if (raw.length > MAX_CHANNEL_URI_LENGTH) return null
  const parts = grammar.exec(raw)
  if (parts === null) return null
  const host = parts[1]!.toLowerCase()
  if (!isWnsHost(host)) return null
  return { host, origin: `https://${host}`, path: requestTarget(parts[2]) }
}

const remainderPattern = /^[/?][a-z0-9\-._~!$&'()*+,;=:@/?%]*$/i

/** `splitChannelUri` for many URIs: of one with the same host as the URI before, only the rest is judged. */
export function channelUriSplitter(): typeof splitChannelUri {
  let authority = ''
  let target: ChannelTarget | null = null
  return (raw) => {
    if (target !== null && raw.length <= MAX_CHANNEL_URI_LENGTH && raw.startsWith(authority)) {
      const remainder = raw.slice(authority.length)
      if (remainderPattern.test(remainder))
        return { host: target.host, origin: target.origin, path: requestTarget(remainder) }
    }
    target = splitChannelUri(raw)
    authority = /^https:\/\/[^/?]+/i.exec(raw)?.[0] ?? ''
    return target
  }
}

function requestTarget(remainder: string | undefined): string {
  if (remainder === undefined) return '/'
  return remainder.startsWith('?') ? `/${remainder}` : remainder
}

/**
 * Endpoints of web push in Edge, `/w/?token=…`. They take VAPID signatures and answer 401 to every token of an app.
 * Other products put them into lists of WNS channels (docs/decisions/0014).
 */
function isWebPush(remainder: string | undefined): boolean {
  return /^\/w\/(?:\?|$)/.test(remainder ?? '')
}

const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

function isWnsHost(host: string): boolean {
  if (host === WNS_DOMAIN) return true
  if (host.length > 253 || !host.endsWith(`.${WNS_DOMAIN}`)) return false
  const sub = host.slice(0, -WNS_DOMAIN.length - 1)
  return sub.includes('.') ? sub.split('.').every((part) => label.test(part)) : label.test(sub)
}

// No text is known that passes the grammar and fails here; this holds even should the grammar ever be loosened.
function whatwgAgrees(raw: string, host: string): boolean {
  const url = URL.parse(raw)
  return (
    url !== null &&
    url.protocol === 'https:' &&
    url.hostname === host &&
    url.username === '' &&
    url.password === '' &&
    url.port === '' &&
    url.hash === ''
  )
}

function whyNotGrammatical(raw: string): ChannelUriProblem {
  if (!/^https:\/\//i.test(raw)) return 'scheme'
  return /^[a-z0-9.-]+(?::443)?(?:[/?]|$)/i.test(raw.slice('https://'.length)) ? 'characters' : 'authority'
}
