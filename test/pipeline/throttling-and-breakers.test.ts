import { repeat, until } from '@wns-fanout/testing'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { StackWorker, TestStack } from '../support/stack.ts'
import type { SimulatedClients } from '../support/clients.ts'
import { registerApp } from '../support/apps.ts'
import { finished } from '../support/campaigns.ts'
import { halted, letGo, metric, some, startWithClients, tile } from './support.ts'

// What a sender does when WNS is unhappy, and what keeps it from making WNS unhappy. Each app has a client of its own,
// so that the simulator can treat them differently.

let stack: TestStack
let workers: readonly StackWorker[]
let clients: SimulatedClients

beforeAll(async () => {
  ;({ stack, workers, clients } = await startWithClients())
})
afterAll(async () => {
  await stack[Symbol.asyncDispose]()
})

test('a payload that WNS refuses for every channel stops after hundreds of posts', async () => {
  await registerApp(stack, 'refused', repeat(20_000), clients.as(1))
  await clients.faults({ 1: { always: 413 } })
  const campaign = await halted(stack, (await stack.api.createCampaign('refused', tile)).id)
  expect(campaign).toMatchObject({ state: 'halted', reason: 'breaker' })
  expect(campaign.totals.rejected).toBeGreaterThanOrEqual(50)
  expect(campaign.totals.rejected + campaign.totals.pending).toBe(20_000)
  expect((await clients.counts(1)).posts).toBeLessThan(1000)
})

test('when every channel seems to be gone, the campaign halts and the registry is kept', async () => {
  await registerApp(stack, 'gone', repeat(5000), clients.as(2))
  await clients.faults({ 2: { always: 404 } })
  const campaign = await halted(stack, (await stack.api.createCampaign('gone', tile)).id)
  expect(campaign).toMatchObject({ state: 'halted', reason: 'mass-removal' })
  expect((await stack.api.app('gone')).channels).toBeGreaterThan(4000)
})

test('a base with 40 % dead addresses is sent to completely, with one explicit decision', async () => {
  const behaviors = Array.from({ length: 3000 }, (_, n) => (n % 5 < 2 ? 'gone' : 'ok'))
  await registerApp(stack, 'stale', behaviors, clients.as(5))
  const stopped = await halted(stack, (await stack.api.createCampaign('stale', tile)).id)
  expect(stopped).toMatchObject({ state: 'halted', reason: 'mass-removal' })
  const { channels } = await stack.api.app('stale')
  // A placeholder that no channel has a value for would not make it personalized.
  await stack.api.patchChannel('stale', 'd2', { vars: { name: 'Ada' } })
  const decided = await stack.api.createCampaign('stale', {
    ...tile,
    topic: 'again',
    update: 'personalized',
    notification: { type: 'tile', content: { medium: { lines: ['Hello {{vars.name|there}}'] } } },
    maxDeadShare: { share: 0.6, reason: 'imported a year ago' },
  })
  const campaign = await finished(stack, decided.id)
  expect(campaign).toMatchObject({ state: 'completed', totals: { accepted: 1800, dead: channels - 1800, pending: 0 } })
  expect((await stack.api.app('stale')).channels).toBe(1800)
})

test('a canary that fails too often halts the campaign, and one that does not lets it continue', async () => {
  await registerApp(
    stack,
    'canary',
    [...Array.from({ length: 512 }, (_, n) => (n % 5 < 2 ? 'badheader' : 'ok')), ...repeat(4000)],
    clients.as(3),
  )
  const failing = await stack.api.createCampaign('canary', { ...tile, canary: { size: 500, maxFailureShare: 0.3 } })
  expect(await halted(stack, failing.id)).toMatchObject({
    state: 'halted',
    reason: 'canary',
    // Exactly the first 500, although 512 recipients are stored together.
    totals: { accepted: 300, rejected: 200, pending: 4012 },
  })
  await registerApp(stack, 'canary-sings', repeat(3000), clients.as(4))
  const sound = await stack.api.createCampaign('canary-sings', { ...tile, canary: { size: 500, maxFailureShare: 0.3 } })
  expect(some((await finished(stack, sound.id)).totals)).toEqual({ accepted: 3000 })
})

test('a campaign that fails more than its owner will have halts', async () => {
  const behaviours = Array.from({ length: 6000 }, (_, n) => (n % 4 === 0 ? 'badheader' : 'ok'))
  await registerApp(stack, 'share', behaviours, clients.as(5))
  const { id } = await stack.api.createCampaign('share', { ...tile, maxFailureShare: 0.1 })
  const campaign = await halted(stack, id)
  expect(campaign).toMatchObject({ state: 'halted', reason: 'failure-share' })
  expect(campaign.totals.pending).toBeGreaterThan(3000)
})

test('an app whose every token is rejected rests with a reason, and others do not notice', async () => {
  await registerApp(stack, 'rejected', repeat(3000), clients.as(6))
  await registerApp(stack, 'unharmed', repeat(1000), clients.as(7))
  await clients.faults({ 6: { always: 401 } })
  const { id } = await stack.api.createCampaign('rejected', tile)
  const other = await stack.api.createCampaign('unharmed', tile)
  expect((await finished(stack, other.id)).totals.accepted).toBe(1000)
  const app = await until('the breaker to open', async () => {
    const now = await stack.api.app('rejected')
    return now.breaker === undefined ? undefined : now
  })
  expect(app.breaker?.reason).toContain('401')
  await letGo(stack, 'rejected', id)
  expect(await stack.api.campaign(id)).toMatchObject({ state: 'sending', reason: 'breaker', totals: { pending: 3000 } })
  const posts = await clients.postsOf('rejected')
  expect(Math.max(...posts.map((each) => each.posts))).toBeLessThanOrEqual(2)
  expect((await clients.counts(6)).tokenRequests).toBeLessThanOrEqual(3)
  await stack.api.cancelCampaign(id)
  await finished(stack, id)
  await clients.faults({})
})

