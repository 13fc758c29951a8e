import type { Campaign } from '@wns-fanout/domain'
import { closeRedis, connectRedis, Keys } from '@wns-fanout/state'
import { repeat, until } from '@wns-fanout/testing'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { registerApp } from '../support/apps.ts'
import { finished } from '../support/campaigns.ts'
import type { StackWorker, TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import { metric, tile } from './support.ts'

let stack: TestStack
let worker: StackWorker

beforeAll(async () => {
  stack = await startTestStack()
  worker = await stack.startWorker({ WNS_FANOUT_LOCK_MS: '2000' })
})
afterAll(async () => {
  await stack[Symbol.asyncDispose]()
})

const slow = { ratePerSecond: 20 }

test('each recipient of a campaign that is cancelled in the API is counted once', async () => {
  await registerApp(stack, 'cancelled', repeat(2000), slow)
  const { id } = await stack.api.createCampaign('cancelled', tile)
  await until('some posts', async () => ((await stack.api.campaign(id)).totals.accepted > 20 ? true : undefined))
  await stack.api.cancelCampaign(id)
  const campaign = await finished(stack, id)
  expect(campaign.totals.cancelled).toBeGreaterThan(1000)
  await allCounted(campaign)
})

test('each recipient of a campaign that expires is counted once', async () => {
  await registerApp(stack, 'expired', repeat(2000), slow)
  const expiresAt = new Date(Date.now() + 3000).toISOString()
  const { id } = await stack.api.createCampaign('expired', { ...tile, expiresAt })
  const campaign = await finished(stack, id)
  expect(campaign.totals.lapsed).toBeGreaterThan(1000)
  await allCounted(campaign)
})

test('each recipient of a campaign whose ledger is repaired is counted once', async () => {
  await registerApp(stack, 'repaired', repeat(1200, 'error'), { maxAttempts: 5 })
  const { id } = await stack.api.createCampaign('repaired', tile)
  const redis = connectRedis(stack.redisUrl, { role: 'worker' })
  const keys = new Keys(stack.env['WNS_FANOUT_PREFIX'] ?? '')
  try {
    await until('a batch to be parked', async () =>
      (await redis.hget(keys.batch('repaired', id, 1), 'state')) === 'parked' ? true : undefined,
    )
    await redis.del(keys.vector('repaired', id, 1))
  } finally {
    await closeRedis(redis)
  }
  const campaign = await finished(stack, id)
  expect(campaign).toMatchObject({ state: 'halted', reason: 'ledger-damaged' })
  expect(campaign.totals.in_doubt).toBeGreaterThan(0)
  await allCounted(campaign)
})

/** The metric has the totals of the campaign, class by class, and nothing more once the campaign is retired. */
async function allCounted({ id, app, totals }: Campaign): Promise<void> {
  await until(`campaign ${id} to be retired`, async () => {
    const metrics = await (await request(`${worker.ops}/metrics`)).body.text()
    return metric(metrics, 'wns_fanout_campaigns_ended_total', `app="${app}"`) > 0 ? true : undefined
  })
  const metrics = await until(`the recipients of ${id} to be counted`, async () => {
    const text = await (await request(`${worker.ops}/metrics`)).body.text()
    return metric(text, 'wns_fanout_sends_total', `app="${app}"`) >= sum(totals) ? text : undefined
  })
  const counted = Object.keys(totals).map((name) => [
    name,
    metric(metrics, 'wns_fanout_sends_total', `app="${app}",type="tile",class="${name}"`),
  ])
  expect(Object.fromEntries(counted)).toEqual(totals)
}

function sum(totals: Campaign['totals']): number {
  return Object.values(totals).reduce((all, count) => all + count, 0)
}
