import { repeat, until } from '@wns-fanout/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestStack } from '../support/stack.ts'
import type { SimulatedClients } from '../support/clients.ts'
import { registerApp } from '../support/apps.ts'
import { finished } from '../support/campaigns.ts'
import { letGo, some, tile, startWithClients } from './support.ts'

// A 401 concerns one channel while WNS takes the same token for others, and the app when it does not. Each app has a
// client of its own, so that the simulator can treat them differently.

let stack: TestStack
let clients: SimulatedClients

beforeAll(async () => {
  ;({ stack, clients } = await startWithClients())
})
afterAll(async () => {
  await stack[Symbol.asyncDispose]()
})

/** Good channels with some that answer 401 in between, the first one at the very beginning. */
function withUnauthorized(good: number, bad: number): string[] {
  const behaviours = repeat(good)
  for (let n = 0; n < bad; n += 1) behaviours.splice(n * Math.floor(good / bad), 0, 'unauthorized')
  return behaviours
}

async function postsOfUnauthorized(app: string): Promise<number[]> {
  const posts = await clients.postsOf(app)
  return posts.filter(({ token }) => token.startsWith('unauthorized')).map((each) => each.posts)
}

async function rejectedOf(id: string): Promise<unknown[]> {
  const found: unknown[] = []
  for await (const result of stack.api.results(id, { class: 'rejected' })) found.push(result)
  return found
}

test.each([
  { app: 'one-bad', n: 1, good: 1000, bad: 1, ratePerSecond: 500 },
  { app: 'four-bad', n: 2, good: 1000, bad: 4, ratePerSecond: 500 },
  { app: 'one-bad-slowly', n: 3, good: 60, bad: 1, ratePerSecond: 20 },
])(
  '$bad of $good channels that answer 401 are rejected after two posts, and the others do not notice',
  async ({ app, n, good, bad, ratePerSecond }) => {
    await registerApp(stack, app, withUnauthorized(good, bad), { ...clients.as(n), ratePerSecond })
    const campaign = await finished(stack, (await stack.api.createCampaign(app, tile)).id)
    expect(campaign.state).toBe('completed')
    expect(campaign.reason).toBeUndefined()
    expect(some(campaign.totals)).toEqual({ accepted: good, rejected: bad })
    const rejected = await rejectedOf(campaign.id)
    expect(rejected).toHaveLength(bad)
    for (const result of rejected)
      expect(result).toMatchObject({ class: 'rejected', reason: 'unauthorized', status: 401 })
    expect(await postsOfUnauthorized(app)).toEqual(repeat(bad).map(() => 2))
    expect((await clients.counts(n)).tokenRequests).toBeLessThanOrEqual(2)
    expect((await stack.api.app(app)).breaker).toBeUndefined()
  },
)

test('a second campaign of an app with a channel that answers 401 is sent at once', async () => {
  await registerApp(stack, 'beside', ['unauthorized', ...repeat(3)], clients.as(4))
  const bad = await stack.api.createCampaign('beside', { ...tile, audience: { channels: ['d0'] } })
  const good = await stack.api.createCampaign('beside', {
    ...tile,
    topic: 'other',
    audience: { channels: ['d1', 'd2', 'd3'] },
  })
  expect(some((await finished(stack, good.id)).totals)).toEqual({ accepted: 3 })
  const ended = await finished(stack, bad.id)
  expect(ended).toMatchObject({ state: 'completed', totals: { rejected: 1 } })
  expect((await stack.api.app('beside')).breaker).toBeUndefined()
  expect(await postsOfUnauthorized('beside')).toEqual([2])
})

test('when every channel answers 401 the breaker opens, and no recipient is settled or posted to a third time', async () => {
  await registerApp(stack, 'storm', repeat(2000, 'unauthorized'), clients.as(5))
  await registerApp(stack, 'calm', repeat(500), clients.as(6))
  const { id } = await stack.api.createCampaign('storm', tile)
  const other = await stack.api.createCampaign('calm', tile)
  const { breaker } = await until('the breaker to open', async () => {
    const now = await stack.api.app('storm')
    return now.breaker === undefined ? undefined : now
  })
  expect(breaker?.reason).toContain('401')
  expect(some((await finished(stack, other.id)).totals)).toEqual({ accepted: 500 })
  await letGo(stack, 'storm', id)
  expect(await stack.api.campaign(id)).toMatchObject({
    state: 'sending',
    reason: 'breaker',
    etaSeconds: null,
    totals: { pending: 2000 },
  })
  expect(Math.max(...(await postsOfUnauthorized('storm')))).toBeLessThanOrEqual(2)
  expect((await clients.counts(5)).tokenRequests).toBeLessThanOrEqual(3)
  await stack.api.cancelCampaign(id)
  await finished(stack, id)
})

test('a storm of 401 that ends loses no recipient', async () => {
  await registerApp(stack, 'passing', repeat(1000), clients.as(7))
  await clients.faults({ 7: { always: 401 } })
  const { id } = await stack.api.createCampaign('passing', tile)
  await until('the breaker to open', async () => (await stack.api.app('passing')).breaker)
  await clients.faults({})
  expect(some((await finished(stack, id, 100_000)).totals)).toEqual({ accepted: 1000 })
}, 120_000)
