import { expect, test } from 'vitest'
import { setup, storeApp } from './support.ts'

interface InputError {
  readonly pointer: string
  readonly code: string
  readonly detail: string
}

test.for([
  ['/v1/apps/news', { ...storeApp, ratePerSeconds: 5 }, '/ratePerSeconds', 'ratePerSecond'],
  ['/v1/apps/news/channels/c1', { uri: 'https://db5p.notify.windows.com/?token=a', tag: ['x'] }, '/tag', 'tags'],
  ['/v1/apps/news/templates/t', { notification: { type: 'raw', txt: 'a' } }, '/notification/txt', 'text'],
] as const)('PUT %s reports the field that was probably meant', async ([path, body, pointer, meant]) => {
  const { call, withApp } = await setup()
  await withApp('news')
  const { status, json } = await call('PUT', path, { body })
  expect(status).toBe(422)
  const found = (json.errors as InputError[]).find((error) => error.pointer === pointer)
  expect(found?.detail).toContain(`did you mean "${meant}"?`)
})

test('a misspelled parameter of a query is reported with the one that was probably meant', async () => {
  const { call, withApp } = await setup()
  await withApp('news')
  const { json } = await call('GET', '/v1/apps/news/campaigns?sate=sending')
  expect(json.errors).toEqual([
    { pointer: '/sate', code: 'unknown-field', detail: 'there is no field "sate" here; did you mean "state"?' },
  ])
})

test('a campaign with faults of shape gets the faults of its notification too', async () => {
  const { call, withApp } = await setup()
  await withApp('news')
  const { json } = await call('POST', '/v1/apps/news/campaigns', {
    body: {
      audiance: { all: true },
      notification: { type: 'toast', xml: '<toast', ttlSeconds: 'long', wnsPriority: 9, wnsTags: 'a' },
    },
  })
  const pointers = (json.errors as InputError[]).map(({ pointer }) => pointer)
  expect(new Set(pointers)).toEqual(
    new Set([
      '/audience',
      '/audiance',
      '/notification/ttlSeconds',
      '/notification/wnsTags',
      '/notification/xml',
      '/notification/wnsPriority',
    ]),
  )
})

test('404 names what is missing', async () => {
  const { call, withApp } = await setup()
  await withApp('news')
  const detail = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const { status, json } = await call(method, path, { body })
    return [status, json.missing, json.detail]
  }
  expect(await detail('GET', '/v1/apps/news/channels/c1')).toEqual([404, 'channel', 'there is no channel "c1"'])
  expect(await detail('DELETE', '/v1/apps/news/lists/vip')).toEqual([404, 'list', 'there is no list "vip"'])
  expect(await detail('GET', '/v1/apps/news/schedules/a')).toEqual([404, 'schedule', 'there is no schedule "a"'])
  expect(await detail('GET', '/v1/apps/news/templates/a')).toEqual([404, 'template', 'there is no template "a"'])
  expect(await detail('POST', '/v1/campaigns/x1/pause')).toEqual([404, 'campaign', 'there is no campaign "x1"'])
  // A name that is not possible is no other kind of missing.
  expect(await detail('GET', '/v1/apps/news/lists/VIP')).toEqual([404, 'list', 'there is no list "VIP"'])
  // What is missing first is the app.
  expect(await detail('GET', '/v1/apps/shop/lists/vip')).toEqual([404, 'app', 'there is no app "shop"'])
})

test('an unknown app gets the nearest app, among those that the key may see', async () => {
  const { call, withApp, keyFor } = await setup()
  await withApp('news')
  await withApp('shop')
  const ask = async (apps: readonly string[]): Promise<unknown> =>
    (await call('GET', '/v1/apps/nwes', { key: await keyFor(apps, ['read']) })).json.detail
  expect(await ask(['*'])).toBe('there is no app "nwes"; did you mean "news"?')
  expect(await ask(['news'])).toBe('there is no app "nwes"; did you mean "news"?')
  expect(await ask(['shop'])).toBe('there is no app "nwes"')
})
