import { randomBytes } from 'node:crypto'

import type { AppId, WebhookName } from '@wns-fanout/domain'
import { createClient } from '@wns-fanout/client'
import { createMetrics } from '@wns-fanout/runtime'
import { createTransport } from '@wns-fanout/wns'
import { expect, test } from 'vitest'
import { collectWebhookGauges } from '../src/webhook-gauges.ts'
import { setup } from './support.ts'

const path = '/v1/apps/news/webhooks/ops'
const url = 'https://hooks.example.com/events?token=in-the-query'

async function start() {
  const place = await setup({
    webhookTransport: createTransport({
      lookup: (_name, _options, callback) => callback(null, [{ address: '10.0.0.7', family: 4 }]),
    }),
  })
  await place.withApp('news', 1)
  return place
}

test('a webhook is put, read, listed and deleted; its secret is shown once', async () => {
  const { call, logged } = await start()
  const { status, json } = await call('PUT', path, { body: { url, types: ['campaign.halted'] } })
  expect(status).toBe(200)
  const { secret, createdBy, ...shown } = json
  expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
  expect(createdBy).toMatch(/./)
  expect(shown).toMatchObject({
    webhook: 'ops',
    app: 'news',
    url,
    types: ['campaign.halted'],
    enabled: true,
    delivery: { cursor: '0-0', failures: 0 },
  })
  expect((await call('GET', path)).json).toEqual({ ...shown, createdBy })
  expect((await call('PUT', path, { body: { url, enabled: false } })).json).not.toHaveProperty('secret')
  const own = `whsec_${randomBytes(24).toString('base64')}`
  await call('PUT', '/v1/apps/news/webhooks/data', { body: { url, secret: own } })
  const listed = await call('GET', '/v1/apps/news/webhooks?limit=1')
  expect(listed.json).toMatchObject({ items: [{ webhook: 'data', enabled: true }], next: 'data' })
  expect((await call('GET', '/v1/apps/news/webhooks?after=data')).json.items).toMatchObject([
    { webhook: 'ops', enabled: false },
  ])
  expect((await call('DELETE', path)).status).toBe(204)
  for (const [method, at] of [
    ['DELETE', path],
    ['GET', path],
    ['POST', `${path}/test`],
  ] as const)
    expect((await call(method, at)).status).toBe(404)
  for (const text of [secret, own, 'in-the-query']) expect(logged.join('')).not.toContain(text)
})

test('a webhook with errors is refused with all of them, which never repeat it', async () => {
  const { call } = await start()
  const wrong = await call('PUT', path, {
    body: { url: 'http://x/?t=topsecret', types: [], secret: 'whsec_topsecret' },
  })
  expect(wrong.status).toBe(422)
  expect(wrong.json.errors.map(({ pointer }: { pointer: string }) => pointer).toSorted()).toEqual([
    '/secret',
    '/types',
    '/url',
  ])
  expect(wrong.text).not.toContain('topsecret')
  for (const [bad, detail] of [
    ['https://10.0.0.1/hook', 'must be a name'],
    ['https://[::1]/hook', 'must be a name'],
    ['https://0x7f000001/hook', 'must be a name'],
    ['https://user:pass@example.com/', 'user or a password'],
    ['https://example.com/#part', 'fragment'],
    ['no url', 'must be a URL'],
  ] as const)
    expect((await call('PUT', path, { body: { url: bad } })).json.errors).toMatchObject([
      { pointer: '/url', detail: expect.stringContaining(detail) as string },
    ])
  expect((await call('PUT', '/v1/apps/shop/webhooks/ops', { body: { url } })).status).toBe(404)
})

test('only keys with the verb admin see webhooks, and an app has at most 20', async () => {
  const { call, keyFor } = await start()
  const key = await keyFor(['news'], ['read', 'send', 'register'])
  for (const [method, at] of [
    ['PUT', path],
    ['GET', path],
    ['GET', '/v1/apps/news/webhooks'],
    ['DELETE', path],
    ['POST', `${path}/test`],
  ] as const)
    expect((await call(method, at, { key, ...(method === 'PUT' ? { body: { url } } : {}) })).status).toBe(403)
  for (let n = 0; n < 20; n += 1) await call('PUT', `/v1/apps/news/webhooks/w${n}`, { body: { url } })
  expect((await call('PUT', path, { body: { url } })).status).toBe(409)
  expect((await call('PUT', '/v1/apps/news/webhooks/w3', { body: { url } })).status).toBe(200)
})

test('the test event is refused for a private address', async () => {
  const { url: api, admin, call } = await start()
  await call('PUT', path, { body: { url } })
  const client = createClient({ url: api, apiKey: admin })
  expect(await client.testWebhook('news', 'ops')).toEqual({
    delivered: false,
    problem: 'the name resolves to an address that is not public',
    durationMs: expect.any(Number) as number,
  })
  expect(await Array.fromAsync(client.webhooks('news'))).toMatchObject([{ webhook: 'ops' }])
  expect(await client.putWebhook('news', 'ops', { url, enabled: false })).toMatchObject({ enabled: false })
  expect(await client.webhook('news', 'ops')).toMatchObject({ enabled: false })
  await client.deleteWebhook('news', 'ops')
  await client.close()
})

test('the age of the oldest event that was not delivered is a metric', async () => {
  const { call, deps, redis, keys } = await start()
  await call('PUT', path, { body: { url, types: ['breaker.closed'] } })
  const metrics = createMetrics()
  const shown = async (): Promise<string> => {
    await collectWebhookGauges(metrics, deps, AbortSignal.timeout(5000))
    return await metrics.scrape()
  }
  expect(await shown()).toContain('wns_fanout_webhook_undelivered_seconds{app="news"} 0\n')
  const hourAgo = (await deps.webhooks.redisNowMs()) - 3_600_000
  await redis.xadd(keys.events('news'), `${hourAgo}-0`, 'type', 'breaker.opened', 'data', '{}')
  expect(await shown()).toContain('webhook_undelivered_seconds{app="news"} 0\n')
  await redis.xadd(keys.events('news'), `${hourAgo}-1`, 'type', 'breaker.closed', 'data', '{}')
  expect(await shown()).toMatch(/webhook_undelivered_seconds\{app="news"\} 36\d\d/)
  await deps.webhooks.delete('news' as AppId, 'ops' as WebhookName)
  expect(await shown()).toContain('webhook_undelivered_seconds{app="news"} 0\n')
})
