import { expect, test } from 'vitest'
import { bootstrapKey } from '../src/bootstrap-key.ts'
import { rawCampaign, setup, storeApp } from './support.ts'

const path = '/v1/apps/news/schedules/morning'
const schedule = {
  cron: '30 8 * * *',
  timeZone: 'UTC',
  campaign: { notification: { type: 'badge', value: 3 }, audience: { all: true }, allowEmpty: true },
}

function idOf(key: string): string {
  return key.split('_')[1] ?? ''
}

test('apps, campaigns, schedules and keys show the key that made them', async () => {
  const { call, keyFor, deps } = await setup()
  const maker = await keyFor(['*'], ['read', 'send', 'admin'])
  const createdBy = idOf(maker)
  const made = [
    await call('PUT', '/v1/apps/news', { body: storeApp, key: maker }),
    await call('POST', '/v1/apps/news/campaigns', { body: { ...rawCampaign, allowEmpty: true }, key: maker }),
    await call('PUT', path, { body: schedule, key: maker }),
    await call('POST', '/v1/keys', { body: { name: 'next', apps: ['news'], verbs: ['read'] }, key: maker }),
  ]
  expect(made.map(({ json }) => json.createdBy as unknown)).toEqual(made.map(() => createdBy))
  // To replace an app does not make it.
  expect((await call('PUT', '/v1/apps/news', { body: storeApp })).json).toMatchObject({ createdBy })
  expect(await bootstrapKey(deps.apiKeys, 'first', { force: true })).toMatchObject({ createdBy: 'bootstrap' })
})

test('a schedule shows that its key is revoked, until another key takes it over', async () => {
  const { call, keyFor, withApp, admin } = await setup()
  await withApp()
  const maker = await keyFor(['news'], ['send'])
  await call('PUT', path, { body: schedule, key: maker })
  expect((await call('GET', path)).json).not.toHaveProperty('problem')

  await call('DELETE', `/v1/keys/${idOf(maker)}`)
  const what = `the API key ${idOf(maker)}, which put it, is revoked or expired`
  const problem = `${what}; put the schedule again with another key`
  expect((await call('GET', path)).json).toMatchObject({ createdBy: idOf(maker), problem })
  expect((await call('GET', '/v1/apps/news/schedules')).json).toMatchObject({ items: [{ problem }] })

  await call('PUT', path, { body: schedule })
  const taken = (await call('GET', path)).json
  expect(taken).toMatchObject({ createdBy: idOf(admin) })
  expect(taken).not.toHaveProperty('problem')
})
