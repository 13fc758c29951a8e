import { expect, test } from 'vitest'
import { untilRight, OTHER_SID, postText, setup, SID } from './sender.ts'

test('a fresh simulator has every counter at nothing', async () => {
  const sender = await setup()

  expect(await sender.stats()).toMatchObject({
    posts: 0,
    byStatus: {},
    byWnsStatus: {},
    tokenRequests: 0,
    perClient: {},
    duplicates: 0,
    peakPerSecond: 0,
    pipelined: 0,
    chunked: 0,
    wrongApp: 0,
    badHeader: 0,
    http2Attempts: 0,
    channels: {},
    byBehavior: {},
    cpuMsPerThousandPosts: null,
  })
})

test('a duplicate is an accepted post beyond the first of the same body to the same channel', async () => {
  const sender = await setup()

  await sender.post('ok.any.1', { body: '<toast>a</toast>' })
  await sender.post('ok.any.2', { body: '<toast>a</toast>' })
  await sender.post('ok.any.1', { body: '<toast>b</toast>' })
  await sender.post('dropped.any.1', { body: '<toast>a</toast>' })
  await sender.post('dropped.any.1', { body: '<toast>a</toast>' })
  expect((await sender.stats())['duplicates']).toBe(0)

  await sender.post('ok.any.1', { body: '<toast>a</toast>' })
  await sender.post('ok.any.1', { body: '<toast>b</toast>' })
  await sender.post('ok.any.1', { body: '<toast>a</toast>' })
  expect((await sender.stats())['duplicates']).toBe(3)
})

test('the posts of each channel are listed with what they came to', async () => {
  const sender = await setup()
  const startedAtMs = Date.now()

  await sender.post('ok.any.1')
  await sender.post('ok.any.1')
  await sender.post(`ok.${OTHER_SID}.2`)
  await sender.post('ok.any.3', { bearer: 'made-up' })
  const lines = await sender.posts()

  expect(lines).toEqual([
    {
      client: SID,
      token: 'ok.any.1',
      posts: 2,
      accepted: 2,
      unanswered: 0,
      lastStatus: 200,
      lastWnsStatus: 'received',
      lastOutcome: 'received',
      firstAtMs: expect.any(Number),
      lastAtMs: expect.any(Number),
      minAcceptedGapMs: expect.any(Number),
    },
    expect.objectContaining({ token: `ok.${OTHER_SID}.2`, accepted: 0, lastStatus: 403, minAcceptedGapMs: null }),
    expect.objectContaining({ token: 'ok.any.3', client: null, lastStatus: 401 }),
  ])
  const { firstAtMs, lastAtMs, minAcceptedGapMs } = lines.at(0) ?? expect.fail('no line')
  expect(firstAtMs).toBeGreaterThanOrEqual(startedAtMs - 50)
  expect(lastAtMs).toBeGreaterThanOrEqual(firstAtMs)
  expect(minAcceptedGapMs).toBeLessThanOrEqual(lastAtMs - firstAtMs + 1)
})

test('posts that never get a complete answer are counted, accepted or not', async () => {
  const sender = await setup()
  for (const token of ['reset.any.1', 'cut.any.2', 'cut.any.2', 'error.any.3']) await sender.post(token).catch(() => {})
  const lines = await sender.posts()
  expect(lines.map(({ token, accepted, unanswered }) => [token, accepted, unanswered])).toEqual([
    ['reset.any.1', 0, 1],
    ['cut.any.2', 2, 2],
    ['error.any.3', 0, 0],
  ])
})

test('channels are counted by their last answer', async () => {
  const sender = await setup()
  for (const channel of ['ok.any.1', 'ok.any.2', 'dropped.any.1', 'gone.any.1', 'blocked.any.1', 'throttled.any.1']) {
    await sender.post(channel)
  }
  expect((await sender.stats())['channels']).toEqual({
    received: 2,
    dropped: 1,
    '410': 1,
    '410-blocked': 1,
    channelthrottled: 1,
  })

  await sender.post('throttled.any.1')
  await sender.faults({ always: 500 })
  await sender.post('ok.any.1')

  expect(await sender.stats()).toMatchObject({
    posts: 8,
    distinctChannels: 6,
    acceptedChannels: 3,
    acceptedPosts: 3,
    channels: { received: 2, dropped: 1, '410': 1, '410-blocked': 1, '500': 1 },
    byBehavior: { ok: { posts: 3, channels: 2 }, throttled: { posts: 2, channels: 1 } },
  })
})

test('the peak is the most posts within any second, in total and for each client', async () => {
  const sender = await setup()
  const bearer = await sender.bearer()
  const other = JSON.parse((await sender.legacyToken({ client_id: `ms-app://${OTHER_SID}` })).text).access_token
  const wire = await sender.wire()

  const posts = Array.from({ length: 50 }, (_, n) => postText(`ok.any.${n}`, n < 20 ? bearer : other))
  wire.send(posts.join(''))
  await wire.until(() => wire.answers() === 50)

  expect(await sender.stats()).toMatchObject({
    posts: 50,
    peakPerSecond: 50,
    perClient: { [SID]: { posts: 20, peakPerSecond: 20 }, [OTHER_SID]: { posts: 30, peakPerSecond: 30 } },
  })
})

test('a reset forgets counters, posts, holds and faults, but not tokens', async () => {
  const sender = await setup()
  await sender.post('throttled.any.1')
  await sender.faults({ latencyMs: 1 })

  expect((await sender.control('POST', '/v1/reset')).status).toBe(200)

  expect(await sender.posts()).toEqual([])
  expect(await sender.stats()).toMatchObject({
    posts: 0,
    tokenRequests: 0,
    perClient: {},
    channels: {},
    peakPerSecond: 0,
  })
  expect((await sender.control('GET', '/v1/faults')).text).toBe('{}\n')
  expect((await sender.post('throttled.any.1')).headers['x-wns-status']).toBe('channelthrottled')
  expect((await sender.stats())['posts']).toBe(1)
})

test('the control port answers 404 and 405 in JSON', async () => {
  const sender = await setup()

  const missing = await sender.control('GET', '/v1/nothing')
  const wrong = await sender.control('POST', '/v1/stats')

  expect([missing.status, JSON.parse(missing.text).error]).toEqual([404, 'not-found'])
  expect([wrong.status, JSON.parse(wrong.text).error, wrong.headers['allow']]).toEqual([
    405,
    'method-not-allowed',
    'GET',
  ])
  expect((await sender.control('POST', '/v1/tokens/revoke', { app: 'x' })).status).toBe(400)
  expect((await sender.control('GET', '/healthz')).status).toBe(200)
})

test('ten thousand posts on one connection are all counted, and cost little', async () => {
  const sender = await setup()
  const bearer = await sender.bearer()
  const wire = await sender.wire()
  const posts = 10_000

  for (let sent = 0; sent < posts; sent += 1) {
    const before = wire.received.length
    wire.send(postText(`ok.any.${sent % 2500}`, bearer))
    await wire.until(() => wire.received.length > before && wire.received.endsWith('\r\n\r\n'))
    wire.received = ''
  }
  const stats = await untilRight(
    () => sender.stats(),
    (found) => found['posts'] === posts,
  )

  expect(stats).toMatchObject({ distinctChannels: 2500, duplicates: 7500, pipelined: 0, connections: 2 })
  expect(await sender.posts()).toHaveLength(2500)
})
