import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { requestRows } from './requests.ts'
import type { Exchange } from './support/exchange.ts'
import { startExchange, toast, TOKEN } from './support/exchange.ts'
import type { WireRequest } from './support/wire-server.ts'
import { answerBytes } from './support/wire-server.ts'

const received = answerBytes(200, { 'X-WNS-STATUS': 'received' })

/** Names in lower case, in no order; throws when one comes twice. */
function headersOf(request: WireRequest): Record<string, string> {
  const found = Object.fromEntries(request.headers.map(([name, value]) => [name.toLowerCase(), value]))
  if (Object.keys(found).length !== request.headers.length) throw new Error('a header was sent twice')
  return found
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

describe('what the other side sees of a post', () => {
  let exchange: Exchange
  beforeAll(async () => {
    exchange = await startExchange((peer) => peer.write(received))
  })
  afterAll(() => exchange[Symbol.asyncDispose]())

  test.for(requestRows)('[$source] $name', async (row) => {
    const { server } = exchange
    server.forget()
    const outcome = await exchange.post(row.notification, row.post)
    expect(outcome.kind).toBe('accepted')
    const request = server.only
    const body = Buffer.from(row.body as string)
    const host = row.host ?? 'db5p.notify.windows.com'
    expect(request.requestLine).toBe(`POST ${row.path ?? '/?token=AwYAAABq%2fx%2bA%3d'} HTTP/1.1`)
    expect(headersOf(request)).toEqual({
      host,
      authorization: `Bearer ${TOKEN}`,
      'content-length': String(body.length),
      ...lowerCased(row.headers),
    })
    expect(request.body.equals(body)).toBe(true)
    expect([request.serverName, request.protocol]).toEqual([host, 'http/1.1'])
    expect(server.violations).toEqual([])
  })

  test('the rows differ from each other', () => {
    expect(new Set(requestRows.map(({ name }) => name)).size).toBe(requestRows.length)
  })
})

test('[HDR] a connection carries one request at a time, however many wait', async () => {
  await using exchange = await startExchange((peer) => void setImmediate(() => peer.write(received)), {
    lanes: 8,
    maxPerOriginShare: 1,
  })
  let left = 500
  let started = 0
  let unexpected = 0
  const { pool, server } = exchange
  const headers = ['Authorization', 'Bearer t', 'Content-Type', 'text/xml', 'X-WNS-Type', 'wns/toast']
  await new Promise<void>((resolve) => {
    const pump = (): void => {
      while (
        started < 500 &&
        lanes.tryPost('https://db5.notify.windows.com', `/?token=${started}`, headers, Buffer.from('Привет'), 0)
      ) {
        started += 1
      }
    }
    const done = (_context: number, outcome: { kind: string }): void => {
      if (outcome.kind !== 'accepted') unexpected += 1
      left -= 1
      if (left === 0) resolve()
      else pump()
    }
    const lanes = pool.join('news', { done, onFree: pump })
    pump()
  })
  expect([server.requests.length, unexpected, server.violations]).toEqual([500, 0, []])
  expect(server.connections).toBeLessThanOrEqual(8)
  expect(new Set(server.requests.map(({ requestLine }) => requestLine)).size).toBe(500)
})

test('[OVW] a redirect carries the token nowhere', async () => {
  let location = ''
  await using exchange = await startExchange((peer) => peer.write(answerBytes(307, { Location: location })))
  location = `https://127.0.0.1:${exchange.server.port}/?token=stolen`
  expect((await exchange.post(toast)).kind).toBe('bad-request')
  expect(exchange.server.requests.length).toBe(1)
  expect(exchange.server.connections).toBe(1)
})
