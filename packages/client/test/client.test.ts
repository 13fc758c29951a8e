import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { collect } from '@wns-fanout/testing'
import { expect, onTestFinished, test } from 'vitest'
import { ApiError, ApiUnreachableError, createClient } from '../src/index.ts'
import { failureOf, json, serve } from './support.ts'

function problem(status: number, code: string, rest: object = {}) {
  return {
    status,
    code,
    title: 't',
    detail: `d ${code}`,
    ...rest,
  }
}

test('a call has its path, its key and its body', async () => {
  const { client, seen } = await serve([json(201, { channel: 'a/b' })])
  await client.putChannel('news', 'a/b c?', { uri: 'https://x' })
  expect(seen[0]).toMatchObject({
    method: 'PUT',
    path: '/v1/apps/news/channels/a%2Fb%20c%3F',
    headers: { authorization: 'Bearer wnsf_test', 'content-type': 'application/json' },
    body: '{"uri":"https://x"}',
  })
})

test('a path before /v1 is kept, and an invalid URL is rejected at once', async () => {
  const { url, seen } = await serve([json(200, {})])
  const client = createClient({ url: `${url}/wns/`, apiKey: 'k' })
  onTestFinished(() => client.close())
  await client.app('news')
  expect(seen[0]?.path).toBe('/wns/v1/apps/news')
  expect(() => createClient({ url: '127.0.0.1:8080', apiKey: 'k' })).toThrow(TypeError)
})

test('a rejected request is an error whose message lists every problem', async () => {
  const { client } = await serve([
    json(
      422,
      problem(422, 'invalid', {
        errors: [
          { pointer: '/uri', code: 'channel-uri', detail: 'not WNS' },
          { pointer: '', code: 'unknown-field', detail: 'no such field' },
        ],
      }),
      { 'x-request-id': 'r1' },
    ),
  ])
  const error = await failureOf(client.app('news'))
  expect(error).toBeInstanceOf(ApiError)
  expect(error).toMatchObject({ status: 422, code: 'invalid', requestId: 'r1', detail: 'd invalid' })
  expect(error.message).toBe('d invalid\n  /uri: not WNS (channel-uri)\n  no such field (unknown-field)')
})

test('further members of a problem are kept', async () => {
  const { client } = await serve([
    json(409, problem(409, 'guard-interval', { admissibleAt: '2026-01-01T00:00:00.000Z' }), { 'retry-after': '60' }),
  ])
  const error = await failureOf(client.cancelCampaign('c'))
  expect(error).toMatchObject({ retryAfterSeconds: 60, extra: { admissibleAt: '2026-01-01T00:00:00.000Z' } })
})

test('an answer without a problem document is an error too', async () => {
  const { client } = await serve([(response) => response.writeHead(502).end('<html>Bad Gateway</html>')])
  expect(await failureOf(client.app('news'))).toMatchObject({ status: 502, code: 'http-502' })
})

test('429 and 503 are retried after the time in Retry-After', async () => {
  const { client, seen } = await serve([
    json(429, problem(429, 'rate-limited'), { 'retry-after': '0' }),
    json(503, problem(503, 'unavailable'), { 'retry-after': '0' }),
    json(200, { app: 'news' }),
  ])
  expect(await client.pauseApp('news')).toEqual({ app: 'news' })
  expect(seen).toHaveLength(3)
})

test('a Retry-After that is too long, and endless refusals, are thrown', async () => {
  const late = await serve([json(503, problem(503, 'redis-memory'), { 'retry-after': '3600' })])
  expect(await failureOf(late.client.app('news'))).toMatchObject({ code: 'redis-memory', retryAfterSeconds: 3600 })
  expect(late.seen).toHaveLength(1)
  const never = await serve([json(503, problem(503, 'unavailable'), { 'retry-after': '0' })], { retries: 2 })
  expect(await failureOf(never.client.app('news'))).toMatchObject({ code: 'unavailable' })
  expect(never.seen).toHaveLength(3)
})

test('a broken connection is retried only where that is safe', async () => {
  const get = await serve([(response) => response.destroy(), json(200, { app: 'news' })])
  expect(await get.client.app('news')).toEqual({ app: 'news' })
  const post = await serve([(response) => response.destroy(), json(200, {})])
  expect(await failureOf(post.client.cancelCampaign('c'))).toBeInstanceOf(ApiUnreachableError)
  expect(post.seen).toHaveLength(1)
})

test('a campaign is created once: every retry has the same idempotency key', async () => {
  const { client, seen } = await serve([(response) => response.destroy(), json(201, { id: 'c1' })])
  const request = { audience: { all: true }, notification: { type: 'raw', text: 'x' } } as const
  expect(await client.createCampaign('news', request)).toEqual({ id: 'c1' })
  await client.createCampaign('news', request)
  await client.createCampaign('news', request, { idempotencyKey: 'mine' })
  const keys = seen.map(({ headers }) => headers['idempotency-key'])
  expect(keys[0]).toBe(keys[1])
  expect(keys[2]).not.toBe(keys[0])
  expect(keys[3]).toBe('mine')
})

