import { expect, test } from 'vitest'
import { setup, storeApp } from './support.ts'

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

test('a patch changes settings without the secret and leaves the others', async () => {
  const { call } = await setup()
  await call('PUT', '/v1/apps/news', { body: { ...storeApp, displayName: 'News', ratePerSecond: 50, maxAttempts: 3 } })

  const raised = await call('PATCH', '/v1/apps/news', { body: { ratePerSecond: 500 } })

  // The burst was derived from the rate and follows it.
  const kept = { displayName: 'News', maxAttempts: 3, credentials: { clientSecret: { set: true } } }
  expect(raised).toMatchObject({ status: 200, json: { ratePerSecond: 500, burst: 50, ...kept } })
  await call('PATCH', '/v1/apps/news', { body: { burst: 7 } })
  const cleared = await call('PATCH', '/v1/apps/news', { body: { ratePerSecond: null, displayName: null } })
  expect(cleared.json).toMatchObject({ ratePerSecond: 300, burst: 7, maxAttempts: 3 })
  expect(cleared.json).not.toHaveProperty('displayName')
})

test('a patch that breaks a rule, has an unknown field or no app is refused', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const wrong = await call('PATCH', '/v1/apps/news', { body: { genericIntervalSeconds: 60 } })
  expect(wrong).toMatchObject({ status: 422, json: { errors: [{ pointer: '/genericIntervalSeconds' }] } })
  expect(await call('PATCH', '/v1/apps/news', { body: { rate: 5, maxAttempts: 9 } })).toMatchObject({ status: 422 })
  expect(await call('PATCH', '/v1/apps/nothing', { body: { burst: 5 } })).toMatchObject({ status: 404 })
  const reason = { reason: 'agreed with Microsoft' }
  const allowed = { genericIntervalSeconds: 60, allowFasterThanGuideline: reason }
  expect(await call('PATCH', '/v1/apps/news', { body: allowed })).toMatchObject({ status: 200, json: allowed })
})
