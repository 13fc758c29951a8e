import type { TokenCredentials } from '@wns-fanout/wns'
import type { Source } from './support/sources.ts'

/** One exchange with a token service. */
export interface TokenRow {
  readonly name: string
  readonly source: Source
  readonly credentials: TokenCredentials
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly answer: unknown
  /** What is known of the answer known: how long the token holds, or the word of the refusal. */
  readonly known:
    | { readonly ok: true; readonly expiresInSeconds: number }
    | { readonly ok: false; readonly permanent: boolean; readonly code: string; readonly retryAfterMs?: number }
}

export const store: TokenCredentials = {
  kind: 'store',
  packageSid: 'ms-app://S-1-15-2-2972962901-2322836549-3722629029-1345238579-3987825745-2155616079-650196962',
  clientSecret: 'Vex8L9WOFZuj95euaLrvSH7XyoDhLJc7',
}
export const entra: TokenCredentials = {
  kind: 'entra',
  tenantId: '72f988bf-86f1-41af-91ab-2d7cd011db47',
  clientId: '0d2b6c1e-8b4c-4a55-9b53-5d3f2a7c1f10',
  clientSecret: 'a~b+c/d=e&f',
}

const token = { access_token: 'EgAcAQMAAAAALYAAY/c+Huwi3Fv4Ck10UrKNmtxRO6Njk2MgA=', token_type: 'bearer' }
const entraToken = { token_type: 'Bearer', access_token: 'eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.e30.c2ln' }

function given(
  name: string,
  source: Source,
  credentials: TokenCredentials,
  answer: object,
  expiresInSeconds: number,
): TokenRow {
  return {
    name,
    source,
    credentials,
    status: 200,
    answer,
    known: { ok: true, expiresInSeconds },
  }
}

function oauth(error: string, error_description: string): object {
  return { error, error_description }
}

function refusedStore(name: string, source: Source, error: string, text: string, code: string): TokenRow {
  return {
    name,
    source,
    credentials: store,
    status: 400,
    answer: oauth(error, text),
    known: { ok: false, permanent: true, code },
  }
}

function aadsts(number: number, error: string): object {
  return {
    error,
    error_description: `AADSTS${number}: A text. Trace ID: 0 Correlation ID: 0 Timestamp: 2026-06-01 10:00:00Z`,
    error_codes: [number],
    timestamp: '2026-06-01 10:00:00Z',
    trace_id: '00000000-0000-0000-0000-000000000000',
    correlation_id: '00000000-0000-0000-0000-000000000000',
  }
}

function refusedEntra(
  name: string,
  source: Source,
  number: number,
  status: number,
  error: string,
  code: string,
  permanent = true,
): TokenRow {
  return {
    name,
    source,
    credentials: entra,
    status,
    answer: aadsts(number, error),
    known: { ok: false, permanent, code },
  }
}

