import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { csv } from '../src/ndjson.ts'
import { rawCampaign, setup, storeApp, uriOf } from './support.ts'

test('twenty requests with one Idempotency-Key make one campaign, and all get its answer', async () => {
  const { call, withApp } = await setup()
  await withApp('news', 1)
  const create = () =>
    call('POST', '/v1/apps/news/campaigns', { body: rawCampaign, headers: { 'idempotency-key': 'job-7' } })

  const answers = await Promise.all(Array.from({ length: 20 }, create))

  expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1)
  expect(answers[0]?.status).toBe(201)
  expect(answers.filter(({ headers }) => headers['idempotency-replayed'] === 'true')).toHaveLength(19)
  expect((await call('GET', '/v1/apps/news/campaigns')).json.items).toHaveLength(1)
})

test('an Idempotency-Key answers the same request in other words, and refuses another one', async () => {
  const { call, withApp } = await setup()
  await withApp('news', 1)
  const create = (body: string | object) =>
    call('POST', '/v1/apps/news/campaigns', {
      body,
      headers: { 'idempotency-key': 'k', 'content-type': 'application/json' },
    })
  const first = await create(rawCampaign)
  const same = await create(` {"notification": {"text": "sync", "type": "raw"}, "audience": {"all": true}}`)
  const other = await create({ ...rawCampaign, name: 'other' })

  expect(first.status).toBe(201)
  expect(same.text).toBe(first.text)
  expect(same.headers['idempotency-replayed']).toBe('true')
  expect(other.json).toMatchObject({ status: 422, code: 'invalid' })
})

test('a key keeps its meaning when the process died before it kept its answer', async () => {
  const { call, withApp, redis, keys } = await setup()
  await withApp('news', 1)
  const create = (body: object) =>
    call('POST', '/v1/apps/news/campaigns', { body, headers: { 'idempotency-key': 'k' } })
  const first = await create(rawCampaign)
  // What is left of a request whose process died: its campaign, and soon no record any more.
  await redis.unlink(keys.idempotency('news', 'k'))

  expect((await create({ ...rawCampaign, name: 'other' })).json).toMatchObject({ status: 422, code: 'invalid' })
  expect((await create(rawCampaign)).json).toMatchObject({ id: first.json.id })
})

test('a refusal is not kept: the same key may try again', async () => {
  const { call, withApp } = await setup()
  await withApp('news', 1)
  const create = (body: object) =>
    call('POST', '/v1/apps/news/campaigns', { body, headers: { 'idempotency-key': 'k' } })
  expect((await create({ ...rawCampaign, expiresAt: '2001-01-01T00:00:00Z' })).status).toBe(422)
  expect((await create(rawCampaign)).status).toBe(201)
})

test('a second generic update within the guard interval is refused with the time at which it would be taken', async () => {
  const { call, withApp } = await setup()
  await withApp('news', 1)
  const first = await call('POST', '/v1/apps/news/campaigns', { body: rawCampaign })
  expect(first.status).toBe(201)

  const { status, json, headers } = await call('POST', '/v1/apps/news/campaigns', { body: rawCampaign })

  expect(status).toBe(409)
  expect(json).toMatchObject({ code: 'guard-interval', campaign: first.json.id })
  expect(json.detail).toContain('a topic of its own')
  expect(new Date(json.admissibleAt).getTime()).toBeGreaterThan(Date.now())
  expect(Number(headers['retry-after'])).toBeGreaterThan(1)
})

test('a dry run shows what would happen and stores nothing', async () => {
  const { call, withApp, dump } = await setup({
    askToken: async ({ clientSecret }) => ({ ok: true, token: clientSecret, expiresInSeconds: 3600 }),
  })
  await withApp('news', 3)
  const before = await dump()
  const answer = await call('POST', '/v1/apps/news/campaigns', { body: { ...rawCampaign, dryRun: true } })
  expect(answer.status).toBe(200)
  expect(answer.json).toEqual({
    audienceSize: 3,
    optedOut: 0,
    optedOutOfTopic: 0,
    suppressed: 0,
    gated: 0,
    credentials: {
      ok: true,
      code: 'ok',
      explanation: 'The token service accepts the credentials.',
      expiresInSeconds: 3600,
    },
    estimate: { seconds: 1, ratePerSecond: 300 },
  })
  expect(await dump()).toEqual(before)
})

