import { visibleText } from '@wns-fanout/domain'

/**
 * Removes everything that must not reach a log, in one place. It works on the finished line, so that bindings,
 * serializers, nested objects and interpolated messages all pass it: first by field name, then by text pattern.
 */
const secretFields = new Set(
  [
    ['authorization', 'proxyAuthorization', 'cookie', 'setCookie', 'credentials', 'sealed'],
    ['token', 'accessToken', 'refreshToken', 'idToken', 'bearer', 'jwt'],
    ['secret', 'clientSecret', 'previousClientSecret', 'password', 'passphrase', 'pass', 'auth'],
    ['key', 'apiKey', 'privateKey', 'keyring', 'kek', 'dek'],
    ['uri', 'uris', 'channelUri', 'payload', 'body', 'xml', 'base64', 'content', 'text', 'notification', 'vars'],
    // ioredis attaches the command to its errors, and the arguments of a command are our data.
    ['command', 'args', 'argv', 'previousErrors'],
  ]
    .flat()
    .map(plain),
)

const MARK = '[secret]'
const MAX_DEPTH = 12
// Longer than any stack trace; it limits the cost of a hostile text.
const MAX_TEXT_LENGTH = 16_384
const LONGEST_SECRET = 2_048

// Names before a secret inside a text. The list is shorter, because prose has words like "text" and "key".
const ANNOUNCED =
  'authorization|token|access_?token|refresh_?token|client_?secret|secret|password|passwd|api_?key|uri|payload|xml'

const QUOTE = '\\\\{0,15}["\'`]'

const patterns: readonly (readonly [RegExp, string])[] = [
  // A channel URI is a capability. Its host alone shows only the data center and is no secret.
  [/(notify\.windows\.com(?::\d+)?)(?:\/|\?|%2f|%3f)[^\s"'<>\\]*/gi, `$1/${MARK}`],
  // An API key, in a path or as a request id. The id within the key may stay.
  [/(wnsf_[a-z0-9]{12}_)[A-Za-z0-9_-]{43}/g, `$1${MARK}`],
  [/\bbearer\s+[\w.~+/=%-]{4,}/gi, `Bearer ${MARK}`],
  [/(\bauthorization["'`]?\s*[:=]\s*["'`]?)(?:\w+\s+)?[^\s"'`,]+/gi, `$1${MARK}`],
  // Our own hints show the place for user and password, which is no secret.
  [/(\b[a-z][a-z0-9+.-]{1,30}:\/\/)(?!\[user:password@\])[^\s/"']{1,2000}@/gi, `$1${MARK}@`],
  // A quote may be escaped, once per level of nested JSON. The closing quote may have been cut off.
  [
    new RegExp(`\\b((?:${ANNOUNCED})${QUOTE}?\\s*[:=]\\s*)(${QUOTE})(?:(?!\\2)(?:\\\\.|[^\\\\]))*`, 'gis'),
    `$1$2${MARK}`,
  ],
  [new RegExp(`\\b((?:${ANNOUNCED})=)[^\\s&"'\`,;)}\\]]+`, 'gi'), `$1${MARK}`],
  // Redis repeats the arguments of an unknown command.
  [/(with args beginning with:?).*/gis, `$1 ${MARK}`],
]

/**
 * The text, cut to 16,384 characters, without channel URIs, bearer tokens, passwords in URLs and `secret="…"` or
 * `secret=…` pairs.
 */
export function redactText(text: string): string {
  if (text.length <= MAX_TEXT_LENGTH) return clean(text)
  // The cut may have removed the end by which a pattern recognizes a secret, so the last part is removed too.
  return `${clean(text.slice(0, MAX_TEXT_LENGTH)).slice(0, -LONGEST_SECRET)}… (cut)`
}

function clean(text: string): string {
  return patterns.reduce((rest, [pattern, replacement]) => rest.replace(pattern, replacement), text)
}

/** A finished JSON log line without secrets and without characters that control a terminal or a log reader. */
export function redactLine(line: string): string {
  return `${visibleText(JSON.stringify(redact(parse(line), 0)))}\n`
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    // pino always writes JSON; otherwise the text is still redacted and still one line.
    return { level: 'error', msg: line }
  }
}

function redact(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redactText(value)
  if (typeof value !== 'object' || value === null) return value
  if (depth >= MAX_DEPTH) return '[deep]'
  if (Array.isArray(value)) return value.map((item) => redact(item, depth + 1))
  const entries = Object.entries(value)
  if (isBuffer(value)) return '[bytes]'
  return Object.fromEntries(
    entries.map(([name, item]) => [redactText(name), isSecret(name, item) ? MARK : redact(item, depth + 1)]),
  )
}

// `{token: null}`, `{key: true}` and `{body: 12}` are informative and contain no secret.
function isSecret(name: string, value: unknown): boolean {
  return secretFields.has(plain(name)) && (typeof value === 'string' || (typeof value === 'object' && value !== null))
}

function isBuffer(value: object): boolean {
  return 'type' in value && value.type === 'Buffer' && 'data' in value && Array.isArray(value.data)
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[_-]/g, '')
}
