import { REGISTRATION_CHUNK } from '@wns-fanout/state'
import { until } from '@wns-fanout/testing'
import { request } from 'node:http'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { fc } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import { MAX_LINE_BYTES } from '@wns-fanout/domain'
import { csv, ndjson, setup, storeApp, uriOf } from './support.ts'

function line(channel: string, rest: object = {}): string {
  return JSON.stringify({ channel, uri: uriOf(channel), ...rest })
}
const path = '/v1/apps/news/channels:import'

/** The lines of the export without their times, which Redis sets where an import has none. */
async function exported(call: Awaited<ReturnType<typeof setup>>['call']) {
  return (await call('GET', '/v1/apps/news/channels:export')).text
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => {
      const { registeredAt, ...rest } = JSON.parse(text)
      if (rest.uri !== undefined) expect(registeredAt).toMatch(/^\d{4}-\d\d-\d\dT[\d:]{8}\.000Z$/)
      return rest
    })
}

test('lines are registered, and an export is what was imported', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const lines = [
    line('a', { tags: ['x', 'y'], locale: 'de', vars: { name: 'Ada' } }),
    line('b/ü'.replace('ü', '%')),
    line('c'),
  ]

  const answer = await call('POST', path, { headers: ndjson, body: `${lines.join('\n')}\n` })

  expect(answer.json).toEqual({
    created: 3,
    updated: 0,
    unchanged: 0,
    duplicates: 0,
    rejected: 0,
    errors: [],
    moved: 0,
    moves: [],
  })
  expect(await exported(call)).toEqual(lines.map((text) => JSON.parse(text)))
})

test('a byte order mark, carriage returns, blank lines and a missing last line end are no matter', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const answer = await call('POST', path, { headers: ndjson, body: `\uFEFF${line('a')}\r\n\r\n  \n${line('b')}` })
  expect(answer.json).toMatchObject({ created: 2, rejected: 0 })
})

test('broken lines are reported by number without their text, and the others are registered', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const lines = [
    line('a'),
    '{"channel":"canary',
    line('b', { canary: 1, uri: 'https://canary.example/' }),
    '"canary"',
    line('c', { vars: { 'canary name': 'x' } }),
    `{"channel":"d","uri":"${uriOf('d')}","__proto__":{"canary":1}}`,
    `{"channel":"e","uri":"${uriOf('e')}","vars":{"x":"${'canary'.repeat(MAX_LINE_BYTES)}"}}`,
    line('f'),
    line('g', { tags: ['Canary'] }),
    line('a b canary'),
  ]

  const { json, text } = await call('POST', path, { headers: ndjson, body: lines.join('\n') })

  expect(json).toMatchObject({ created: 2, rejected: 8 })
  expect(json.errors.map(({ line: number, code }: { line: number; code: string }) => [number, code])).toEqual([
    [2, 'malformed-json'],
    [3, 'unknown-field'],
    [4, 'wrong-type'],
    [5, 'invalid'],
    [6, 'malformed-json'],
    [7, 'line-too-long'],
    [9, 'wrong-value'],
    [10, 'wrong-value'],
  ])
  expect(text).not.toMatch(/canary/i)
  expect((await exported(call)).map(({ channel }: { channel: string }) => channel)).toEqual(['a', 'f'])
})

test('bytes that are no UTF-8 spoil their line only', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const body = Buffer.concat([
    Buffer.from(`${line('a')}\n`),
    Buffer.from([0x22, 0xff, 0x22, 0x0a]),
    Buffer.from(line('b')),
  ])
  const { json } = await call('POST', path, { headers: ndjson, body })
  expect(json).toMatchObject({ created: 2, rejected: 1, errors: [{ line: 2, code: 'encoding' }] })
})

test('an upload of which nothing is accepted is 422, with equal errors folded', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const { status, json } = await call('POST', path, { headers: ndjson, body: 'x\n'.repeat(250) })
  expect(status).toBe(422)
  expect(json).toMatchObject({ code: 'invalid', created: 0, rejected: 250 })
  expect(json.errors).toEqual([
    { pointer: '/1', code: 'malformed-json', detail: expect.stringMatching(/not valid JSON.*\(250 lines\)/) },
  ])
  for (const headers of [ndjson, csv])
    expect(await call('POST', path, { headers, body: '' })).toMatchObject({ status: 422 })
})

