import * as z from 'zod'

const MAX_DELAY_MS = 600_000
const MAX_SECONDS = 31 * 86_400

export const tokenRefusals = ['unsupported', 'client', 'secret', 'expired-secret', 'scope'] as const
export type TokenRefusal = (typeof tokenRefusals)[number]

const rateCap = z.strictObject({
  perSecond: wholeNumber(0, 1_000_000),
  status: z.exactOptional(oneOf([406, 429])),
  retryAfter: z.exactOptional(
    z.custom<number | 'date' | null>((value) => value === 'date' || value === null || isWhole(value, 0, MAX_SECONDS), {
      error: wanted(`a whole number from 0 to ${MAX_SECONDS}, "date" or null`),
    }),
  ),
})

const token = z.strictObject({
  mode: z.exactOptional(oneOf(['ok', 'refuse', 'stall', 'error'])),
  /** The refusal that mode `refuse` answers. */
  refusal: z.exactOptional(oneOf(tokenRefusals)),
  lifetimeSeconds: z.exactOptional(wholeNumber(1, MAX_SECONDS)),
  expiresIn: z.exactOptional(oneOf(['number', 'string', 'missing'])),
})

const faultFields = {
  latencyMs: z.exactOptional(wholeNumber(0, MAX_DELAY_MS)),
  bare: z.exactOptional(oneOf([true, false])),
  maxConnectionsPerHost: z.exactOptional(wholeNumber(0, 1_000_000)),
  rateCap: z.exactOptional(rateCap),
  token: z.exactOptional(token),
  always: z.exactOptional(wholeNumber(200, 599)),
  /** Close connections that were idle this long. */
  idleCloseMs: z.exactOptional(wholeNumber(1, MAX_DELAY_MS)),
  /** Answer with `Connection: close` after this many requests on one connection. */
  requestsPerConnection: z.exactOptional(wholeNumber(1, 1_000_000)),
  /** Send only this one of the two status headers. */
  statusHeader: z.exactOptional(oneOf(['X-WNS-STATUS', 'X-WNS-NOTIFICATIONSTATUS'])),
  /** Send `WWW-Authenticate` without a value. */
  emptyChallenge: z.exactOptional(oneOf([true, false])),
  /** Seconds in an `X-WNS-CONTINUE-AFTER` on every throttled answer. */
  continueAfter: z.exactOptional(wholeNumber(0, MAX_SECONDS)),
  /** Largest payload in bytes; default 5,000. */
  maxPayloadBytes: z.exactOptional(wholeNumber(1, 1_048_576)),
  /** Longest `X-WNS-Tag` and `X-WNS-Group`; default 16. */
  maxTagLength: z.exactOptional(wholeNumber(1, 64)),
  /** The package is not mapped to the application: 403 for every post. */
  unmapped: z.exactOptional(oneOf([true, false])),
}

const faultSet = z.strictObject(faultFields)
const faultsDocument = z.strictObject({ ...faultFields, clients: z.exactOptional(z.record(z.string(), faultSet)) })

/** What goes wrong, for everyone or for one client. */
export type FaultSet = Readonly<z.infer<typeof faultSet>>
export type RateCap = Readonly<z.infer<typeof rateCap>>
export type TokenFaults = Readonly<z.infer<typeof token>>
/** The faults for everyone, and those of single clients by their id. */
export type FaultsDocument = Readonly<z.infer<typeof faultsDocument>>

/** The names of all faults, as the README lists them. */
export const faultNames: readonly string[] = Object.keys(faultFields)

/** One mistake in a faults document. */
export interface Problem {
  /** JSON pointer to the value that is wrong. */
  readonly pointer: string
  readonly detail: string
}

/** Checks a parsed document; returns every problem at once, or the document. */
export function parseFaults(value: unknown): { faults: FaultsDocument } | { problems: Problem[] } {
  const result = faultsDocument.safeParse(value, { reportInput: true })
  return result.success ? { faults: result.data } : { problems: result.error.issues.flatMap(problemsOf) }
}

/** The faults that hold for one client: its own win, key by key, over those for everyone. */
export function faultsFor(document: FaultsDocument, client: string | undefined): FaultSet {
  const own = client === undefined ? undefined : ownFaults(document, client)
  return own === undefined ? document : { ...document, ...own, token: { ...document.token, ...own.token } }
}

/** A package SID is the same client with and without its scheme. */
export function clientIdOf(name: string): string {
  return name.startsWith('ms-app://') ? name.slice('ms-app://'.length) : name
}

function ownFaults(document: FaultsDocument, client: string): FaultSet | undefined {
  for (const [name, faults] of Object.entries(document.clients ?? {})) {
    if (clientIdOf(name) === client) return faults
  }
  return undefined
}

function problemsOf(issue: z.core.$ZodIssue): Problem[] {
  const at = issue.path.map((step) => String(step))
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        pointer: pointerTo([...at, key]),
        detail: `unknown; known are ${knownAt(at).join(', ')}`,
      }))
    // Only objects have no message of their own in the schema.
    case 'invalid_type':
      return [{ pointer: pointerTo(at), detail: `expected an object, found ${shown(issue.input)}` }]
    default:
      return [{ pointer: pointerTo(at), detail: issue.message }]
  }
}

function knownAt(path: readonly string[]): readonly string[] {
  if (path.length === 0) return [...faultNames, 'clients']
  const [field] = path[0] === 'clients' ? path.slice(2) : path
  if (field === 'rateCap') return Object.keys(rateCap.shape)
  return field === 'token' ? Object.keys(token.shape) : faultNames
}

function wholeNumber(least: number, most: number) {
  const error = wanted(`a whole number from ${least} to ${most}`)
  return z.custom<number>((value) => isWhole(value, least, most), { error })
}

function isWhole(value: unknown, least: number, most: number): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most
}

function oneOf<const T extends readonly (string | number | boolean)[]>(values: T) {
  return z.literal(values, { error: wanted(values.map(shown).join(', ')) })
}

function wanted(what: string): (issue: { readonly input?: unknown }) => string {
  return ({ input }) => `expected ${what}, found ${shown(input)}`
}

function shown(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 100) ?? 'nothing'
}

function pointerTo(path: readonly string[]): string {
  return path.map((step) => `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}
