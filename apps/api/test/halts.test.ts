import type { AppId, CampaignId } from '@wns-fanout/domain'
import { CampaignStore } from '@wns-fanout/state'
import { expect, test } from 'vitest'
import { rawCampaign, setup } from './support.ts'

/** An API with a campaign to one channel that its answers have halted. */
async function halted() {
  const { call, withApp, redis, keys, logged } = await setup()
  await withApp('news', 1)
  const { id } = (await call('POST', '/v1/apps/news/campaigns', { body: rawCampaign })).json as { id: CampaignId }
  const store = new CampaignStore(redis, keys)
  const app = 'news' as AppId
  await store.launch(app, id)
  const draft = keys.temporary(app, 'draft')
  await redis.setbit(draft, 0, 1)
  await store.storeAudience(app, id, draft, { size: 1 })
  await store.steer(app, id, 'hold', 'mass-removal')
  const act = (name: string, body?: unknown) => call('POST', `/v1/campaigns/${id}/${name}`, { body })
  return { call, id, act, logged }
}

test('a halted campaign is shown and listed with what to do next', async () => {
  const { call, id } = await halted()
  const { items } = (await call('GET', '/v1/apps/news/campaigns?state=halted')).json
  expect(items).toMatchObject([
    { id, state: 'halted', reason: 'mass-removal', etaSeconds: null, totals: { pending: 1 } },
  ])
  expect(items[0].detail).toContain('{"accept": "mass-removal"}')
  expect(items[0].finishedAt).toBeUndefined()
})

test('a halted campaign is resumed with the reason that is accepted, and the log contains the key', async () => {
  const { act, id, logged } = await halted()
  expect((await act('resume', { accept: 'mass-removal' })).json).toMatchObject({ id, state: 'sending' })
  const line = logged.find((text) => text.includes('halt accepted'))
  expect(JSON.parse(line ?? '{}')).toMatchObject({ app: 'news', campaign: id, reason: 'mass-removal' })
  expect((JSON.parse(line ?? '{}') as { key: string }).key).toMatch(/^\S+$/)
  // A repeated request, of which the first answer was lost, is no error.
  expect((await act('resume', { accept: 'mass-removal' })).status).toBe(200)
})

test('a halted campaign is not resumed without its reason, or with another one, and the answer names it', async () => {
  const { act } = await halted()
  for (const name of ['resume', 'pause', 'approve'])
    expect((await act(name)).json).toMatchObject({
      status: 409,
      detail: expect.stringContaining('{"accept": "mass-removal"}') as string,
    })
  expect((await act('resume', { accept: 'canary' })).json).toMatchObject({
    status: 422,
    errors: [
      { pointer: '/accept', detail: expect.stringContaining('halted by mass-removal, not by canary') as string },
    ],
  })
  expect((await act('resume', { accept: 'boredom', why: 1 })).json).toMatchObject({
    status: 422,
    errors: [
      { pointer: '/accept', detail: 'must be one of "canary", "failure-share", "mass-removal", "breaker"' },
      { pointer: '/why', code: 'unknown-field' },
    ],
  })
})

test('a halted campaign can be cancelled, after which it is not resumed', async () => {
  const { act } = await halted()
  expect((await act('cancel')).json).toMatchObject({ state: 'cancelled', reason: 'mass-removal' })
  expect((await act('resume', { accept: 'mass-removal' })).json).toMatchObject({ status: 409 })
  expect((await act('retry', { classes: ['cancelled'] })).json).toMatchObject({ state: 'scheduled' })
})

test('a replay with unknown classes and reasons gets all faults, with the known ones', async () => {
  const { act } = await halted()
  const { json } = await act('retry', { classes: ['lost'], reasons: ['bored'], all: true })
  expect(json.status).toBe(422)
  expect(json.errors.map(({ pointer }: { pointer: string }) => pointer).toSorted()).toEqual([
    '/all',
    '/classes/0',
    '/reasons/0',
  ])
  expect(json.errors[0].detail).toContain('"cancelled"')
})
