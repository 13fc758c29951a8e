import { randomUUID } from 'node:crypto'
import type { Client, Clients } from './clients.ts'
import type { TokenRefusal } from './faults.ts'
import type { Clock } from './clock.ts'
import { type Action, answerJson, hold, plainAction } from './action.ts'
import type { Request } from './request.ts'
import type { Tally } from './tally.ts'
import type { Identity, Tokens } from './tokens.ts'

const DAY_SECONDS = 86_400
const legacyScopes = ['notify.windows.com', 's.notify.live.net']
const entraScopes = ['https://wns.windows.com/.default', 'https://wns.windows.com//.default']
const entraPath = /^\/([^/?]+)\/oauth2\/v2\.0\/token$/

interface Refusal {
  readonly status: number
  readonly error: string
  readonly description: string
  /** The AADSTS number; Entra only. */
  readonly code?: number
}

/** `login.live.com` and `login.microsoftonline.com`: gives tokens to anyone whose secret does not start with `bad-`. */
export class TokenService {
  readonly #clients: Clients
  readonly #tokens: Tokens
  readonly #tally: Tally
  readonly #clock: Clock

  constructor(clients: Clients, tokens: Tokens, tally: Tally, clock: Clock) {
    this.#clients = clients
    this.#tokens = tokens
    this.#tally = tally
    this.#clock = clock
  }

