import { inspect } from 'node:util'
import { requestToken } from '@wns-fanout/wns'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Exchange } from './support/exchange.ts'
import { startExchange } from './support/exchange.ts'
import { answerBytes } from './support/wire-server.ts'
import { entra, store, tokenRows } from './tokens.ts'

const received = answerBytes(200, { 'Content-Type': 'application/json' }, '{"access_token":"t","expires_in":60}')

let exchange: Exchange
beforeAll(async () => {
  exchange = await startExchange((peer) => peer.write(received))
})
afterAll(() => exchange[Symbol.asyncDispose]())

describe('an exchange with a token service', () => {
  test.for(tokenRows)('[$source] $name', async ({ credentials, status, headers, answer, known }) => {
    const text = typeof answer === 'string' ? answer : JSON.stringify(answer)
    exchange.server.forget()
    exchange.server.behave = (peer) =>
      peer.write(answerBytes(status, { 'Content-Type': 'application/json', ...headers }, text))
    const found = await requestToken(credentials, exchange.transport, { deadlineMs: 5000 })
    expect(found).toMatchObject(known)
    if (!found.ok) {
      // What is shown to people explains, and repeats neither secrets nor texts of the other side.
      expect(found.explanation.length).toBeGreaterThan(20)
      expect(inspect(found)).not.toContain(String(credentials.clientSecret))
      expect(found.explanation).not.toMatch(/A text for people|<html>/)
    } else expect(inspect(found)).not.toMatch(/EgAcAQ|eyJ0/)
    expect(exchange.server.only.requestLine).toMatch(/^POST /)
    expect(exchange.server.violations).toEqual([])
  })
})

describe('the bytes of a token request', () => {
  test('[HDR] to login.live.com', async () => {
    exchange.server.forget()
    exchange.server.behave = (peer) => peer.write(received)
    await requestToken(store, exchange.transport)
    const { requestLine, headers, body, serverName, protocol } = exchange.server.only
    expect(requestLine).toBe('POST /accesstoken.srf HTTP/1.1')
    expect([serverName, protocol]).toEqual(['login.live.com', 'http/1.1'])
    expect(Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]))).toEqual({
      host: 'login.live.com',
      connection: 'keep-alive',
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': String(body.length),
    })
    expect(body.toString()).toBe(
      'grant_type=client_credentials&client_id=ms-app%3A%2F%2FS-1-15-2-2972962901-2322836549-3722629029-1345238579-' +
        '3987825745-2155616079-650196962&client_secret=Vex8L9WOFZuj95euaLrvSH7XyoDhLJc7&scope=notify.windows.com',
    )
  })

  test('[QS] to login.microsoftonline.com', async () => {
    exchange.server.forget()
    exchange.server.behave = (peer) => peer.write(received)
    await requestToken(entra, exchange.transport)
    const { requestLine, body, serverName } = exchange.server.only
    expect(requestLine).toBe('POST /72f988bf-86f1-41af-91ab-2d7cd011db47/oauth2/v2.0/token HTTP/1.1')
    expect(serverName).toBe('login.microsoftonline.com')
    expect(body.toString()).toBe(
      'grant_type=client_credentials&client_id=0d2b6c1e-8b4c-4a55-9b53-5d3f2a7c1f10&' +
        'client_secret=a%7Eb%2Bc%2Fd%3De%26f&scope=https%3A%2F%2Fwns.windows.com%2F.default',
    )
  })
})
