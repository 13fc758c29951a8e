import { Permits } from '@wns-fanout/state'
import { expect, test } from 'vitest'
import type { HiddenCap } from './capped-app.ts'
import { simulateCap } from './capped-app.ts'
import { setup } from './support.ts'
import { withClock } from './virtual-clock.ts'

const CAP = 300
const minutes = { ratePerSecond: 1000, workers: 2, seconds: 135, settledMs: 15_000, answerMs: 20 }

/** Alternates between 300 and 450 every `periodMs`. */
function moving(periodMs: number, offsetMs = 0): HiddenCap {
  return { perSecondAt: (ms) => (Math.floor((ms + offsetMs) / periodMs) % 2 === 0 ? CAP : 1.5 * CAP) }
}

test.each<[string, HiddenCap, number]>([
  ['answers 406 with Retry-After', { perSecondAt: () => CAP, retryAfterMs: 1000 }, 0.93],
  ['answers 429 without Retry-After', { perSecondAt: () => CAP }, 0.93],
  ['counts over ten seconds', { perSecondAt: () => CAP, windowMs: 10_000 }, 0.78],
  ['moves it every 30 s', moving(30_000), 0.73],
  ['moves it every 30 s, first after ten', moving(30_000, 20_000), 0.73],
])('a hidden cap is used, and at most 1 %% of the posts are refused, when WNS %s', async (_name, cap, leastShare) => {
  const { redis, keys } = setup()
  const clock = { nowMs: 1_800_000_000_000 }
  const shared = withClock(redis, () => clock.nowMs)
  const { share, refusedShare } = await simulateCap(new Permits(shared, keys), clock, cap, minutes)
  expect(share).toBeGreaterThan(leastShare)
  expect(refusedShare).toBeLessThan(0.01)
})
