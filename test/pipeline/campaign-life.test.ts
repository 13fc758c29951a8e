import { repeat, until } from '@wns-fanout/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { request } from 'undici'
import { ApiError } from '@wns-fanout/client'
import type { StackWorker, TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import { importLine, registerApp } from '../support/apps.ts'
import { finished, sumsUp } from '../support/campaigns.ts'
import { simulatorStats } from '../support/simulator.ts'
import { letGo, metric, some, tile } from './support.ts'

// What a campaign does from the API to the last recipient, with real processes: one Redis, one simulator, one API.

let stack: TestStack
let worker: StackWorker

beforeAll(async () => {
  stack = await startTestStack()
  worker = await stack.startWorker({ WNS_FANOUT_LOCK_MS: '2000' })
})
afterAll(async () => {
  await stack[Symbol.asyncDispose]()
})

test('every answer of WNS ends in its class, with the posts it took', async () => {
  const behaviours = [
    'ok',
    'dropped',
    'gone',
    'unknown',
    'revoked',
    'blocked',
    'forbidden',
    'badheader',
    'throttled',
    'error',
    'ok',
  ]
  await registerApp(stack, 'every', behaviours, { maxAttempts: 2 })
  const campaign = await finished(stack, (await stack.api.createCampaign('every', tile)).id)
  expect(campaign.state).toBe('completed')
  expect(some(campaign.totals)).toEqual({ accepted: 3, dropped: 1, dead: 3, rejected: 3, failed: 1 })
  const results = await Array.fromAsync(stack.api.results(campaign.id))
  expect(results).toEqual([
    { channel: 'd0', class: 'accepted', status: 200, posts: 1 },
    { channel: 'd1', class: 'dropped', status: 200, posts: 1 },
    { channel: 'd2', class: 'dead', status: 410, reason: 'expired', posts: 1 },
    { channel: 'd3', class: 'dead', status: 404, reason: 'unknown', posts: 1 },
    { channel: 'd4', class: 'dead', status: 410, reason: 'expired', posts: 1 },
    { channel: 'd5', class: 'rejected', status: 410, reason: 'blocked', posts: 1 },
    { channel: 'd6', class: 'rejected', status: 403, reason: 'forbidden', posts: 1 },
    { channel: 'd7', class: 'rejected', status: 400, reason: 'bad-request', posts: 1 },
    { channel: 'd8', class: 'accepted', status: 200, posts: 2 },
    { channel: 'd9', class: 'failed', reason: 'server-error', posts: 2 },
    { channel: 'd10', class: 'accepted', status: 200, posts: 1 },
  ])
  // The dead are gone from the registry, all others stay.
  expect((await stack.api.app('every')).channels).toBe(8)
  const { items } = await stack.api.samples(campaign.id)
  expect(items.find(({ channel }) => channel === 'd6')).toMatchObject({
    status: 403,
    description: 'Channel URL incompatible with caller app',
    msgId: expect.stringMatching(/^[0-9A-F]{16}$/),
  })
  const metrics = await (await request(`${worker.ops}/metrics`)).body.text()
  expect(metric(metrics, 'wns_fanout_sends_total', 'app="every",class="accepted"')).toBe(3)
  expect(metric(metrics, 'wns_fanout_sends_total', 'app="every"')).toBe(11)
  expect(metric(metrics, 'wns_fanout_http_responses_total', 'app="every"')).toBe(13)
})

test('a campaign that may be without recipients is completed', async () => {
  await registerApp(stack, 'no-recipients', repeat(3))
  const created = await stack.api.createCampaign('no-recipients', {
    ...tile,
    audience: { tags: 'unheard-of' },
    allowEmpty: true,
  })
  const campaign = await finished(stack, created.id)
  expect(campaign).toMatchObject({ state: 'completed', audienceSize: 0 })
  // Nothing was posted, so the topic is free again.
  await finished(stack, (await stack.api.createCampaign('no-recipients', tile)).id)
})

test('channels that opted out of the topic get nothing of it, and the campaign counts them', async () => {
  await registerApp(stack, 'topics', repeat(4))
  await stack.api.optOut('topics', 'd0')
  await stack.api.patchChannel('topics', 'd1', { optedOutOf: ['weather', 'sport'] })
  await stack.api.optOut('topics', 'd2', { topic: 'weather' })
  const weather = { ...tile, topic: 'weather' }
  expect(await stack.api.dryRun('topics', weather)).toMatchObject({ audienceSize: 1, optedOut: 1, optedOutOfTopic: 2 })
  const campaign = await finished(stack, (await stack.api.createCampaign('topics', weather)).id)
  expect(campaign).toMatchObject({ audienceSize: 1, optedOut: 1, optedOutOfTopic: 2 })
  expect((await Array.fromAsync(stack.api.results(campaign.id))).map(({ channel }) => channel)).toEqual(['d3'])
  const other = await finished(stack, (await stack.api.createCampaign('topics', { ...tile, topic: 'news' })).id)
  expect(other).toMatchObject({ audienceSize: 3, optedOut: 1, optedOutOfTopic: 0 })
})

test('tags, lists and listed channels choose the audience; unknown ids are counted', async () => {
  await registerApp(stack, 'chosen', [])
  for (const [n, tags] of [['news'], ['news', 'beta'], ['sport'], []].entries())
    await stack.api.putChannel('chosen', `d${n}`, { uri: String(importLine('chosen', n, 'ok')['uri']), tags })
  const reached = async (audience: typeof tile.audience, topic: string): Promise<string[]> => {
    const { id } = await stack.api.createCampaign('chosen', {
      ...tile,
      notification: { type: 'badge', value: 1 },
      update: 'generic',
      audience,
      topic,
    })
    await finished(stack, id)
    return (await Array.fromAsync(stack.api.results(id))).map(({ channel }) => channel)
  }
  expect(await reached({ tags: '(news or sport) and not beta' }, 'a')).toEqual(['d0', 'd2'])
  await stack.api.putList('chosen', 'some', ['d1', 'd3', 'stranger'])
  expect(await reached({ list: 'some' }, 'b')).toEqual(['d1', 'd3'])
  const listed = await stack.api.createCampaign('chosen', {
    ...tile,
    audience: { channels: ['d3', 'stranger'] },
    topic: 'c',
  })
  expect(await finished(stack, listed.id)).toMatchObject({ audienceSize: 1, unknownChannels: 1 })
})

test('two generic campaigns that share devices never reach one twice within the interval, whatever their topics', async () => {
  await registerApp(stack, 'guarded', repeat(600))
  const first = await stack.api.createCampaign('guarded', { ...tile, topic: 'one' })
  const second = await stack.api.createCampaign('guarded', { ...tile, topic: 'two' })
  const [one, two] = [await finished(stack, first.id), await finished(stack, second.id)]
  expect(one.totals.accepted + two.totals.accepted).toBe(600)
  expect(one.totals.suppressed + two.totals.suppressed).toBe(600)
  const personalised = await stack.api.createCampaign('guarded', {
    ...tile,
    notification: { type: 'tile', content: { medium: { lines: ['Hello {{vars.name|you}}'] } } },
    update: 'personalized',
  })
  expect((await finished(stack, personalised.id)).totals.accepted).toBe(600)
})

test('a generic update waits for its topic, and is admitted at the time that the refusal names', async () => {
  await registerApp(stack, 'often', repeat(50), {
    genericIntervalSeconds: 2,
    allowFasterThanGuideline: { reason: 'test' },
  })
  const first = await finished(stack, (await stack.api.createCampaign('often', tile)).id)
  expect(first.totals.accepted).toBe(50)
  const refusal = await stack.api.createCampaign('often', tile).catch((error: unknown) => error)
  if (!(refusal instanceof ApiError)) throw new Error('the second campaign was admitted')
  expect(refusal).toMatchObject({ status: 409, code: 'guard-interval' })
  const admissibleAt = String(refusal.extra['admissibleAt'])
  await until('the end of the interval', () => (Date.now() > Date.parse(admissibleAt) + 5 ? true : undefined))
  const second = await finished(stack, (await stack.api.createCampaign('often', tile)).id)
  expect(second.totals.accepted).toBe(50)
})

test('a paused campaign posts nothing; resumed, it reaches every recipient once', async () => {
  await stack.control('POST', '/v1/reset')
  await registerApp(stack, 'calm', repeat(6000), { ratePerSecond: 3000, burst: 300 })
  const { id } = await stack.api.createCampaign('calm', tile)
  await until('some to be sent', async () => ((await stack.api.campaign(id)).totals.accepted > 500 ? true : undefined))
  const paused = await stack.api.pauseCampaign(id)
  expect(paused.state).toBe('paused')
  sumsUp(paused)
  await letGo(stack, 'calm', id)
  const { posts: still } = await simulatorStats(stack)
  expect((await stack.api.campaign(id)).totals.accepted).toBe(still)
  expect(still).toBeLessThan(6000)
  await stack.api.resumeCampaign(id)
  const campaign = await finished(stack, id)
  expect(some(campaign.totals)).toEqual({ accepted: 6000 })
  expect(await simulatorStats(stack)).toMatchObject({ posts: 6000, duplicates: 0 })
})

test('an app that is paused pauses in mid-campaign and continues where it was', async () => {
  await stack.control('POST', '/v1/reset')
  await registerApp(stack, 'resting', repeat(4000), { ratePerSecond: 3000, burst: 300 })
  const { id } = await stack.api.createCampaign('resting', tile)
  await until('some to be sent', async () => ((await stack.api.campaign(id)).totals.accepted > 300 ? true : undefined))
  await stack.api.pauseApp('resting')
  await letGo(stack, 'resting', id)
  expect(await stack.api.campaign(id)).toMatchObject({ state: 'sending', reason: 'app-paused' })
  await stack.api.resumeApp('resting')
  expect((await finished(stack, id)).totals.accepted).toBe(4000)
  expect(await simulatorStats(stack)).toMatchObject({ posts: 4000, duplicates: 0 })
})

test('a cancelled campaign stops at once, and each recipient that was not reached is counted as cancelled', async () => {
  await stack.control('POST', '/v1/reset')
  await registerApp(stack, 'stopped', repeat(20_000), { ratePerSecond: 4000, burst: 400 })
  const { id } = await stack.api.createCampaign('stopped', tile)
  await until('some to be sent', async () => ((await stack.api.campaign(id)).totals.accepted > 1000 ? true : undefined))
  const cancelled = await stack.api.cancelCampaign(id)
  const { posts: atAcknowledgement } = await simulatorStats(stack)
  expect(cancelled.state).toBe('cancelled')
  const campaign = await finished(stack, id)
  const { posts } = await simulatorStats(stack)
  expect(campaign.totals.accepted + campaign.totals.cancelled).toBe(20_000)
  expect(campaign.totals.accepted).toBe(posts)
  // At most the credit of the batches in hand: nine batches of 256.
  expect(posts - atAcknowledgement).toBeLessThanOrEqual(9 * 256)
  const results = await Array.fromAsync(stack.api.results(id, { class: 'cancelled' }))
  expect(results.length).toBe(campaign.totals.cancelled)
  await expect(stack.api.resumeCampaign(id)).rejects.toMatchObject({ status: 409, code: 'conflict' })
})

test('a campaign whose time is up ends, and each recipient that was not reached has lapsed', async () => {
  await registerApp(stack, 'late', repeat(3000), { ratePerSecond: 100, burst: 10 })
  const expiresAt = new Date(Date.now() + 2500).toISOString()
  const { id } = await stack.api.createCampaign('late', { ...tile, expiresAt })
  const campaign = await finished(stack, id)
  expect(campaign.state).toBe('expired')
  expect(campaign.totals.accepted).toBeGreaterThan(0)
  expect(campaign.totals.accepted + campaign.totals.lapsed).toBe(3000)
})

test('those that failed are sent to again, and only those', async () => {
  await registerApp(stack, 'again', ['ok', 'error', 'ok', 'error'], { maxAttempts: 1 })
  const first = await finished(stack, (await stack.api.createCampaign('again', tile)).id)
  expect(some(first.totals)).toEqual({ accepted: 2, failed: 2 })
  for (const n of [1, 3])
    await stack.api.putChannel('again', `d${n}`, { uri: String(importLine('again', n, 'ok')['uri']) })
  const second = await finished(stack, (await stack.api.retryFailed(first.id)).id)
  expect(second).toMatchObject({ parent: first.id, audienceSize: 2 })
  expect(some(second.totals)).toEqual({ accepted: 2 })
})

test('a raw notification that a device does not take closes its gate until its app is active', async () => {
  await stack.control('POST', '/v1/reset')
  await registerApp(stack, 'raw', ['ok', 'dropped', 'offline', 'ok'])
  const send = async () => {
    const { id } = await stack.api.createCampaign('raw', {
      notification: { type: 'raw', text: 'sync' },
      audience: { channels: ['d0', 'd1', 'd2', 'd3'] },
      update: 'personalized',
    })
    return finished(stack, id)
  }
  expect(some((await send()).totals)).toEqual({ accepted: 2, dropped: 2 })
  expect(some((await send()).totals)).toEqual({ accepted: 2, gated: 2 })
  // Gated means that nothing was posted.
  expect((await simulatorStats(stack)).posts).toBe(6)
  await stack.api.channelActive('raw', 'd1')
  expect(some((await send()).totals)).toEqual({ accepted: 2, dropped: 1, gated: 1 })
  expect(await stack.api.channel('raw', 'd2')).toMatchObject({ rawGate: 'closed' })
  // Without gates a raw notification goes to every channel, and the answers close nothing.
  await stack.api.patchApp('raw', { rawGates: false })
  for (const _ of [1, 2]) expect(some((await send()).totals)).toEqual({ accepted: 2, dropped: 2 })
  await stack.api.patchApp('raw', { rawGates: null })
  // The gate is for raw only.
  const toast = await stack.api.createCampaign('raw', {
    notification: { type: 'toast', content: { title: 'Hello' } },
    audience: { all: true },
  })
  expect((await finished(stack, toast.id)).totals.gated).toBe(0)
})

test("variables and the language of a variant are each recipient's own", async () => {
  await registerApp(stack, 'own', [])
  const people: readonly [string, string, Record<string, string>][] = [
    ['d0', 'en', { name: 'Ada' }],
    ['d1', 'de-AT', { name: 'Lise & Otto' }],
    ['d2', 'fr', {}],
  ]
  for (const [channel, locale, vars] of people)
    await stack.api.putChannel('own', channel, {
      uri: String(importLine('own', Number(channel.slice(1)), 'ok')['uri']),
      locale,
      vars,
    })
  const { id } = await stack.api.createCampaign('own', {
    notification: {
      type: 'toast',
      content: { title: 'Hello {{vars.name|you}}' },
      variants: { de: { content: { title: 'Hallo {{vars.name|du}}' } } },
    },
    audience: { all: true },
    update: 'personalized',
  })
  expect(some((await finished(stack, id)).totals)).toEqual({ accepted: 3 })
  // One that is too large for its recipient is refused for that one only.
  await stack.api.putChannel('own', 'd2', {
    uri: String(importLine('own', 2, 'ok')['uri']),
    vars: Object.fromEntries(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => [name, 'x'.repeat(1000)])),
  })
  const large = await stack.api.createCampaign('own', {
    notification: {
      type: 'toast',
      content: { title: 'Hi {{vars.a}}{{vars.b}}{{vars.c}}{{vars.d}}{{vars.e}}{{vars.f}}' },
    },
    audience: { all: true },
    update: 'personalized',
  })
  expect(some((await finished(stack, large.id)).totals)).toEqual({ accepted: 2, rejected: 1 })
})

