/** An error of the input; `pointer` is an RFC 6901 pointer to its place. */
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

/** The API rejected the request. `message` has the detail and each input error on its own line. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly status: number
  /** A stable code, for example `not-found` or `guard-interval`. */
  readonly code: string
  readonly detail: string
  readonly errors: readonly ApiInputError[]
  /** The id of the request in the log of the API. */
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

/** No answer: the connection was refused or broke off, or the request timed out. */
export class ApiUnreachableError extends Error {
  override readonly name = 'ApiUnreachableError'
  readonly code = 'unreachable'

  constructor(url: string, reason: string, cause: unknown) {
    super(`no answer from the API at ${url}: ${reason}`, { cause })
  }
}

/** The error for an answer with this body. A body that is no problem document gets the code `http-<status>`. */
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
    return new ApiError({ ...about, code: `http-${status}`, detail: `the API answered ${status} without a reason` })
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
