import { createServer } from 'node:net'
import { ApiError } from '@wns-fanout/client'
import { freePort } from '@wns-fanout/local'
import { expect, test } from 'vitest'
import { explain } from '../src/explain.ts'
import { Failure, UsageError } from '../src/failure.ts'
import { getText } from '../src/http.ts'
import { metricIn } from '../src/metrics.ts'

test('usage errors end with 2 and failures with 1', () => {
  expect(explain(new UsageError('wanted a, found b'))).toMatchObject({ exitCode: 2, message: 'wanted a, found b' })
  expect(explain(new Failure('port-taken', 'port 1 is taken', { port: 1 }))).toMatchObject({
    exitCode: 1,
    code: 'port-taken',
    extra: { port: 1 },
  })
})

test('an audience without recipients ends with 1, and the message has the reason and what to do', () => {
  const detail = 'the audience has no recipients now: no channel matches it'
  const explained = explain(new ApiError({ status: 422, code: 'empty-audience', detail }))
  expect(explained).toMatchObject({ exitCode: 1, code: 'empty-audience', extra: { status: 422 } })
  expect(explained.message).toContain(detail)
  expect(explained.message).toContain('--allow-empty')
})

test('a refused connection is reported with its address', async () => {
  const port = await freePort()
  const error: unknown = await getText(`http://127.0.0.1:${port}/`).catch((thrown: unknown) => thrown)
  expect(explain(error).message).toBe(`connection refused; check that it runs (127.0.0.1:${port})`)
})

test('a server that never answers is a timeout', async () => {
  const server = createServer(() => {})
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  await expect(getText(`http://127.0.0.1:${port}/`, 50)).rejects.toThrow('did not answer within 50 ms')
  server.close()
})

test('a metric is summed over its labels, and only that metric', () => {
  const page =
    '# HELP sends x\nsends_total{app="a",class="accepted"} 3\nsends_total{app="b",class="dead"} 4\n' +
    'sends_total_more 9\nplain 1.5\n'
  expect(metricIn(page, 'sends_total')).toBe(7)
  expect(metricIn(page, 'plain')).toBe(1.5)
  expect(metricIn(page, 'absent')).toBeUndefined()
})
