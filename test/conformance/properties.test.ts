import { classify } from '@wns-fanout/wns'
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Exchange } from './support/exchange.ts'
import { startExchange, toast, TOKEN } from './support/exchange.ts'
import { answerBytes } from './support/wire-server.ts'

// What holds for any notification, any channel and any answer, seen from the other end of the connection.

const received = answerBytes(200, { 'X-WNS-STATUS': 'received' })
const runs = { numRuns: 300, seed: 1 }

let exchange: Exchange
beforeAll(async () => {
  exchange = await startExchange((peer) => peer.write(received))
})
afterAll(() => exchange[Symbol.asyncDispose]())

test('any channel URI that we take is the request target, byte for byte', async () => {
  const uri = fc
    .tuple(fc.stringMatching(/^[a-z0-9]{1,12}$/), fc.stringMatching(/^[A-Za-z0-9\-._~!$&'()*+,;=:@/?%]{0,300}$/))
    .map(([label, rest]) => [`https://${label}.notify.windows.com/`, rest] as const)
  const isVerbatim = fc.asyncProperty(uri, async ([base, rest]) => {
    exchange.server.forget()
    await exchange.post(toast, { uri: base + rest })
    expect(exchange.server.only.requestLine).toBe(`POST /${rest} HTTP/1.1`)
  })
  // Each host gets a connection of its own, so fewer runs.
  await fc.assert(isVerbatim, { ...runs, numRuns: 60 })
})

test('any payload of 1 to 5,000 bytes arrives as it is, with its length in bytes', async () => {
  const arrives = fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 5000, size: 'max' }), async (bytes) => {
    exchange.server.forget()
    await exchange.post({ type: 'raw', base64: Buffer.from(bytes).toString('base64') })
    const { body, headers } = exchange.server.only
    expect(body.equals(bytes)).toBe(true)
    expect(headers).toContainEqual(['Content-Length', String(bytes.length)])
  })
  await fc.assert(arrives, runs)
  expect(exchange.server.violations).toEqual([])
})

test('any answer means the same over the wire as it does on paper', async () => {
  const text = fc.stringMatching(/^[!-~](?:[ -~]{0,40}[!-~])?$/)
  const headers = fc.record(
    {
      'X-WNS-STATUS': fc.oneof(fc.constantFrom('received', 'dropped', 'channelthrottled', 'appthrottled'), text),
      'x-wns-notificationstatus': fc.constantFrom('received', 'dropped', 'Dropped'),
      'X-WNS-DEVICECONNECTIONSTATUS': fc.constantFrom('connected', 'disconnected', 'tempconnected', 'unknown'),
      'X-WNS-ERROR-DESCRIPTION': text,
      'X-WNS-MSG-ID': fc.stringMatching(/^[0-9A-F]{1,16}$/),
      'Retry-After': fc.nat().map(String),
      'X-WNS-CONTINUE-AFTER': fc.nat().map(String),
      'MS-CV': text,
      Server: text,
    },
    { requiredKeys: [] },
  )
  // 204 and 304 have no body by definition; 1xx announce an answer and are none.
  const status = fc.integer({ min: 200, max: 599 })
  const agrees = fc.asyncProperty(status, headers, async (given, having) => {
    exchange.server.behave = (peer) => peer.write(answerBytes(given, having))
    expect(await exchange.post(toast)).toEqual(classify(given, having, Date.now()))
  })
  await fc.assert(agrees, runs)
})

test('the bytes of a whole post, as the socket saw them', async () => {
  exchange.server.forget()
  exchange.server.behave = (peer) => peer.write(received)
  const uri = 'https://db3.notify.windows.com/?token=AQE%bU%2fSjZOCvRjjpILow%3d%3d'
  await exchange.post(
    { type: 'badge', value: 5, wnsPriority: 2 },
    { uri, ttlSeconds: 3600, msCv: 'tul4NUsfs9Cl7mOf1a2b3c.0' },
  )
  expect(exchange.server.only.bytes.toString('latin1').split('\r\n')).toEqual([
    'POST /?token=AQE%bU%2fSjZOCvRjjpILow%3d%3d HTTP/1.1',
    'Host: db3.notify.windows.com',
    `Authorization: Bearer ${TOKEN}`,
    'Content-Type: text/xml',
    'X-WNS-Type: wns/badge',
    'X-WNS-PRIORITY: 2',
    'X-WNS-TTL: 3600',
    'MS-CV: tul4NUsfs9Cl7mOf1a2b3c.0',
    'Content-Length: 18',
    '',
    '<badge value="5"/>',
  ])
})
