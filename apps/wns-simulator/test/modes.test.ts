import { expect, test } from 'vitest'
import { ENTRA_ID, untilRight, OTHER_SID, SID, setup } from './sender.ts'

test.for(['X-WNS-STATUS', 'X-WNS-NOTIFICATIONSTATUS'])('only %s, where that is asked for', async (statusHeader) => {
  const sender = await setup()
  await sender.faults({ statusHeader })
  const { headers } = await sender.post('dropped.any.1')
  const sent = Object.keys(headers).filter((name) => name.includes('status'))
  expect(sent).toEqual([statusHeader.toLowerCase()])
  expect(headers[statusHeader.toLowerCase()]).toBe('dropped')
})

test('a 401 with an empty WWW-Authenticate', async () => {
  const sender = await setup()
  await sender.faults({ emptyChallenge: true })
  const { status, headers } = await sender.post('ok.any.1', { bearer: 'nonsense' })
  expect([status, headers['www-authenticate']]).toEqual([401, ''])
})

test('X-WNS-CONTINUE-AFTER comes with throttled answers alone', async () => {
  const sender = await setup()
  await sender.faults({ continueAfter: 30, rateCap: { perSecond: 1 } })
  const throttled = await sender.post('throttled.any.1')
  expect(throttled.headers).toMatchObject({ 'retry-after': '2', 'x-wns-continue-after': '30' })
  const capped = await sender.post('ok.any.1')
  expect([capped.status, capped.headers['x-wns-continue-after']]).toEqual([406, '30'])
  await sender.faults({ continueAfter: 30 })
  expect((await sender.post('ok.any.1')).headers['x-wns-continue-after']).toBe(undefined)
})

test('another limit for the payload', async () => {
  const sender = await setup()
  await sender.faults({ maxPayloadBytes: 5120 })
  expect((await sender.post('ok.any.1', { body: 'x'.repeat(5120) })).status).toBe(200)
  const { status, headers } = await sender.post('ok.any.1', { body: 'x'.repeat(5121) })
  expect([status, headers['x-wns-error-description']]).toEqual([413, 'The payload is larger than 5120 bytes'])
})

test.for(['X-WNS-Tag', 'X-WNS-Group'])('another limit for %s', async (name) => {
  const sender = await setup()
  const statusWith = async (length: number): Promise<number> =>
    (await sender.post('ok.any.1', { headers: { [name]: 'a'.repeat(length) } })).status
  expect([await statusWith(16), await statusWith(17)]).toEqual([200, 400])
  await sender.faults({ maxTagLength: 64 })
  expect([await statusWith(64), await statusWith(65)]).toEqual([200, 400])
})

test('a package that is not mapped gets a silent 403, others are not concerned', async () => {
  const sender = await setup()
  await sender.faults({ clients: { [SID]: { unmapped: true } } })
  const { status, headers } = await sender.post('ok.any.1')
  expect([status, headers['x-wns-error-description']]).toEqual([403, undefined])
  const other = JSON.parse((await sender.legacyToken({ client_id: `ms-app://${OTHER_SID}` })).text)
  expect((await sender.post('ok.any.1', { bearer: other.access_token })).status).toBe(200)
})

test.for([
  ['unsupported', 400, 'invalid_request', 'no longer supported'],
  ['client', 400, 'invalid_client', 'Invalid client id'],
  ['secret', 400, 'invalid_client', 'Invalid client secret'],
  ['expired-secret', 400, 'invalid_client', 'Invalid client secret'],
  ['scope', 400, 'invalid_scope', 'scope'],
] as const)('a package SID is refused for its %s', async ([refusal, status, error, text]) => {
  const sender = await setup()
  await sender.faults({ clients: { [SID]: { token: { mode: 'refuse', refusal } } } })
  const answer = await sender.legacyToken()
  expect([answer.status, JSON.parse(answer.text).error]).toEqual([status, error])
  expect(JSON.parse(answer.text).error_description).toContain(text)
  expect((await sender.legacyToken({ client_id: `ms-app://${OTHER_SID}` })).status).toBe(200)
})

test.for([
  ['unsupported', 400, 9002346],
  ['client', 400, 700016],
  ['secret', 401, 7000215],
  ['expired-secret', 401, 7000222],
  ['scope', 400, 70011],
] as const)('an Entra application is refused for its %s', async ([refusal, status, code]) => {
  const sender = await setup()
  await sender.faults({ clients: { [ENTRA_ID]: { token: { mode: 'refuse', refusal } } } })
  const answer = await sender.entraToken()
  expect([answer.status, JSON.parse(answer.text).error_codes]).toEqual([status, [code]])
  expect(JSON.parse(answer.text).error_description).toMatch(new RegExp(`^AADSTS${code}: `))
})

async function kept(sender: Awaited<ReturnType<typeof setup>>): Promise<{ type: string; bytes: number }[]> {
  return JSON.parse((await sender.control('GET', '/v1/offline?token=sleeping.any.1')).text).items
}

test('a sleeping device finds the newest of each type when it wakes', async () => {
  const sender = await setup()
  const send = (type: string, body: string, headers = {}) =>
    sender.post('sleeping.any.1', { body, headers: { 'X-WNS-Type': `wns/${type}`, ...headers } })
  await send('toast', 'first')
  await send('toast', 'second')
  await send('tile', '<tile/>')
  await send('badge', '<badge/>', { 'X-WNS-Cache-Policy': 'no-cache' })
  expect(await kept(sender)).toEqual([
    { type: 'toast', bytes: 6 },
    { type: 'tile', bytes: 7 },
  ])
  const { text } = await sender.control('POST', '/v1/offline/wake', { token: 'sleeping.any.1' })
  expect(JSON.parse(text).delivered.map(({ body }: { body: string }) => body)).toEqual(['second', '<tile/>'])
  expect(await kept(sender)).toEqual([])
})

test('what outlives its X-WNS-TTL is not delivered', async () => {
  const sender = await setup()
  await sender.post('sleeping.any.1', { headers: { 'X-WNS-TTL': '1' } })
  await sender.post('sleeping.any.1', { headers: { 'X-WNS-TTL': '600', 'X-WNS-Type': 'wns/tile' } })
  expect((await kept(sender)).map(({ type }) => type)).toEqual(['toast', 'tile'])
  const left = await untilRight(
    () => kept(sender),
    (items) => items.length === 1,
  )
  expect(left[0]?.type).toBe('tile')
})

test('reset forgets what waits, and nonsense on the control port is explained', async () => {
  const sender = await setup()
  await sender.post('sleeping.any.1')
  await sender.control('POST', '/v1/reset')
  expect(await kept(sender)).toEqual([])
  expect((await sender.control('GET', '/v1/offline')).status).toBe(400)
  expect((await sender.control('POST', '/v1/offline/wake', {})).status).toBe(400)
})

test('a device changes what it does, until it does again what its address asks for', async () => {
  const sender = await setup()
  const statusNow = async () => (await sender.post('ok.any.1')).headers['x-wns-status']
  const device = (behavior: unknown, token = 'ok.any.1') => sender.control('PUT', '/v1/devices', { token, behavior })
  expect((await device('dropped')).status).toBe(200)
  expect(await statusNow()).toBe('dropped')
  expect((await sender.post('ok.any.2')).headers['x-wns-status']).toBe('received')
  expect((await device(null)).status).toBe(200)
  expect(await statusNow()).toBe('received')
  for (const wrong of ['nonsense', 7, undefined]) expect((await device(wrong)).status).toBe(400)
  await device('gone')
  await sender.control('POST', '/v1/reset')
  expect(await statusNow()).toBe('received')
})
