import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { checkGauges, gaugesIn } from '../src/doctor/gauges.ts'

function metricsReadAt(seconds: number): string {
  return `# TYPE wns_fanout_gauges_read_timestamp_seconds gauge\nwns_fanout_gauges_read_timestamp_seconds ${seconds}\n`
}

test.each([
  [1_700_000_000, 1_700_000_003, { state: 'ok', found: 'read 3 s ago' }],
  [1_700_000_003, 1_700_000_000, { state: 'ok', found: 'read 0 s ago' }],
  [1_700_000_000, 1_700_000_060, { state: 'warn', found: expect.stringContaining('last read 60 s ago') as string }],
  [0, 1_700_000_000, { state: 'warn', found: 'never read' }],
])('gauges read at %s are judged at %s', (readAt, now, expected) => {
  expect(gaugesIn(metricsReadAt(readAt), now)).toMatchObject(expected)
})

test('metrics without the time are those of an API that never read its gauges', () => {
  expect(gaugesIn('', 1_700_000_000)).toMatchObject({ state: 'warn', found: 'never read' })
})

test('doctor reads the metrics of the API, and reports nothing about one that does not answer', async () => {
  const server = createServer((request, response) => {
    response.statusCode = request.url === '/metrics' ? 200 : 404
    response.end(metricsReadAt(5))
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const ops = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  expect(await checkGauges(ops)).toMatchObject([{ state: 'warn', what: 'gauges' }])
  expect(await checkGauges(`${ops}/elsewhere`)).toEqual([])
  await new Promise((resolve) => server.close(resolve))
  expect(await checkGauges(ops)).toEqual([])
})
