import type { AppId } from '@wns-fanout/domain'
import { createClient } from '@wns-fanout/client'
import { expect, test } from 'vitest'
import { setup } from './support.ts'

const NEWS = 'news' as AppId
const path = '/v1/apps/news/events'

async function start() {
  const place = await setup()
  await place.withApp('news', 1)
  const { apps } = place.deps
  /** Two events: the breaker opens and closes. */
  const trip = async (): Promise<void> => {
    await apps.setBreaker(NEWS, { kind: 'answers', reason: 'blocked', since: new Date().toISOString() })
    await apps.clearBreaker(NEWS)
  }
  const feed = async (query = '') => (await place.call('GET', `${path}${query}`)).json
  return { ...place, trip, feed }
}

test('a reader that keeps the cursor gets each event once, from the oldest or from now on', async () => {
  const { trip, feed } = await start()
  expect(await feed('?after=latest')).toEqual({ items: [], cursor: '0-0', more: false, missed: false })
  await trip()
  const first = await feed('?limit=1')
  expect(first).toMatchObject({
    items: [{ app: 'news', type: 'breaker.opened', data: { kind: 'answers' } }],
    more: true,
  })
  expect(first.items[0]).toMatchObject({ id: first.cursor, timestamp: expect.stringMatching(/^20\d\d-.*Z$/) as string })
  const second = await feed(`?after=${first.cursor}`)
  expect(second).toMatchObject({ items: [{ type: 'breaker.closed' }], more: false })
  const { cursor } = await feed('?after=latest')
  expect(cursor).toBe(second.cursor)
  await trip()
  expect((await feed(`?after=${cursor}&type=breaker.closed,campaign.finished`)).items).toMatchObject([
    { type: 'breaker.closed' },
  ])
})

test('the end of a campaign is in the feed, with its totals', async () => {
  const { call, feed } = await start()
  const body = { notification: { type: 'badge', value: 1 }, audience: { all: true }, startAt: '2100-01-01T00:00:00Z' }
  const expiresAt = '2100-01-02T00:00:00Z'
  const { json } = await call('POST', '/v1/apps/news/campaigns', { body: { ...body, expiresAt } })
  await call('POST', `/v1/campaigns/${json.id}/cancel`)
  expect((await feed()).items).toMatchObject([
    {
      type: 'campaign.finished',
      data: { campaign: json.id, state: 'cancelled', audienceSize: 0, totals: { accepted: 0 } },
    },
  ])
})

test('a wrong cursor or type is refused, and apps and keys that may not read get 404 or 403', async () => {
  const { call, keyFor } = await start()
  const wrong = await call('GET', `${path}?after=yesterday&type=breaker.opened,x&limit=0`)
  expect(wrong.status).toBe(422)
  expect(wrong.json.errors.map(({ pointer }: { pointer: string }) => pointer).toSorted()).toEqual([
    '/after',
    '/limit',
    '/type/1',
  ])
  expect((await call('GET', '/v1/apps/shop/events')).status).toBe(404)
  expect((await call('GET', path, { key: await keyFor(['news'], ['send']) })).status).toBe(403)
  expect((await call('GET', path, { key: await keyFor(['shop'], ['read']) })).status).toBe(404)
})

test('the client follows the events of an app', async () => {
  const { url, admin, trip } = await start()
  const client = createClient({ url, apiKey: admin })
  const stop = new AbortController()
  await trip()
  const seen: string[] = []
  const following = (async () => {
    for await (const event of client.followAppEvents('news', { after: '0-0', pollMs: 5, signal: stop.signal })) {
      seen.push(event.type)
      if (seen.length === 2) await trip()
      if (seen.length === 4) stop.abort()
    }
  })()
  await expect(following).rejects.toThrow(/abort/i)
  expect(seen).toEqual(['breaker.opened', 'breaker.closed', 'breaker.opened', 'breaker.closed'])
  await client.close()
})
