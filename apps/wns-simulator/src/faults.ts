/** The faults document: what goes wrong, for everyone or for one client. */
export interface FaultSet {
  readonly latencyMs?: number
  readonly bare?: boolean
  readonly maxConnectionsPerHost?: number
  readonly rateCap?: RateCap
  readonly token?: TokenFaults
  readonly always?: number
  /** Close connections that were idle this long. */
  readonly idleCloseMs?: number
  /** Answer with `Connection: close` after this many requests on one connection. */
  readonly requestsPerConnection?: number
  /** Send only this one of the two status headers. */
  readonly statusHeader?: 'X-WNS-STATUS' | 'X-WNS-NOTIFICATIONSTATUS'
  /** Send `WWW-Authenticate` without a value. */
  readonly emptyChallenge?: boolean
  /** Seconds in an `X-WNS-CONTINUE-AFTER` on every throttled answer. */
  readonly continueAfter?: number
  /** Largest payload in bytes; 5,000 unless told. */
  readonly maxPayloadBytes?: number
  /** Longest `X-WNS-Tag` and `X-WNS-Group`; 16 unless told. */
  readonly maxTagLength?: number
  /** The package is not mapped to the application: 403 for every post. */
  readonly unmapped?: boolean
}

export interface RateCap {
  readonly perSecond: number
  readonly status?: 406 | 429
  readonly retryAfter?: number | 'date' | null
}

export interface TokenFaults {
  readonly mode?: 'ok' | 'refuse' | 'stall' | 'error'
  /** What the mode `refuse` says. */
  readonly refusal?: TokenRefusal
  readonly lifetimeSeconds?: number
  readonly expiresIn?: 'number' | 'string' | 'missing'
}

export const tokenRefusals = ['unsupported', 'client', 'secret', 'expired-secret', 'scope'] as const
export type TokenRefusal = (typeof tokenRefusals)[number]

export interface FaultsDocument extends FaultSet {
  readonly clients?: Readonly<Record<string, FaultSet>>
}

/** One mistake in a faults document. */
export interface Problem {
  /** JSON pointer to what is wrong. */
  readonly pointer: string
  readonly detail: string
}

type Check = (value: unknown, pointer: string, problems: Problem[]) => void

const MINUTES_10_MS = 600_000
const DAYS_31_SECONDS = 31 * 86_400

function integer(least: number, most: number): Check {
  return (value, pointer, problems) => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return
    problems.push({ pointer, detail: `expected a whole number from ${least} to ${most}, found ${shown(value)}` })
  }
}

function oneOf(...allowed: unknown[]): Check {
  return (value, pointer, problems) => {
    if (allowed.includes(value)) return
    problems.push({ pointer, detail: `expected ${allowed.map(shown).join(', ')}, found ${shown(value)}` })
  }
}

function either(check: Check, ...allowed: unknown[]): Check {
  return (value, pointer, problems) => {
    if (!allowed.includes(value)) check(value, pointer, problems)
  }
}

function record(fields: Readonly<Record<string, Check>>, ...required: string[]): Check {
  return (value, pointer, problems) => {
    if (!isObject(value)) {
      problems.push({ pointer, detail: `expected an object, found ${shown(value)}` })
      return
    }
    for (const name of required) {
      if (!(name in value)) problems.push({ pointer: `${pointer}/${name}`, detail: 'is required' })
    }
    for (const [name, found] of Object.entries(value)) {
      const check = Object.hasOwn(fields, name) ? fields[name] : undefined
      const here = `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
      if (check !== undefined) check(found, here, problems)
      else problems.push({ pointer: here, detail: `unknown; known are ${Object.keys(fields).join(', ')}` })
    }
  }
}

const faultFields: Readonly<Record<string, Check>> = {
  latencyMs: integer(0, MINUTES_10_MS),
  bare: oneOf(true, false),
  maxConnectionsPerHost: integer(0, 1_000_000),
  rateCap: record(
    {
      perSecond: integer(0, 1_000_000),
      status: oneOf(406, 429),
      retryAfter: either(integer(0, DAYS_31_SECONDS), 'date', null),
    },
    'perSecond',
  ),
  token: record({
    mode: oneOf('ok', 'refuse', 'stall', 'error'),
    refusal: oneOf(...tokenRefusals),
    lifetimeSeconds: integer(1, DAYS_31_SECONDS),
    expiresIn: oneOf('number', 'string', 'missing'),
  }),
  always: integer(200, 599),
  idleCloseMs: integer(1, MINUTES_10_MS),
  requestsPerConnection: integer(1, 1_000_000),
  statusHeader: oneOf('X-WNS-STATUS', 'X-WNS-NOTIFICATIONSTATUS'),
  emptyChallenge: oneOf(true, false),
  continueAfter: integer(0, DAYS_31_SECONDS),
  maxPayloadBytes: integer(1, 1_048_576),
  maxTagLength: integer(1, 64),
  unmapped: oneOf(true, false),
}

/** The names of all faults, as the README lists them. */
export const faultNames: readonly string[] = Object.keys(faultFields)

const checkFaults = record({
  ...faultFields,
  clients: (value, pointer, problems) => {
    const names = isObject(value) ? Object.keys(value) : []
    record(Object.fromEntries(names.map((name) => [name, record(faultFields)])))(value, pointer, problems)
  },
})

/** Checks a parsed document; returns every problem at once, or the document. */
export function parseFaults(value: unknown): { faults: FaultsDocument } | { problems: Problem[] } {
  const problems: Problem[] = []
  return isFaults(value, problems) ? { faults: value } : { problems }
}

function isFaults(value: unknown, problems: Problem[]): value is FaultsDocument {
  checkFaults(value, '', problems)
  return problems.length === 0
}

/** The faults that hold for one client: its own win, key by key, over those for everyone. */
export function faultsFor(document: FaultsDocument, client: string | undefined): FaultSet {
  const own = client === undefined ? undefined : ownFaults(document, client)
  return own === undefined ? document : { ...document, ...own, token: { ...document.token, ...own.token } }
}

function ownFaults(document: FaultsDocument, client: string): FaultSet | undefined {
  for (const [name, faults] of Object.entries(document.clients ?? {})) {
    if (clientIdOf(name) === client) return faults
  }
  return undefined
}

/** A package SID counts the same with and without its scheme. */
export function clientIdOf(name: string): string {
  return name.startsWith('ms-app://') ? name.slice('ms-app://'.length) : name
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function shown(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 100) ?? 'nothing'
}