test('a dry run shows credentials that do not work in a field of its answer', async () => {
  const { call, withApp } = await setup({
    askToken: async () => ({ ok: false, permanent: true, code: 'invalid_client', explanation: 'Check the secret.' }),
  })
  await withApp('news', 1)
  const answer = await call('POST', '/v1/apps/news/campaigns', { body: { ...rawCampaign, dryRun: true } })
  expect(answer.status).toBe(200)
  expect(answer.json).toMatchObject({
    audienceSize: 1,
    credentials: { ok: false, code: 'invalid_client', explanation: 'Check the secret.' },
  })
})

test('a count of channels warns of tags that no channel has, and shows why the audience is empty', async () => {
  const { call, withApp } = await setup()
  await withApp('news', 1)
  const tagged = { uri: uriOf('tagged'), tags: ['sport'] }
  expect((await call('PUT', '/v1/apps/news/channels/tagged', { body: tagged })).status).toBe(201)
  const count = async (expression: string) =>
    (await call('POST', '/v1/apps/news/channels:count', { body: { audience: { tags: expression } } })).json

  expect(await count('sport')).toEqual({ count: 1, optedOut: 0 })
  const unknown = { pointer: '/audience/tags', code: 'unknown-tag' }
  expect(await count('sport or sprot')).toMatchObject({ count: 1, warnings: [unknown] })
  const { count: none, warnings } = await count('sprot')
  expect(none).toBe(0)
  expect(warnings).toMatchObject([unknown, { pointer: '/audience', code: 'empty-audience' }])
  expect(warnings[0].detail).toContain('did you mean "sport"?')

  await call('PUT', '/v1/apps/news/channels/tagged/opt-out')
  expect(await count('sport')).toMatchObject({
    count: 0,
    optedOut: 1,
    warnings: [{ code: 'empty-audience', detail: expect.stringContaining('the only channel that matches opted out') }],
  })
})

test('dry runs ask the token service once a minute for the same credentials, and at once for others', async () => {
  const asked: string[] = []
  const { call, withApp } = await setup({
    askToken: async ({ clientSecret }) => {
      asked.push(clientSecret.reveal())
      return { ok: true, token: clientSecret, expiresInSeconds: 3600 }
    },
  })
  await withApp('news', 1)
  const dryRun = () => call('POST', '/v1/apps/news/campaigns', { body: { ...rawCampaign, dryRun: true } })
  const verify = () => call('POST', '/v1/apps/news/verify')

  const answers = await Promise.all([dryRun(), dryRun(), dryRun()])
  expect(answers.map(({ json }) => json.credentials.ok)).toEqual([true, true, true])
  expect(asked).toHaveLength(1)
  await verify()
  expect(asked).toHaveLength(2)
  const changed = { ...storeApp, credentials: { ...storeApp.credentials, clientSecret: 'another secret' } }
  expect((await call('PUT', '/v1/apps/news', { body: changed })).status).toBe(200)
  await dryRun()
  expect(asked.slice(2)).toEqual(['another secret'])
})

test('a dry run names the campaign that has the slot of the topic, and the time it is free again', async () => {
  const { call, withApp } = await setup()
  await withApp('news', 1)
  const { id } = (await call('POST', '/v1/apps/news/campaigns', { body: rawCampaign })).json
  const { admissibleAt } = (await call('POST', '/v1/apps/news/campaigns', { body: rawCampaign })).json

  const dryRun = async (change: object) =>
    (await call('POST', '/v1/apps/news/campaigns', { body: { ...rawCampaign, ...change, dryRun: true } })).json.slot
  const slot = await dryRun({})
  expect(slot.campaign).toBe(id)
  expect(Math.abs(Date.parse(slot.until) - Date.parse(admissibleAt))).toBeLessThan(1000)
  expect(await dryRun({ topic: 'other' })).toBeUndefined()
  expect(await dryRun({ startAt: new Date(Date.parse(admissibleAt) + 60_000).toISOString() })).toBeUndefined()
  // The next campaign waits for those that are deferred already.
  const deferred = (await call('POST', '/v1/apps/news/campaigns', { body: { ...rawCampaign, overLimit: 'defer' } }))
    .json
  const next = (await call('POST', '/v1/apps/news/campaigns', { body: rawCampaign })).json
  expect(deferred.state).toBe('scheduled')
  expect(next.campaign).toBe(deferred.id)
  const later = await dryRun({})
  expect(Math.abs(Date.parse(later.until) - Date.parse(next.admissibleAt))).toBeLessThan(1000)
})

