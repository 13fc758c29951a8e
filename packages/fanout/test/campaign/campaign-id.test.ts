import type { AppId } from '@wns-fanout/domain'
import { campaignIdSchema } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import { campaignIdOf, newCampaignId } from '../../src/campaign/campaign-id.ts'

const [news, mail] = ['news', 'mail'] as AppId[] as [AppId, AppId]

test('new ids are valid and differ', () => {
  const ids = Array.from({ length: 1000 }, () => newCampaignId())
  expect(new Set(ids).size).toBe(1000)
  for (const id of ids) expect(campaignIdSchema.parse(id)).toBe(id)
})

test('an idempotency key always stands for the same id', () => {
  // Written out: ids of campaigns that exist must not change with a new version.
  expect(campaignIdOf(news, 'order-1')).toBe('46apifqgcum85tk0')
})

test('other keys, and the same key of another app, stand for other ids', () => {
  const ids = [campaignIdOf(news, 'a'), campaignIdOf(news, 'b'), campaignIdOf(mail, 'a'), campaignIdOf(news, 'A')]
  expect(new Set(ids).size).toBe(4)
})
