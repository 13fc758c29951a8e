import { assert, integer, property } from 'fast-check'
import { expect, test } from 'vitest'
import { measured, planCapacity } from '../src/capacity.ts'

const usual = { devices: 1e6, apps: 1, ratePerApp: 1000, roundTripMs: 100, lanesPerWorker: 256, keptCampaigns: 7 }

test('a million devices of one app at 1,000 per second need one worker', () => {
  expect(planCapacity(usual)).toMatchObject({
    postsPerSecond: 1000,
    campaignSeconds: 1000,
    lanes: 104,
    workers: 1,
    redisMemoryMb: 433,
    redisConnections: 4,
    warnings: [],
  })
})

test('a long round trip needs more lanes, and with them more workers', () => {
  expect(planCapacity({ ...usual, roundTripMs: 1000 })).toMatchObject({ lanes: 1031, workers: 5, limitedBy: 'lanes' })
})

test('a high rate with a short round trip is limited by CPU', () => {
  expect(planCapacity({ ...usual, ratePerApp: 50_000, roundTripMs: 5 })).toMatchObject({ workers: 4, limitedBy: 'cpu' })
})

test.each([
  [{ apps: 70, ratePerApp: 1000 }, /cluster divides them/],
  [{ apps: 1, ratePerApp: 70_000 }, /does not divide an app/],
])('%o is too much for one Redis server', (needs, expected) => {
  expect(planCapacity({ ...usual, ...needs }).warnings).toEqual([expect.stringMatching(expected)])
})

test('the workers of a plan have the CPU and the lanes that its rate takes', () => {
  assert(
    property(
      integer({ min: 1, max: 1000 }),
      integer({ min: 1, max: 10_000 }),
      integer({ min: 1, max: 2000 }),
      integer({ min: 1, max: 1024 }),
      (apps, ratePerApp, roundTripMs, lanesPerWorker) => {
        const plan = planCapacity({ ...usual, apps, ratePerApp, roundTripMs, lanesPerWorker })
        expect(plan.workers * lanesPerWorker).toBeGreaterThanOrEqual(plan.lanes)
        expect(plan.workers * 1e6).toBeGreaterThan(plan.postsPerSecond * measured.workerMicrosPerPost)
      },
    ),
  )
})
