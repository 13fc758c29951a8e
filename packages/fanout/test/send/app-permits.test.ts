import type { AppId, CampaignId } from '@wns-fanout/domain'
import type { Grant, PermitShare } from '@wns-fanout/state'
import { expect, test } from 'vitest'
import { AppPermits } from '../../src/send/app-permits.ts'

const APP = 'news' as AppId

function setup() {
  const asked: (PermitShare | undefined)[] = []
  const refused: number[] = []
  const permits = new AppPermits(
    {
      take: async (_app, wanted, _limit, share): Promise<Grant> => {
        asked.push(share)
        return { granted: wanted, waitMs: 0, effectiveRate: 1000, nowMs: 50, probe: false, activeCampaigns: 2 }
      },
      slowDown: async (_app, { grantedAtMs }) => {
        refused.push(grantedAtMs)
        return { decreased: true, decreasedAtMs: 60, effectiveRate: 500 }
      },
      endProbe: async () => true,
    },
    APP,
    { limit: () => ({ ratePerSecond: 1000, burst: 100 }) },
  )
  const of = (campaign: string, weight = 1) => permits.of(campaign as CampaignId, weight)
  /** Waits for the permits of a campaign. */
  const granted = async (campaign: string): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>()
    of(campaign).onGranted(resolve)
    of(campaign).take()
    await promise
  }
  return { permits, of, granted, asked, refused }
}

test('each campaign asks for its own permits, with its weight', async () => {
  const { of, granted, asked } = setup()
  of('urgent', 8)
  await granted('urgent')
  await granted('normal')
  expect(asked).toEqual([
    { campaign: 'urgent', weight: 8 },
    { campaign: 'normal', weight: 1 },
  ])
})

test('the batches of a campaign share its permits', () => {
  const { of } = setup()
  expect(of('c1')).toBe(of('c1'))
  expect(of('c1')).not.toBe(of('c2'))
})

test('after a refusal by WNS the permits in hand of every campaign of the app lapse', async () => {
  const { of, granted, refused } = setup()
  await granted('c1')
  await granted('c2')
  expect(of('c2').take()).toBeDefined()
  of('c1').slowDown(50, undefined)
  expect([of('c1').take(), of('c2').take(), refused]).toEqual([undefined, undefined, [50]])
})

test('campaigns without a batch in hand are forgotten when there are many of them', async () => {
  const { of, granted } = setup()
  const unused = of('unused')
  await granted('used')
  const used = of('used')
  for (let n = 0; n < 20; n += 1) of(`c${n}`)
  expect(of('used')).toBe(used)
  expect(of('unused')).not.toBe(unused)
})
