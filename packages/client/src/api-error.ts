/** One thing that is wrong with the input; `pointer` is an RFC 6901 pointer into it. */
export interface ApiInputError {
  readonly pointer: string
  readonly code: string
  readonly detail: string
}

export interface ApiErrorFields {
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly errors?: readonly ApiInputError[]
  readonly requestId?: string | undefined
  readonly retryAfterSeconds?: number | undefined
  /** Further members of the problem document, for example `admissibleAt`. */
  readonly extra?: Readonly<Record<string, unknown>>
}

/** The API rejected a request. `message` has the detail and every error, one a line. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly status: number
  /** A stable word, for example `not-found` or `guard-interval`. */
  readonly code: string
  readonly detail: string
  readonly errors: readonly ApiInputError[]
  /** Under this id the log of the API has more. */
  readonly requestId: string | undefined
  readonly retryAfterSeconds: number | undefined
  readonly extra: Readonly<Record<string, unknown>>

  constructor({ status, code, detail, errors = [], requestId, retryAfterSeconds, extra = {} }: ApiErrorFields) {
    super([detail, ...errors.map(errorLine)].join('\n'))
    this.status = status
    this.code = code
    this.detail = detail
    this.errors = errors
    this.requestId = requestId
    this.retryAfterSeconds = retryAfterSeconds
    this.extra = extra
  }
}

function errorLine({ pointer, code, detail }: ApiInputError): string {
  return `  ${pointer === '' ? '' : `${pointer}: `}${detail} (${code})`
}

/** No response arrived: no process listens, the connection broke or the time ran out. */
export class ApiUnreachableError extends Error {
  override readonly name = 'ApiUnreachableError'
  readonly code = 'unreachable'

  constructor(url: string, reason: string, cause: unknown) {
    super(`the API at ${url} gives no answer: ${reason}`, { cause })
  }
}

/** The error that a refusal with this body is; a body that is no problem document, from a proxy perhaps, is one too. */
export function errorOf(
  status: number,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  text: string,
): ApiError {
  const retryAfter = Number(headers['retry-after'])
  const about = {
    status,
    requestId: typeof headers['x-request-id'] === 'string' ? headers['x-request-id'] : undefined,
    retryAfterSeconds: Number.isFinite(retryAfter) ? retryAfter : undefined,
  }
  const document = parse(text)
  if (document === undefined)
    return new ApiError({ ...about, code: `http-${status}`, detail: `the API answered ${status} without saying why` })
  const { type: _type, title, status: _status, code, detail, errors, ...extra } = document
  return new ApiError({
    ...about,
    code: typeof code === 'string' ? code : `http-${status}`,
    detail: typeof detail === 'string' ? detail : typeof title === 'string' ? title : `the API answered ${status}`,
    errors: Array.isArray(errors) ? errors.filter(isInputError) : [],
    extra,
  })
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

function isInputError(value: unknown): value is ApiInputError {
  return (
    typeof value === 'object' &&
    value !== null &&
    ['pointer', 'code', 'detail'].every((name) => typeof (value as Record<string, unknown>)[name] === 'string')
  )
}
