import { expect, test } from 'vitest'
import { type Answer, ENTRA_ID, untilRight, OTHER_SID, setup, SID } from './sender.ts'

test('the legacy service gives an opaque token with its lifetime as a number', async () => {
  const sender = await setup()

  const answer = await sender.legacyToken()

  expect(answer.status).toBe(200)
  expect(answer.headers).toMatchObject({
    'cache-control': 'no-store',
    'content-type': 'application/json; charset=utf-8',
  })
  expect(JSON.parse(answer.text)).toEqual({
    access_token: expect.stringMatching(/^\S{64}$/),
    token_type: 'bearer',
    expires_in: 86_400,
  })
  expect(await sender.stats()).toMatchObject({ tokenRequests: 1, perClient: { [SID]: { tokenRequests: 1, posts: 0 } } })
})

test('Entra gives a token with its lifetime as a string', async () => {
  const sender = await setup()

  const answer = await sender.entraToken()

  expect(answer.status).toBe(200)
  expect(JSON.parse(answer.text)).toMatchObject({ token_type: 'Bearer', expires_in: '86400', ext_expires_in: '86400' })
  expect(await sender.stats()).toMatchObject({ perClient: { [ENTRA_ID]: { tokenRequests: 1 } } })
})

const refusals: {
  why: string
  ask: (sender: Awaited<ReturnType<typeof setup>>) => Promise<Answer>
  status: number
  body: object
}[] = [
  {
    why: 'a bad legacy secret',
    ask: (sender) => sender.legacyToken({ client_secret: 'bad-one' }),
    status: 400,
    body: { error: 'invalid_client' },
  },
  {
    why: 'a package SID without its scheme',
    ask: (sender) => sender.legacyToken({ client_id: SID }),
    status: 400,
    body: { error: 'invalid_client', error_description: 'Invalid client id' },
  },
  {
    why: 'another legacy scope',
    ask: (sender) => sender.legacyToken({ scope: 'https://wns.windows.com/.default' }),
    status: 400,
    body: { error: 'invalid_scope' },
  },
  {
    why: 'another grant type',
    ask: (sender) => sender.legacyToken({ grant_type: 'password' }),
    status: 400,
    body: { error: 'unsupported_grant_type' },
  },
  {
    why: 'a bad Entra secret',
    ask: (sender) => sender.entraToken({ client_secret: 'bad-one' }),
    status: 401,
    body: {
      error: 'invalid_client',
      error_codes: [7000215],
      error_description: expect.stringMatching(/^AADSTS7000215: /),
    },
  },
  {
    why: 'an expired Entra secret',
    ask: (sender) => sender.entraToken({ client_secret: 'bad-expired-one' }),
    status: 401,
    body: { error_codes: [7000222] },
  },
  {
    why: 'another Entra scope',
    ask: (sender) => sender.entraToken({ scope: 'notify.windows.com' }),
    status: 400,
    body: { error: 'invalid_scope', error_codes: [70011] },
  },
  {
    why: 'a resource parameter',
    ask: (sender) => sender.entraToken({ resource: 'https://wns.windows.com/' }),
    status: 400,
    body: { error: 'invalid_request' },
  },
  {
    why: 'the consumers tenant',
    ask: (sender) => sender.entraToken({}, 'consumers'),
    status: 400,
    body: { error_codes: [9002332] },
  },
]

test.each(refusals)('the token service refuses $why', async ({ ask, status, body }) => {
  const sender = await setup()

  const answer = await ask(sender)

  expect(answer.status).toBe(status)
  expect(JSON.parse(answer.text)).toMatchObject(body)
})

test('two secrets are good at the same time', async () => {
  const sender = await setup()
  const before = JSON.parse((await sender.legacyToken({ client_secret: 'old' })).text).access_token
  const after = JSON.parse((await sender.legacyToken({ client_secret: 'new' })).text).access_token

  expect((await sender.post('ok.any.1', { bearer: before })).status).toBe(200)
  expect((await sender.post('ok.any.1', { bearer: after })).status).toBe(200)
})

