import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { TokenAnswer } from '@wns-fanout/domain'
import { normalizePackageSid } from '@wns-fanout/domain'
import type { TokenCredentials } from '../src/index.ts'
import { createTransport, requestToken } from '../src/index.ts'
import { setup, wnsCertificates } from './support/harness.ts'
import type { Behavior } from './support/raw-server.ts'
import { answer } from './support/raw-server.ts'

const SECRET = 'canary+se/cret=&1'
const SID = 'S-1-15-2-1004590231-2-3-4-5-6-7'
const store: TokenCredentials = { kind: 'store', packageSid: SID, clientSecret: SECRET }
const entra: TokenCredentials = {
  kind: 'entra',
  tenantId: 'contoso.example',
  clientId: '11111111-2222-3333-4444-555555555555',
  clientSecret: SECRET,
}

async function ask(credentials: TokenCredentials, behave: Behavior, deadlineMs = 5_000) {
  await using wns = await setup(behave)
  const found = await requestToken(credentials, wns.transport, { deadlineMs })
  expect(inspect(found) + JSON.stringify(found)).not.toContain('canary')
  return { found, requests: wns.server.requests }
}

function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Behavior {
  return (socket) =>
    void socket.write(
      answer(
        status,
        { 'Content-Type': 'application/json', ...headers },
        typeof body === 'string' ? body : JSON.stringify(body),
      ),
    )
}

function entraError(number: number, error = 'invalid_client') {
  return {
    error,
    error_description: `AADSTS${number}: canary text of the other side.`,
    error_codes: [number],
  }
}

const drip: Behavior = (socket) => {
  const more = (): void => void (socket.writable && socket.write('x', () => setTimeout(more, 10)))
  socket.write('HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n', more)
}

const token = { access_token: 'EgAcAQMAAAAEgAAA', token_type: 'bearer', expires_in: 86_400 }

describe('the request', () => {
  test.each([SID, `ms-app://${SID}`])('of a Store app with the package SID %s', async (packageSid) => {
    const { requests } = await ask({ ...store, packageSid }, json(200, token))
    expect(requests[0]?.requestLine).toBe('POST /accesstoken.srf HTTP/1.1')
    expect(requests[0]?.serverName).toBe('login.live.com')
    expect(requests[0]?.headers).toContainEqual(['Content-Type', 'application/x-www-form-urlencoded'])
    expect(Object.fromEntries(new URLSearchParams(requests[0]?.body.toString()))).toEqual({
      grant_type: 'client_credentials',
      client_id: `ms-app://${SID}`,
      client_secret: SECRET,
      scope: 'notify.windows.com',
    })
  })

  test('of an Entra app', async () => {
    const { requests } = await ask(entra, json(200, token))
    expect(requests[0]?.requestLine).toBe('POST /contoso.example/oauth2/v2.0/token HTTP/1.1')
    expect(requests[0]?.serverName).toBe('login.microsoftonline.com')
    expect(Object.fromEntries(new URLSearchParams(requests[0]?.body.toString()))).toEqual({
      grant_type: 'client_credentials',
      client_id: entra.clientId,
      client_secret: SECRET,
      scope: 'https://wns.windows.com/.default',
    })
  })

  test.each([
    [{ ...store, packageSid: 'S-1-5-21-1' }, 'bad-package-sid'],
    [{ ...entra, tenantId: '..' }, 'unknown-tenant'],
    [{ ...entra, tenantId: 'a/b' }, 'unknown-tenant'],
    [{ ...entra, clientSecret: '' }, 'bad-secret'],
  ] satisfies [TokenCredentials, string][])(
    'is not sent with credentials that cannot work: %#',
    async (credentials, code) => {
      const { found, requests } = await ask(credentials, json(200, token))
      expect(found).toMatchObject({ ok: false, permanent: true, code })
      expect(requests).toEqual([])
    },
  )

  test('has a package SID in the form of the token service', () => {
    expect(normalizePackageSid(` MS-APP://s-1-15-2-1-2/ `)).toBe('ms-app://S-1-15-2-1-2')
    expect(normalizePackageSid('ms-app://other')).toBeUndefined()
  })
})

