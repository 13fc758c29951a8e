import type { CampaignId, CampaignRequest } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import { exceedsGuideline, guardProblem, guardSecondsOf } from '../../src/campaign/guideline.ts'

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
])('an interval of %d s is guarded for %d s', (genericIntervalSeconds, seconds) => {
  expect(guardSecondsOf({ genericIntervalSeconds })).toBe(seconds)
})

test.each([
  ['a generic update at the interval of the guideline', 'generic', 1860, badge, false],
  ['a generic update at a shorter interval', 'generic', 620, badge, true],
  ['a generic update without an interval', 'generic', 0, badge, true],
  ['a personalized update with a placeholder', 'personalized', 0, toast('Hello {{vars.name|you}}'), false],
  ['a personalized update to a few listed channels', 'personalized', 0, toFew, false],
  ['a personalized update that is the same for all', 'personalized', 0, badge, true],
] as const)('%s exceeds the guideline or not', (_, update, guardSeconds, request, expected) => {
  expect(exceedsGuideline({ update, guardSeconds, request })).toBe(expected)
})

const before = 'c7' as CampaignId

test.each([
  ['refused', 'campaign c7 has the slot'],
  ['full', 'are deferred already, the last one as campaign c7'],
] as const)('a campaign that is %s has a problem with its reason and its time', (kind, text) => {
  const problem = guardProblem({ request: badge, topic: 'sport' }, { kind, admissibleAtMs: 90_500, before }, 60_000)
  expect(problem).toMatchObject({ code: 'guard-interval', retryAfterSeconds: 31 })
  expect(problem.extra).toEqual({ admissibleAt: '1970-01-01T00:01:30.500Z', campaign: 'c7' })
  expect(problem.message).toContain(text)
  expect(problem.message).toContain('badge')
  expect(problem.message).toContain('topic sport')
})

test('a campaign that may be admitted now is repeated after a second at the earliest', () => {
  const refused = { kind: 'refused', admissibleAtMs: 60_000, before } as const
  expect(guardProblem({ request: badge, topic: 'sport' }, refused, 60_000).retryAfterSeconds).toBe(1)
})
