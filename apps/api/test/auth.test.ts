import { until } from '@wns-fanout/testing'
import type { ApiVerb } from '@wns-fanout/domain'
import { expect, test, vi } from 'vitest'
import { rules } from '../src/access.ts'
import { sourceOf, TokenBuckets } from '../src/token-buckets.ts'
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
    const { status, text } = await call('GET', path, { key })
    return { status, text: text.replaceAll(path.slice(path.lastIndexOf('/') + 1), '<name>') }
  }

  expect(await shown('/v1/apps/news')).toEqual(await shown('/v1/apps/nothing'))
  expect(await shown(`/v1/campaigns/${id}`)).toEqual(await shown('/v1/campaigns/nothing'))
  expect((await call('GET', '/v1/apps', { key })).json).toEqual({ items: [] })
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
  expect((await call('GET', '/v1/apps')).status).toBe(200)
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

function guess(n: number): string {
  return `wnsf_${String(n).padStart(12, '0')}_${'A'.repeat(43)}`
}

test('wrong keys beyond the limit do not reach Redis', async () => {
  const { call, deps } = await setup()
  const verify = vi.spyOn(deps.apiKeys, 'verify')
  let n = 0
  for (; (await call('GET', '/v1/apps', { key: guess(n) })).status === 401 && n < 1000; n += 1);
  expect(n).toBeGreaterThanOrEqual(200)
  // Each guess that got 401 was looked up, and the first that got 429 was not.
  expect(verify).toHaveBeenCalledTimes(n)

  const answers = await Promise.all(Array.from({ length: 500 }, () => call('GET', '/v1/apps', { key: guess(n) })))
  const lookedUp = answers.filter(({ status }) => status === 401).length
  expect(verify).toHaveBeenCalledTimes(n + lookedUp)
  expect(answers.filter(({ status }) => status === 429).length).toBeGreaterThan(0)
  // A new key is right, but this process cannot know that without asking Redis.
  const { key } = await deps.apiKeys.create({ name: 'new', apps: ['*'], verbs: ['read'] })
  await until(async () => (await call('GET', '/v1/apps', { key })).status === 200)
})

test('behind a trusted proxy each client has its own limit of wrong keys', async () => {
  const { call } = await setup({ server: { trustProxy: ['127.0.0.1'] } })
  const from = (address: string) =>
    call('GET', '/v1/apps', { key: 'wnsf_wrong', headers: { 'x-forwarded-for': address } })
  let tries = 0
  while ((await from('192.0.2.1')).status === 401 && tries < 1000) tries += 1
  expect(tries).toBeGreaterThanOrEqual(200)
  expect((await from('192.0.2.2')).status).toBe(401)
})

test('the address that a client claims is not believed without a trusted proxy', async () => {
  const { call } = await setup()
  const statuses = new Set<number>()
  for (let n = 0; n < 1000 && !statuses.has(429); n += 1) {
    const headers = { 'x-forwarded-for': `192.0.2.${n % 250}` }
    statuses.add((await call('GET', '/v1/apps', { key: 'wnsf_wrong', headers })).status)
  }
  expect(statuses).toEqual(new Set([401, 429]))
})

test('a take that is given back does not count', () => {
  const buckets = new TokenBuckets({ burst: 1, perSecond: 1, nowMs: () => 0 })
  buckets.take('a')
  buckets.give('a')
  buckets.give('a')
  expect([buckets.take('a').waitSeconds, buckets.take('a').waitSeconds]).toEqual([0, 1])
})

test('a bucket of each name empties, fills again with time and takes bounded memory', () => {
  let nowMs = 0
  const buckets = new TokenBuckets({ burst: 2, perSecond: 1, maxNames: 3, nowMs: () => nowMs })
  const waits = (...names: string[]) => names.map((name) => buckets.take(name).waitSeconds)
  expect(waits('a', 'a', 'a', 'b')).toEqual([0, 0, 1, 0])
  nowMs = 1000
  expect(buckets.take('a')).toEqual({ waitSeconds: 0, left: 0 })
  expect(waits('c', 'd', 'e')).toEqual([0, 0, 0])
  expect(buckets.take('a')).toEqual({ waitSeconds: 0, left: 1 })
})

test('a client with one address of a /64 network is one source, and a mapped address is its own', () => {
  const one = sourceOf('2001:db8::1')
  expect([sourceOf('2001:db8:0:0:ffff::2'), sourceOf('2001:DB8::3')]).toEqual([one, one])
  expect(sourceOf('2001:db8:0:1::1')).not.toBe(one)
  expect(sourceOf('::ffff:10.0.0.1')).toBe(sourceOf('10.0.0.1'))
})
