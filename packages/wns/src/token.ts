import type { TokenAnswer } from '@wns-fanout/domain'
import { Secret, normalizePackageSid } from '@wns-fanout/domain'
import { Client } from 'undici'
import { ConnectError } from './connect-error.ts'
import { parseRetryAfter } from './retry-after.ts'
import { tokenPattern } from './post-headers.ts'
import { explainRefusal } from './token-refusal.ts'
import type { Transport } from './transport.ts'

/** The credentials of an app, with the secret in clear text. */
export type TokenCredentials =
  | { readonly kind: 'store'; readonly packageSid: string; readonly clientSecret: string | Secret }
  | {
      readonly kind: 'entra'
      readonly tenantId: string
      readonly clientId: string
      readonly clientSecret: string | Secret
    }

export interface TokenRequestOptions {
  readonly signal?: AbortSignal
  /** For the whole exchange. Default 10,000. */
  readonly deadlineMs?: number
}

const MAX_ANSWER_BYTES = 65_536
const MIN_LIFETIME_SECONDS = 60
const MAX_LIFETIME_SECONDS = 86_400
const ASSUMED_LIFETIME_SECONDS = 3_600

/**
 * Request a bearer token from the token service. Never throws and never retries: an unreachable service is an answer
 * too. The hosts are fixed: credentials are sent to no other host, and redirects are not followed.
 */
export async function requestToken(
  credentials: TokenCredentials,
  transport: Transport,
  options: TokenRequestOptions = {},
): Promise<TokenAnswer> {
  const request = tokenRequest(credentials)
  if (!request.ok) return request
  const deadline = AbortSignal.timeout(options.deadlineMs ?? 10_000)
  const signal = options.signal === undefined ? deadline : AbortSignal.any([options.signal, deadline])
  try {
    const answer = await exchange(request, transport, signal)
    return readAnswer(answer, Date.now())
  } catch (error) {
    return unreachable(error, options.signal?.aborted === true, deadline.aborted)
  }
}

interface TokenRequest {
  readonly ok: true
  readonly host: string
  readonly path: string
  readonly form: string
}

function tokenRequest(credentials: TokenCredentials): TokenRequest | Refused {
  const clientSecret =
    typeof credentials.clientSecret === 'string' ? credentials.clientSecret : credentials.clientSecret.reveal()
  if (clientSecret === '')
    return refuse(true, 'bad-secret', 'The client secret is empty. Set it in the credentials of the app.')
  const form = (client_id: string, scope: string): string =>
    new URLSearchParams({ grant_type: 'client_credentials', client_id, client_secret: clientSecret, scope }).toString()

  if (credentials.kind === 'store') {
    const packageSid = normalizePackageSid(credentials.packageSid)
    if (packageSid === undefined)
      return refuse(
        true,
        'bad-package-sid',
        'A package SID looks like ms-app://S-1-15-2-…; copy it from Partner Center.',
      )
    return { ok: true, host: 'login.live.com', path: '/accesstoken.srf', form: form(packageSid, 'notify.windows.com') }
  }
  // A tenant of dots would leave the path.
  if (!/^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,126}[A-Za-z0-9])?$/.test(credentials.tenantId))
    return refuse(true, 'unknown-tenant', 'A tenant id is the GUID or a domain name of the directory.')
  return {
    ok: true,
    host: 'login.microsoftonline.com',
    path: `/${credentials.tenantId}/oauth2/v2.0/token`,
    form: form(credentials.clientId, 'https://wns.windows.com/.default'),
  }
}

interface TokenHttpAnswer {
  readonly status: number
  readonly retryAfter: string | undefined
  readonly text: string
}

async function exchange(request: TokenRequest, transport: Transport, signal: AbortSignal): Promise<TokenHttpAnswer> {
  let giveUp: (() => void) | undefined
  const client = new Client(`https://${request.host}`, {
    allowH2: false,
    pipelining: 1,
    maxHeaderSize: 16_384,
    maxResponseSize: MAX_ANSWER_BYTES,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: (_options, callback) => {
      giveUp = transport.open(request.host, (error, socket) => {
        if (socket === null) callback(error ?? new ConnectError('connect', 'no connection'), null)
        else callback(null, socket)
      })
    },
  })
  try {
    const { statusCode, headers, body } = await client.request({
      method: 'POST',
      path: request.path,
      headers: ['Content-Type', 'application/x-www-form-urlencoded', 'Accept', 'application/json'],
      body: Buffer.from(request.form),
      signal,
    })
    const retryAfter = headers['retry-after']
    return {
      status: statusCode,
      retryAfter: Array.isArray(retryAfter) ? retryAfter[0] : retryAfter,
      text: await body.text(),
    }
  } finally {
    giveUp?.()
    await client.destroy()
  }
}

