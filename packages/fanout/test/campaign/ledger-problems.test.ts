import type { CampaignId } from '@wns-fanout/domain'
import { Problem } from '@wns-fanout/domain'
import { LedgerDamaged, LedgerVersion } from '@wns-fanout/state'
import { expect, test } from 'vitest'
import { nullIfUnavailable, translateLedgerErrors } from '../../src/campaign/ledger-problems.ts'

const id = 'c1' as CampaignId
function rejecting(error: Error): Promise<never> {
  return translateLedgerErrors(id, async () => {
    throw error
  })
}

test.each([
  [new LedgerDamaged('batch 3: no range'), /c1 is temporarily unavailable: its ledger is damaged and being repaired/],
  [new LedgerVersion('the campaign: version 2'), /c1 is temporarily unavailable: another version/],
])('%s makes the campaign unavailable, with its cause', async (cause, message) => {
  const problem = await rejecting(cause).catch((error: unknown) => error as Problem)
  expect(problem).toBeInstanceOf(Problem)
  expect(problem).toMatchObject({ code: 'unavailable', cause, message: expect.stringMatching(message) as string })
  expect(nullIfUnavailable(problem)).toBeNull()
})

test('every other error stays as it is', async () => {
  const error = new Error('Redis is away')
  await expect(rejecting(error)).rejects.toBe(error)
  expect(() => nullIfUnavailable(error)).toThrow(error)
  const problem = new Problem('not-found', 'there is no campaign c1')
  expect(() => nullIfUnavailable(problem)).toThrow(problem)
})

test('an answer stays as it is', async () => {
  expect(await translateLedgerErrors(id, async () => 7)).toBe(7)
})
