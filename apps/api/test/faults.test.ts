import { connect } from 'node:net'
import { fc } from '@fast-check/vitest'
import { Problem } from '@wns-fanout/domain'
import { until } from '@wns-fanout/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { rules } from '../src/access.ts'
import { problemFrom } from '../src/problem.ts'
import { buildServer } from '../src/server.ts'
import { setup } from './support.ts'

describe('what a caller learns of a failure', () => {
  test.each([
    [new Problem('conflict', 'x'), 'conflict'],
    [new Error('Reached the max retries per request limit (which is 2). Refer to …'), 'unavailable'],
    [new Error('Connection is closed.'), 'unavailable'],
    [new Error('Command timed out'), 'unavailable'],
    [new Error("Stream isn't writeable and enableOfflineQueue options is false"), 'unavailable'],
    [new Error('LOADING Redis is loading the dataset in memory'), 'unavailable'],
    [new Error("READONLY You can't write against a read only replica."), 'unavailable'],
    [new Error("OOM command not allowed when used memory > 'maxmemory'."), 'redis-memory'],
    [new Error("ERR Error running script: OOM command not allowed when used memory > 'maxmemory'."), 'redis-memory'],
    [
      Object.assign(new Error('EXECABORT Transaction discarded because of previous errors.'), {
        previousErrors: [new Error("OOM command not allowed when used memory > 'maxmemory'.")],
      }),
      'redis-memory',
    ],
    [new Error('EXECABORT Transaction discarded because of previous errors.'), 'internal'],
    [new TypeError('x is not a function'), 'internal'],
    ['a text', 'internal'],
  ])('%s is %s', (error, code) => {
    const problem = problemFrom(error)
    expect(problem.code).toBe(code)
    // Only our own refusals may show their text.
    if (!(error instanceof Problem))
      expect(problem.message).not.toContain(error instanceof Error ? error.message : error)
  })
})

test('while Redis is away callers get 503 with Retry-After, and afterwards they are served again', async () => {
  const { call, redis } = await setup()
  expect((await call('GET', '/v1/apps')).status).toBe(200)
  redis.disconnect()
  await until(() => redis.status === 'end')
  const answer = await call('GET', '/v1/apps/news')
  expect(answer.json).toMatchObject({ status: 503, code: 'unavailable' })
  expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(1)
  await redis.connect()
  expect((await call('GET', '/v1/apps')).status).toBe(200)
})

test('no JSON, however odd, breaks a route: each answer is a success or a refusal', async () => {
  const { call, withApp } = await setup()
  await withApp('news', 1)
  const routes = Object.keys(rules)
    .map((name) => name.split(' '))
    .filter(([method, path = '']) => method !== 'GET' && !path.includes('import') && !path.endsWith(':list'))
  const odd = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.dictionary(
      fc.constantFrom(
        'audience',
        'notification',
        'credentials',
        'uri',
        'tags',
        'vars',
        'name',
        'apps',
        'verbs',
        'constructor',
        'toString',
      ),
      fc.jsonValue({ maxDepth: 2 }),
    ),
    fc.record({
      audience: fc.constant({ all: true }),
      notification: fc.jsonValue({ maxDepth: 2 }),
      dryRun: fc.constant(true),
    }),
  )
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...routes), odd, async ([method = '', path = ''], body) => {
      const target = path
        .replace('::', ':')
        .replace(':app', 'news')
        .replace(/:(channel|campaign|key)(?=\/|$)/, 'x')
      if (method === 'DELETE' && target === '/v1/apps/news') return
      const { status, json } = await call(method, target, {
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      })
      expect(status).toBeLessThan(500)
      if (status >= 400) expect(json.code).toMatch(/^[a-z-]+$/)
    }),
    { numRuns: 300 },
  )
})

test('a thousand silent connections do not block others', async () => {
  const { call, url } = await setup()
  const { port } = new URL(url)
  const idle = Array.from({ length: 1000 }, () => connect({ port: Number(port), host: '127.0.0.1' }))
  onTestFinished(() => idle.forEach((socket) => socket.destroy()))
  await Promise.all(idle.map((socket) => new Promise((resolve) => socket.once('connect', resolve))))
  for (const socket of idle.slice(0, 500)) socket.write('GET /v1/apps HTTP/1.1\r\nhost: x\r\n')
  expect((await call('GET', '/v1/apps')).status).toBe(200)
})

test('an upload that never ends does not keep the API from stopping', async () => {
  const { deps, admin, withApp } = await setup()
  await withApp()
  const server = await buildServer(deps, { stopGraceMs: 100 })
  onTestFinished(() => server.close())
  const { port } = new URL(await server.listen({ host: '127.0.0.1', port: 0 }))
  const socket = connect({ port: Number(port), host: '127.0.0.1' })
  onTestFinished(() => void socket.destroy())
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.write(
    `POST /v1/apps/news/channels:import HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${admin}\r\n` +
      'content-type: application/x-ndjson\r\ncontent-length: 100\r\nexpect: 100-continue\r\n\r\n',
  )
  // The response to the expectation shows that the request has started.
  await new Promise((resolve) => socket.once('data', resolve))
  await server.close()
  await closed
})

test('what is not HTTP is answered and let go', async () => {
  const { url } = await setup()
  const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1' })
  onTestFinished(() => void socket.destroy())
  let text = ''
  socket.setEncoding('utf8').on('data', (piece: string) => (text += piece))
  socket.write('\u0016\u0003\u0001 hello\r\n\r\n')
  await new Promise((resolve) => socket.once('close', resolve))
  expect(text).toMatch(/^HTTP\/1\.1 400 Bad Request\r\ncontent-type: application\/problem\+json\r\nx-request-id: /)
  expect(JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4))).toMatchObject({ status: 400, code: 'bad-request' })
})

test.each(['', 'host: a\r\nhost: b\r\n'])('a request with the hosts "%s" is answered as such', async (hosts) => {
  const { url } = await setup()
  const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1' })
  onTestFinished(() => void socket.destroy())
  let text = ''
  socket.setEncoding('utf8').on('data', (piece: string) => (text += piece))
  socket.write(`GET /v1/apps HTTP/1.1\r\n${hosts}connection: close\r\n\r\n`)
  await new Promise((resolve) => socket.once('close', resolve))
  expect(text).toMatch(/^HTTP\/1\.1 400 [^]*x-request-id: /)
  expect(text).toContain('"code":"bad-request"')
})

test('line breaks and colours in what a caller sends stay inside one line of the log', async () => {
  const { call, logged } = await setup()
  await call('DELETE', '/v1/apps/%0d%0a%1b%5b31mfake', { headers: { 'x-request-id': 'a b', 'user-agent': '\t"}' } })
  await until(() => logged.some((line) => line.includes('fake')))
  for (const line of logged) {
    expect(line.slice(0, -1)).not.toMatch(/\p{Cc}/u)
    expect(() => JSON.parse(line)).not.toThrow()
  }
})

test('odd names in a path or a query are answered like any other mistake', async () => {
  const { call } = await setup()
  for (const name of ['__proto__', 'constructor', '{x}', 'a:b', '..', '%00', 'a'.repeat(400)])
    for (const path of [`/v1/apps/${encodeURIComponent(name)}`, `/v1/campaigns/${encodeURIComponent(name)}/results`])
      expect([path, (await call('GET', path)).status]).toEqual([path, 404])
  expect((await call('GET', '/v1/apps?__proto__=1')).json.errors[0].pointer).toBe('/__proto__')
  expect((await call('GET', '/v1/apps?limit=1&limit=2')).json.errors[0].pointer).toBe('/limit')
})