test('a CSV is read by its header, quotes or not, and a broken quote spoils one line', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const body = [
    'uri,channel,locale,tags',
    `${uriOf('a')},a,de,x;y`,
    `"${uriOf('b')},1","b","",""`,
    `"${uriOf('c')},c,,`,
    `${uriOf('d')},d`,
    `${uriOf('e')},e,,"x; z"`,
  ].join('\r\n')

  const { json } = await call('POST', path, { headers: csv, body })

  expect(json).toMatchObject({ created: 3, rejected: 2 })
  expect(json.errors.map(({ line: number, code }: { line: number; code: string }) => [number, code])).toEqual([
    [4, 'csv-quotes'],
    [5, 'csv-columns'],
  ])
  expect(await exported(call)).toEqual([
    { channel: 'a', uri: uriOf('a'), tags: ['x', 'y'], locale: 'de' },
    { channel: 'b', uri: `${uriOf('b')},1` },
    { channel: 'e', uri: uriOf('e'), tags: ['x', 'z'] },
  ])
})

test('a carriage return among other line ends ends no record: nothing behind it is lost', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const body = `channel,uri\n"a",${uriOf('a')}\rb,${uriOf('b')}\n"c","${uriOf('c')}"\n`
  const { json } = await call('POST', path, { headers: csv, body })
  expect(json).toMatchObject({ created: 1, rejected: 1, errors: [{ line: 2 }] })
})

test('a CSV of another program is read as it is', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const rows = ['sep=;', 'channel;uri;tags;locale;', `a;${uriOf('a')};"news;sport";de;`, `b;${uriOf('b')};;;`]
  const body = Buffer.from(`\uFEFF${rows.join('\r\n')}`, 'utf16le')
  expect((await call('POST', path, { headers: csv, body })).json).toMatchObject({ created: 2, rejected: 0 })
  expect(await exported(call)).toEqual([
    { channel: 'a', uri: uriOf('a'), tags: ['news', 'sport'], locale: 'de' },
    { channel: 'b', uri: uriOf('b') },
  ])
})

test.each([
  ['text/csv', 'channel,uria,https://db5p.notify.windows.com/?token=x', /line ends are lost.*--data-binary/],
  ['application/x-ndjson', '[{"channel":"a"}]', /JSON array.*NDJSON/],
  ['application/x-ndjson', '{\n  "channel": "a"\n}', /several lines.*NDJSON/],
  ['application/x-ndjson', `${line('a')}${line('b')}`, /several objects on one line.*--data-binary/],
])('%s that is something else is refused by its name', async (type, body, detail) => {
  const { call, withApp } = await setup()
  await withApp()
  const { status, json, text } = await call('POST', path, { headers: { 'content-type': type }, body })
  expect(status).toBe(422)
  expect([json.detail, ...json.errors.map((error: { detail: string }) => error.detail)].join()).toMatch(detail)
  expect(text).not.toContain('db5p')
})

test('415 names the types that are accepted', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  expect((await call('POST', path, { headers: form, body: line('a') })).json).toMatchObject({
    status: 415,
    code: 'media-type',
    detail: expect.stringMatching(
      /application\/x-ndjson or .*text\/csv.*found application\/x-www-form-urlencoded.*curl/,
    ),
  })
  expect((await call('PUT', '/v1/apps/news/lists/vip', { headers: form, body: 'a' })).json.detail).toMatch(
    /text\/plain/,
  )
  expect((await call('PUT', '/v1/apps/news', { headers: form, body: '{}' })).json).toMatchObject({
    status: 415,
    detail: expect.stringContaining('application/json'),
  })
})

test('an upload may be gzip, in several members too', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const body = Buffer.concat([gzipSync(`${line('a')}\n`), gzipSync(`${line('b')}\n`)])
  const { json } = await call('POST', path, { headers: { ...ndjson, 'content-encoding': 'gzip' }, body })
  expect(json).toMatchObject({ created: 2, rejected: 0 })
})

test('a gzip that ends too soon is refused', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const whole = gzipSync(`${line('a')}\n`)
  const answer = await call('POST', path, {
    headers: { ...ndjson, 'content-encoding': 'gzip' },
    body: whole.subarray(0, whole.length - 6),
  })
  expect(answer.json).toMatchObject({ status: 400, code: 'bad-request' })
})

