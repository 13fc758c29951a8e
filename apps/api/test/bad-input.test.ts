import { connect } from 'node:net'
import { text as textOf } from 'node:stream/consumers'
import { until } from '@wns-fanout/testing'
import { describe, expect, test } from 'vitest'
import { MAX_BODY_BYTES } from '../src/server.ts'
import type { Call } from './support.ts'
import { csv, ndjson, rawCampaign, setup, storeApp, uriOf } from './support.ts'

interface Row extends Call {
  readonly what: string
  readonly method: string
  readonly path: string
  readonly status: number
  readonly code: string
  /** All of them, in any order. */
  readonly pointers?: readonly string[]
}

const json = { 'content-type': 'application/json' }
const app = '/v1/apps/news'
function campaign(rest: object): Pick<Row, 'method' | 'path' | 'body'> {
  return {
    method: 'POST',
    path: `${app}/campaigns`,
    body: { ...rawCampaign, ...rest },
  }
}
function notification(value: object): Pick<Row, 'method' | 'path' | 'body'> {
  return campaign({ notification: value })
}
const invalid = { status: 422, code: 'invalid' } as const
const malformed = { status: 400, code: 'malformed-json' } as const

const rows: readonly Row[] = [
  {
    what: 'a name that controls terminals',
    ...campaign({ name: '\u001B]0;PWNED\u0007', maxDeadShare: { share: 1, reason: 'a\r\nb' } }),
    ...invalid,
    pointers: ['/name', '/maxDeadShare/reason'],
  },
  { what: 'deep nesting', method: 'PUT', path: app, headers: json, body: '['.repeat(500_000), ...malformed },
  { what: 'text that is no JSON', method: 'PUT', path: app, headers: json, body: '{"a":', ...malformed },
  { what: 'no body', method: 'PUT', path: app, ...malformed },
  { what: 'no body, but its type', method: 'PUT', path: app, headers: json, ...malformed },
  {
    what: 'bytes that are no UTF-8',
    method: 'PUT',
    path: app,
    headers: json,
    body: Buffer.from('22ff22', 'hex'),
    ...malformed,
  },
  { what: '__proto__', method: 'PUT', path: app, headers: json, body: '{"__proto__":{"polluted":1}}', ...malformed },
  {
    what: '__proto__ in disguise, deep inside',
    method: 'PUT',
    path: `${app}/channels/c`,
    headers: json,
    body: `{"uri":"${uriOf(1)}","vars":{"\\u005f_proto__":"x"}}`,
    ...malformed,
  },
  {
    what: 'constructor.prototype',
    method: 'POST',
    path: `${app}/campaigns`,
    headers: json,
    body: '{"audience":{"constructor":{"prototype":{"polluted":1}}}}',
    ...malformed,
  },
  { what: 'an array', method: 'PUT', path: app, headers: json, body: '[]', ...invalid, pointers: [''] },
  { what: 'null', method: 'POST', path: `${app}/campaigns`, headers: json, body: 'null', ...invalid, pointers: [''] },
  {
    what: 'a body above 1 MB',
    method: 'PUT',
    path: app,
    headers: json,
    body: `"${'x'.repeat(MAX_BODY_BYTES)}"`,
    status: 413,
    code: 'too-large',
  },
  {
    what: 'text/plain',
    method: 'PUT',
    path: app,
    headers: { 'content-type': 'text/plain' },
    body: 'x',
    status: 415,
    code: 'media-type',
  },
  { what: 'a body without a type', method: 'PUT', path: app, body: 'x', status: 415, code: 'media-type' },
  {
    what: 'UTF-16',
    method: 'PUT',
    path: app,
    headers: { 'content-type': 'application/json; charset=utf-16' },
    body: '{}',
    status: 415,
    code: 'media-type',
  },
  {
    what: 'gzip where it is not taken',
    method: 'PUT',
    path: app,
    headers: { ...json, 'content-encoding': 'gzip' },
    body: '{}',
    status: 415,
    code: 'media-type',
  },
  {
    what: 'JSON where lines are wanted',
    method: 'POST',
    path: `${app}/channels:import`,
    body: {},
    status: 415,
    code: 'media-type',
  },
  {
    what: 'JSON as a list',
    method: 'PUT',
    path: `${app}/lists/l`,
    headers: { 'content-type': 'application/json' },
    body: '["c"]',
    status: 415,
    code: 'media-type',
  },
  {
    what: 'an upload in another encoding',
    method: 'POST',
    path: `${app}/channels:import`,
    headers: { ...ndjson, 'content-encoding': 'br' },
    body: 'x',
    status: 415,
    code: 'media-type',
  },
  { what: 'an unknown path', method: 'GET', path: '/v1/nothing', status: 404, code: 'not-found' },
  { what: 'a path outside /v1', method: 'GET', path: '/apps', status: 404, code: 'not-found' },
  {
    what: 'a schedule that is not there',
    method: 'GET',
    path: `${app}/schedules/none`,
    status: 404,
    code: 'not-found',
  },
  { what: 'another method', method: 'PATCH', path: `${app}/channels:export`, status: 405, code: 'method-not-allowed' },
  {
    what: 'a preflight',
    method: 'OPTIONS',
    path: app,
    headers: { origin: 'https://evil.example', 'access-control-request-method': 'PUT' },
    status: 405,
    code: 'method-not-allowed',
  },
  {
    what: 'broken JSON for a method that is not there',
    method: 'PATCH',
    path: `${app}/channels:export`,
    headers: json,
    body: '{"a":',
    status: 405,
    code: 'method-not-allowed',
  },
  {
    what: 'the type of JSON and nothing else for a path that is not there',
    method: 'POST',
    path: '/v1/nothing',
    headers: json,
    body: '',
    status: 404,
    code: 'not-found',
  },
  {
    what: 'an unknown expectation',
    method: 'GET',
    path: '/v1/nothing',
    headers: { expect: 'miracles' },
    status: 404,
    code: 'not-found',
  },
  {
    what: 'keys after one that is revoked',
    method: 'GET',
    path: '/v1/keys?after=revoked',
    ...invalid,
    pointers: ['/after'],
  },
  {
    what: 'an audience by a list that is not there',
    ...campaign({ audience: { list: 'unknown' } }),
    ...invalid,
    pointers: ['/audience/list'],
  },
  {
    what: 'the failures of a campaign that is not there',
    ...campaign({ audience: { failedOf: 'nothing' }, startAt: '2101-01-01T00:00:00Z' }),
    ...invalid,
    pointers: ['/audience/failedOf'],
  },
  { what: 'a path that is no percent-encoding', method: 'GET', path: '/v1/apps/%zz', status: 400, code: 'bad-request' },
  { what: 'an app that is not there', method: 'GET', path: '/v1/apps/nothing', status: 404, code: 'not-found' },
  { what: 'an app that cannot be there', method: 'GET', path: '/v1/apps/NO', status: 404, code: 'not-found' },
  {
    what: 'a campaign that is not there',
    method: 'GET',
    path: '/v1/campaigns/nothing',
    status: 404,
    code: 'not-found',
  },
  {
    what: 'a channel that is not there',
    method: 'GET',
    path: `${app}/channels/unknown`,
    status: 404,
    code: 'not-found',
  },
  {
    what: 'a channel of no app',
    method: 'PUT',
    path: '/v1/apps/nothing/channels/c',
    body: { uri: uriOf(1) },
    status: 404,
    code: 'not-found',
  },
  {
    what: 'channels of no app',
    method: 'POST',
    path: '/v1/apps/nothing/channels:import',
    headers: ndjson,
    body: '{}',
    status: 404,
    code: 'not-found',
  },
  { what: 'a list that is not there', method: 'GET', path: `${app}/lists/nothing`, status: 404, code: 'not-found' },
  { what: 'a key that is not there', method: 'DELETE', path: '/v1/keys/nothing', status: 404, code: 'not-found' },
  { what: 'a bad app name', method: 'PUT', path: '/v1/apps/News', body: storeApp, ...invalid, pointers: ['/app'] },
  { what: 'a reserved app name', method: 'PUT', path: '/v1/apps/not', body: storeApp, ...invalid, pointers: ['/app'] },
  {
    what: 'every fault of an app at once',
    method: 'PUT',
    path: '/v1/apps/other',
    body: {
      credentials: { kind: 'store', packageSid: 'x', clientSecret: '' },
      ratePerSecond: 0,
      burst: 1.5,
      maxAttempts: 7,
      typo: 1,
    },
    ...invalid,
    pointers: [
      '/credentials/packageSid',
      '/credentials/clientSecret',
      '/ratePerSecond',
      '/burst',
      '/maxAttempts',
      '/typo',
    ],
  },
  {
    what: 'an interval below the guideline without a reason',
    method: 'PUT',
    path: '/v1/apps/other',
    body: { ...storeApp, genericIntervalSeconds: 60 },
    ...invalid,
    pointers: ['/genericIntervalSeconds'],
  },
  {
    what: 'every fault of a channel at once',
    method: 'PUT',
    path: `${app}/channels/c`,
    body: { uri: 'http://127.0.0.1/', tags: ['ok', 'No'], locale: '??', vars: { '1': 'x' }, channel: 'd' },
    ...invalid,
    pointers: ['/uri', '/tags/1', '/locale', '/vars/1', '/channel'],
  },
  {
    what: 'a channel id with a space',
    method: 'PUT',
    path: `${app}/channels/a%20b`,
    body: { uri: uriOf(1) },
    ...invalid,
    pointers: ['/channel'],
  },
  {
    what: 'an address outside WNS',
    method: 'PUT',
    path: `${app}/channels/c`,
    body: { uri: 'https://notify.windows.com.evil.example/?token=x' },
    ...invalid,
    pointers: ['/uri'],
  },
  {
    what: 'a tag expression that ends too soon',
    method: 'POST',
    path: `${app}/channels:count`,
    body: { audience: { tags: 'a and' } },
    ...invalid,
    pointers: ['/audience/tags'],
  },
  {
    what: 'a limit of 0 and an unknown parameter',
    method: 'GET',
    path: '/v1/apps?limit=0&more=1',
    ...invalid,
    pointers: ['/limit', '/more'],
  },
  { what: 'a limit above 1000', method: 'GET', path: '/v1/apps?limit=1001', ...invalid, pointers: ['/limit'] },
  { what: 'an unknown state', method: 'GET', path: `${app}/campaigns?state=done`, ...invalid, pointers: ['/state'] },
  {
    what: 'fields for an action that takes none',
    method: 'POST',
    path: `${app}/pause`,
    body: { reason: 'x' },
    ...invalid,
    pointers: ['/reason'],
  },
  { what: 'an Idempotency-Key with a space', ...campaign({}), headers: { 'idempotency-key': 'a b' }, ...invalid },
  {
    what: 'every fault of a campaign at once, those of its notification too',
    ...campaign({
      audience: { tags: '(' },
      notification: { type: 'raw', text: '' },
      startAt: 'tomorrow',
      canary: { size: 0, maxFailureShare: 2 },
      typo: true,
    }),
    ...invalid,
    pointers: ['/audience/tags', '/notification/text', '/startAt', '/canary/size', '/canary/maxFailureShare', '/typo'],
  },
  {
    what: 'a payload above 5,000 bytes',
    ...notification({ type: 'raw', text: 'é'.repeat(2501) }),
    ...invalid,
    pointers: ['/notification/text'],
  },
  {
    what: 'an empty raw notification',
    ...notification({ type: 'raw', text: '' }),
    ...invalid,
    pointers: ['/notification/text'],
  },
  {
    what: 'XML that is not well-formed',
    ...notification({ type: 'toast', xml: '<toast>' }),
    ...invalid,
    pointers: ['/notification/xml'],
  },
  {
    what: 'a tag above 16 characters',
    ...notification({ type: 'raw', text: 'x', wnsTag: 'x'.repeat(17) }),
    ...invalid,
    pointers: ['/notification/wnsTag', '/notification/wnsTag'],
  },
  {
    what: 'a time to live of 0',
    ...notification({ type: 'raw', text: 'x', ttlSeconds: 0 }),
    ...invalid,
    pointers: ['/notification/ttlSeconds'],
  },
  {
    what: 'a notification without a type',
    ...notification({ text: 'x' }),
    ...invalid,
    pointers: ['/notification/type'],
  },
  {
    what: 'an end before the start, with faults of another kind',
    ...campaign({ startAt: '2100-01-02T00:00:00Z', expiresAt: '2100-01-01T00:00:00Z', topic: 'A B', typo: 1 }),
    ...invalid,
    pointers: ['/expiresAt', '/topic', '/typo'],
  },
  {
    what: 'a start so long ago that the campaign has expired',
    ...campaign({ startAt: '2001-01-01T00:00:00Z' }),
    ...invalid,
    pointers: ['/startAt'],
  },
  {
    what: 'a start at the end of time',
    ...campaign({ startAt: '9999-12-31T23:59:59Z' }),
    ...invalid,
    pointers: ['/startAt'],
  },
  {
    what: 'an end before the start',
    ...campaign({ expiresAt: '2001-01-01T00:00:00Z' }),
    ...invalid,
    pointers: ['/expiresAt'],
  },
  {
    what: 'a personal update that is the same for all, and over already',
    ...campaign({ update: 'personalized', expiresAt: '2001-01-01T00:00:00Z' }),
    ...invalid,
    pointers: ['/update', '/expiresAt'],
  },
  {
    what: 'every fault of a key at once',
    method: 'POST',
    path: '/v1/keys',
    body: { name: '', apps: [], verbs: ['fly'], expiresAt: '2001-01-01T00:00:00Z' },
    ...invalid,
    pointers: ['/name', '/apps', '/verbs/0', '/expiresAt'],
  },
  {
    what: 'a CSV with a wrong header',
    method: 'POST',
    path: `${app}/channels:import`,
    headers: csv,
    body: 'id,uri\nc,x\n',
    ...invalid,
    pointers: ['/1', '/1'],
  },
  {
    what: 'a CSV without any header',
    method: 'POST',
    path: `${app}/channels:import`,
    headers: csv,
    body: '',
    ...invalid,
    pointers: ['/1'],
  },
  {
    what: 'gzip that is none',
    method: 'POST',
    path: `${app}/channels:import`,
    headers: { ...ndjson, 'content-encoding': 'gzip' },
    body: 'plain',
    status: 400,
    code: 'bad-request',
  },
]

