import type { CampaignRequest } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import { exceedsGuideline, guardSecondsOf } from '../../src/campaign/guideline.ts'

const badge: CampaignRequest = { notification: { type: 'badge', value: 1 }, audience: { all: true } }
function toast(line: string): CampaignRequest {
  return {
    notification: { type: 'toast', content: { title: line } },
    audience: { all: true },
  }
}
const toFew: CampaignRequest = { ...badge, audience: { channels: ['one', 'two'] } }

test.each([
  [0, 0],
  [2, 2],
  [600, 620],
  [1800, 1860],
  [86_400, 86_460],
])('an interval of %d s is kept for %d s', (genericIntervalSeconds, seconds) => {
  expect(guardSecondsOf({ genericIntervalSeconds })).toBe(seconds)
})

test.each([
  ['a generic update at the interval of the guideline', 'generic', 1860, badge, false],
  ['a generic update at a shorter one', 'generic', 620, badge, true],
  ['a generic update without any', 'generic', 0, badge, true],
  ['a personalised one with a variable', 'personalized', 0, toast('Hello {{vars.name|you}}'), false],
  ['a personalised one to a few', 'personalized', 0, toFew, false],
  ['one that is called personalised and says the same to all', 'personalized', 0, badge, true],
] as const)('%s exceeds the guideline or not', (_, update, guardSeconds, request, expected) => {
  expect(exceedsGuideline({ update, guardSeconds, request })).toBe(expected)
})