test.each([
  { expiresIn: 'number', found: { expires_in: 60 } },
  { expiresIn: 'string', found: { expires_in: '60' } },
])('expires_in comes as a $expiresIn when asked for', async ({ expiresIn, found }) => {
  const sender = await setup()
  await sender.faults({ token: { expiresIn, lifetimeSeconds: 60 } })

  expect(JSON.parse((await sender.legacyToken()).text)).toMatchObject(found)
  expect(JSON.parse((await sender.entraToken()).text)).toMatchObject(found)
})

test('expires_in is left out when asked for', async () => {
  const sender = await setup()
  await sender.faults({ token: { expiresIn: 'missing' } })

  expect(Object.keys(JSON.parse((await sender.legacyToken()).text))).toEqual(['access_token', 'token_type'])
  expect(Object.keys(JSON.parse((await sender.entraToken()).text))).toEqual(['token_type', 'access_token'])
})

test('the refuse mode answers like a service that accepts no new clients', async () => {
  const sender = await setup()
  await sender.faults({ token: { mode: 'refuse' } })

  const legacy = await sender.legacyToken()
  const entra = await sender.entraToken()

  expect([legacy.status, JSON.parse(legacy.text).error]).toEqual([400, 'invalid_request'])
  expect(JSON.parse(legacy.text).error_description).toMatch(/no longer supported/)
  expect([entra.status, JSON.parse(entra.text).error_codes]).toEqual([400, [700016]])
})

test('the error mode answers 500 and 503', async () => {
  const sender = await setup()
  await sender.faults({ token: { mode: 'error' } })

  expect((await sender.legacyToken()).status).toBe(500)
  expect((await sender.entraToken()).status).toBe(503)
})

test('the stall mode counts the request and never answers it', async () => {
  const sender = await setup()
  await sender.faults({ token: { mode: 'stall' } })
  const wire = await sender.wire('login.live.com')

  wire.send('POST /accesstoken.srf HTTP/1.1\r\nHost: login.live.com\r\nContent-Length: 0\r\n\r\n')
  await untilRight(
    () => sender.stats(),
    (stats) => stats['tokenRequests'] === 1,
  )

  expect([wire.received, wire.closed]).toEqual(['', false])
})

test.each([
  { bearer: 'made-up', problem: 'Invalid token' },
  { bearer: '', problem: 'Invalid token' },
])('a bearer token that was never issued is refused: "$bearer"', async ({ bearer, problem }) => {
  const sender = await setup()

  const answer = await sender.post('ok.any.1', { bearer })

  expect(answer.status).toBe(401)
  expect(answer.headers['www-authenticate']).toBe(`Bearer error="invalid_request",error_description="${problem}"`)
})

test('revoked tokens are refused as expired, of one client or of all', async () => {
  const sender = await setup()
  const other = JSON.parse((await sender.legacyToken({ client_id: `ms-app://${OTHER_SID}` })).text).access_token
  const status = async (bearer: string): Promise<number> => (await sender.post('ok.any.1', { bearer })).status
  const own = await sender.bearer()

  expect(JSON.parse((await sender.control('POST', '/v1/tokens/revoke', { client: SID })).text)).toEqual({ revoked: 1 })
  expect([await status(own), await status(other)]).toEqual([401, 200])
  expect((await sender.post('ok.any.1')).headers['www-authenticate']).toBe(
    'Bearer error="invalid_request",error_description="Token expired"',
  )
  expect(JSON.parse((await sender.control('POST', '/v1/tokens/revoke')).text)).toEqual({ revoked: 1 })
  expect(await status(other)).toBe(401)
  expect(await status(JSON.parse((await sender.legacyToken()).text).access_token)).toBe(200)
})

test('a token dies at the end of its lifetime', async () => {
  const sender = await setup()
  await sender.faults({ token: { lifetimeSeconds: 1 } })
  expect((await sender.post('ok.any.1')).status).toBe(200)

  const answer = await untilRight(
    () => sender.post('ok.any.1'),
    (found) => found.status !== 200,
  )

  expect(answer.headers['www-authenticate']).toMatch(/Token expired/)
})

test('other paths of the token services do not exist', async () => {
  const sender = await setup()

  expect((await sender.form('login.live.com', '/oauth20_token.srf', {})).status).toBe(404)
  expect((await sender.form('login.microsoftonline.com', '/contoso/oauth2/token', {})).status).toBe(404)
})
