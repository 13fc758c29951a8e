import { until } from '@wns-fanout/testing'
import type { ApiVerb } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import { rules } from '../src/access.ts'
import { FailureLimit } from '../src/failure-limit.ts'
import { rawCampaign, setup } from './support.ts'

const verbs: readonly ApiVerb[] = ['read', 'register', 'send', 'admin']

function pathOf(pattern: string, app: string, campaign: string): string {
  return pattern
    .replace('::', ':')
    .replace(':app', app)
    .replace(':campaign', campaign)
    .replace(/:(channel|list|key)(?=\/|$)/, 'x')
}

test('every route asks for a key, for the right app and for the right verb', async () => {
  const { call, keyFor, withApp, server } = await setup()
  await withApp('news')
  await withApp('foreign')
  const { id } = (await call('POST', '/v1/apps/news/campaigns', { body: { ...rawCampaign, allowEmpty: true } })).json
  const seen: string[] = []

  for (const [name, { verb, scope }] of Object.entries(rules)) {
    const [method = '', pattern = ''] = name.split(' ')
    expect(server.hasRoute({ method, url: pattern })).toBe(true)
    const path = pathOf(pattern, 'news', id)
    const ask = async (key: string | null) => (await call(method, path, { key })).status
    const others = verbs.filter((one) => one !== verb)

    expect([name, await ask(null)]).toEqual([name, 401])
    expect([name, await ask(`wnsf_${'0'.repeat(12)}_${'A'.repeat(43)}`)]).toEqual([name, 401])
    expect([name, await ask(await keyFor(['*'], verbs, '2001-01-01T00:00:00Z'))]).toEqual([name, 401])
    expect([name, await ask(await keyFor(['*'], others))]).toEqual([name, 403])
    const foreign = await ask(await keyFor(['foreign'], verbs))
    expect([name, foreign]).toEqual([name, { app: 404, campaign: 404, installation: 403, visible: 200 }[scope]])
    seen.push(name)
  }
  expect(seen.length).toBeGreaterThan(30)
})

test('an object without access looks like one that does not exist', async () => {
  const { call, keyFor, withApp } = await setup()
  await withApp('news')
  const { id } = (await call('POST', '/v1/apps/news/campaigns', { body: { ...rawCampaign, allowEmpty: true } })).json
  const key = await keyFor(['foreign'], verbs)
  const shown = async (path: string) => {
    const { status, json } = await call('GET', path, { key })
    return { status, json }
  }

  expect(await shown('/v1/apps/news')).toEqual(await shown('/v1/apps/nothing'))
  expect(await shown(`/v1/campaigns/${id}`)).toEqual(await shown('/v1/campaigns/nothing'))
  expect((await shown('/v1/apps')).json).toEqual({ items: [] })
})

test('the right key may', async () => {
  const { call, keyFor, withApp } = await setup()
  await withApp('news', 1)
  const may = async (verb: ApiVerb, method: string, path: string, body?: unknown) =>
    (await call(method, path, { key: await keyFor(['news'], [verb]), ...(body === undefined ? {} : { body }) })).status

  expect(await may('read', 'GET', '/v1/apps')).toBe(200)
  expect(await may('read', 'GET', '/v1/apps/news/channels/c0')).toBe(200)
  expect(await may('register', 'PUT', '/v1/apps/news/channels/c0/opt-out')).toBe(204)
  expect(await may('send', 'POST', '/v1/apps/news/campaigns', { ...rawCampaign, allowEmpty: true })).toBe(201)
  expect(await may('admin', 'GET', '/v1/apps/news/channels:export')).toBe(200)
})

test('a key is shown once, works, and stops working when it is revoked', async () => {
  const { call, dump } = await setup()
  const request = { name: 'ci', apps: ['*'], verbs: ['read'] }
  const made = await call('POST', '/v1/keys', { body: request })
  expect(made.status).toBe(201)
  expect(made.json).toMatchObject(request)
  const { key, id } = made.json

  expect((await call('GET', '/v1/apps', { key })).status).toBe(200)
  const listed = await call('GET', '/v1/keys')
  expect(listed.json.items.map((item: { id: string }) => item.id)).toContain(id)
  expect(`${listed.text}${JSON.stringify(await dump())}`).not.toContain(key)

  expect((await call('DELETE', `/v1/keys/${id}`)).status).toBe(204)
  await until(async () => (await call('GET', '/v1/apps', { key })).status === 401)
})

test('keys are listed in pages', async () => {
  const { call, keyFor } = await setup()
  for (let n = 0; n < 4; n += 1) await keyFor(['*'], ['read'])
  const ids: string[] = []
  let next: string | undefined = ''
  while (next !== undefined) {
    const page: { items: { id: string }[]; next?: string } = (
      await call('GET', `/v1/keys?limit=2${next === '' ? '' : `&after=${next}`}`)
    ).json
    expect(page.items.length).toBeLessThanOrEqual(2)
    ids.push(...page.items.map(({ id }) => id))
    next = page.next
  }
  expect(new Set(ids).size).toBe(5)
  expect(ids).toHaveLength(5)
})

test('too many wrong keys get 429, and a valid key still works', async () => {
  const { call } = await setup()
  const wrong = () => call('GET', '/v1/apps', { key: 'wnsf_wrong' })
  let answer = await wrong()
  let tries = 1
  for (; answer.status === 401 && tries < 1000; tries += 1) answer = await wrong()

  expect(answer.status).toBe(429)
  expect(answer.json.code).toBe('rate-limited')
  expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(1)
  expect((await call('GET', '/v1/apps')).status).toBe(200)
  expect((await call('GET', '/v1/apps', { key: null })).status).toBe(401)
})

test('failures are counted by source, recover with time and take bounded memory', () => {
  let nowMs = 0
  const limit = new FailureLimit({ burst: 2, perSecond: 1, maxSources: 3, nowMs: () => nowMs })
  expect([limit.fail('10.0.0.1'), limit.fail('10.0.0.1'), limit.fail('10.0.0.1')]).toEqual([0, 0, 1])
  expect(limit.fail('::ffff:10.0.0.1')).toBe(1)
  nowMs = 1000
  expect(limit.fail('10.0.0.1')).toBe(0)
  // A client with one address of a /64 has all of them.
  expect([limit.fail('2001:db8::1'), limit.fail('2001:db8:0:0:ffff::2'), limit.fail('2001:DB8::3')]).toEqual([0, 0, 1])
  for (let n = 0; n < 3; n += 1) limit.fail(`10.1.0.${n}`)
  expect(limit.fail('10.0.0.1')).toBe(0)
})