test('a campaign at a local time is sent to the zones whose time it is, and the others wait for theirs', async () => {
  await registerApp(stack, 'zones', [])
  const zones = ['Europe/Berlin', 'UTC', null, 'Asia/Tokyo']
  for (const [n, timeZone] of zones.entries())
    await stack.api.putChannel('zones', `d${n}`, { uri: String(importLine('zones', n, 'ok')['uri']), timeZone })
  const atThisTime = { ...tile, localTime: new Date().toISOString().slice(11, 16) }
  const expected = await stack.api.dryRun('zones', atThisTime)
  const { id } = await stack.api.createCampaign('zones', atThisTime)
  const first = await until('the zone that is due to be sent to', async () => {
    const view = await stack.api.campaign(id)
    return view.totals.accepted === 2 ? view : undefined
  })
  expect(first).toMatchObject({ state: 'sending', audienceSize: 4, totals: { pending: 2 } })
  expect(first.waves?.map(({ recipients, timeZones }) => [recipients, timeZones])).toEqual([
    [2, ['UTC']],
    [1, ['Asia/Tokyo']],
    [1, ['Europe/Berlin']],
  ])
  expect(expected.waves?.map(({ timeZones }) => timeZones)).toEqual(first.waves?.map(({ timeZones }) => timeZones))
  await stack.api.cancelCampaign(id)
  const results = await Array.fromAsync(stack.api.results(id))
  expect(Object.fromEntries(results.map(({ channel, class: name }) => [channel, name]))).toEqual({
    d0: 'cancelled',
    d1: 'accepted',
    d2: 'accepted',
    d3: 'cancelled',
  })
})