describe('bad input gets its answer, and nothing is written but the refusal in the audit log', () => {
  test.each(rows)('$what', async ({ what: _, method, path, status, code, pointers, ...call }) => {
    const { call: send, withApp, dump } = await setup()
    await withApp()
    const written = async () => Object.entries(await dump()).filter(([key]) => !key.includes(':audit:'))
    const before = await written()

    const answer = await send(method, path, call)

    expect(answer.json).toMatchObject({ status, code, type: `urn:wns-fanout:problem:${code}` })
    expect(answer.status).toBe(status)
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/)
    expect(answer.headers['x-request-id']).toMatch(/^[\w.-]{1,64}$/)
    expect(answer.json.detail).not.toBe('')
    if (pointers !== undefined)
      expect(answer.json.errors.map(({ pointer }: { pointer: string }) => pointer).toSorted()).toEqual(
        pointers.toSorted(),
      )
    expect(await written()).toEqual(before)
    expect(Object.prototype).not.toHaveProperty('polluted')
  })
})

test('a method that is not allowed gets the allowed ones, and never CORS headers', async () => {
  const { call } = await setup()
  const { headers } = await call('OPTIONS', '/v1/apps', { key: null, headers: { origin: 'https://evil.example' } })
  expect(headers['allow']).toBe('GET')
  expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([])
})

