import { describe, expect, test } from 'vitest'
import { untilRight, OTHER_SID, postText, setup, SID } from './sender.ts'

test('a faults document with mistakes is rejected with all of them named', async () => {
  const sender = await setup()

  const answer = await sender.control('PUT', '/v1/faults', {
    latencyMs: '20',
    rateCap: { status: 500, retryAfter: 'soon' },
    token: { mode: 'odd', lifetime: 3 },
    surprise: true,
    clients: { a: { always: 99, clients: {} } },
  })

  expect(answer.status).toBe(400)
  const { problems } = JSON.parse(answer.text)
  expect(problems.map((problem: { pointer: string }) => problem.pointer).toSorted()).toEqual([
    '/clients/a/always',
    '/clients/a/clients',
    '/latencyMs',
    '/rateCap/perSecond',
    '/rateCap/retryAfter',
    '/rateCap/status',
    '/surprise',
    '/token/lifetime',
    '/token/mode',
  ])
  expect(problems).toContainEqual({
    pointer: '/latencyMs',
    detail: 'expected a whole number from 0 to 600000, found "20"',
  })
  expect((await sender.control('GET', '/v1/faults')).text).toBe('{}\n')
})

test.each([
  [[], '', 'expected an object, found []'],
  [{ bare: 1 }, '/bare', 'expected true, false, found 1'],
  [{ rateCap: {} }, '/rateCap/perSecond', 'expected a whole number from 0 to 1000000, found nothing'],
  [
    { rateCap: { perSecond: 1, retryAfter: -1 } },
    '/rateCap/retryAfter',
    'expected a whole number from 0 to 2678400, "date" or null, found -1',
  ],
  [
    { clients: { token: { mode: 'ok' } } },
    '/clients/token/mode',
    expect.stringMatching(/^unknown; known are latencyMs, /),
  ],
  [{ token: { life: 1 } }, '/token/life', 'unknown; known are mode, refusal, lifetimeSeconds, expiresIn'],
  [{ clients: 3 }, '/clients', 'expected an object, found 3'],
])('the mistake in %j is named at its place in our own words', async (document, pointer, detail) => {
  const sender = await setup()

  const answer = await sender.control('PUT', '/v1/faults', document)

  expect(answer.status).toBe(400)
  expect(JSON.parse(answer.text).problems).toEqual([{ pointer, detail }])
})

test.each(['[]', '3', 'null', '{"a"', ''])('%s is not a faults document', async (body) => {
  const sender = await setup()

  expect((await sender.control('PUT', '/v1/faults', body)).status).toBe(400)
})

test('a new document replaces the old one, an empty one clears it', async () => {
  const sender = await setup()

  await sender.faults({ always: 500 })
  expect((await sender.post('ok.any.1')).status).toBe(500)
  await sender.faults({ bare: true })
  expect((await sender.post('ok.any.1')).status).toBe(200)
  await sender.faults({})
  expect((await sender.post('ok.any.1')).headers).toHaveProperty('x-wns-status', 'received')
})

test('bare answers carry no X-WNS header at all', async () => {
  const sender = await setup()
  await sender.faults({ bare: true })

  for (const channel of ['ok.any.1', 'error.any.1', 'gone.any.1', 'unavailable.any.1']) {
    const answer = await sender.post(channel, { headers: { 'X-WNS-RequestForStatus': 'true' } })
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('x-wns'))).toEqual([])
  }
  expect(await sender.stats()).toMatchObject({ byStatus: { 200: 1, 500: 1, 410: 1, 503: 1 }, byWnsStatus: {} })
  expect(await sender.posts()).toContainEqual(
    expect.objectContaining({ token: 'ok.any.1', accepted: 1, lastStatus: 200, lastWnsStatus: null }),
  )
})

test('latency delays every answer', async () => {
  const sender = await setup()
  await sender.bearer()
  await sender.faults({ latencyMs: 80 })
  const startedAtMs = performance.now()

  await Promise.all([sender.post('ok.any.1'), sender.post('gone.any.2'), sender.legacyToken()])

  expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(79)
})