export const tokenRows: readonly TokenRow[] = [
  given('a legacy token', 'HDR', store, { ...token, expires_in: 86_400 }, 86_400),
  given('a legacy token without a lifetime, as in one example', 'OVW', store, token, 3600),
  given(
    'an Entra token as in the WNS quickstart, all strings',
    'QS',
    entra,
    {
      ...entraToken,
      expires_in: '86399',
      ext_expires_in: '86399',
      expires_on: '1653771789',
      not_before: '1653685089',
      resource: 'https://wns.windows.com/',
    },
    86_399,
  ),
  given(
    'an Entra token as in the Entra documentation, with a number',
    'ENT',
    entra,
    { ...entraToken, expires_in: 3599, ext_expires_in: 3599 },
    3599,
  ),
  given('an Entra token of a random lifetime', 'ENT-LT', entra, { ...entraToken, expires_in: 4871 }, 4871),
  given(
    'a token that is valid for more than a day is requested again after one day',
    'ENT-LT',
    entra,
    { ...entraToken, expires_in: 100_800 },
    86_400,
  ),

  refusedStore('a package SID without its scheme', 'GMD', 'invalid_client', 'Invalid client id', 'unknown-app'),
  refusedStore(
    'an identity that the legacy flow no longer accepts',
    'GMD',
    'invalid_request',
    'Client credential flows against login.live.com are no longer supported. ' +
      'New clients should use login.microsoftonline.com instead.',
    'legacy-flow-refused',
  ),
  refusedStore('a wrong legacy secret', 'HDR', 'invalid_client', 'Invalid client secret', 'bad-secret'),
  refusedStore('a legacy client rejected without a reason', 'HDR', 'invalid_client', '', 'bad-client'),
  refusedStore('a scope that is not allowed', 'HDR', 'invalid_scope', 'The requested scope is invalid', 'bad-scope'),
  refusedStore('a malformed request', 'HDR', 'invalid_request', 'The request is malformed', 'bad-request'),
  refusedStore('an unknown grant type', 'HDR', 'unsupported_grant_type', '', 'bad-request'),
  refusedStore('an unknown error code', 'HDR', 'something_new', '', 'refused'),

  refusedEntra('AADSTS7000215, a wrong secret', 'ENT-ERR', 7000215, 401, 'invalid_client', 'bad-secret'),
  refusedEntra('AADSTS7000215 with status 400, as documented', 'ENT', 7000215, 400, 'invalid_client', 'bad-secret'),
  refusedEntra('AADSTS7000222, an expired secret', 'ENT-ERR', 7000222, 401, 'invalid_client', 'expired-secret'),
  refusedEntra('AADSTS700016, an unknown app', 'ENT-ERR', 700016, 400, 'unauthorized_client', 'unknown-app'),
  refusedEntra('AADSTS90002, an unknown tenant', 'ENT-ERR', 90002, 400, 'invalid_request', 'unknown-tenant'),
  refusedEntra('AADSTS70011, a wrong scope', 'ENT', 70011, 400, 'invalid_scope', 'bad-scope'),
  refusedEntra(
    'AADSTS9002346, a registration for personal accounts',
    'GMD',
    9002346,
    400,
    'invalid_request',
    'wrong-tenant-kind',
  ),
  refusedEntra('AADSTS9002332, the consumer tenant', 'GMD', 9002332, 400, 'invalid_request', 'wrong-tenant-kind'),
  refusedEntra('AADSTS7000218, a missing secret', 'ENT-ERR', 7000218, 401, 'invalid_client', 'bad-client'),
  refusedEntra('AADSTS90024, a temporary error', 'ENT-ERR', 90024, 400, 'temporarily_unavailable', 'transient', false),
  refusedEntra('an unknown AADSTS number', 'ENT-ERR', 99_999, 400, 'invalid_client', 'bad-client'),

  {
    name: 'a failing token service',
    source: 'caution',
    credentials: store,
    status: 500,
    answer: '',
    known: { ok: false, permanent: false, code: 'unavailable' },
  },
  {
    name: 'a temporarily unavailable token service',
    source: 'ENT',
    credentials: entra,
    status: 503,
    headers: { 'Retry-After': '7' },
    answer: '',
    known: { ok: false, permanent: false, code: 'unavailable', retryAfterMs: 7000 },
  },
  {
    name: 'a token service that throttles us',
    source: 'ENT',
    credentials: entra,
    status: 429,
    headers: { 'Retry-After': '30' },
    answer: {},
    known: { ok: false, permanent: false, code: 'throttled', retryAfterMs: 30_000 },
  },
  {
    name: 'an HTML page instead of a token',
    source: 'caution',
    credentials: store,
    status: 200,
    answer: '<html>login</html>',
    known: { ok: false, permanent: false, code: 'malformed-answer' },
  },
  {
    name: 'a rejection that is not an OAuth error',
    source: 'caution',
    credentials: store,
    status: 403,
    answer: '<html>blocked by your firewall</html>',
    known: { ok: false, permanent: false, code: 'unexpected-answer' },
  },
  {
    name: 'a redirect of the token request',
    source: 'caution',
    credentials: store,
    status: 302,
    headers: { Location: 'https://login.example/' },
    answer: '',
    known: { ok: false, permanent: false, code: 'unexpected-answer' },
  },
  {
    name: 'a token that contains a line break',
    source: 'RFC9112',
    credentials: store,
    status: 200,
    answer: { ...token, access_token: 'a\r\nX-Injected: 1' },
    known: { ok: false, permanent: false, code: 'malformed-answer' },
  },
  {
    name: 'a token of another type',
    source: 'HDR',
    credentials: store,
    status: 200,
    answer: { ...token, token_type: 'mac' },
    known: { ok: false, permanent: false, code: 'malformed-answer' },
  },
]