test('of many errors the first thousand are reported, and all are counted', async () => {
  const { call } = await setup()
  const body = Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`typo${n}`, 1]))
  const { json: problem, text } = await call('PUT', '/v1/apps/news', { body: { ...storeApp, ...body } })
  expect(problem).toMatchObject({ status: 422, detail: 'The body has 5000 problems; here are the first 1000' })
  expect(problem.errors).toHaveLength(1000)
  expect(text.length).toBeLessThan(200_000)
})

test('a request id of the caller is kept when it is harmless', async () => {
  const { call } = await setup()
  expect((await call('GET', '/v1/apps', { headers: { 'x-request-id': 'job-7.a' } })).headers['x-request-id']).toBe(
    'job-7.a',
  )
  expect((await call('GET', '/v1/apps', { headers: { 'x-request-id': 'a"b' } })).headers['x-request-id']).toMatch(
    /^[0-9a-f-]{36}$/,
  )
})

test('an API key in the wrong place is not in the log', async () => {
  const { call, admin, logged } = await setup()
  await call('DELETE', `/v1/apps/${admin}`, { headers: { 'x-request-id': admin } })
  await call('DELETE', `/v1/keys/${admin}`)
  await until(() => logged.filter((line) => line.includes('DELETE')).length === 2)
  expect(logged.join('')).not.toContain(admin.slice(-43))
})

