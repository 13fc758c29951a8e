import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import { BadLine, csvReader } from '../src/csv-lines.ts'
import { MAX_LINE_BYTES, readLines } from '../src/lines.ts'
import type { Line } from '../src/lines.ts'
import { csv, ndjson, setup, uriOf } from './support.ts'

function line(channel: string, rest: object = {}): string {
  return JSON.stringify({ channel, uri: uriOf(channel), ...rest })
}
const path = '/v1/apps/news/channels:import'

async function exported(call: Awaited<ReturnType<typeof setup>>['call']) {
  return (await call('GET', '/v1/apps/news/channels:export')).text
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => JSON.parse(text))
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

  expect(answer.json).toEqual({ accepted: 3, rejected: 0, errors: [], sharedUris: 0 })
  expect(await exported(call)).toEqual(lines.map((text) => JSON.parse(text)))
})

test('a byte order mark, carriage returns, blank lines and a missing last line end are no matter', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const answer = await call('POST', path, { headers: ndjson, body: `\uFEFF${line('a')}\r\n\r\n  \n${line('b')}` })
  expect(answer.json).toMatchObject({ accepted: 2, rejected: 0 })
})

test('broken lines are told by number without what they hold, and the rest goes in', async () => {
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

  expect(json).toMatchObject({ accepted: 2, rejected: 8 })
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
  expect(json).toMatchObject({ accepted: 2, rejected: 1, errors: [{ line: 2, code: 'encoding' }] })
})

test('of many broken lines the first hundred are told, and all are counted', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const { json } = await call('POST', path, { headers: ndjson, body: 'x\n'.repeat(250) })
  expect(json).toMatchObject({ accepted: 0, rejected: 250 })
  expect(json.errors).toHaveLength(100)
  expect(json.errors.at(-1).line).toBe(100)
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

  expect(json).toMatchObject({ accepted: 3, rejected: 2 })
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

test('a carriage return alone ends no record: nothing behind it is lost in silence', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const body = `channel,uri\n"a",${uriOf('a')}\rb,${uriOf('b')}\n"c","${uriOf('c')}"\n`
  const { json } = await call('POST', path, { headers: csv, body })
  expect(json).toMatchObject({ accepted: 1, rejected: 1, errors: [{ line: 2 }] })
  const old = await call('POST', path, { headers: csv, body: `channel,uri\r"a","${uriOf('a')}"\r` })
  expect(old.json).toMatchObject({ status: 422, code: 'invalid' })
})

test('an upload may be gzip, in several members too', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const body = Buffer.concat([gzipSync(`${line('a')}\n`), gzipSync(`${line('b')}\n`)])
  const { json } = await call('POST', path, { headers: { ...ndjson, 'content-encoding': 'gzip' }, body })
  expect(json).toMatchObject({ accepted: 2, rejected: 0 })
})

test('a gzip that unpacks to far more than it is, is refused as soon as that shows', async () => {
  const { call, withApp, redis, keys } = await setup()
  await withApp()
  const body = gzipSync(Buffer.alloc(200 * 1024 * 1024, '\n'))
  const before = process.memoryUsage().rss
  const answer = await call('POST', path, { headers: { ...ndjson, 'content-encoding': 'gzip' }, body })
  expect(answer.json).toMatchObject({ status: 413, code: 'too-large' })
  expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024)
  expect(await redis.exists(keys.next('news'))).toBe(0)
})

test('a gzip of lines that resemble each other is no bomb', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const rest = { tags: ['news', 'sport'], locale: 'en-US' }
  const text = Array.from({ length: 20_000 }, (_, n) => `${line(`device-${n}`, rest)}\n`).join('')
  const body = gzipSync(text)
  expect(text.length / body.length).toBeGreaterThan(20)
  const { json } = await call('POST', path, { headers: { ...ndjson, 'content-encoding': 'gzip' }, body })
  expect(json).toMatchObject({ accepted: 20_000, rejected: 0 })
})

