import { expect, test } from 'vitest'
import { setup } from './support.ts'

test('an app that cannot be read is listed with its problem, beside the others', async () => {
  const { call, withApp, redis, keys, logged } = await setup()
  await withApp('news')
  await withApp('shop')
  await redis.hset(keys.app('news'), 'settings', '{"app":')
  const { status, json } = await call('GET', '/v1/apps')
  expect(status).toBe(200)
  expect(json.items).toEqual([
    { app: 'news', problem: 'its stored record cannot be read; put the app again' },
    expect.objectContaining({ app: 'shop', state: 'active' }),
  ])
  expect(logged.filter((line) => line.includes('the stored record of an app cannot be read'))).toHaveLength(1)
})