describe('the rate cap', () => {
  test.each([
    { cap: { perSecond: 5 }, status: 406, retryAfter: undefined },
    { cap: { perSecond: 5, status: 429, retryAfter: null }, status: 429, retryAfter: undefined },
    { cap: { perSecond: 5, status: 406, retryAfter: 900 }, status: 406, retryAfter: '900' },
    { cap: { perSecond: 5, status: 429, retryAfter: 'date' }, status: 429, retryAfter: 'date' },
  ])('$cap lets five posts pass and refuses the sixth with $status', async ({ cap, status, retryAfter }) => {
    const sender = await setup()
    const bearer = await sender.bearer()
    await sender.faults({ rateCap: cap })
    const wire = await sender.wire()

    // All in one write, so that they fall into one second on any machine.
    wire.send(Array.from({ length: 6 }, (_, n) => postText(`ok.any.${n}`, bearer)).join(''))
    await wire.until(() => wire.answers() === 6)

    expect(wire.statuses()).toEqual([200, 200, 200, 200, 200, status])
    const last = wire.received.slice(wire.received.lastIndexOf('HTTP/1.1'))
    expect(last).toContain('X-WNS-STATUS: appthrottled\r\n')
    const found = /Retry-After: (.*)\r\n/.exec(last)?.[1]
    if (retryAfter === 'date') expect(Date.parse(found ?? '')).toBeGreaterThan(Date.now())
    else expect(found).toBe(retryAfter)
  })

  test('posts are admitted again in the next second', async () => {
    const sender = await setup()
    await sender.faults({ rateCap: { perSecond: 1 } })
    await sender.post('ok.any.1')

    await untilRight(
      () => sender.post('ok.any.1'),
      (answer) => answer.status === 200,
    )

    const [line] = await sender.posts()
    expect(line?.minAcceptedGapMs).toBeGreaterThanOrEqual(999)
  })

  test('each client has its own', async () => {
    const sender = await setup()
    const other = JSON.parse((await sender.legacyToken({ client_id: `ms-app://${OTHER_SID}` })).text).access_token
    await sender.faults({ rateCap: { perSecond: 1 } })

    const statuses = await Promise.all([sender.post('ok.any.1'), sender.post('ok.any.1', { bearer: other })])

    expect(statuses.map((answer) => answer.status)).toEqual([200, 200])
  })
})

test.each([
  { status: 200, headers: { 'x-wns-status': 'received' } },
  { status: 401, headers: { 'www-authenticate': expect.stringMatching(/Invalid token/) } },
  { status: 406, headers: { 'x-wns-status': 'appthrottled' } },
  { status: 503, headers: { 'retry-after': '1' } },
  { status: 504, headers: { 'x-wns-status': 'dropped' } },
])('always $status answers every post so', async ({ status, headers }) => {
  const sender = await setup()
  await sender.faults({ always: status })

  const answer = await sender.post('gone.any.1')

  expect(answer.status).toBe(status)
  expect(answer.headers).toMatchObject(headers)
})

test('the faults of a client win over those for everyone, key by key', async () => {
  const sender = await setup()
  const other = JSON.parse((await sender.legacyToken({ client_id: `ms-app://${OTHER_SID}` })).text).access_token
  await sender.faults({
    always: 500,
    token: { lifetimeSeconds: 100 },
    clients: { [`ms-app://${SID}`]: { always: 503, token: { expiresIn: 'string' } } },
  })

  expect((await sender.post('ok.any.1')).status).toBe(503)
  expect((await sender.post('ok.any.1', { bearer: other })).status).toBe(500)
  expect(JSON.parse((await sender.legacyToken()).text)).toMatchObject({ expires_in: '100' })
  expect(JSON.parse((await sender.legacyToken({ client_id: `ms-app://${OTHER_SID}` })).text)).toMatchObject({
    expires_in: 100,
  })
})

describe('connection limits', () => {
  test('a host takes no more connections than it may, another host is not touched', async () => {
    const sender = await setup()
    const bearer = await sender.bearer()
    await sender.faults({ maxConnectionsPerHost: 1 })
    const first = await sender.wire()
    first.send(postText('ok.any.1', bearer))
    await first.until(() => first.answers() === 1)

    const second = await sender.wire()
    await second.untilClosed()
    const elsewhere = await sender.wire('hk2.notify.windows.com')
    elsewhere.send(postText('ok.any.2', bearer, { Host: 'hk2.notify.windows.com' }))
    await elsewhere.until(() => elsewhere.answers() === 1)

    expect(await sender.stats()).toMatchObject({ refusedConnections: 1, posts: 2 })
    first.socket.destroy()
    await untilRight(
      () =>
        sender.post('ok.any.3').then(
          () => true,
          () => false,
        ),
      Boolean,
    )
  })

  test('a client takes no more connections than it may', async () => {
    const sender = await setup()
    const bearer = await sender.bearer()
    await sender.faults({ clients: { [SID]: { maxConnectionsPerHost: 1 } } })
    const first = await sender.wire()
    first.send(postText('ok.any.1', bearer))
    await first.until(() => first.answers() === 1)

    const second = await sender.wire()
    second.send(postText('ok.any.2', bearer))
    await second.untilClosed()

    expect(await sender.stats()).toMatchObject({ refusedConnections: 1, posts: 1 })
  })

  test('a connection closes after its number of requests', async () => {
    const sender = await setup()
    const bearer = await sender.bearer()
    await sender.faults({ requestsPerConnection: 2 })
    const wire = await sender.wire()

    wire.send(postText('ok.any.1', bearer))
    await wire.until(() => wire.answers() === 1)
    expect(wire.received).not.toContain('Connection: close')
    wire.send(postText('ok.any.2', bearer))
    await wire.untilClosed()

    expect(wire.received).toContain('Connection: close')
    expect(wire.answers()).toBe(2)
  })

  test('an idle connection is closed after its time', async () => {
    const sender = await setup()
    await sender.faults({ idleCloseMs: 1 })
    const wire = await sender.wire()

    await wire.untilClosed()

    expect([wire.received, wire.error]).toEqual(['', undefined])
  })
})
