import type { InputError, ProblemCode } from '@wns-fanout/domain'
import { pointerOf, Problem, problems } from '@wns-fanout/domain'
import { isNoPermission, isRedisAway } from '@wns-fanout/state'
import * as z from 'zod'

/** RFC 9457, with every fault of the input in `errors`. */
export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    code: z.string().meta({ description: 'A stable word for programs.' }),
    detail: z.string().meta({ description: 'For people: what was wanted, what was found, what to do.' }),
    errors: z
      .array(z.object({ pointer: z.string(), code: z.string(), detail: z.string() }))
      .meta({ description: 'Everything that is wrong with the input; `pointer` is an RFC 6901 pointer into it.' })
      .optional(),
    admissibleAt: z
      .string()
      .meta({ description: 'With `guard-interval`: when the request would be taken.' })
      .optional(),
    campaign: z
      .string()
      .meta({ description: 'With `guard-interval`: the campaign that has the slot of the topic.' })
      .optional(),
    missing: z.string().meta({ description: 'With `not-found`: what is missing, such as `app`.' }).optional(),
  })
  .meta({ id: 'Problem' })
export type ProblemDocument = z.infer<typeof problemSchema>

export interface ProblemAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly document: ProblemDocument
}

/** A body of 1 MB can hold 100,000 errors, and a response with all of them would be eleven times as large. */
const MAX_FAULTS = 1000

/** The response for a problem. */
export function answerOf(problem: Problem): ProblemAnswer {
  return {
    status: problem.status,
    headers: {
      ...(problem.retryAfterSeconds === undefined
        ? {}
        : { 'retry-after': String(Math.max(1, Math.ceil(problem.retryAfterSeconds))) }),
      ...(problem.code === 'unauthenticated' ? { 'www-authenticate': 'Bearer realm="wns-fanout"' } : {}),
    },
    document: {
      type: `urn:wns-fanout:problem:${problem.code}`,
      title: problems[problem.code].title,
      status: problem.status,
      code: problem.code,
      detail:
        problem.inputErrors.length > MAX_FAULTS
          ? `${problem.message}; here are the first ${MAX_FAULTS}`
          : problem.message,
      ...(problem.inputErrors.length === 0
        ? {}
        : {
            errors: problem.inputErrors
              .slice(0, MAX_FAULTS)
              .map(({ path, code, detail }) => ({ pointer: pointerOf(path), code, detail })),
          }),
      ...problem.extra,
    },
  }
}

/** The only error that is not a `Problem`: the path exists, the method does not. */
export function methodNotAllowed(method: string, allowed: readonly string[]): ProblemAnswer {
  return {
    status: 405,
    headers: { allow: allowed.join(', ') },
    document: {
      type: 'urn:wns-fanout:problem:method-not-allowed',
      title: 'Method not allowed',
      status: 405,
      code: 'method-not-allowed',
      detail: `Method ${method} is not allowed; allowed: ${allowed.join(', ')}`,
    },
  }
}

/** The problem of an input with these errors, of which there is at least one. */
export function invalid(what: string, inputErrors: readonly InputError[], cause?: unknown): Problem {
  return new Problem(
    'invalid',
    `${what} ${inputErrors.length === 1 ? 'has 1 problem' : `has ${inputErrors.length} problems`}`,
    {
      inputErrors: inputErrors,
      ...(cause === undefined ? {} : { cause }),
    },
  )
}

/**
 * What a thrown error means to the caller: a `Problem` is itself, an error of the HTTP layer is its problem, Redis
 * being away or full is 503, and everything else is `internal`, whose details stay in the log.
 */
export function problemFrom(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (!(error instanceof Error)) return internal(error)
  return fromHttpLayer(error) ?? fromRedis(error) ?? internal(error)
}

function internal(cause: unknown): Problem {
  return new Problem('internal', 'an internal error; find it in the log by this X-Request-Id', { cause })
}

const httpLayer: Readonly<Record<string, readonly [ProblemCode, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['too-large', 'a body may have at most 1 MB (1,048,576 bytes) here'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['media-type', 'send the body with the Content-Type that this path takes'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['bad-request', 'the length of the body differs from Content-Length'],
  FST_ERR_BAD_URL: ['bad-request', 'the path is not valid percent-encoding'],
  FST_ERR_MAX_PARAM_LENGTH: ['not-found', 'a name in the path is too long to be one'],
  ECONNRESET: ['bad-request', 'the connection ended before the body did'],
  ERR_STREAM_PREMATURE_CLOSE: ['bad-request', 'the connection ended before the body did'],
}

function fromHttpLayer(error: Error): Problem | undefined {
  const known =
    'code' in error && typeof error.code === 'string'
      ? (httpLayer[error.code] ?? blamesRequest(error))
      : blamesRequest(error)
  return known === undefined ? undefined : new Problem(known[0], known[1], { cause: error })
}

/** Errors of fastify and its plugins have the status of their answer. */
function blamesRequest(error: Error): readonly [ProblemCode, string] | undefined {
  const status = 'statusCode' in error ? Number(error.statusCode) : 0
  if (status < 400 || status > 499) return undefined
  // The plugin of the reference page answers 403 to paths that lead out of its folder.
  if (status === 403 || status === 404) return ['not-found', 'no route has this path; /docs lists all routes']
  return ['bad-request', 'the request cannot be read; check its method and its headers']
}

function isOutOfMemory({ message }: Error): boolean {
  return /^(?:ERR .*)?OOM\b|\bOOM command not allowed/.test(message)
}

// EXECABORT only reports that a command of the transaction was refused; `previousErrors` has the reasons.
function refusedInTransaction(error: Error): readonly Error[] {
  return 'previousErrors' in error && Array.isArray(error.previousErrors)
    ? error.previousErrors.filter((item) => item instanceof Error)
    : []
}

function fromRedis(error: Error): Problem | undefined {
  if (isNoPermission(error))
    return new Problem(
      'unavailable',
      'the Redis user lacks a right that this needs (NOPERM); /readyz and doctor name the commands',
      { cause: error },
    )
  if (isOutOfMemory(error) || refusedInTransaction(error).some(isOutOfMemory))
    return new Problem('redis-memory', 'Redis has no memory left; raise maxmemory or delete finished campaigns', {
      cause: error,
      retryAfterSeconds: 30,
    })
  if (!isRedisAway(error)) return undefined
  return new Problem('unavailable', 'Redis cannot be reached now; try again soon', {
    cause: error,
    retryAfterSeconds: 2,
  })
}