test('secrets come neither back nor into the log', async () => {
  const { call, logged } = await setup()
  const made = await call('PUT', '/v1/apps/news', { body: storeApp })
  const read = await call('GET', '/v1/apps/news')
  expect(read.json.credentials.clientSecret).toEqual({ set: true })
  expect([made.text, read.text, ...logged].join('\n')).not.toContain('canary-secret')
})

test.for([
  'QUERY /',
  'QUERY /v1/apps',
  'PROPFIND /v1/apps',
  'GET /docs/static/../../../../etc/passwd',
  'GET /docs/static/..%2f..%2fpackage.json',
  'GET /docs/static/%00',
  `GET /docs/static/${'a'.repeat(5000)}`,
])('%s is an error of the client, and no error in the log', async (request) => {
  const { url, logged } = await setup()
  const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1' })
  socket.write(`${request} HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n`)
  expect(await textOf(socket)).toMatch(/^HTTP\/1.1 4\d\d .*application\/problem\+json/s)
  expect(logged.filter((line) => line.includes('"level":"error"'))).toEqual([])
})

test('a path that is no route is not in the log, since it may hold a secret', async () => {
  const { call, logged } = await setup()
  await call('POST', '/v1/hidden-in-a-path')
  await until(() => logged.some((line) => line.includes('(none)')))
  expect(logged.join('')).not.toContain('hidden-in-a-path')
})
