import { until } from '@wns-fanout/testing'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import { registerApp } from '../support/apps.ts'

let stack: TestStack

beforeAll(async () => {
  stack = await startTestStack()
})
afterAll(async () => {
  await stack[Symbol.asyncDispose]()
})

test('a worker exposes the counters of an app at 0 as soon as it serves the app', async () => {
  const worker = await stack.startWorker()
  await registerApp(stack, 'quiet', [])
  const text = await until('the counters of the app', async () => {
    const metrics = await (await request(`${worker.ops}/metrics`)).body.text()
    return metrics.includes('app="quiet"') ? metrics : undefined
  })
  expect(text).toContain('\nwns_fanout_takeovers_total{app="quiet"} 0\n')
  expect(text).toContain('\nwns_fanout_batches_fenced_total{app="quiet"} 0\n')
  expect(text).toContain('\nwns_fanout_ledger_damaged_total{app="quiet"} 0\n')
  expect(text).toContain('\nwns_fanout_sends_total{app="quiet",type="toast",class="rejected"} 0\n')
})