test('values by tag reach the recipients with the tag, and one without a value is skipped', async () => {
  await registerApp(stack, 'cities', [])
  for (const [n, tags] of [['rome'], ['oslo', 'news'], ['news']].entries())
    await stack.api.putChannel('cities', `d${n}`, { uri: String(importLine('cities', n, 'ok')['uri']), tags })
  const before = await simulatorStats(stack)
  const created = await stack.api.createCampaign('cities', {
    notification: { type: 'badge', value: '{{vars.temperature}}' },
    audience: { all: true },
    update: 'personalized',
    missing: 'skip',
    valuesByTag: { rome: { temperature: '21' }, oslo: { temperature: '3' } },
  })
  const campaign = await finished(stack, created.id)
  expect(some(campaign.totals)).toEqual({ accepted: 2, rejected: 1 })
  expect((await simulatorStats(stack)).posts - before.posts).toBe(2)
  const skipped = await Array.fromAsync(stack.api.results(campaign.id, { class: 'rejected' }))
  expect(skipped).toMatchObject([{ channel: 'd2', reason: 'invalid-content', posts: 0 }])
})

test('a recipient whose variable makes the badge invalid is rejected without a post', async () => {
  await registerApp(stack, 'badges', [])
  for (const [n, vars] of [{ unread: '3' }, { unread: 'abc' }, {}].entries())
    await stack.api.putChannel('badges', `d${n}`, { uri: String(importLine('badges', n, 'ok')['uri']), vars })
  const before = await simulatorStats(stack)
  const created = await stack.api.createCampaign('badges', {
    notification: { type: 'badge', value: '{{vars.unread}}' },
    audience: { all: true },
    update: 'personalized',
  })
  expect(created.warnings).toMatchObject([{ pointer: '/notification/value', code: 'placeholder-value' }])
  expect(some((await finished(stack, created.id)).totals)).toEqual({ accepted: 1, rejected: 2 })
  expect((await simulatorStats(stack)).posts - before.posts).toBe(1)
  const rejected = []
  for await (const result of stack.api.results(created.id, { class: 'rejected' })) rejected.push(result)
  expect(rejected).toMatchObject([
    { channel: 'd1', reason: 'invalid-content', posts: 0 },
    { channel: 'd2', reason: 'invalid-content', posts: 0 },
  ])
})

