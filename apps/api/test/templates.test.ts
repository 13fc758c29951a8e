import { expect, test } from 'vitest'
import { setup, uriOf } from './support.ts'

const path = '/v1/apps/news/templates/forecast'
const notification = { type: 'raw', text: '{{vars.city|here}}: {{vars.temperature}}', variants: { de: { text: 'de' } } }

async function start() {
  const place = await setup()
  await place.withApp('news', 1)
  await place.call('PUT', '/v1/apps/news/channels/laptop', {
    body: { uri: uriOf('laptop'), vars: { city: 'Rome <&">' }, tags: ['rome'] },
  })
  const preview = async (body: object) => (await place.call('POST', '/v1/apps/news/campaigns:preview', { body })).json
  return { ...place, preview }
}

test('a template is put, read, listed by name in pages, and deleted', async () => {
  const { call } = await start()
  const put = await call('PUT', path, { body: { notification } })
  expect(put.json).toEqual({ template: 'forecast', app: 'news', notification, updatedAt: expect.any(String) as string })
  expect((await call('GET', path)).json).toEqual(put.json)
  await call('PUT', '/v1/apps/news/templates/alert', { body: { notification: { type: 'badge', value: 'alert' } } })
  const first = (await call('GET', '/v1/apps/news/templates?limit=1')).json
  expect(first).toMatchObject({ items: [{ template: 'alert' }], next: 'alert' })
  const rest = (await call('GET', '/v1/apps/news/templates?after=alert')).json
  expect(rest.items).toMatchObject([{ template: 'forecast' }])
  expect((await call('DELETE', path)).status).toBe(204)
  expect((await call('DELETE', path)).status).toBe(404)
  expect((await call('GET', path)).status).toBe(404)
})

test('a template with errors is refused with all of them, and without an app', async () => {
  const { call } = await start()
  const wrong = { type: 'toast', content: { title: '{{name}}' }, ttlSeconds: 0, wnsTag: 'a b' }
  const refused = await call('PUT', path, { body: { notification: wrong } })
  expect(refused.status).toBe(422)
  expect(refused.json.errors.length).toBeGreaterThan(2)
  expect((await call('GET', path)).status).toBe(404)
  expect((await call('PUT', '/v1/apps/shop/templates/x', { body: { notification } })).status).toBe(404)
})

test('a campaign takes the notification that its template has then', async () => {
  const { call } = await start()
  const campaign = { template: 'forecast', audience: { all: true }, update: 'personalized', missing: 'skip' }
  const create = (body: object) => call('POST', '/v1/apps/news/campaigns', { body })
  const unknown = await create(campaign)
  expect(unknown.status).toBe(422)
  expect(unknown.json.errors).toMatchObject([{ pointer: '/template', code: 'missing' }])
  await call('PUT', path, { body: { notification } })
  expect((await create(campaign)).json).toMatchObject({ type: 'raw', state: 'scheduled' })
  expect((await create({ ...campaign, dryRun: true })).json).toMatchObject({ contents: { lackingVariables: 2 } })
  const both = await create({ ...campaign, notification })
  expect(both.json.errors).toMatchObject([{ pointer: '/template', code: 'one-body' }])
})

test('a schedule keeps the name of its template', async () => {
  const { call } = await start()
  const schedule = '/v1/apps/news/schedules/nightly'
  const campaign = { template: 'forecast', audience: { all: true } }
  const body = { cron: '0 7 * * *', timeZone: 'Europe/Rome', campaign }
  expect((await call('PUT', schedule, { body })).json.errors).toMatchObject([{ pointer: '/campaign/template' }])
  await call('PUT', path, { body: { notification } })
  expect((await call('PUT', schedule, { body })).json).toMatchObject({ campaign })
  expect((await call('GET', schedule)).json.campaign).toEqual(campaign)
})

test('a preview shows what a channel, or given values, would get', async () => {
  const { call, preview } = await start()
  await call('PUT', path, { body: { notification } })
  expect(
    await preview({ template: 'forecast', channel: 'laptop', valuesByTag: { rome: { temperature: '21' } } }),
  ).toEqual({
    type: 'raw',
    contentType: 'application/octet-stream',
    headers: { 'X-WNS-Type': 'wns/raw', 'X-WNS-RequestForStatus': 'true' },
    lacking: [],
    body: 'Rome <&">: 21',
    encoding: 'utf8',
    bytes: 13,
  })
  expect(await preview({ notification, vars: { temperature: '3' } })).toMatchObject({ body: 'here: 3' })
  expect(await preview({ notification, locale: 'de-AT' })).toMatchObject({ body: 'de', lacking: [] })
  expect(await preview({ notification, missing: 'skip' })).toMatchObject({
    reason: 'missing-variable',
    lacking: ['temperature'],
  })
  expect(await preview({ notification: { type: 'raw', base64: '/w==' } })).toMatchObject({
    body: '/w==',
    encoding: 'base64',
    bytes: 1,
  })
  expect(await preview({ template: 'forecast', channel: 'unregistered' })).toMatchObject({ status: 404 })
  expect(await preview({ notification: { type: 'raw' } })).toMatchObject({ status: 422 })
})
