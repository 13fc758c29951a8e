import type { CampaignRecord } from '@wns-fanout/state'
import { expect, test } from 'vitest'
import { replayOf } from '../../src/campaign/replay.ts'

function ended(more: Partial<CampaignRecord> = {}): CampaignRecord {
  const notification = { type: 'badge', value: 7 }
  const request = {
    notification,
    audience: { all: true },
    topic: 'scores',
    startAt: '2030-01-01T00:00:00Z',
    expiresAt: '2030-01-02T00:00:00Z',
    sample: { share: 0.1 },
    canary: { size: 10 },
  }
  return { state: 'completed', definition: { id: 'c1', request }, ...more } as unknown as CampaignRecord
}

test('a replay has the notification of the campaign, and neither its times nor its sample nor its canary', () => {
  expect(replayOf(ended(), {})).toEqual({
    notification: { type: 'badge', value: 7 },
    topic: 'scores',
    audience: { failedOf: 'c1' },
  })
})

test('a replay goes to the recipients with the classes and reasons that it names', () => {
  const filter = { classes: ['failed', 'cancelled'], reasons: ['timeout'], includeInDoubt: true } as const
  expect(replayOf(ended(), filter).audience).toEqual({ failedOf: 'c1', ...filter })
})

test('a campaign that has not ended, or whose definition was lost, cannot be repeated', () => {
  expect(() => replayOf(ended({ state: 'sending' }), {})).toThrow('campaign c1 is sending')
  expect(() => replayOf(ended({ definitionLost: true }), {})).toThrow('the definition of campaign c1 was lost')
})