function readAnswer({ status, retryAfter, text }: TokenHttpAnswer, nowMs: number): TokenAnswer {
  const body = jsonObject(text)
  if (status === 200) return readToken(body)
  const wait = waitOf(retryAfter, nowMs)
  if (status === 429)
    return refuse(
      false,
      'throttled',
      'The token service answered 429 (too many requests). The request is repeated later.',
      wait,
    )
  if (status === 408 || status >= 500)
    return refuse(
      false,
      'unavailable',
      `The token service answered with status ${status}. The request is repeated.`,
      wait,
    )
  const refusal = status >= 400 ? explainRefusal(body) : undefined
  if (refusal !== undefined) return refuse(refusal.permanent, refusal.code, refusal.explanation, wait)
  // The token service itself did not answer, but a proxy or a portal did. That is no reason to stop the app.
  return refuse(
    false,
    'unexpected-answer',
    `The token service answered with status ${status} and no OAuth error. ` +
      'Check proxies between this machine and the service.',
    wait,
  )
}

function readToken(body: Readonly<Record<string, unknown>> | undefined): TokenAnswer {
  if (body === undefined)
    return refuse(false, 'malformed-answer', 'The token service answered with a text that is not a JSON object.')
  const { access_token: token, token_type: type, expires_in: expiresIn } = body
  if (typeof token !== 'string' || !tokenPattern.test(token))
    return refuse(false, 'malformed-answer', 'The token service answered without a usable token.')
  if (type !== undefined && (typeof type !== 'string' || type.toLowerCase() !== 'bearer'))
    return refuse(false, 'malformed-answer', 'The token service answered with a token that is not a bearer token.')
  return { ok: true, token: new Secret(token), expiresInSeconds: lifetimeSeconds(expiresIn) }
}

// WNS sends a number, a string or nothing.
function lifetimeSeconds(value: unknown): number {
  const isNumeric =
    typeof value === 'number' || (typeof value === 'string' && /^-?\d{1,20}(\.\d+)?$/.test(value.trim()))
  const seconds = isNumeric ? Number(value) : Number.NaN
  if (Number.isNaN(seconds)) return ASSUMED_LIFETIME_SECONDS
  return Math.min(Math.max(Math.floor(seconds), MIN_LIFETIME_SECONDS), MAX_LIFETIME_SECONDS)
}

function jsonObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
  } catch {
    return undefined
  }
}

type Refused = Extract<TokenAnswer, { ok: false }>

function refuse(permanent: boolean, code: string, explanation: string, wait?: { retryAfterMs?: number }): Refused {
  return {
    ok: false,
    permanent,
    code,
    explanation,
    ...wait,
  }
}

function waitOf(retryAfter: string | undefined, nowMs: number): { retryAfterMs?: number } {
  const retryAfterMs = parseRetryAfter(retryAfter, nowMs)
  return retryAfterMs === undefined ? {} : { retryAfterMs }
}

function unreachable(error: unknown, isStopped: boolean, isLate: boolean): Refused {
  if (isStopped) return refuse(false, 'stopped', 'The request for a token was cancelled because the process stops.')
  if (isLate) return refuse(false, 'timeout', 'The token service did not answer in time. The request is repeated.')
  if (error instanceof ConnectError)
    return refuse(
      false,
      error.code,
      `The token service cannot be reached: ${error.message}. Check network, proxy and certificates.`,
    )
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE' || code === 'UND_ERR_HEADERS_OVERFLOW'
    ? refuse(false, 'malformed-answer', 'The answer of the token service is far larger than a token.')
    : refuse(
        false,
        'no-answer',
        'The connection to the token service broke before it answered. The request is repeated.',
      )
}
