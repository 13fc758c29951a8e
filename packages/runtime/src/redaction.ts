/**
 * What must never reach a log, in one place. It works on the finished line, so that bindings, serializers, nested
 * objects and interpolated messages all pass through it: first by name of the field, then by shape of the text.
 */
const secretFields = new Set(
  [
    ['authorization', 'proxyAuthorization', 'cookie', 'setCookie', 'credentials', 'sealed'],
    ['token', 'accessToken', 'refreshToken', 'idToken', 'bearer', 'jwt'],
    ['secret', 'clientSecret', 'previousClientSecret', 'password', 'passphrase', 'pass', 'auth'],
    ['key', 'apiKey', 'privateKey', 'keyring', 'kek', 'dek'],
    ['uri', 'uris', 'channelUri', 'payload', 'body', 'xml', 'base64', 'content', 'text', 'notification', 'vars'],
    // ioredis hangs the command on its errors, and the arguments of a command are our data.
    ['command', 'args', 'argv', 'previousErrors'],
  ]
    .flat()
    .map(plain),
)

const MARK = '[secret]'
const MAX_DEPTH = 12
// Longer than any stack; it bounds what a hostile text can cost.
const MAX_TEXT_LENGTH = 16_384
const LONGEST_SECRET = 2_048

// Names that announce a secret inside a text; shorter than the list above, because prose has words like "text" and "key".
const ANNOUNCED =
  'authorization|token|access_?token|refresh_?token|client_?secret|secret|password|passwd|api_?key|uri|payload|xml'

const QUOTE = '\\\\{0,15}["\'`]'

const patterns: readonly (readonly [RegExp, string])[] = [
  // A channel address is a capability; its host alone says which datacenter and is no secret.
  [/(notify\.windows\.com(?::\d+)?)(?:\/|\?|%2f|%3f)[^\s"'<>\\]*/gi, `$1/${MARK}`],
  // A key of our API, wherever a caller put it: in a path, or as the id of a request. Its own id may stay.
  [/(wnsf_[a-z0-9]{12}_)[A-Za-z0-9_-]{43}/g, `$1${MARK}`],
  [/\bbearer\s+[\w.~+/=%-]{4,}/gi, `Bearer ${MARK}`],
  [/(\bauthorization["'`]?\s*[:=]\s*["'`]?)(?:\w+\s+)?[^\s"'`,]+/gi, `$1${MARK}`],
  // Our own hints show the place for user and password, which is no secret.
  [/(\b[a-z][a-z0-9+.-]{1,30}:\/\/)(?!\[user:password@\])[^\s/"']{1,2000}@/gi, `$1${MARK}@`],
  // A quote may itself be escaped, once for each JSON text around it; the closing one may have been cut off.
  [
    new RegExp(`\\b((?:${ANNOUNCED})${QUOTE}?\\s*[:=]\\s*)(${QUOTE})(?:(?!\\2)(?:\\\\.|[^\\\\]))*`, 'gis'),
    `$1$2${MARK}`,
  ],
  [new RegExp(`\\b((?:${ANNOUNCED})=)[^\\s&"'\`,;)}\\]]+`, 'gi'), `$1${MARK}`],
  // Redis repeats the arguments of a command that it does not know.
  [/(with args beginning with:?).*/gis, `$1 ${MARK}`],
]

/** The text, cut to 16,384 characters, without channel addresses, bearer tokens, passwords in URLs and `secret="…"` or `secret=…` pairs. */
export function redactText(text: string): string {
  if (text.length <= MAX_TEXT_LENGTH) return clean(text)
  // What a pattern recognises by its end may have lost it to the cut, so the end goes too.
  return `${clean(text.slice(0, MAX_TEXT_LENGTH)).slice(0, -LONGEST_SECRET)}… (cut)`
}

function clean(text: string): string {
  return patterns.reduce((rest, [pattern, replacement]) => rest.replace(pattern, replacement), text)
}

/** One finished JSON log line without secrets and without characters that a terminal or a log reader would act on. */
export function redactLine(line: string): string {
  return `${visible(JSON.stringify(redact(parse(line), 0)))}\n`
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    // pino always writes JSON; if that ever breaks, the text is still cleaned and still one line.
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

// JSON escapes C0 only; C1 controls, line separators and direction marks can still rewrite what a reader sees.
function visible(json: string): string {
  return json.replaceAll(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
