/** One thing that is wrong with some input; `path` leads to it from the root of the input. */
export interface InputError {
  readonly path: readonly (string | number)[]
  /** Stable, for programs. */
  readonly code: string
  /** For people: what was wanted, what was found, what to do. Never holds a secret or a channel URI. */
  readonly detail: string
}

/** RFC 6901 pointer of a path: `['a', 0]` is `/a/0`. */
export function pointerOf(path: readonly (string | number)[]): string {
  return path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

/** Status and title of every problem code of the API. */
export const problems = {
  'malformed-json': { status: 400, title: 'The body is not valid JSON' },
  'bad-request': { status: 400, title: 'The request cannot be read' },
  unauthenticated: { status: 401, title: 'No valid API key' },
  forbidden: { status: 403, title: 'The API key does not allow this' },
  'not-found': { status: 404, title: 'Not found' },
  timeout: { status: 408, title: 'The request did not arrive in time' },
  conflict: { status: 409, title: 'The state does not allow this' },
  'guard-interval': { status: 409, title: 'A generic update was sent within the guard interval' },
  'confirmation-needed': { status: 409, title: 'The campaign must be confirmed' },
  'app-limit': { status: 429, title: 'A limit of the app is reached' },
  stopped: { status: 409, title: 'Everything is stopped' },
  'app-has-campaigns': { status: 409, title: 'The app still has campaigns' },
  'precondition-failed': { status: 412, title: 'It was changed in between' },
  'too-large': { status: 413, title: 'The body is too large' },
  'media-type': { status: 415, title: 'The media type is not supported' },
  invalid: { status: 422, title: 'The input is not valid' },
  'empty-audience': { status: 422, title: 'The audience has no recipients' },
  'rate-limited': { status: 429, title: 'Too many requests' },
  internal: { status: 500, title: 'Internal error' },
  unavailable: { status: 503, title: 'The service cannot answer now' },
  'redis-memory': { status: 503, title: 'Redis is nearly full' },
} as const satisfies Record<string, { status: number; title: string }>

export type ProblemCode = keyof typeof problems

export interface ProblemOptions {
  readonly inputErrors?: readonly InputError[]
  /** Extra members of the problem document, e.g. `admissibleAt`. */
  readonly extra?: Readonly<Record<string, string | number>>
  readonly retryAfterSeconds?: number
  readonly cause?: unknown
}

/** A rejection that a caller can act on; the API turns it into `application/problem+json`. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: ProblemCode
  readonly inputErrors: readonly InputError[]
  readonly extra: Readonly<Record<string, string | number>>
  readonly retryAfterSeconds: number | undefined

  constructor(code: ProblemCode, detail: string, options: ProblemOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.inputErrors = options.inputErrors ?? []
    this.extra = options.extra ?? {}
    this.retryAfterSeconds = options.retryAfterSeconds
  }

  get status(): number {
    return problems[this.code].status
  }
}