describe('a token', () => {
  test.each([
    [86_400, 86_400],
    ['86399', 86_399],
    [3599, 3_599],
    [undefined, 3_600],
    ['soon', 3_600],
    [null, 3_600],
    [0, 60],
    [-1, 60],
    ['-1', 60],
    [1e12, 86_400],
    ['1000000000000', 86_400],
  ])('that expires in %j is kept for %d seconds', async (expires_in, expiresInSeconds) => {
    const { found } = await ask(store, json(200, { ...token, expires_in }))
    expect(found).toMatchObject({ ok: true, expiresInSeconds })
    expect(found.ok && found.token.reveal()).toBe('EgAcAQMAAAAEgAAA')
  })

  test.each(['bearer', 'Bearer', 'BEARER', undefined])('of type %s is accepted', async (token_type) => {
    expect((await ask(entra, json(200, { ...token, token_type }))).found.ok).toBe(true)
  })

  test.each([
    ['is not there', { token_type: 'bearer' }],
    ['holds a line break', { ...token, access_token: 'a\r\nX-Injected: 1' }],
    ['holds a space', { ...token, access_token: 'a b' }],
    ['is not ASCII', { ...token, access_token: 'é' }],
    ['is empty', { ...token, access_token: '' }],
    ['is too long', { ...token, access_token: 'x'.repeat(8_193) }],
    ['is a number', { ...token, access_token: 5 }],
    ['is of another type', { ...token, token_type: 'mac' }],
    ['comes in a list', [token]],
    ['comes as null', 'null'],
    ['comes in broken JSON', '{"access_token": "x"'],
    ['comes as HTML', '<html>'],
    ['is a megabyte', { ...token, access_token: 'x'.repeat(1_000_000) }],
  ])('that %s is refused, not permanently', async (_name, body) => {
    const { found } = await ask(store, json(200, body))
    expect(found).toMatchObject({ ok: false, permanent: false, code: 'malformed-answer' })
  })
})

describe('a refusal', () => {
  test.each([
    [
      'the old flow is closed',
      400,
      {
        error: 'invalid_request',
        error_description:
          'Client credential flows against login.live.com are no longer supported. ' +
          'New clients should use login.microsoftonline.com instead.',
      },
      'legacy-flow-refused',
      true,
      'kind "entra"',
    ],
    [
      'the client id is invalid',
      400,
      { error: 'invalid_client', error_description: 'Invalid client id' },
      'unknown-app',
      true,
      'Partner Center',
    ],
    [
      'the secret is invalid',
      400,
      { error: 'invalid_client', error_description: 'The client secret is incorrect.' },
      'bad-secret',
      true,
      'client secret',
    ],
    ['the client is invalid', 401, { error: 'invalid_client' }, 'bad-client', true, 'Check the id'],
    ['the secret is wrong', 401, entraError(7_000_215), 'bad-secret', true, 'AADSTS7000215'],
    ['the secret has expired', 401, entraError(7_000_222), 'expired-secret', true, 'new one'],
    ['the app is unknown', 400, entraError(700_016, 'unauthorized_client'), 'unknown-app', true, 'tenantId'],
    ['the tenant is unknown', 400, entraError(90_002, 'invalid_request'), 'unknown-tenant', true, 'tenant'],
    [
      'the registration is for personal accounts',
      400,
      entraError(9_002_346, 'invalid_request'),
      'wrong-tenant-kind',
      true,
      'multi-tenant',
    ],
    ['the scope is bad', 400, entraError(70_011, 'invalid_scope'), 'bad-scope', true, 'scope'],
    ['the error is temporary', 400, entraError(90_024, 'invalid_request'), 'transient', false, 'repeated'],
    [
      'only the text has a number',
      400,
      { error: 'invalid_client', error_description: 'AADSTS7000215: canary' },
      'bad-secret',
      true,
      'AADSTS7000215',
    ],
    ['the reason is unknown', 400, { error: 'canary_error', error_description: 'canary' }, 'refused', true, 'Check id'],
    ['the service is overloaded', 400, { error: 'temporarily_unavailable' }, 'transient', false, 'repeated'],
    ['there are too many requests', 429, {}, 'throttled', false, 'too many requests'],
    ['the service is down', 503, 'oops', 'unavailable', false, '503'],
    ['a portal answers', 302, '', 'unexpected-answer', false, '302'],
    ['a proxy answers', 400, '<html>', 'unexpected-answer', false, '400'],
  ])('because %s', async (_name, status, body, code, permanent, hint) => {
    const { found } = await ask(entra, json(status, body))
    expect(found).toMatchObject({ ok: false, code, permanent })
    expect((found as Extract<TokenAnswer, { ok: false }>).explanation).toContain(hint)
  })

  test('reports how long to wait', async () => {
    const { found } = await ask(store, json(429, {}, { 'Retry-After': '30' }))
    expect(found).toMatchObject({ retryAfterMs: 30_000 })
  })
})

describe('a token service that cannot be reached', () => {
  test('does not listen', async () => {
    const { ca } = await wnsCertificates()
    const found = await requestToken(store, createTransport({ routeTo: '127.0.0.1:1', ca }))
    expect(found).toMatchObject({ ok: false, permanent: false, code: 'refused' })
  })

  test('does not answer in time', async () => {
    expect((await ask(store, () => {}, 50)).found).toMatchObject({ ok: false, permanent: false, code: 'timeout' })
  })

  test('drips its answer', async () => {
    expect((await ask(store, drip, 100)).found).toMatchObject({ ok: false, permanent: false, code: 'timeout' })
  })

  test('closes instead of answering', async () => {
    const { found } = await ask(store, (socket) => void socket.end())
    expect(found).toMatchObject({ ok: false, permanent: false, code: 'no-answer' })
  })

  test('is cancelled when the process stops', async () => {
    await using wns = await setup(() => {})
    const found = await requestToken(store, wns.transport, { signal: AbortSignal.abort() })
    expect(found).toMatchObject({ ok: false, permanent: false, code: 'stopped' })
  })
})
