import { gzipSync } from 'node:zlib'
import { Readable } from 'node:stream'
import type { Client } from '@wns-fanout/client'
import { ApiError, createClient } from '@wns-fanout/client'
import { expect, onTestFinished, test } from 'vitest'
import { rawCampaign, setup, storeApp, uriOf } from './support.ts'

function clientOf(url: string, apiKey: string): Client {
  const client = createClient({ url, apiKey })
  onTestFinished(() => client.close())
  return client
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

test('the client and the API understand each other in every call', async () => {
  const { url, admin } = await setup({
    askToken: async ({ clientSecret }) => ({ ok: true, token: clientSecret, expiresInSeconds: 86_400 }),
    progress: { pollMs: 10, progressMs: 20 },
  })
  const api = clientOf(url, admin)

  expect(
    await api.putApp('news', { ...storeApp, credentials: { ...storeApp.credentials, kind: 'store' } }),
  ).toMatchObject({ app: 'news' })
  expect(await api.app('news')).toMatchObject({ channels: 0 })
  expect(await collect(api.apps())).toHaveLength(1)
  expect(await api.verifyApp('news')).toMatchObject({ ok: true })
  expect((await api.pauseApp('news')).state).toBe('paused')
  expect((await api.resumeApp('news')).state).toBe('active')

  const odd = 'a/b?c%'
  expect(await api.putChannel('news', odd, { uri: uriOf(0), tags: ['x'] })).toMatchObject({ channel: odd, tags: ['x'] })
  expect(await api.channel('news', odd)).toMatchObject({ channel: odd })
  await api.optOut('news', odd)
  await api.optIn('news', odd)
  await api.channelActive('news', odd)
  await api.deleteChannel('news', odd)
  const registeredAt = '2026-05-31T08:30:00.000Z'
  const lines = Array.from({ length: 1200 }, (_, n) => ({ channel: `c${n}`, uri: uriOf(n), registeredAt }))
  const text = lines.map((one) => `${JSON.stringify(one)}\n`).join('')
  expect(await api.importChannels('news', [text], { type: 'ndjson' })).toMatchObject({ created: 1200, rejected: 0 })
  const again = await api.importChannels('news', Readable.from([gzipSync(text)]), { type: 'ndjson', gzip: true })
  expect(again).toMatchObject({ unchanged: 1200, rejected: 0 })
  expect(await collect(api.exportChannels('news'))).toEqual(lines)
  expect(await api.countChannels('news', { all: true })).toEqual({ count: 1200, optedOut: 0 })
  expect(await api.putList('news', 'vip', ['c1', 'c2', 'stranger'])).toEqual({ list: 'vip', size: 2, unknown: 1 })
  expect(await api.list('news', 'vip')).toEqual({ list: 'vip', size: 2, unknown: 1 })

  const request = { ...rawCampaign, audience: { list: 'vip' }, notification: { type: 'raw', text: 'x' } } as const
  expect(await api.dryRun('news', request)).toMatchObject({ audienceSize: 2 })
  const schedule = { cron: '0 8 * * *', timeZone: 'UTC', campaign: request }
  expect(await api.putSchedule('news', 'daily', schedule)).toMatchObject({ schedule: 'daily', ...schedule })
  expect(await api.schedule('news', 'daily')).toMatchObject(schedule)
  expect(await collect(api.schedules('news'))).toMatchObject([{ schedule: 'daily' }])
  await api.deleteSchedule('news', 'daily')
  const campaign = await api.createCampaign('news', { ...request, allowEmpty: true })
  expect(await api.campaign(campaign.id)).toMatchObject({ id: campaign.id })
  expect(await collect(api.campaigns('news', { state: 'scheduled' }))).toHaveLength(1)
  const watching = collect(api.watch(campaign.id))
  await api.cancelCampaign(campaign.id)
  expect((await watching).at(-1)?.state).toBe('cancelled')
  expect((await collect(api.events(campaign.id))).map(({ state }) => state)).toEqual(['cancelled'])
  expect(await collect(api.results(campaign.id, { class: 'failed' }))).toEqual([])
  expect(await api.samples(campaign.id)).toEqual({ items: [] })
  await expect(api.pauseCampaign(campaign.id)).rejects.toMatchObject({ code: 'conflict' })
  await expect(api.resumeCampaign(campaign.id)).rejects.toMatchObject({ code: 'conflict' })
  const child = await api.retryFailed(campaign.id, { includeInDoubt: true })
  expect(child.parent).toBe(campaign.id)
  await api.cancelCampaign(child.id)
  await api.deleteList('news', 'vip')

  const made = await api.createKey({ name: 'reader', apps: ['news'], verbs: ['read'] })
  expect(await collect(clientOf(url, made.key).apps())).toHaveLength(1)
  expect((await collect(api.keys())).map(({ id }) => id)).toContain(made.id)
  await api.deleteKey(made.id)
  await api.deleteApp('news')
})

test('a refusal arrives with all that is wrong', async () => {
  const { url, admin, withApp } = await setup()
  await withApp()
  const error: unknown = await clientOf(url, admin)
    .putChannel('news', 'c', { uri: 'https://evil.example/', tags: ['No'] })
    .catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(ApiError)
  expect(error).toMatchObject({ status: 422, code: 'invalid', requestId: expect.any(String) })
  expect(String(error)).toMatch(/\/tags\/0: a tag must be[^]*\/uri: the host/)
})

test('an upload that is refused before it is read is answered, not cut off', async () => {
  const { url, withApp } = await setup()
  await withApp()
  const pieces = Array.from({ length: 400 }, () => Buffer.alloc(65_536, 'x'))
  const work = clientOf(url, 'wnsf_wrong').importChannels('news', Readable.from(pieces), { type: 'ndjson' })
  await expect(work).rejects.toMatchObject({ status: 401, code: 'unauthenticated' })
})
