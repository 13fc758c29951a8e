import type { ClientRequest, IncomingMessage } from 'node:http'
import { request as httpRequest } from 'node:http'
import { until } from '@wns-fanout/testing'
import { expect, onTestFinished, test } from 'vitest'
import { maxOpen, MAX_STREAMS_OF_CAMPAIGN } from '../src/open-requests.ts'
import type { Setup } from './support.ts'
import { ndjson, rawCampaign, setup } from './support.ts'

interface OpenOptions {
  readonly method?: string
  readonly path: string
  readonly key: string
  readonly headers?: Readonly<Record<string, string>>
}

/** A request that stays open; resolves to its response. */
function open(
  { url }: Setup,
  { method = 'GET', path, key, headers = {} }: OpenOptions,
): { readonly request: ClientRequest; readonly response: Promise<IncomingMessage> } {
  const request = httpRequest(`${url}${path}`, { method, headers: { authorization: `Bearer ${key}`, ...headers } })
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', (answer) => resolve(answer.resume()))
    request.on('error', reject)
  })
  response.catch(() => {})
  if (method === 'GET') request.end()
  onTestFinished(() => void request.destroy())
  return { request, response }
}

async function scheduled({ call }: Setup, topic: string): Promise<string> {
  const startAt = new Date(Date.now() + 3_600_000).toISOString()
  const body = { ...rawCampaign, topic, startAt, allowEmpty: true }
  return (await call('POST', '/v1/apps/news/campaigns', { body })).json.id
}

test('one key has a few streams of a campaign and more of all, and another key has its own', async () => {
  const place = await setup()
  await place.withApp()
  const key = await place.keyFor(['news'], ['read'])
  const campaigns: string[] = []
  for (let n = 0; n <= maxOpen.stream / MAX_STREAMS_OF_CAMPAIGN; n += 1) campaigns.push(await scheduled(place, `t${n}`))
  const stream = async (campaign = '', of = key) => {
    const { request, response } = open(place, { path: `/v1/campaigns/${campaign}/events`, key: of })
    const { statusCode, headers } = await response
    return { status: statusCode, retryAfter: headers['retry-after'], end: () => request.destroy() }
  }
  const last = campaigns.pop()
  const opened: Awaited<ReturnType<typeof stream>>[] = []
  for (const campaign of campaigns) {
    for (let n = 0; n < MAX_STREAMS_OF_CAMPAIGN; n += 1) opened.push(await stream(campaign))
    expect(await stream(campaign)).toMatchObject({ status: 429, retryAfter: '1' })
  }
  expect(opened.map(({ status }) => status)).toEqual(opened.map(() => 200))
  expect((await stream(last)).status).toBe(429)
  expect((await stream(last, await place.keyFor(['news'], ['read']))).status).toBe(200)
  expect((await place.call('GET', '/v1/apps/news', { key })).status).toBe(200)
  opened[0]?.end()
  await until('a place to be free', async () => ((await stream(last)).status === 200 ? true : undefined))
})

test('one key has a few uploads at once, and meanwhile short requests and other keys are served', async () => {
  const place = await setup()
  await place.withApp('news', 1)
  const key = await place.keyFor(['news'], ['register'])
  const path = '/v1/apps/news/channels:import'
  const upload = (of: string) => open(place, { method: 'POST', path, key: of, headers: ndjson })
  const endless = Array.from({ length: maxOpen.heavy }, () => upload(key))
  const next = () => place.call('POST', path, { key, headers: ndjson, body: '{"channel":"a"}' })
  const refused = await until('all uploads to be under way', async () => {
    // An upload that brings nothing for a while is ended.
    for (const { request } of endless) request.write('\n')
    const answer = await next()
    return answer.status === 429 ? answer : undefined
  })
  expect(refused.json).toMatchObject({ code: 'rate-limited', detail: expect.stringContaining('uploads') })
  expect((await place.call('PUT', '/v1/apps/news/channels/c0/opt-out', { key })).status).toBe(204)
  expect((await place.call('POST', path, { headers: ndjson, body: '{"channel":"c0"}' })).status).toBe(200)
})

test('what a revoked key has open ends: streams and uploads', async () => {
  const place = await setup()
  await place.withApp()
  const id = await scheduled(place, 'default')
  const { key, id: keyId } = (
    await place.call('POST', '/v1/keys', { body: { name: 'leaked', apps: ['news'], verbs: ['read', 'register'] } })
  ).json
  const ended: string[] = []
  const stream = open(place, { path: `/v1/campaigns/${id}/events`, key })
  const response = await stream.response
  expect(response.statusCode).toBe(200)
  response.once('close', () => ended.push('stream'))
  const upload = open(place, { method: 'POST', path: '/v1/apps/news/channels:import', key, headers: ndjson })
  upload.request.write('\n')
  upload.response.catch(() => ended.push('upload'))
  expect((await place.call('GET', '/v1/apps/news', { key })).status).toBe(200)
  expect(ended).toEqual([])
  await place.call('DELETE', `/v1/keys/${keyId}`)
  await until('both to end', () => (ended.length === 2 ? true : undefined))
})

test('a key that makes too many requests gets 429 and when to come again, and others are served', async () => {
  const place = await setup({ server: { requestsPerSecond: 5 } })
  await place.withApp()
  const key = await place.keyFor(['news'], ['read'])
  const get = () => place.call('GET', '/v1/apps/news', { key })
  const first = await get()
  expect(first).toMatchObject({ status: 200, headers: { 'ratelimit-limit': '10', 'ratelimit-remaining': '9' } })
  const refused = await until('the bucket to be empty', async () => {
    const answer = await get()
    return answer.status === 429 ? answer : undefined
  })
  expect(refused.json).toMatchObject({ code: 'rate-limited', detail: expect.stringContaining('5 requests per second') })
  expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1)
  const other = await place.keyFor(['news'], ['read'])
  expect((await place.call('GET', '/v1/apps/news', { key: other })).status).toBe(200)
})

test('a campaign with far too many variants is rejected before they are checked', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const variants = Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`x-${n}`, { oops: n }]))
  const campaign = { ...rawCampaign, notification: { ...rawCampaign.notification, variants } }
  const one = { code: 'out-of-range', detail: '20000 variants; at most 100 are possible' }
  expect((await call('POST', '/v1/apps/news/campaigns', { body: campaign })).json.errors).toEqual([
    { pointer: '/notification/variants', ...one },
  ])
  const body = { cron: '0 8 * * *', timeZone: 'UTC', campaign }
  expect((await call('PUT', '/v1/apps/news/schedules/daily', { body })).json.errors).toEqual([
    { pointer: '/campaign/notification/variants', ...one },
  ])
})
