import type { AppId, CampaignId } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import { PlannerWake } from '../../src/send/planner-wake.ts'

function setup() {
  const wakes: unknown[][] = []
  const planner = new PlannerWake({
    enqueue: async (...job) => {
      wakes.push(job)
    },
  })
  const wake = (live: number, planCursor: number, campaign = 'c1'): Promise<void> =>
    planner.wake({ app: 'news' as AppId, campaign: campaign as CampaignId, seq: 0 }, { live, planCursor })
  return { wakes, planner, wake }
}

test('the planner is woken when fewer than 128 batches are left', async () => {
  const { wakes, wake } = setup()
  await wake(128, 40)
  expect(wakes).toEqual([])
  await wake(127, 40)
  expect(wakes).toEqual([['plan', { app: 'news', campaign: 'c1' }, '40']])
})

test('a plan that is complete wakes no planner', async () => {
  const { wakes, wake } = setup()
  await wake(0, -1)
  expect(wakes).toEqual([])
})

test('each place in the plan wakes the planner once, and once more when no batch is left', async () => {
  const { wakes, wake } = setup()
  for (const live of [10, 9, 0, 0]) await wake(live, 40)
  await wake(10, 80)
  expect(wakes.map(([, , occasion]) => occasion)).toEqual(['40', '40-done', '80'])
})

test('a failed wake is repeated at the next end of a batch', async () => {
  let calls = 0
  const planner = new PlannerWake({
    enqueue: async () => {
      calls += 1
      if (calls === 1) throw new Error('no Redis')
    },
  })
  const ref = { app: 'news' as AppId, campaign: 'c1' as CampaignId, seq: 0 }
  await expect(planner.wake(ref, { live: 1, planCursor: 4 })).rejects.toThrow('no Redis')
  await planner.wake(ref, { live: 1, planCursor: 4 })
  expect(calls).toBe(2)
})

test('campaigns do not share a place, and another data set starts from the beginning', async () => {
  const { wakes, planner, wake } = setup()
  await wake(1, 40)
  await wake(1, 40, 'c2')
  planner.forget()
  await wake(1, 40)
  expect(wakes).toHaveLength(3)
})

test('a thousand campaigns are remembered, not more', async () => {
  const { wakes, wake } = setup()
  for (let n = 0; n < 1001; n += 1) await wake(1, 40, `c${n}`)
  await wake(1, 40, 'c1000')
  await wake(1, 40, 'c0')
  expect(wakes).toHaveLength(1002)
})