test('a URI moves to the newest channel, and answer and log name the one that lost it', async () => {
  const { call, withApp, logged } = await setup()
  await withApp()
  const uri = uriOf('same')
  const body = [line('a', { uri }), line('b', { uri })].join('\n')
  expect((await call('POST', path, { headers: ndjson, body })).json).toMatchObject({
    created: 2,
    moved: 1,
    moves: [{ line: 2, channel: 'b', from: 'a' }],
  })
  const put = await call('PUT', '/v1/apps/news/channels/c', { body: { uri } })
  expect(put).toMatchObject({ status: 201, json: { channel: 'c', movedFrom: 'b' } })
  expect((await call('GET', '/v1/apps/news/channels/a')).status).toBe(404)
  expect((await exported(call)).map(({ channel }: { channel: string }) => channel)).toEqual(['c'])
  const moves = logged.filter((text) => text.includes('moved to'))
  expect(moves).toHaveLength(2)
  expect(moves.join()).toMatch(/"from":"a".*"from":"b"/s)
  expect(logged.join()).not.toContain('token=ok')
})

test('an app that allows shared URIs keeps both channels', async () => {
  const { call } = await setup()
  await call('PUT', '/v1/apps/news', { body: { ...storeApp, sharedUri: 'allow' } })
  const body = [line('a', { uri: uriOf('same') }), line('b', { uri: uriOf('same') })].join('\n')
  expect((await call('POST', path, { headers: ndjson, body })).json).toMatchObject({ created: 2, moved: 0 })
  expect((await call('GET', '/v1/apps/news')).json).toMatchObject({ channels: 2, sharedUri: 'allow' })
})

test('registering again keeps the fields that it does not name, null clears one', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const all = { tags: ['x'], locale: 'de', vars: { name: 'Ada' }, optedOut: true }
  const channel = '/v1/apps/news/channels/a'
  expect(await call('PUT', channel, { body: { uri: uriOf('a'), ...all } })).toMatchObject({
    status: 201,
    json: { tags: ['x'], locale: 'de', optedOut: true },
  })
  expect((await call('PUT', channel, { body: { uri: uriOf('b') } })).status).toBe(200)
  expect(await exported(call)).toEqual([{ channel: 'a', uri: uriOf('b'), ...all }])
  await call('POST', path, { headers: csv, body: `channel,uri,tags,locale\na,${uriOf('c')},,\n` })
  await call('POST', path, { headers: ndjson, body: line('a', { locale: null }) })
  expect(await exported(call)).toEqual([{ channel: 'a', uri: uriOf('a'), tags: ['x'], vars: all.vars, optedOut: true }])
  const cleared = { uri: uriOf('a'), tags: null, vars: null, optedOut: null }
  expect((await call('PUT', channel, { body: cleared })).json).toMatchObject({ tags: [] })
  expect(await exported(call)).toEqual([{ channel: 'a', uri: uriOf('a') }])
})

test('an export restores opt-outs, and an audience leaves them out again', async () => {
  const { call, withApp } = await setup()
  await withApp('news', 3)
  await call('PUT', '/v1/apps/news/channels/c1/opt-out')
  const topics = `channel,optedOutOf\nc2,weather;sport\nstranger,weather\n`
  expect((await call('POST', path, { headers: csv, body: topics })).json).toMatchObject({ updated: 2, rejected: 0 })
  expect((await call('GET', '/v1/apps/news/channels/c1')).json).toMatchObject({ optedOut: true })
  const backup = (await call('GET', '/v1/apps/news/channels:export')).text
  expect((await call('DELETE', '/v1/apps/news')).status).toBe(204)
  await withApp()
  expect((await call('POST', path, { headers: ndjson, body: backup })).json).toMatchObject({ created: 3, rejected: 0 })
  expect((await call('GET', '/v1/apps/news/channels:export')).text).toBe(backup)
  const count = await call('POST', '/v1/apps/news/channels:count', { body: { audience: { all: true } } })
  expect(count.json).toEqual({ count: 2, optedOut: 1 })
})

test('a list takes results as they are, CSV and bare ids', async () => {
  const { call, withApp } = await setup()
  await withApp('news', 3)
  const put = async (type: string, body: string) =>
    (await call('PUT', '/v1/apps/news/lists/vip', { headers: { 'content-type': type }, body })).json
  const results =
    '{"channel":"c0","class":"failed","status":500,"posts":5}\n{"channel":"c2","class":"dead","posts":1}\n'
  expect(await put('application/x-ndjson', results)).toMatchObject({ size: 2, unknown: 0 })
  expect(await put('text/csv', 'channel,class,status\r\nc1,failed,500\r\n')).toMatchObject({ size: 1 })
  expect(await put('text/plain', 'c0\nc1\nstranger\n')).toMatchObject({ size: 2, unknown: 1 })
  expect(await put('text/plain', results)).toMatchObject({ size: 2 })
  expect(await put('text/csv', 'id\nc1\n')).toMatchObject({ status: 422, detail: expect.stringContaining('channel') })
})