test('a campaign is shown, listed by state, steered, and an illegal step is a conflict', async () => {
  const { call, withApp } = await setup()
  await withApp('news', 1)
  const made = (await call('POST', '/v1/apps/news/campaigns', { body: { ...rawCampaign, name: 'first' } })).json
  expect(made).toMatchObject({ app: 'news', name: 'first', state: 'scheduled', type: 'raw' })

  expect((await call('GET', `/v1/campaigns/${made.id}`)).json).toMatchObject({ id: made.id })
  expect((await call('GET', '/v1/apps/news/campaigns?state=scheduled')).json.items).toHaveLength(1)
  expect((await call('GET', '/v1/apps/news/campaigns?state=completed')).json).toEqual({ items: [] })
  expect((await call('DELETE', '/v1/apps/news')).json).toMatchObject({ status: 409, code: 'app-has-campaigns' })
  expect((await call('POST', `/v1/campaigns/${made.id}/retry-failed`)).json).toMatchObject({
    status: 409,
    code: 'conflict',
  })

  expect((await call('POST', `/v1/campaigns/${made.id}/cancel`)).json).toMatchObject({ state: 'cancelled' })
  expect((await call('POST', `/v1/campaigns/${made.id}/resume`)).json).toMatchObject({ status: 409, code: 'conflict' })
  expect((await call('GET', `/v1/campaigns/${made.id}/samples`)).json).toEqual({ items: [] })
  expect((await call('DELETE', '/v1/apps/news')).status).toBe(204)
  expect((await call('GET', `/v1/campaigns/${made.id}`)).status).toBe(404)
})

test('campaigns are listed in pages, newest first', async () => {
  const { call, withApp } = await setup()
  await withApp('news', 1)
  const ids: string[] = []
  for (let n = 0; n < 3; n += 1)
    ids.unshift((await call('POST', '/v1/apps/news/campaigns', { body: { ...rawCampaign, topic: `t${n}` } })).json.id)

  const first = (await call('GET', '/v1/apps/news/campaigns?limit=2')).json
  const second = (await call('GET', `/v1/apps/news/campaigns?limit=2&after=${first.next}`)).json

  expect([...first.items, ...second.items].map(({ id }: { id: string }) => id)).toEqual(ids)
})

test('results are lines, or a CSV when that is asked for', async () => {
  const { call, withApp } = await setup()
  await withApp('news', 1)
  const { id } = (await call('POST', '/v1/apps/news/campaigns', { body: rawCampaign })).json
  const lines = await call('GET', `/v1/campaigns/${id}/results`)
  expect(lines.headers['content-type']).toBe('application/x-ndjson')
  const table = await call('GET', `/v1/campaigns/${id}/results?class=accepted`, { headers: { accept: 'text/csv' } })
  expect(table.headers['content-type']).toBe('text/csv; charset=utf-8')
  expect(table.text).toBe('channel,class,status,reason,posts\r\n')
  expect((await call('GET', `/v1/campaigns/${id}/results?class=lost`)).json).toMatchObject({ status: 422 })
})

test('a cell of a CSV can neither break out of its cell nor be a formula', async () => {
  const rows = Readable.from([
    ['a,b', '=1+1'],
    ['say "hi"', '-x'],
  ])
  let text = ''
  for await (const piece of csv<string[]>(rows, ['x', 'y'], (row) => row)) text += String(piece)
  expect(text).toBe(`x,y\r\n"a,b",'=1+1\r\n"say ""hi""",'-x\r\n`)
})

