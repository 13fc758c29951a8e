import type { AppId, CampaignId } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import type { PlanState } from '../../src/send/planner-wake.ts'
import { PlannerWake } from '../../src/send/planner-wake.ts'

const halfUsed: PlanState = { live: 100, active: 4, wakeAt: 8, planPosition: 40 }

function setup() {
  const wakes: unknown[][] = []
  const planner = new PlannerWake({
    enqueue: async (...job) => {
      wakes.push(job)
    },
  })
  const wake = (plan: Partial<PlanState>, campaign = 'c1'): Promise<void> =>
    planner.wake({ app: 'news' as AppId, campaign: campaign as CampaignId, seq: 0 }, { ...halfUsed, ...plan })
  return { wakes, planner, wake }
}

test('the planner is woken when fewer batches are active than it asked for', async () => {
  const { wakes, wake } = setup()
  await wake({ active: 8 })
  expect(wakes).toEqual([])
  await wake({ active: 7 })
  expect(wakes).toEqual([['plan', { app: 'news', campaign: 'c1' }, '40-8']])
})

test('parked batches do not keep the planner from being woken, unless there are too many', async () => {
  const { wakes, wake } = setup()
  await wake({ live: 256, active: 0 })
  expect(wakes).toEqual([])
  await wake({ live: 255, active: 0 })
  expect(wakes).toHaveLength(1)
})

test('a plan that is complete wakes no planner', async () => {
  const { wakes, wake } = setup()
  await wake({ planPosition: -1 })
  expect(wakes).toEqual([])
})

test('each place in the plan wakes the planner once, and once more when no batch is left', async () => {
  const { wakes, wake } = setup()
  for (const live of [10, 9, 0, 0]) await wake({ live, active: Math.min(live, 4) })
  await wake({ planPosition: 80 })
  expect(wakes.map(([, , occasion]) => occasion)).toEqual(['40-8', '40-done', '80-8'])
})

test('a planner that had nothing to plan is woken again at the number that it asks for then', async () => {
  const { wakes, wake } = setup()
  await wake({})
  await wake({ wakeAt: 5 })
  expect(wakes.map(([, , occasion]) => occasion)).toEqual(['40-8', '40-5'])
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
  await expect(planner.wake(ref, halfUsed)).rejects.toThrow('no Redis')
  await planner.wake(ref, halfUsed)
  expect(calls).toBe(2)
})

test('campaigns do not share a place, and another data set starts from the beginning', async () => {
  const { wakes, planner, wake } = setup()
  await wake({})
  await wake({}, 'c2')
  planner.forget()
  await wake({})
  expect(wakes).toHaveLength(3)
})

test('a thousand campaigns are remembered, not more', async () => {
  const { wakes, wake } = setup()
  for (let n = 0; n < 1001; n += 1) await wake({}, `c${n}`)
  await wake({}, 'c1000')
  await wake({}, 'c0')
  expect(wakes).toHaveLength(1002)
})