test('a list is replaced as a whole, or not at all', async () => {
  const { call, withApp } = await setup()
  await withApp('news', 3)
  const put = (lines: readonly string[]) =>
    call('PUT', '/v1/apps/news/lists/vip', { headers: ndjson, body: lines.join('\n') })

  expect((await put(['{"channel":"c0"}', '{"channel":"c2"}', '{"channel":"stranger"}'])).json).toEqual({
    list: 'vip',
    size: 2,
    unknown: 1,
  })
  const broken = await put(['{"channel":"c1"}', '{"chanel":"c1"}', 'x'])
  expect(broken.json).toMatchObject({ status: 422, code: 'invalid' })
  expect(broken.json.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual(['/2', '/3'])
  expect((await call('GET', '/v1/apps/news/lists/vip')).json).toEqual({ list: 'vip', size: 2, unknown: 1 })
  const count = await call('POST', '/v1/apps/news/channels:count', { body: { audience: { list: 'vip' } } })
  expect(count.json).toEqual({ count: 2, optedOut: 0 })
  expect((await call('DELETE', '/v1/apps/news/lists/vip')).status).toBe(204)
  expect((await call('GET', '/v1/apps/news/lists/vip')).status).toBe(404)
})

/** A body that is sent as it is pushed. */
function openBody(): Readable {
  return new Readable({ read() {} })
}

test('an upload may take longer than other bodies while its bytes arrive', async () => {
  const { call, withApp } = await setup({ server: { bodyMs: 200 } })
  await withApp()
  const upload = openBody()
  const answer = call('POST', path, { headers: ndjson, body: upload })
  upload.push(`${line('a')}\n`)
  const slow = openBody()
  slow.push('{"uri":')
  const refused = await call('PUT', '/v1/apps/news/channels/b', {
    headers: { 'content-type': 'application/json' },
    body: slow,
  })
  expect(refused.json).toMatchObject({ status: 408, code: 'timeout' })
  upload.push(`${line('c')}\n`)
  upload.push(null)
  expect((await answer).json).toMatchObject({ created: 2, rejected: 0 })
})

test.each(['identity', 'gzip'])('an upload (%s) without bytes ends with the counts of its lines', async (encoding) => {
  const { call, withApp, logged } = await setup({ server: { uploadIdleMs: 200 } })
  await withApp()
  const upload = openBody()
  const lines = Buffer.from(`${line('a')}\nx\n${line('b')}\n`)
  upload.push(encoding === 'gzip' ? gzipSync(lines) : lines)
  const headers = { ...ndjson, 'content-encoding': encoding }
  const { json } = await call('POST', path, { headers, body: upload })
  expect(json).toMatchObject({ status: 408, code: 'timeout', created: 2, rejected: 1 })
  expect(json.detail).toMatch(/no bytes.*2 lines were accepted and 1 were rejected/)
  expect((await exported(call)).map(({ channel }: { channel: string }) => channel)).toEqual(['a', 'b'])
  expect(logged.filter((text) => text.includes('an upload ended early'))).toHaveLength(1)
})

test('an upload whose caller leaves is logged with its counts', async () => {
  const { call, withApp, logged, url, admin } = await setup()
  await withApp()
  const upload = request(`${url}${path}`, {
    method: 'POST',
    headers: { ...ndjson, authorization: `Bearer ${admin}` },
  })
  upload.on('error', () => {})
  // One chunk of the registry and a line behind it.
  upload.write(Array.from({ length: REGISTRATION_CHUNK + 1 }, (_, n) => `${line(`c${n}`)}\n`).join(''))
  await until(async () => (await call('GET', '/v1/apps/news')).json.channels === REGISTRATION_CHUNK)
  upload.destroy()
  const counts = `"created":${REGISTRATION_CHUNK + 1}`
  await until(() => logged.some((text) => text.includes('an upload ended early') && text.includes(counts)))
})

test('an upload of anything at all is counted line by line or refused, never an internal error', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const upload = fc.record({
    body: fc.oneof(
      fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
      fc
        .array(fc.oneof(fc.json(), fc.string({ unit: 'binary' }), fc.constant(line('a'))))
        .map((lines) => Buffer.from(lines.join('\n'))),
    ),
    format: fc.constantFrom(ndjson, csv),
    coding: fc.constantFrom('none', 'gzip', 'false gzip'),
  })
  await fc.assert(
    fc.asyncProperty(upload, async ({ body, format, coding }) => {
      const headers = coding === 'none' ? format : { ...format, 'content-encoding': 'gzip' }
      const { status, json } = await call('POST', path, { headers, body: coding === 'gzip' ? gzipSync(body) : body })
      expect([200, 400, 413, 422]).toContain(status)
      if (status === 200) expect(json.created + json.updated + json.unchanged + json.duplicates).toBeGreaterThan(0)
    }),
    { numRuns: 150 },
  )
})

