import { repeat, until } from '@wns-fanout/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { StackWorker, TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import { registerApp } from '../support/apps.ts'
import { finished } from '../support/campaigns.ts'
import { simulatorStats } from '../support/simulator.ts'
import { some, tile } from './support.ts'

// Clocks of workers may be wrong. Redis has the only clock that counts, and leases run on the monotonic one.

let stack: TestStack
beforeEach(async () => {
  stack = await startTestStack()
})
afterEach(async () => {
  await stack[Symbol.asyncDispose]()
})

const HOUR_MS = 3_600_000
function wrongBy(skewMs: number, more: Record<string, string> = {}): Promise<StackWorker> {
  return stack.startWorker({
    NODE_OPTIONS: `--import=${new URL('skewed-clock.ts', import.meta.url).href}`,
    TEST_CLOCK_SKEW_MS: String(skewMs),
    WNS_FANOUT_LOCK_MS: '2000',
    ...more,
  })
}

test.each([
  ['an hour ahead', HOUR_MS],
  ['an hour behind', -HOUR_MS],
])('a worker whose clock is %s keeps the guard and starts, retries and ends in time', async (_, skewMs) => {
  const worker = await wrongBy(skewMs)
  await registerApp(stack, 'clock', ['throttled', ...repeat(300), 'flaky-50', 'flaky-50', 'flaky-50'])
  const startAt = Date.now() + 1500
  const { id } = await stack.api.createCampaign('clock', { ...tile, startAt: new Date(startAt).toISOString() })
  const first = await finished(stack, id)
  expect(first.state).toBe('completed')
  expect(Date.parse(first.finishedAt ?? '')).toBeGreaterThanOrEqual(startAt)
  expect(Date.parse(first.finishedAt ?? '')).toBeLessThan(startAt + 45_000)
  const second = await finished(stack, (await stack.api.createCampaign('clock', { ...tile, topic: 'two' })).id)
  // The next campaign reaches the recipients that failed; the guard suppresses all others.
  expect(second.totals.suppressed).toBe(first.totals.accepted)
  await worker.stop()
  // What such a worker leaves behind is not lost on those whose clocks are right.
  await stack.startWorker({ WNS_FANOUT_LOCK_MS: '2000' })
  const badge = await stack.api.createCampaign('clock', { ...tile, notification: { type: 'badge', value: 1 } })
  expect((await finished(stack, badge.id)).state).toBe('completed')
})

test('a campaign that waits for a worker with a wrong clock is taken on by one whose clock is right', async () => {
  const wrong = await wrongBy(HOUR_MS)
  await registerApp(stack, 'handover', repeat(100))
  const startAt = new Date(Date.now() + 6000).toISOString()
  const { id } = await stack.api.createCampaign('handover', { ...tile, startAt })
  // It looks at the job at once, since by its clock the time has come, and puts it off to an hour from now.
  await until('the wrong clock to have been at it', async () => {
    const { state } = await stack.api.campaign(id)
    return state === 'scheduled' && Date.now() > Date.parse(startAt) - 3000 ? true : undefined
  })
  await wrong.stop()
  await stack.startWorker({ WNS_FANOUT_LOCK_MS: '2000' })
  expect(some((await finished(stack, id)).totals)).toEqual({ accepted: 100 })
})

test('a clock that steps back while a batch runs costs no more duplicates than the credit of its batches', async () => {
  const stepping = await wrongBy(-HOUR_MS, { TEST_CLOCK_STEPS: '1' })
  await registerApp(stack, 'step', repeat(9000), { ratePerSecond: 1500, burst: 150 })
  const { id } = await stack.api.createCampaign('step', tile)
  await until('some to be sent', async () => ((await stack.api.campaign(id)).totals.accepted > 500 ? true : undefined))
  await stack.startWorker({ WNS_FANOUT_LOCK_MS: '2000' })
  process.kill(stepping.pid, 'SIGUSR2')
  expect(some((await finished(stack, id)).totals)).toEqual({ accepted: 9000 })
  // At most the batches in hand were taken over, each with a window of 256 under way.
  const { duplicates } = await simulatorStats(stack)
  expect(duplicates).toBeLessThanOrEqual(9 * 256)
})