test('an app is created, replaced, paused, listed and removed', async () => {
  const { call, withApp } = await setup()
  await withApp('news', 2)
  await withApp('shop')
  expect((await call('GET', '/v1/apps')).json.items.map(({ app }: { app: string }) => app)).toEqual(['news', 'shop'])
  expect((await call('GET', '/v1/apps?limit=1')).json).toMatchObject({ items: [{ app: 'news' }], next: 'news' })
  expect((await call('GET', '/v1/apps?limit=1&after=news')).json).toMatchObject({ items: [{ app: 'shop' }] })
  expect((await call('GET', '/v1/apps/news')).json).toEqual({
    app: 'news',
    etag: expect.stringMatching(/^[\w-]{16}$/),
    createdBy: expect.stringMatching(/^[0-9a-f]{12}$/),
    credentials: { kind: 'store', packageSid: 'ms-app://S-1-15-2-1-2', clientSecret: { set: true } },
    ratePerSecond: 300,
    burst: 30,
    genericIntervalSeconds: 1800,
    maxAttempts: 5,
    retentionDays: 7,
    sharedUri: 'move',
    rawGates: true,
    state: 'active',
    channels: 2,
    effectiveRatePerSecond: 300,
  })
  const entra = {
    credentials: {
      kind: 'entra',
      tenantId: 'contoso.com',
      clientId: 'c-1',
      clientSecret: { ref: 'env:WNS_FANOUT_SECRET_NEWS_S' },
    },
  }
  const replaced = await call('PUT', '/v1/apps/news', { body: { ...entra, ratePerSecond: 5000 } })
  expect(replaced.status).toBe(200)
  expect(replaced.json).toMatchObject({
    ratePerSecond: 5000,
    burst: 500,
    credentials: { kind: 'entra', clientId: 'c-1' },
  })
  expect((await call('POST', '/v1/apps/news/pause')).json.state).toBe('paused')
  expect((await call('POST', '/v1/apps/news/resume', { body: {} })).json.state).toBe('active')
  expect((await call('DELETE', '/v1/apps/news')).status).toBe(204)
  expect((await call('DELETE', '/v1/apps/news')).status).toBe(404)
})

test('credentials are verified with the token service, and a missing secret is reported', async () => {
  const { call } = await setup({
    askToken: async ({ clientSecret }) =>
      clientSecret.reveal().startsWith('bad-')
        ? { ok: false, permanent: true, code: 'invalid-client', explanation: 'check the secret' }
        : { ok: true, token: clientSecret, expiresInSeconds: 3600 },
  })
  const verify = async (clientSecret: unknown) => {
    await call('PUT', '/v1/apps/news', {
      body: { credentials: { kind: 'store', packageSid: 'S-1-15-2-1', clientSecret } },
    })
    return (await call('POST', '/v1/apps/news/verify')).json
  }
  expect(await verify('good')).toMatchObject({ ok: true, expiresInSeconds: 3600 })
  expect(await verify('bad-one')).toEqual({ ok: false, code: 'invalid-client', explanation: 'check the secret' })
  expect(await verify({ ref: 'env:WNS_FANOUT_SECRET_NEWS_S' })).toMatchObject({ ok: false, code: 'secret-unavailable' })
  expect((await call('POST', '/v1/apps/nothing/verify')).status).toBe(404)
})

test('a reference to the secret of another app is rejected, with the field', async () => {
  const { call } = await setup()
  const credentials = { kind: 'store', packageSid: 'S-1-15-2-1', clientSecret: { ref: 'env:constructor' } }
  expect(await call('PUT', '/v1/apps/news', { body: { credentials } })).toMatchObject({
    status: 422,
    json: { errors: [{ pointer: '/credentials/clientSecret/ref', code: 'secret-reference' }] },
  })
})