test('an odd locale or tag costs no device: it is read, or left out on request and reported', async () => {
  const { call, withApp } = await setup()
  await withApp('news')
  const body = [
    { channel: 'a', uri: uriOf('a'), locale: 'en_US' },
    { channel: 'b', uri: uriOf('b'), locale: 'de-DE-u-co-phonebk', tags: ['news', 'Breaking News'] },
    { channel: 'c', uri: uriOf('c'), locale: 'English (US)', tags: ['?'] },
    { channel: 'd', uri: uriOf('d'), locale: null },
  ]
    .map((fields) => `${JSON.stringify(fields)}\n`)
    .join('')

  const strict = await call('POST', path, { headers: ndjson, body })
  expect(strict.json).toMatchObject({ created: 2, rejected: 2 })
  expect(strict.json).not.toHaveProperty('skippedFields')
  const lenient = await call('POST', `${path}?oddFields=skip-field`, { headers: ndjson, body })
  expect(lenient.json).toMatchObject({ created: 2, unchanged: 2, rejected: 0, skippedFields: 3 })
  expect(lenient.json.errors).toMatchObject([
    { line: 2, code: 'skipped-field', count: 2 },
    { line: 3, code: 'skipped-field', count: 1 },
  ])
  const channels = await Promise.all(['a', 'b', 'c', 'd'].map((id) => call('GET', `/v1/apps/news/channels/${id}`)))
  expect(channels.map(({ json }) => [json.locale, json.tags])).toEqual([
    ['en-US', []],
    ['de-DE', ['news']],
    [undefined, []],
    [undefined, []],
  ])
  expect((await call('POST', `${path}?oddFields=maybe`, { headers: ndjson, body })).status).toBe(422)
})

test('a patch changes a registered channel without its URI', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const channel = '/v1/apps/news/channels/a'
  await call('PUT', channel, { body: { uri: uriOf('a'), tags: ['x'], vars: { name: 'Ada', city: 'Rome' } } })

  const answer = await call('PATCH', channel, { body: { locale: 'de', vars: { city: null, temp: '12' } } })

  expect(answer).toMatchObject({ status: 200, json: { channel: 'a', tags: ['x'], locale: 'de' } })
  expect(await exported(call)).toEqual([
    { channel: 'a', uri: uriOf('a'), tags: ['x'], locale: 'de', vars: { name: 'Ada', temp: '12' } },
  ])
  expect(await call('PATCH', channel, { body: { vars: null, tags: null } })).toMatchObject({ status: 200 })
  expect(await exported(call)).toEqual([{ channel: 'a', uri: uriOf('a'), locale: 'de' }])
  expect(await call('PATCH', '/v1/apps/news/channels/b', { body: { tags: ['x'] } })).toMatchObject({ status: 404 })
  expect(await call('PATCH', channel, { body: { uri: null, vars: { '9': 'x' }, color: 'red' } })).toMatchObject({
    status: 422,
    json: { errors: expect.arrayContaining([expect.objectContaining({ pointer: '/color', code: 'unknown-field' })]) },
  })
  const vars = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`v${at}`, 'x']))
  await call('PATCH', channel, { body: { vars } })
  expect(await call('PATCH', channel, { body: { vars: { more: 'x' } } })).toMatchObject({
    status: 422,
    json: { errors: [{ pointer: '/vars', code: 'too-many-vars' }] },
  })
})

test('an import names the lines that it rejected', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const body = [line('a'), '{', JSON.stringify({ channel: 'unknown' }), line('b')].join('\n')
  const { json } = await call('POST', path, { headers: ndjson, body })
  expect(json).toMatchObject({ created: 2, rejected: 2, rejectedLines: [2, 3] })
})

test('an import takes the times of registrations as databases write them, and an export has them', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const rows = `channel,uri,registeredAt\na,${uriOf('a')},2026-03-01 08:30:00+01\nb,${uriOf('b')},yesterday\n`
  const answer = await call('POST', path, { headers: { 'content-type': 'text/csv' }, body: rows })
  expect(answer.json).toMatchObject({ created: 1, rejected: 1 })
  expect(answer.json.errors[0].detail).toContain('registeredAt must be a time')
  const text: string = (await call('GET', '/v1/apps/news/channels:export')).text
  expect(JSON.parse(text)).toEqual({ channel: 'a', uri: uriOf('a'), registeredAt: '2026-03-01T07:30:00.000Z' })
})
