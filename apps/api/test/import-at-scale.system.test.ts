import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { ndjson, setup, uriOf } from './support.ts'

// These tests measure memory, so they have a process of their own.

const path = '/v1/apps/news/channels:import'

function line(channel: string, rest: object = {}): string {
  return JSON.stringify({ channel, uri: uriOf(channel), ...rest })
}

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
  expect(json).toMatchObject({ created: 20_000, rejected: 0 })
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

  expect(json).toMatchObject({ created: count, rejected: 0, moved: 0 })
  // Client and server are one process here; the upload itself has 11 MB.
  expect(peak - before).toBeLessThan(150 * 1024 * 1024)
  expect((await call('GET', '/v1/apps/news')).json.channels).toBe(count)
}, 120_000)
