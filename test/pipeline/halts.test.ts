import type { Campaign, CampaignRequest, HaltCause, ReplayFilter, Result } from '@wns-fanout/domain'
import { repeat, until } from '@wns-fanout/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TestStack } from '../support/stack.ts'
import type { SimulatedClients } from '../support/clients.ts'
import { registerApp } from '../support/apps.ts'
import { finished } from '../support/campaigns.ts'
import { simulatorStats } from '../support/simulator.ts'
import { halted, letGo, some, tile, startWithClients } from './support.ts'

// Halts that can be resumed. Each app has a client of its own, so that the simulator can treat them differently.

let stack: TestStack
let clients: SimulatedClients

beforeAll(async () => {
  ;({ stack, clients } = await startWithClients())
})
afterAll(async () => {
  await stack[Symbol.asyncDispose]()
})

function mixed(count: number, every: number, behavior: string): string[] {
  return Array.from({ length: count }, (_, n) => (n % every === 0 ? behavior : 'ok'))
}

interface Case {
  readonly behaviors: readonly string[]
  readonly request?: Partial<CampaignRequest>
  readonly totals: Partial<Campaign['totals']>
}

const cases: Readonly<Record<Exclude<HaltCause, 'breaker'>, Case>> = {
  canary: {
    behaviors: mixed(2000, 4, 'forbidden'),
    request: { canary: { size: 30, maxFailureShare: 0.1 } },
    totals: { accepted: 1500, rejected: 500 },
  },
  'failure-share': {
    behaviors: mixed(3000, 4, 'forbidden'),
    request: { maxFailureShare: 0.1 },
    totals: { accepted: 2250, rejected: 750 },
  },
  'mass-removal': {
    behaviors: mixed(3000, 2, 'gone'),
    totals: { accepted: 1500, dead: 1500 },
  },
}

describe.each(Object.entries(cases))('a campaign halted by %s', (cause, { behaviors, request, totals }) => {
  const app = `halt-${cause}`
  const client = 21 + Object.keys(cases).indexOf(cause)

  test('is resumed to its end once the cause is accepted, and does not halt for it again', async () => {
    await registerApp(stack, app, behaviors, clients.as(client))
    const { id } = await stack.api.createCampaign(app, { ...tile, ...request })
    const held = await halted(stack, id)
    expect(held).toMatchObject({ state: 'halted', reason: cause, etaSeconds: null })
    expect(held.detail).toContain(`{"accept": "${cause}"}`)
    expect(held.totals.pending).toBeGreaterThan(0)
    await expect(stack.api.resumeCampaign(id)).rejects.toMatchObject({ status: 409 })
    await expect(stack.api.resumeCampaign(id, { accept: 'breaker' })).rejects.toMatchObject({ status: 422 })
    await stack.api.resumeCampaign(id, { accept: cause as HaltCause })
    const end = await finished(stack, id)
    expect(end.state).toBe('completed')
    expect(some(end.totals)).toEqual(totals)
    expect((await simulatorStats(stack)).duplicates).toBe(0)
  })
})

test('a campaign halted by the breaker is resumed to its end once the cause is accepted', async () => {
  await registerApp(stack, 'halt-breaker', repeat(1500), clients.as(24))
  await clients.faults({ 24: { always: 413 } })
  const { id } = await stack.api.createCampaign('halt-breaker', tile)
  const held = await halted(stack, id)
  expect(held).toMatchObject({ state: 'halted', reason: 'breaker' })
  await stack.api.resumeCampaign(id, { accept: 'breaker' })
  expect(some((await finished(stack, id)).totals)).toEqual({ rejected: 1500 })
  await clients.faults({})
})

test('a halted campaign reports the answers that it did not act on, and can be cancelled', async () => {
  await registerApp(stack, 'suspects', repeat(3000, 'gone'), clients.as(25))
  const { id } = await stack.api.createCampaign('suspects', tile)
  expect(await halted(stack, id)).toMatchObject({ state: 'halted', reason: 'mass-removal' })
  const suspects = await Array.fromAsync(stack.api.results(id, { reason: 'not-removed' }))
  expect(suspects.length).toBeGreaterThan(0)
  expect(suspects[0]).toMatchObject({
    class: 'pending',
    status: 410,
    reason: 'not-removed',
    posts: 1,
  } satisfies Partial<Result>)
  const again = await stack.api.retry(id, { reasons: ['not-removed'] })
  expect(again).toMatchObject({ parent: id, audienceSize: null })
  expect(await halted(stack, again.id).catch(() => finished(stack, again.id))).toMatchObject({
    audienceSize: suspects.length,
  })
  const kept = (await stack.api.app('suspects')).channels
  await stack.api.cancelCampaign(id)
  expect(await finished(stack, id)).toMatchObject({ state: 'cancelled', reason: 'mass-removal' })
  const cancelled = await Array.fromAsync(stack.api.results(id, { class: 'cancelled', reason: 'not-removed' }))
  expect(cancelled.map(({ channel }) => channel)).toEqual(suspects.map(({ channel }) => channel))
  expect((await stack.api.app('suspects')).channels).toBe(kept)
})

