import { expect, test } from 'vitest'
import { rawCampaign, setup, storeApp } from './support.ts'

const campaign = { ...rawCampaign, allowEmpty: true }

test('a stopped app is paused, admits no campaign, and resumes where it was', async () => {
  const { call, withApp, deps } = await setup()
  await withApp('news')
  await withApp('other')
  expect((await call('POST', '/v1/apps/news/stop-all')).json).toEqual({ stopped: true, apps: 1 })

  const { state, stopped } = (await call('GET', '/v1/apps/news')).json
  expect([state, stopped.scope]).toEqual(['paused', 'app'])
  expect((await deps.apps.revisions()).get('news' as never)?.state).toBe('paused')
  const refused = await call('POST', '/v1/apps/news/campaigns', { body: campaign })
  expect([refused.status, refused.json.code]).toEqual([409, 'stopped'])
  expect((await call('POST', '/v1/apps/other/campaigns', { body: campaign })).status).toBe(201)
  // The pause of the app is another thing.
  await call('POST', '/v1/apps/news/resume')
  expect((await call('GET', '/v1/apps/news')).json.state).toBe('paused')

  expect((await call('POST', '/v1/apps/news/resume-all')).json).toEqual({ stopped: false, apps: 1 })
  expect((await call('GET', '/v1/apps/news')).json).toMatchObject({ state: 'active' })
  expect((await call('POST', '/v1/apps/news/campaigns', { body: campaign })).status).toBe(201)
  expect((await call('POST', '/v1/apps/none/stop-all')).status).toBe(404)
})

test('the stop of the installation holds for every app, those made later too, and only its own end ends it', async () => {
  const { call, withApp, keyFor } = await setup()
  await withApp('news')
  await withApp('paused')
  await call('POST', '/v1/apps/paused/pause')
  const ofNews = await keyFor(['news'], ['read', 'send', 'admin'])
  expect((await call('POST', '/v1/stop-all', { key: ofNews })).status).toBe(403)
  expect((await call('POST', '/v1/stop-all')).json).toEqual({ stopped: true, apps: 2 })
  expect((await call('POST', '/v1/stop-all')).status).toBe(200)

  expect((await call('PUT', '/v1/apps/later', { body: storeApp })).status).toBe(201)
  for (const app of ['news', 'later'])
    expect((await call('POST', `/v1/apps/${app}/campaigns`, { body: campaign })).json.code).toBe('stopped')
  expect((await call('POST', '/v1/apps/news/resume-all', { key: ofNews })).status).toBe(200)
  expect((await call('GET', '/v1/apps/news')).json).toMatchObject({
    state: 'paused',
    stopped: { scope: 'installation' },
  })

  expect((await call('POST', '/v1/resume-all')).status).toBe(200)
  expect((await call('GET', '/v1/apps/news')).json).not.toHaveProperty('stopped')
  expect((await call('GET', '/v1/apps/paused')).json.state).toBe('paused')
  expect((await call('POST', '/v1/apps/later/campaigns', { body: campaign })).status).toBe(201)
  const log = (await call('GET', '/v1/audit?action=stop-all')).text
  expect(log.trim().split('\n')).toHaveLength(3)
})