test('a gzip that ends too soon is told so', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const whole = gzipSync(`${line('a')}\n`)
  const answer = await call('POST', path, {
    headers: { ...ndjson, 'content-encoding': 'gzip' },
    body: whole.subarray(0, whole.length - 6),
  })
  expect(answer.json).toMatchObject({ status: 400, code: 'bad-request' })
})

test('two channels with one address are counted', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const body = [line('a', { uri: uriOf('same') }), line('b', { uri: uriOf('same') })].join('\n')
  expect((await call('POST', path, { headers: ndjson, body })).json).toMatchObject({ accepted: 2, sharedUris: 1 })
})

test('a hundred thousand lines go in, and memory stays as it was', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const count = 100_000
  const pieces = function* () {
    for (let n = 0; n < count; n += 100) {
      let piece = ''
      for (let at = n; at < n + 100; at += 1) piece += `${line(`device-${at}`, { tags: [`t${at % 7}`] })}\n`
      yield Buffer.from(piece)
    }
  }
  let peak = 0
  const before = process.memoryUsage().rss
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 20)

  const { json } = await call('POST', path, { headers: ndjson, body: Readable.from(pieces()) })
  clearInterval(watch)

  expect(json).toEqual({ accepted: count, rejected: 0, errors: [], sharedUris: 0 })
  // Client and server are one process here; the upload itself has 11 MB.
  expect(peak - before).toBeLessThan(150 * 1024 * 1024)
  expect((await call('GET', '/v1/apps/news')).json.channels).toBe(count)
}, 120_000)

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
  expect(count.json).toEqual({ count: 2 })
  expect((await call('DELETE', '/v1/apps/news/lists/vip')).status).toBe(204)
  expect((await call('GET', '/v1/apps/news/lists/vip')).status).toBe(404)
})

property.prop([
  fc.array(
    fc.oneof(
      fc.constantFrom('"a","b"', 'a,b', '"a', 'a"', '"a""x","b"', '"a,b"', '"a" ,b', 'a,"b'),
      fc.string({ unit: fc.constantFrom('"', ',', 'a', ' '), minLength: 1, maxLength: 8 }),
    ),
    { minLength: 1, maxLength: 8 },
  ),
])('a line of a CSV means the same alone and among others', (texts) => {
  const readAll = (together: boolean): unknown[] => {
    const reader = csvReader()
    reader.parse('channel,uri')
    const lines = texts.map((text, at) => ({ number: at + 2, text }))
    if (together) reader.expect(lines)
    return texts.map((text) => {
      try {
        return reader.parse(text)
      } catch (error) {
        if (error instanceof BadLine) return error.code
        throw error
      }
    })
  }
  expect(readAll(true)).toEqual(readAll(false))
})

// What `readLines` needs of a request.
function requestOf(pieces: readonly Buffer[]): Parameters<typeof readLines>[0] {
  return Object.assign(Readable.from(pieces, { objectMode: false }), { headers: {}, complete: true }) as never
}

async function linesOf(pieces: readonly Buffer[]): Promise<Line[]> {
  const lines: Line[] = []
  for await (const some of readLines(requestOf(pieces))) lines.push(...some)
  return lines
}

property.prop([
  fc.array(fc.oneof(fc.string({ unit: 'binary', maxLength: 20 }), fc.constantFrom('', ' ', 'x'.repeat(5000), '\r'))),
  fc.array(fc.nat({ max: 12_000 }), { maxLength: 6 }),
  fc.boolean(),
])('lines do not depend on how an upload was cut into pieces', async (texts, cuts, hasMark) => {
  const whole = Buffer.from(`${hasMark ? '\uFEFF' : ''}${texts.join('\n')}`)
  const at = [0, ...cuts.filter((cut) => cut < whole.length).toSorted((a, b) => a - b), whole.length]
  const pieces = at.slice(1).map((end, n) => whole.subarray(at[n], end))
  expect(await linesOf(pieces.filter(({ length }) => length > 0))).toEqual(await linesOf([whole]))
})

test('an upload of anything at all is counted line by line or refused, never an error of ours', async () => {
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
      if (status === 200) expect(json.rejected).toBeGreaterThanOrEqual(Math.min(1, json.errors.length))
    }),
    { numRuns: 150 },
  )
})
