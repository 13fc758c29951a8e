import { expect, test } from 'vitest'
import { ENTRA_ID, OTHER_SID, type PostOptions, setup, SID } from './sender.ts'

const raw = { 'X-WNS-Type': 'wns/raw', 'Content-Type': 'application/octet-stream' }

const refused: { why: string; options: PostOptions; description?: string }[] = [
  { why: 'X-WNS-Type is missing', options: { headers: { 'X-WNS-Type': undefined } } },
  { why: 'X-WNS-Type is bare', options: { headers: { 'X-WNS-Type': 'toast' } } },
  { why: 'Content-Type is missing', options: { headers: { 'Content-Type': undefined } } },
  {
    why: 'Content-Type of raw is text/xml',
    options: { headers: { ...raw, 'Content-Type': 'text/xml' } },
    description: 'Content-Type should be application/octet-stream',
  },
  { why: 'Content-Type of a toast is application/xml', options: { headers: { 'Content-Type': 'application/xml' } } },
  { why: 'the cache policy is unknown', options: { headers: { 'X-WNS-Cache-Policy': 'maybe' } } },
  { why: 'RequestForStatus is no boolean', options: { headers: { 'X-WNS-RequestForStatus': '1' } } },
  { why: 'the TTL is negative', options: { headers: { 'X-WNS-TTL': '-1' } } },
  { why: 'the TTL is a fraction', options: { headers: { 'X-WNS-TTL': '1.5' } } },
  { why: 'the TTL is empty', options: { headers: { 'X-WNS-TTL': '' } } },
  {
    why: 'the TTL is 0 and the notification is cached',
    options: { headers: { 'X-WNS-TTL': '0' } },
    description: 'Ttl value conflicts with X-WNS-Cache-Policy.',
  },
  { why: 'the tag has 17 characters', options: { headers: { 'X-WNS-Tag': 'a'.repeat(17) } } },
  { why: 'the tag has a dash', options: { headers: { 'X-WNS-Tag': 'a-b' } } },
  { why: 'the group has 17 characters', options: { headers: { 'X-WNS-Group': 'a'.repeat(17) } } },
  { why: 'the priority is 0', options: { headers: { 'X-WNS-PRIORITY': '0' } } },
  { why: 'the priority is 5', options: { headers: { 'X-WNS-PRIORITY': '5' } } },
  { why: 'SuppressPopup is no boolean', options: { headers: { 'X-WNS-SuppressPopup': 'yes' } } },
  { why: 'the MS-CV is too long', options: { headers: { 'MS-CV': 'a'.repeat(128) } } },
  { why: 'the body is empty', options: { body: '' } },
]

test.each(refused)('a post is refused with 400 when $why', async ({ options, description }) => {
  const sender = await setup()

  const answer = await sender.post('ok.any.1', options)

  expect(answer.status).toBe(400)
  expect(answer.headers['x-wns-error-description']).toEqual(description ?? expect.stringMatching(/./))
  expect(await sender.stats()).toMatchObject({ badHeader: 1, acceptedPosts: 0 })
})

const accepted: { what: string; options: PostOptions }[] = [
  {
    what: 'a tile with every header',
    options: {
      headers: {
        'X-WNS-Type': 'wns/tile',
        'X-WNS-Cache-Policy': 'cache',
        'X-WNS-TTL': '60',
        'X-WNS-Tag': 'abcDEF0123456789',
        'X-WNS-PRIORITY': '4',
        'X-WNS-RequestForStatus': 'false',
      },
    },
  },
  { what: 'a badge', options: { headers: { 'X-WNS-Type': 'wns/badge' } } },
  { what: 'raw bytes', options: { headers: raw, body: Buffer.from([1, 2, 255]) } },
  { what: 'text/xml with a charset', options: { headers: { 'Content-Type': 'text/xml; charset=utf-8' } } },
  { what: 'a TTL of 0 without cache', options: { headers: { 'X-WNS-TTL': '0', 'X-WNS-Cache-Policy': 'no-cache' } } },
  { what: 'exactly 5,000 bytes', options: { body: 'x'.repeat(5000) } },
]

test.each(accepted)('$what is accepted', async ({ options }) => {
  const sender = await setup()

  const answer = await sender.post('ok.any.1', options)

  expect([answer.status, answer.headers['x-wns-status']]).toEqual([200, 'received'])
  expect(await sender.stats()).toMatchObject({ badHeader: 0, acceptedPosts: 1 })
})

test('5,001 bytes are too large, counted in bytes and not in characters', async () => {
  const sender = await setup()

  expect((await sender.post('ok.any.1', { body: 'x'.repeat(5001) })).status).toBe(413)
  expect((await sender.post('ok.any.1', { body: 'é'.repeat(2501) })).status).toBe(413)
})

test('the channel of another app is refused and counted as wrong app', async () => {
  const sender = await setup()

  const own = await sender.post(`ok.${SID}.1`)
  const foreign = await sender.post(`ok.${OTHER_SID}.1`)

  expect(own.status).toBe(200)
  expect(foreign.status).toBe(403)
  expect(foreign.headers['x-wns-error-description']).toBe('Channel URL incompatible with caller app')
  expect(await sender.stats()).toMatchObject({ wrongApp: 1, byStatus: { 200: 1, 403: 1 } })
})

test('Entra applications may send toast and raw, not tile and badge', async () => {
  const sender = await setup()
  const bearer = JSON.parse((await sender.entraToken()).text).access_token

  expect((await sender.post(`ok.${ENTRA_ID}.1`, { bearer })).status).toBe(200)
  expect((await sender.post(`ok.${ENTRA_ID}.1`, { bearer, headers: raw })).status).toBe(200)
  expect((await sender.post(`ok.${ENTRA_ID}.1`, { bearer, headers: { 'X-WNS-Type': 'wns/tile' } })).status).toBe(403)
  expect((await sender.post(`ok.${ENTRA_ID}.1`, { bearer, headers: { 'X-WNS-Type': 'wns/badge' } })).status).toBe(403)
})

test('the checks speak in their order: method, token, app, channel, headers, size, rate, device', async () => {
  const sender = await setup()
  await sender.faults({ rateCap: { perSecond: 0 } })
  const large = 'x'.repeat(5001)
  const badHeaders = { 'X-WNS-Type': 'toast' }
  const status = async (channel: string, options: PostOptions): Promise<number> =>
    (await sender.post(channel, options)).status

  expect(
    await status(`gone.${OTHER_SID}.1`, { method: 'DELETE', bearer: 'no', headers: badHeaders, body: large }),
  ).toBe(405)
  expect(await status(`gone.${OTHER_SID}.1`, { bearer: 'no', headers: badHeaders, body: large })).toBe(401)
  expect(await status(`gone.${OTHER_SID}.1`, { headers: badHeaders, body: large })).toBe(403)
  expect(await status('gone.any.1', { headers: badHeaders, body: large })).toBe(410)
  expect(await status('error.any.1', { headers: badHeaders, body: large })).toBe(400)
  expect(await status('error.any.1', { body: large })).toBe(413)
  expect(await status('error.any.1', {})).toBe(406)
  await sender.faults({})
  expect(await status('error.any.1', {})).toBe(500)
})