test('a channel keeps its id when its address changes, and opts out and in', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const path = `/v1/apps/news/channels/${encodeURIComponent('a/b:c?d=%41')}`
  const uri = 'https://db5p.notify.windows.com/?token=Aw%bUx'
  expect((await call('PUT', path, { body: { uri, tags: ['x'] } })).status).toBe(201)
  const again = await call('PUT', path, { body: { uri: `${uri}2`, locale: 'de' } })
  expect(again.status).toBe(200)
  // Fields that a registration does not name keep their values.
  expect(again.json).toEqual({ channel: 'a/b:c?d=%41', tags: ['x'], locale: 'de', registeredAt: expect.any(String) })
  expect((await call('GET', path)).text).not.toContain('notify.windows.com')

  const count = async () =>
    (await call('POST', '/v1/apps/news/channels:count', { body: { audience: { all: true } } })).json.count
  expect(await count()).toBe(1)
  expect((await call('PUT', `${path}/opt-out`)).status).toBe(204)
  expect(await count()).toBe(0)
  expect((await call('DELETE', `${path}/opt-out`)).status).toBe(204)
  expect((await call('POST', `${path}/active`)).status).toBe(204)
  expect(await count()).toBe(1)
  expect((await call('DELETE', path)).status).toBe(204)
  expect((await call('GET', path)).status).toBe(404)
  expect((await call('POST', `${path}/active`)).status).toBe(404)
})

test('an audience without recipients is rejected with the nearest tag, unless it may be empty; a dry run warns', async () => {
  const { call, withApp } = await setup()
  await withApp('news', 0)
  const uri = 'https://db5p.notify.windows.com/?token=ok.any.1'
  await call('PUT', '/v1/apps/news/channels/d1', { body: { uri, tags: ['sport'] } })
  const body = { ...rawCampaign, audience: { tags: 'sprot' } }
  const warnings = [
    {
      pointer: '/audience/tags',
      code: 'unknown-tag',
      detail: 'no channel has the tag "sprot"; did you mean "sport"?',
    },
    expect.objectContaining({ pointer: '/audience', code: 'empty-audience' }),
  ]

  const dryRun = await call('POST', '/v1/apps/news/campaigns', { body: { ...body, dryRun: true } })
  expect(dryRun.json).toMatchObject({ audienceSize: 0, warnings })
  const refused = await call('POST', '/v1/apps/news/campaigns', { body })
  expect(refused).toMatchObject({ status: 422, json: { type: expect.stringContaining('empty-audience') } })
  expect(refused.json.errors).toEqual(warnings)
  expect(refused.json.detail).toContain('no channel matches it; allowEmpty admits')
  const schedule = { cron: '0 7 * * *', timeZone: 'UTC', campaign: body }
  expect(await call('PUT', '/v1/apps/news/schedules/daily', { body: schedule })).toMatchObject({ status: 422 })

  const asked = { body: { ...body, allowEmpty: true }, headers: { 'idempotency-key': 'k' } }
  const created = await call('POST', '/v1/apps/news/campaigns', asked)
  expect(created.status).toBe(201)
  expect(created.json.warnings).toEqual(warnings)
  const repeated = await call('POST', '/v1/apps/news/campaigns', asked)
  expect(repeated.text).toBe(created.text)

  const fine = { ...rawCampaign, topic: 'other', audience: { tags: 'sport' } }
  expect((await call('POST', '/v1/apps/news/campaigns', { body: fine })).json).not.toHaveProperty('warnings')
})

test('a notification that is shown only in part is accepted with a warning', async () => {
  const { call, withApp } = await setup()
  await withApp('news', 1)
  const notification = { type: 'toast', content: { title: 'a', lines: ['b', 'c', 'd'] } }
  const { status, json } = await call('POST', '/v1/apps/news/campaigns', {
    body: { notification, audience: { all: true } },
  })
  expect(status).toBe(201)
  expect(json.warnings).toEqual([
    {
      pointer: '/notification/content',
      code: 'xml-too-many',
      detail: 'a toast shows 3 texts; further ones are dropped',
    },
  ])
})

test('XML that Windows does not show is rejected with every error', async () => {
  const { call, withApp } = await setup()
  await withApp('news', 1)
  const xml = '<toast>Hi<visual><binding template="Toast"><text>a</text></binding></visual></toast>'
  const { status, json } = await call('POST', '/v1/apps/news/campaigns', {
    body: { notification: { type: 'toast', xml }, audience: { all: true } },
  })
  expect(status).toBe(422)
  expect(json.errors.map(({ pointer, code }: { pointer: string; code: string }) => `${pointer} ${code}`)).toEqual([
    '/notification/xml xml-text-position',
    '/notification/xml xml-template',
  ])
})