test('a campaign that starts later starts then', async () => {
  await registerApp(stack, 'later', repeat(5))
  const startAt = new Date(Date.now() + 1500).toISOString()
  const created = await stack.api.createCampaign('later', { ...tile, startAt })
  expect(created).toMatchObject({ state: 'scheduled', startAt, audienceSize: null })
  const campaign = await finished(stack, created.id)
  expect(campaign.totals.accepted).toBe(5)
  expect(Date.parse(campaign.finishedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(startAt))
})

test('a worker that stops hands its batches back: no recipient twice, none uncertain', async () => {
  await stack.control('POST', '/v1/reset')
  const leaving = await stack.startWorker({ WNS_FANOUT_LOCK_MS: '20000' })
  await registerApp(stack, 'handed', repeat(8000), { ratePerSecond: 4000, burst: 400 })
  const { id } = await stack.api.createCampaign('handed', { ...tile, delivery: 'at-most-once' })
  await until('some to be sent', async () => ((await stack.api.campaign(id)).totals.accepted > 500 ? true : undefined))
  await leaving.stop()
  const campaign = await finished(stack, id)
  expect(some(campaign.totals)).toEqual({ accepted: 8000 })
  expect(await simulatorStats(stack)).toMatchObject({ posts: 8000, duplicates: 0 })
})
