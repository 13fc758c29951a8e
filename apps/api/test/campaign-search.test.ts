import { createClient } from '@wns-fanout/client'
import { expect, test } from 'vitest'
import { setup } from './support.ts'

async function start() {
  const place = await setup()
  for (const app of ['news', 'shop', 'weather']) await place.withApp(app, 1)
  const create = async (app: string, more: object = {}, headers: Record<string, string> = {}): Promise<string> => {
    const startAt = new Date(Date.now() + 3_600_000).toISOString()
    const body = { notification: { type: 'badge', value: 1 }, audience: { all: true }, startAt, ...more }
    const made = await place.call('POST', `/v1/apps/${app}/campaigns`, { body, headers })
    if (made.status !== 201) throw new Error(made.text)
    return made.json.id
  }
  const found = async (query = '', key?: string) => {
    const answer = await place.call('GET', `/v1/campaigns${query}`, key === undefined ? {} : { key })
    if (answer.status !== 200) throw new Error(answer.text)
    return (answer.json.items as { id: string }[]).map(({ id }) => id)
  }
  return { ...place, create, found }
}

test('campaigns of all apps are listed newest first, in pages without gaps, for the apps of the key', async () => {
  const { create, found, keyFor, call, url, admin } = await start()
  const made: string[] = []
  for (const app of ['news', 'shop', 'news', 'weather', 'shop']) made.unshift(await create(app))
  expect(await found()).toEqual(made)
  expect(await found('?app=shop')).toEqual([made[0], made[3]])
  expect(await found('', await keyFor(['news', 'weather'], ['read']))).toEqual([made[1], made[2], made[4]])
  expect(await found('?app=shop', await keyFor(['news'], ['read']))).toEqual([])
  const pages: string[][] = []
  for (let next: string | undefined = ''; next !== undefined;) {
    const { json } = await call('GET', `/v1/campaigns?limit=2${next === '' ? '' : `&after=${next}`}`)
    pages.push((json.items as { id: string }[]).map(({ id }) => id))
    next = json.next as string | undefined
  }
  expect(pages).toEqual([made.slice(0, 2), made.slice(2, 4), made.slice(4)])
  const client = createClient({ url, apiKey: admin })
  expect((await Array.fromAsync(client.searchCampaigns({ app: 'shop' }))).map(({ id }) => id)).toEqual([
    made[0],
    made[3],
  ])
  await client.close()
})

test('filters by state, name, topic, time and idempotency key apply together', async () => {
  const { create, found, call, deps } = await start()
  const old = await create('news', { name: 'Weather of the day', topic: 'weather' })
  await expect.poll(async () => deps.webhooks.redisNowMs()).toBeGreaterThan(Date.parse(await createdAt(old)))
  const later = await create('news', { name: 'Breaking: WEATHER warning' }, { 'idempotency-key': 'k-1' })
  const other = await create('shop', { name: 'Sale' }, { 'idempotency-key': 'k-1' })
  await call('POST', `/v1/campaigns/${other}/cancel`)
  async function createdAt(id: string): Promise<string> {
    return (await call('GET', `/v1/campaigns/${id}`)).json.createdAt
  }
  expect(await found('?state=open')).toEqual([later, old])
  expect(await found('?state=cancelled')).toEqual([other])
  expect(await found('?name=weather')).toEqual([later, old])
  expect(await found('?name=weather&topic=weather')).toEqual([old])
  expect(await found('?idempotencyKey=k-1')).toEqual([other, later])
  expect(await found('?idempotencyKey=k-1&state=open')).toEqual([later])
  expect(await found('?idempotencyKey=k-2')).toEqual([])
  const since = encodeURIComponent(await createdAt(later))
  expect(await found(`?createdAfter=${since}`)).toEqual([other, later])
  expect(await found(`?createdBefore=${since}`)).toEqual([old])
  const wrong = await call('GET', '/v1/campaigns?state=done&createdAfter=today&topic=A')
  expect(wrong.json.errors.map(({ pointer }: { pointer: string }) => pointer).toSorted()).toEqual([
    '/createdAfter',
    '/state',
    '/topic',
  ])
})
