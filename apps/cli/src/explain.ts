import { ApiError } from '@wns-fanout/client'
import { StackFileError } from '@wns-fanout/local'
import { Failure, UsageError } from './failure.ts'

/** An error as it is shown to the operator. */
export interface Explanation {
  /** A stable code for programs. */
  readonly code: string
  /** One line, or one per problem: what was wanted, what was found, what to do. */
  readonly message: string
  readonly exitCode: 1 | 2
  /** Further members for `--json`. */
  readonly extra: Readonly<Record<string, unknown>>
}

const connectionProblems: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'connection refused; check that it runs'],
  ['ENOTFOUND', 'the host name does not exist'],
  ['EAI_AGAIN', 'the host name could not be resolved; try again'],
  ['ECONNRESET', 'the connection was reset; try again'],
  ['UND_ERR_SOCKET', 'the connection was closed; try again'],
  ['UND_ERR_CONNECT_TIMEOUT', 'the connection timed out'],
  ['UND_ERR_HEADERS_TIMEOUT', 'the answer timed out'],
  ['UND_ERR_BODY_TIMEOUT', 'the answer stopped before its end'],
  ['ETIMEDOUT', 'the connection timed out'],
])

/** Explains anything that was thrown, without a stack trace. */
export function explain(thrown: unknown): Explanation {
  // An error while an upload is read is the cause of the upload's failure.
  const error = ownErrorIn(thrown) ?? thrown
  if (error instanceof UsageError) return { code: 'usage', message: error.message, exitCode: 2, extra: {} }
  if (error instanceof Failure) return { code: error.code, message: error.message, exitCode: 1, extra: error.extra }
  if (error instanceof StackFileError) return { code: error.code, message: error.message, exitCode: 1, extra: {} }
  if (error instanceof ApiError) return refusal(error)
  const code = codeIn(error)
  if (code !== undefined && connectionProblems.has(code))
    return { code, message: `${connectionProblems.get(code)}${addressIn(error)}`, exitCode: 1, extra: {} }
  const message = error instanceof Error ? error.message : String(error)
  return {
    code: code ?? 'error',
    message: message === '' ? 'an error without a message' : message,
    exitCode: 1,
    extra: {},
  }
}

function ownErrorIn(error: unknown, depth = 0): UsageError | Failure | undefined {
  if (error instanceof UsageError || error instanceof Failure) return error
  return error instanceof Error && depth < 5 ? ownErrorIn(error.cause, depth + 1) : undefined
}

/** An error of the API, with each input error on its own line. */
function refusal(error: ApiError): Explanation {
  const { code, message, status, errors, requestId, extra } = error
  const hint = hints.get(code)
  const [first = '', ...inputErrors] = message.split('\n')
  return {
    code,
    message: [`${first}${hint === undefined ? '' : `; ${hint}`}`, ...inputErrors].join('\n'),
    exitCode: 1,
    extra: { status, requestId, ...(errors.length === 0 ? {} : { errors }), ...extra },
  }
}

const hints: ReadonlyMap<string, string> = new Map([
  ['unauthenticated', 'check WNS_FANOUT_API_KEY'],
  ['guard-interval', 'use --over-limit to change this'],
  ['empty-audience', 'correct the audience, or allow it (send --allow-empty, or allowEmpty in the file)'],
])

/** The code of an error or of its cause. */
function codeIn(error: unknown, depth = 0): string | undefined {
  if (!(error instanceof Error) || depth > 5) return undefined
  if ('code' in error && typeof error.code === 'string') return error.code
  if (error instanceof AggregateError) {
    const [first] = error.errors as readonly unknown[]
    return codeIn(first, depth + 1)
  }
  return codeIn(error.cause, depth + 1)
}

function addressIn(error: unknown, depth = 0): string {
  if (!(error instanceof Error) || depth > 5) return ''
  if ('address' in error && 'port' in error) return ` (${String(error.address)}:${String(error.port)})`
  return addressIn(error instanceof AggregateError ? (error.errors as readonly unknown[])[0] : error.cause, depth + 1)
}
