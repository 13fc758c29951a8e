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

test('settings are changed only as they were read, when the caller sends their ETag', async () => {
  const { call } = await setup()
  const change = (method: string, etag: string, body: unknown) =>
    call(method, '/v1/apps/news', { body, headers: { 'if-match': etag } })
  expect(await change('PUT', '*', storeApp)).toMatchObject({ status: 412, json: { code: 'precondition-failed' } })
  const made = await call('PUT', '/v1/apps/news', { body: storeApp })
  const first = String(made.headers.etag)
  expect(first).toBe(`"${made.json.etag}"`)

  const raised = await change('PATCH', first, { ratePerSecond: 500 })
  expect(raised).toMatchObject({ status: 200, json: { ratePerSecond: 500 } })
  expect(raised.headers.etag).not.toBe(first)

  expect(await change('PATCH', first, { ratePerSecond: 100 })).toMatchObject({ status: 412 })
  expect(await change('PUT', first, storeApp)).toMatchObject({ status: 412 })
  expect(await change('PUT', `W/${raised.headers.etag}`, storeApp)).toMatchObject({ status: 412 })
  expect((await call('GET', '/v1/apps/news')).json).toMatchObject({ ratePerSecond: 500, etag: raised.json.etag })

  expect(await change('PUT', `"other", ${raised.headers.etag}`, storeApp)).toMatchObject({ status: 200 })
  // The credentials are part of it, so that a rotated secret is not overwritten.
  expect(await change('PUT', String(raised.headers.etag), storeApp)).toMatchObject({ status: 412 })
  expect(await change('PATCH', 'abc', { burst: 1 })).toMatchObject({ status: 422 })
})

test('of two changes from the same ETag at once, one wins', async () => {
  const { call } = await setup()
  const { headers } = await call('PUT', '/v1/apps/news', { body: storeApp })
  const answers = await Promise.all(
    [100, 200, 300, 400].map((ratePerSecond) =>
      call('PUT', '/v1/apps/news', {
        body: { ...storeApp, ratePerSecond },
        headers: { 'if-match': headers.etag ?? '' },
      }),
    ),
  )
  const statuses = answers.map(({ status }) => status)
  expect(statuses.filter((status) => status === 200)).toHaveLength(1)
  expect(statuses.filter((status) => status === 412)).toHaveLength(3)
})
