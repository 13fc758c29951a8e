import type { Campaign, CampaignRequest } from '@wns-fanout/domain'
import { repeat, until } from '@wns-fanout/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import { SimulatedClients } from '../support/clients.ts'
import { registerApp } from '../support/apps.ts'
import { finished } from '../support/campaigns.ts'

// The time left that a campaign shows after five seconds of sending, against the time that it then takes. The rates are
// low, so that they decide and not the machine; the campaigns of all tests send at the same time.

let stack: TestStack
let clients: SimulatedClients

beforeAll(async () => {
  stack = await startTestStack()
  clients = new SimulatedClients(stack)
  await stack.startWorker()
})
afterAll(async () => {
  await stack[Symbol.asyncDispose]()
})

const RATE_PER_SECOND = 100
const RECIPIENTS = 2000
/** Exempt from the guard, so that several campaigns of an app may send at once. */
const hello: CampaignRequest = {
  notification: { type: 'tile', content: { medium: { lines: ['Hello {{vars.name|there}}'] } } },
  audience: { all: true },
  update: 'personalized',
}

/** The time left that is shown before the start of a campaign, divided by the time that it then took. */
async function predictedBefore(created: Campaign): Promise<number> {
  const shown = await stack.api.campaign(created.id)
  const shownAtMs = Date.now()
  expect(shown).toMatchObject({ state: 'scheduled', audienceSize: null })
  const { finishedAt = '' } = await finished(stack, created.id, 120_000)
  return (shown.etaSeconds ?? 0) / ((Date.parse(finishedAt) - shownAtMs) / 1000)
}

/** The time left that was shown once `settled` recipients were, divided by the time that it then took. */
async function predicted(created: Campaign, settled: number): Promise<number> {
  const shown = await until(
    `${settled} recipients of ${created.id}`,
    async () => {
      const campaign = await stack.api.campaign(created.id)
      const { audienceSize, totals } = campaign
      return audienceSize !== null && audienceSize - totals.pending >= settled && campaign
    },
    60_000,
  )
  const shownAtMs = Date.now()
  const { finishedAt = '' } = await finished(stack, created.id, 120_000)
  return (shown.etaSeconds ?? 0) / ((Date.parse(finishedAt) - shownAtMs) / 1000)
}

function within20Percent(ratio: number): void {
  expect(ratio).toBeGreaterThan(0.8)
  expect(ratio).toBeLessThan(1.2)
}

describe.concurrent('the time left after five seconds is within 20 % of what then happens', () => {
  test('for a campaign alone', async () => {
    await registerApp(stack, 'alone', repeat(RECIPIENTS), { ...clients.as(1), ratePerSecond: RATE_PER_SECOND })
    within20Percent(await predicted(await stack.api.createCampaign('alone', hello), 5 * RATE_PER_SECOND))
  })

  test('for campaigns that share the rate of their app', async () => {
    await registerApp(stack, 'shared', repeat(RECIPIENTS), { ...clients.as(2), ratePerSecond: RATE_PER_SECOND })
    const small = { ...hello, sample: { share: 0.5, seed: 1 } }
    const both = [await stack.api.createCampaign('shared', hello), await stack.api.createCampaign('shared', small)]
    const ratios = await Promise.all(both.map((each) => predicted(each, 2.5 * RATE_PER_SECOND)))
    for (const ratio of ratios) within20Percent(ratio)
  })

  test('for a campaign that WNS throttles', async () => {
    await clients.faults({ 4: { rateCap: { perSecond: RATE_PER_SECOND, status: 429, retryAfter: 1 } } })
    await registerApp(stack, 'throttled', repeat(RECIPIENTS), { ...clients.as(4), ratePerSecond: 2 * RATE_PER_SECOND })
    within20Percent(await predicted(await stack.api.createCampaign('throttled', hello), 5 * RATE_PER_SECOND))
  })

  test('for a campaign with a pace', async () => {
    await registerApp(stack, 'paced', repeat(RECIPIENTS), { ...clients.as(3), ratePerSecond: 10 * RATE_PER_SECOND })
    const paced = { ...hello, pace: { overSeconds: 20 } }
    within20Percent(await predicted(await stack.api.createCampaign('paced', paced), RECIPIENTS / 4))
  })

  test('for a campaign that starts later', async () => {
    await registerApp(stack, 'later', repeat(RECIPIENTS / 2), { ...clients.as(5), ratePerSecond: RATE_PER_SECOND })
    const startAt = new Date(Date.now() + 5000).toISOString()
    within20Percent(await predictedBefore(await stack.api.createCampaign('later', { ...hello, startAt })))
  })

  test('for a campaign that is deferred by the guard', async () => {
    await registerApp(stack, 'deferred', repeat(RECIPIENTS / 2), {
      ...clients.as(6),
      ratePerSecond: RATE_PER_SECOND,
      genericIntervalSeconds: 15,
      allowFasterThanGuideline: { reason: 'a test of the time left' },
    })
    const generic: CampaignRequest = { notification: { type: 'badge', value: 1 }, audience: { all: true } }
    await finished(
      stack,
      (await stack.api.createCampaign('deferred', { ...generic, sample: { share: 0.05, seed: 1 } })).id,
    )
    within20Percent(
      await predictedBefore(await stack.api.createCampaign('deferred', { ...generic, overLimit: 'defer' })),
    )
  })
})