test('bad credentials open the breaker with what to do, and new ones close it', async () => {
  await registerApp(stack, 'misled', repeat(50), {
    credentials: { kind: 'store', packageSid: clients.sid(8), clientSecret: 'bad-secret' },
  })
  const { id } = await stack.api.createCampaign('misled', tile)
  await until('the breaker to open', async () => (await stack.api.app('misled')).breaker)
  expect((await stack.api.campaign(id)).reason).toBe('breaker')
  await stack.api.putApp('misled', {
    credentials: { kind: 'store', packageSid: clients.sid(8), clientSecret: 'good-secret' },
    ratePerSecond: 1000,
  })
  expect(some((await finished(stack, id, 90_000)).totals)).toEqual({ accepted: 50 })
}, 120_000)

test('a campaign can be spread over a time', async () => {
  await registerApp(stack, 'paced', repeat(1500), clients.as(9))
  const startedMs = performance.now()
  const { id } = await stack.api.createCampaign('paced', { ...tile, pace: { overSeconds: 6 } })
  await until('a third of the time', () => (performance.now() - startedMs > 2000 ? true : undefined))
  const early = (await stack.api.campaign(id)).totals.accepted
  expect(early).toBeGreaterThan(100)
  expect(early).toBeLessThan(1000)
  expect((await finished(stack, id)).totals.accepted).toBe(1500)
  expect(performance.now() - startedMs).toBeGreaterThan(4500)
})

test('a host that is away rests, the others continue, and its recipients are not lost', async () => {
  await registerApp(stack, 'hosts', repeat(2000), { ...clients.as(10), maxAttempts: 6 })
  await stack.control('PUT', '/v1/faults', { clients: { [clients.sid(10)]: { always: 503 } } })
  const { id } = await stack.api.createCampaign('hosts', tile)
  await until('some 503', async () => ((await clients.counts(10)).posts > 60 ? true : undefined))
  await clients.faults({})
  expect(some((await finished(stack, id, 90_000)).totals)).toEqual({ accepted: 2000 })
}, 120_000)

test('of five campaigns posted in one interval, the first and the newest go', async () => {
  await registerApp(stack, 'weather', repeat(20), {
    ...clients.as(11),
    genericIntervalSeconds: 3,
    allowFasterThanGuideline: { reason: 'test' },
  })
  const posts = []
  for (const name of ['one', 'two', 'three', 'four', 'five'])
    posts.push(await stack.api.createCampaign('weather', { ...tile, name, overLimit: 'coalesce' }))
  const ended = await Promise.all(posts.map(({ id }) => finished(stack, id)))
  expect(ended.map(({ state, reason, totals }) => [state, reason, totals.accepted])).toEqual([
    ['completed', undefined, 20],
    ['cancelled', 'superseded', 0],
    ['cancelled', 'superseded', 0],
    ['cancelled', 'superseded', 0],
    ['completed', undefined, 20],
  ])
  const dropped = await stack.api.createCampaign('weather', { ...tile, overLimit: 'drop' })
  expect(dropped).toMatchObject({ state: 'cancelled', reason: 'guard', audienceSize: 0 })
})

test('throttled by 406: the rate decreases, nothing is lost, and the metric shows why', async () => {
  await registerApp(stack, 'capped', repeat(1500), { ...clients.as(12), ratePerSecond: 400, burst: 20 })
  await clients.faults({ 12: { rateCap: { perSecond: 200, status: 406, retryAfter: 1 } } })
  const { id } = await stack.api.createCampaign('capped', tile)
  await until('the rate to give way', async () => {
    const { effectiveRatePerSecond } = await stack.api.app('capped')
    return effectiveRatePerSecond < 400 ? true : undefined
  })
  const campaign = await finished(stack, id, 90_000)
  expect(some(campaign.totals)).toEqual({ accepted: 1500 })
  const texts = await Promise.all(workers.map(async ({ ops }) => (await request(`${ops}/metrics`)).body.text()))
  const retries = texts.reduce(
    (sum, text) => sum + metric(text, 'wns_fanout_retries_total', 'app="capped",reason="app-throttled"'),
    0,
  )
  expect(retries).toBeGreaterThan(0)
  await clients.faults({})
}, 120_000)

test('a small campaign of one app does not wait for a huge one of another', async () => {
  await registerApp(stack, 'huge', repeat(20_000), { ...clients.as(13), ratePerSecond: 1000, burst: 100 })
  await registerApp(stack, 'small', repeat(500), { ...clients.as(14), ratePerSecond: 3000, burst: 300 })
  const huge = await stack.api.createCampaign('huge', tile)
  await until('the huge one to be under way', async () =>
    (await stack.api.campaign(huge.id)).totals.accepted > 500 ? true : undefined,
  )
  const small = await stack.api.createCampaign('small', tile)
  expect((await finished(stack, small.id)).totals.accepted).toBe(500)
  const then = await stack.api.campaign(huge.id)
  expect(then.totals.pending).toBeGreaterThan(10_000)
  await stack.api.cancelCampaign(huge.id)
  await finished(stack, huge.id)
})