  answer(identity: Identity, request: Request): Action {
    const dateLine = this.#clock.dateLine(this.#clock.nowMs())
    const entra = entraPath.exec(request.target)
    if (identity === 'store' ? request.target !== '/accesstoken.srf' : entra === null) return plainAction(404, dateLine)
    if (request.method !== 'POST') return plainAction(405, dateLine, 'Allow: POST\r\n')

    const form = new URLSearchParams(request.body.toString('latin1'))
    const name = form.get('client_id') ?? ''
    const client = name === '' ? undefined : this.#clients.named(name)
    this.#tally.tokenRequests += 1
    if (client !== undefined) client.tokenRequests += 1

    const faults = client?.faults ?? this.#clients.faults
    const delayMs = faults.latencyMs ?? 0
    const mode = faults.token?.mode ?? 'ok'
    if (mode === 'stall') return hold
    const refusal =
      mode === 'error'
        ? unwell(identity)
        : mode === 'refuse'
          ? refuseAll(identity, name, faults.token?.refusal)
          : identity === 'store'
            ? refuseStore(request, form)
            : refuseEntra(request, form, entra?.[1] ?? '')
    if (refusal !== undefined) return answerJson(refusal.status, errorBody(refusal), dateLine, delayMs)
    if (client === undefined) return plainAction(400, dateLine)
    return answerJson(200, this.#issue(identity, client), dateLine, delayMs)
  }

  #issue(identity: Identity, client: Client): Record<string, unknown> {
    const nowMs = this.#clock.nowMs()
    const faults = client.faults.token ?? {}
    const lifetimeSeconds = faults.lifetimeSeconds ?? DAY_SECONDS
    const expiresIn = faults.expiresIn ?? (identity === 'store' ? 'number' : 'string')
    const seconds = expiresIn === 'string' ? String(lifetimeSeconds) : lifetimeSeconds
    const text = this.#tokens.issue(client, identity, lifetimeSeconds, nowMs)
    const lifetime = expiresIn === 'missing' ? {} : { expires_in: seconds }
    if (identity === 'store') return { access_token: text, token_type: 'bearer', ...lifetime }
    const nowSeconds = Math.floor((this.#clock.epochMs + nowMs) / 1000)
    const dates =
      expiresIn === 'missing'
        ? {}
        : {
            ext_expires_in: seconds,
            expires_on: String(nowSeconds + lifetimeSeconds),
            not_before: String(nowSeconds - 300),
            resource: 'https://wns.windows.com/',
          }
    return { token_type: 'Bearer', ...lifetime, ...dates, access_token: text }
  }
}

function refuseForm(request: Request, form: URLSearchParams): Refusal | undefined {
  if (!/^application\/x-www-form-urlencoded(?:\s*;.*)?$/i.test(request.contentType)) {
    return { status: 400, error: 'invalid_request', description: 'The body must be application/x-www-form-urlencoded' }
  }
  if (form.get('grant_type') !== 'client_credentials') {
    return { status: 400, error: 'unsupported_grant_type', description: 'The grant type is not supported' }
  }
  return undefined
}

function refuseStore(request: Request, form: URLSearchParams): Refusal | undefined {
  const malformed = refuseForm(request, form)
  if (malformed !== undefined) return malformed
  if (!/^ms-app:\/\/S-1-[^.\s]+$/.test(form.get('client_id') ?? '')) return storeRefusal('client')
  if (isBad(form)) return storeRefusal('secret')
  if (!legacyScopes.includes(form.get('scope') ?? '')) return storeRefusal('scope')
  return undefined
}

function refuseEntra(request: Request, form: URLSearchParams, tenant: string): Refusal | undefined {
  const malformed = refuseForm(request, form)
  if (malformed !== undefined) return entraRefusal(malformed.status, malformed.error, 900144, malformed.description)
  const name = form.get('client_id') ?? ''
  if (tenant === 'consumers') {
    return entraRefusal(400, 'invalid_request', 9002332, `Application '${name}' is not usable with personal accounts.`)
  }
  if (form.has('resource')) {
    return entraRefusal(400, 'invalid_request', 901002, "The 'resource' request parameter is not supported.")
  }
  if (name === '') {
    return entraRefusal(400, 'invalid_request', 900144, "The request body must contain the parameter 'client_id'.")
  }
  if ((form.get('client_secret') ?? '').startsWith('bad-expired')) return entraRefusalOf('expired-secret', name)
  if (isBad(form)) return entraRefusalOf('secret', name)
  if (!entraScopes.includes(form.get('scope') ?? '')) return entraRefusalOf('scope', name)
  return undefined
}

/** All secrets are valid, except an absent one and those that start with `bad-`. */
function isBad(form: URLSearchParams): boolean {
  const secret = form.get('client_secret') ?? ''
  return secret === '' || secret.startsWith('bad-')
}

/** The answer of mode `refuse`; by default the one that new clients get since 2026. */
function refuseAll(identity: Identity, name: string, why: TokenRefusal | undefined): Refusal {
  return identity === 'store' ? storeRefusal(why ?? 'unsupported') : entraRefusalOf(why ?? 'client', name)
}

function storeRefusal(why: TokenRefusal): Refusal {
  switch (why) {
    case 'unsupported':
      return {
        status: 400,
        error: 'invalid_request',
        description:
          'Client credential flows against login.live.com are no longer supported. ' +
          'New clients should use login.microsoftonline.com instead.',
      }
    case 'client':
      return { status: 400, error: 'invalid_client', description: 'Invalid client id' }
    case 'secret':
    case 'expired-secret':
      return { status: 400, error: 'invalid_client', description: 'Invalid client secret' }
    case 'scope':
      return { status: 400, error: 'invalid_scope', description: 'The requested scope is invalid' }
    default:
      return why satisfies never
  }
}

function entraRefusalOf(why: TokenRefusal, name: string): Refusal {
  switch (why) {
    case 'unsupported':
      return entraRefusal(400, 'invalid_request', 9002346, `Application '${name}' is for Microsoft Account users only.`)
    case 'client':
      return entraRefusal(400, 'unauthorized_client', 700016, `Application '${name}' was not found in the directory.`)
    case 'secret':
      return entraRefusal(401, 'invalid_client', 7000215, 'Invalid client secret provided.')
    case 'expired-secret':
      return entraRefusal(401, 'invalid_client', 7000222, 'The provided client secret keys are expired.')
    case 'scope':
      return entraRefusal(400, 'invalid_scope', 70011, "The provided value for the parameter 'scope' is not valid.")
    default:
      return why satisfies never
  }
}

function unwell(identity: Identity): Refusal {
  if (identity === 'store')
    return { status: 500, error: 'server_error', description: 'The server had an internal error' }
  return entraRefusal(503, 'temporarily_unavailable', 90024, 'The service is temporarily unavailable.')
}

function entraRefusal(status: number, error: string, code: number, text: string): Refusal {
  return { status, error, code, description: `AADSTS${code}: ${text}` }
}

function errorBody(refusal: Refusal): Record<string, unknown> {
  const body = { error: refusal.error, error_description: refusal.description }
  if (refusal.code === undefined) return body
  return {
    ...body,
    error_codes: [refusal.code],
    timestamp: new Date()
      .toISOString()
      .replace('T', ' ')
      .replace(/\.\d+Z$/, 'Z'),
    trace_id: randomUUID(),
    correlation_id: randomUUID(),
    error_uri: `https://login.microsoftonline.com/error?code=${refusal.code}`,
  }
}