test('a replay sends to the recipients with the given results, and none twice within the guard interval', async () => {
  await registerApp(
    stack,
    'replay',
    [...repeat(20, 'badheader'), ...repeat(40, 'dropped'), ...repeat(340)],
    clients.as(26),
  )
  const retried = async (id: string, filter: ReplayFilter): Promise<Campaign> =>
    finished(stack, (await stack.api.retry(id, filter)).id)
  const first = await finished(stack, (await stack.api.createCampaign('replay', tile)).id)
  expect(some(first.totals)).toEqual({ accepted: 340, rejected: 20, dropped: 40 })
  const byReason = await retried(first.id, { reasons: ['bad-request'] })
  expect(byReason).toMatchObject({ parent: first.id, audienceSize: 20, totals: { rejected: 20 } })
  const byClass = await retried(first.id, { classes: ['rejected', 'dropped'] })
  expect(some(byClass.totals)).toEqual({ rejected: 20, dropped: 40 })
  const second = await finished(stack, (await stack.api.createCampaign('replay', { ...tile, topic: 'other' })).id)
  expect(some(second.totals)).toEqual({ suppressed: 340, rejected: 20, dropped: 40 })
  const suppressed = await retried(second.id, { classes: ['suppressed'], reasons: ['guard-interval'] })
  expect(some(suppressed.totals)).toEqual({ suppressed: 340 })
  await expect(stack.api.retry(first.id, { classes: ['lapsed'] })).rejects.toMatchObject({ status: 422 })
})

test('a replay of cancelled recipients reaches each of them', async () => {
  await registerApp(stack, 'replay-cancelled', repeat(600), { ...clients.as(27), ratePerSecond: 100, burst: 10 })
  const { id } = await stack.api.createCampaign('replay-cancelled', tile)
  await expect(stack.api.retry(id, { classes: ['cancelled'] })).rejects.toMatchObject({ status: 409 })
  await until('some to be accepted', async () => (await stack.api.campaign(id)).totals.accepted > 0)
  await stack.api.cancelCampaign(id)
  const { totals } = await finished(stack, id)
  await stack.api.patchApp('replay-cancelled', { ratePerSecond: 5000, burst: null })
  const rest = await finished(stack, (await stack.api.retry(id, { classes: ['cancelled'] })).id)
  expect(some(rest.totals)).toEqual({ accepted: totals.cancelled })
  expect((await simulatorStats(stack)).duplicates).toBe(0)
})

test.each([
  [{ size: 300 }, 300],
  [{ size: 1 }, 1],
  [{ share: 0.01 }, 20],
])('a canary of %j posts to exactly that many, and to the rest once a person approves it', async (amount, count) => {
  const app = `canary-${count}`
  const client = 30 + [300, 1, 20].indexOf(count)
  await registerApp(stack, app, repeat(2000), clients.as(client))
  const { id } = await stack.api.createCampaign(app, { ...tile, canary: { ...amount, approve: 'manual' } })
  const waiting = await until('the canary to be settled', async () => {
    const now = await stack.api.campaign(id)
    return now.detail === undefined ? undefined : now
  })
  expect(waiting).toMatchObject({
    state: 'sending',
    reason: 'canary',
    totals: { accepted: count, pending: 2000 - count },
  })
  await letGo(stack, app, id)
  expect((await clients.counts(client)).posts).toBe(count)
  await stack.api.approveCampaign(id)
  expect(some((await finished(stack, id)).totals)).toEqual({ accepted: 2000 })
  expect((await clients.counts(client)).posts).toBe(2000)
})

test('first one percent, then a look, then all the others: each channel gets one notification', async () => {
  await registerApp(stack, 'look', repeat(2000), clients.as(33))
  const first = await stack.api.createCampaign('look', { ...tile, sample: { share: 0.01, seed: 'look' } })
  const { audienceSize } = await finished(stack, first.id)
  expect(audienceSize).toBeGreaterThan(0)
  const rest = await stack.api.createCampaign('look', { ...tile, audience: { restOf: first.id } })
  expect(some((await finished(stack, rest.id)).totals)).toEqual({ accepted: 2000 - (audienceSize ?? 0) })
  expect((await clients.counts(33)).posts).toBe(2000)
  expect((await simulatorStats(stack)).duplicates).toBe(0)
})