test('a refused connection is reported in words', async () => {
  const { client, server, url } = await serve([], { retries: 0 })
  await new Promise((resolve) => server.close(resolve))
  const error = await failureOf(client.app('news'))
  expect(error).toBeInstanceOf(ApiUnreachableError)
  expect(error.message).toBe(`no answer from the API at ${url}: no process listens there; is it running?`)
})

test('a call has a time limit and can be aborted', async () => {
  const { client } = await serve([() => {}], { timeoutMs: 50, retries: 0 })
  expect((await failureOf(client.app('news'))).message).toContain('timeout after 50 ms')
  const giveUp = new AbortController()
  const { client: patient, seen } = await serve([() => giveUp.abort(new Error('enough'))])
  expect((await failureOf(patient.app('news', { signal: giveUp.signal }))).message).toBe('enough')
  expect(seen).toHaveLength(1)
})

test('lists are read page by page', async () => {
  const { client, seen } = await serve([
    json(200, { items: [{ app: 'a' }, { app: 'b' }], next: 'b' }),
    json(200, { items: [{ app: 'c' }] }),
  ])
  expect(await collect(client.apps())).toEqual([{ app: 'a' }, { app: 'b' }, { app: 'c' }])
  expect(seen.map(({ path }) => path)).toEqual(['/v1/apps?limit=500', '/v1/apps?after=b&limit=500'])
})

test('results arrive one by one, however the lines are cut, and a stream that breaks off is an error', async () => {
  const text = '{"channel":"ü","class":"accepted","posts":1}\n{"channel":"b","class":"dead","posts":1}\n'
  const bytes = Buffer.from(text)
  const whole = await serve([
    (response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' })
      for (const byte of bytes) response.write(Buffer.from([byte]))
      response.end()
    },
  ])
  expect((await collect(whole.client.results('c', { class: 'dead' }))).map(({ channel }) => channel)).toEqual([
    'ü',
    'b',
  ])
  expect(whole.seen[0]?.path).toBe('/v1/campaigns/c/results?class=dead')

  const broken = await serve([
    (response) => {
      response.writeHead(200, { 'content-length': '1000' })
      response.write(text, () => response.destroy())
    },
  ])
  expect(await failureOf(collect(broken.client.results('c')))).toBeInstanceOf(ApiUnreachableError)
})

test('an import streams a file, a stream or pieces, and reports its progress', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'wns-fanout-client-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = join(folder, 'channels.ndjson')
  await writeFile(file, '{"channel":"a"}\n'.repeat(10_000))
  const { client, seen } = await serve([json(200, { accepted: 1, rejected: 0, errors: [], sharedUris: 0 })])
  const progress: number[] = []
  await client.importChannels('news', { file }, { type: 'ndjson', onProgress: (bytes) => progress.push(bytes) })
  await client.importChannels('news', Readable.from([Buffer.from('x'), Buffer.from('y')]), { type: 'csv', gzip: true })
  await client.importChannels('news', ['p', 'q'], { type: 'ndjson' })

  expect(seen[0]?.body).toHaveLength(160_000)
  expect(progress.at(-1)).toBe(160_000)
  expect(progress.length).toBeGreaterThan(1)
  expect(seen[1]).toMatchObject({ body: 'xy', headers: { 'content-type': 'text/csv', 'content-encoding': 'gzip' } })
  expect(seen[2]).toMatchObject({ body: 'pq', path: '/v1/apps/news/channels:import' })
})

test('a file that cannot be read fails the import, with its own reason', async () => {
  const { client } = await serve([json(200, {})])
  const error = await failureOf(client.importChannels('news', { file: '/nowhere/x' }, { type: 'ndjson' }))
  expect(JSON.stringify([error.message, error.cause?.message])).toContain('ENOENT')
})

test('a list is uploaded as lines', async () => {
  const { client, seen } = await serve([json(200, { list: 'vip', size: 2, unknown: 0 })])
  expect(await client.putList('news', 'vip', ['a"', 'b'])).toEqual({ list: 'vip', size: 2, unknown: 0 })
  expect(seen[0]).toMatchObject({
    body: '{"channel":"a\\""}\n{"channel":"b"}\n',
    method: 'PUT',
    path: '/v1/apps/news/lists/vip',
  })
})

test('an API behind https is reached through the proxy, unless NO_PROXY excludes its host', async () => {
  const tunnels: string[] = []
  const proxy = createServer()
  proxy.on('connect', (request, socket) => {
    tunnels.push(request.url ?? '')
    socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const httpsProxy = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  const options = { url: 'https://127.0.0.1:1', apiKey: 'k', retries: 0, httpsProxy }
  const [through, direct] = [createClient(options), createClient({ ...options, noProxy: '10.0.0.1,127.0.0.1' })]
  onTestFinished(async () => {
    await Promise.all([through.close(), direct.close()])
    proxy.close()
  })
  await failureOf(through.app('news'))
  expect(tunnels).toEqual(['127.0.0.1:1'])
  await failureOf(direct.app('news'))
  expect(tunnels).toHaveLength(1)
  expect(() => createClient({ ...options, httpsProxy: 'proxy:3128' })).toThrow(/HTTPS_PROXY must be a URL/)
})
