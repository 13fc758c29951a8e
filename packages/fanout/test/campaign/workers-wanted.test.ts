import type { CampaignRecord } from '@wns-fanout/state'
import { expect, test } from 'vitest'
import { demandOf } from '../../src/campaign/workers-wanted.ts'

function sending(pending: number, overSeconds?: number): CampaignRecord {
  const pace = overSeconds === undefined ? {} : { pace: { overSeconds } }
  return {
    definition: { request: { ...pace }, priority: 'normal' },
    totals: { pending },
    audienceSize: pending,
  } as unknown as CampaignRecord
}

test('the demand of an app is its rate while its backlog lasts for minutes', () => {
  expect(demandOf([sending(1_000_000)], 300)).toBe(300)
  expect(demandOf([sending(600_000), sending(600_000)], 50_000)).toBe(20_000)
})

test('a short backlog, a pace and no campaign need less', () => {
  expect(demandOf([sending(6000)], 300)).toBe(100)
  expect(demandOf([sending(1_000_000, 10_000)], 300)).toBe(100)
  expect(demandOf([], 300)).toBe(0)
})
