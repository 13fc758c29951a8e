import { expect, test } from 'vitest'
import { setup } from './support.ts'

const path = '/v1/apps/news/schedules/morning'
const body = {
  cron: '30 8 * * 1-5',
  timeZone: 'Europe/Berlin',
  campaign: {
    notification: { type: 'badge', value: 3 },
    audience: { tags: 'news' },
    allowEmpty: true,
    topic: 'weather',
  },
}

function namesOf(json: { items: { schedule: string }[] }): string[] {
  return json.items.map(({ schedule }) => schedule)
}

test('a schedule is returned as it was put, with its next five times', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const put = await call('PUT', path, { body })
  expect(put.status).toBe(200)
  const { warnings, ...stored } = put.json
  expect(warnings).toMatchObject([
    { pointer: '/campaign/audience/tags', code: 'unknown-tag' },
    { pointer: '/campaign/audience', code: 'empty-audience' },
  ])
  expect(stored).toEqual({
    schedule: 'morning',
    app: 'news',
    ...body,
    paused: false,
    createdAt: expect.stringMatching(/^\d{4}-.*\.\d{3}Z$/) as unknown,
    createdBy: expect.stringMatching(/^[0-9a-f]{12}$/) as unknown,
    next: expect.any(Array) as unknown,
  })
  const next = put.json.next as string[]
  expect(next).toHaveLength(5)
  const clock = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', timeStyle: 'short' })
  expect(next.map((time) => clock.format(new Date(time)))).toEqual(Array.from({ length: 5 }, () => '08:30'))
  expect(next.every((time) => Date.parse(time) > Date.now())).toBe(true)
  expect((await call('GET', path)).json).toEqual(stored)

  const paused = await call('PUT', path, { body: { ...body, paused: true } })
  expect(paused.json).toMatchObject({ paused: true, createdAt: put.json.createdAt })
  expect((await call('DELETE', path)).status).toBe(204)
  expect((await call('DELETE', path)).status).toBe(404)
  expect((await call('GET', path)).status).toBe(404)
})

test('the schedules of an app are listed by name, in pages', async () => {
  const { call, withApp } = await setup()
  await withApp()
  expect((await call('GET', '/v1/apps/news/schedules')).json).toEqual({ items: [] })
  for (const name of ['b', 'c', 'a']) await call('PUT', `/v1/apps/news/schedules/${name}`, { body })
  const first = (await call('GET', '/v1/apps/news/schedules?limit=2')).json
  expect(namesOf(first)).toEqual(['a', 'b'])
  expect(first.next).toBe('b')
  const rest = (await call('GET', '/v1/apps/news/schedules?limit=2&after=b')).json
  expect(namesOf(rest)).toEqual(['c'])
  expect(rest).not.toHaveProperty('next')
})

test('a schedule needs the verbs of sending and reading, and an app that is there', async () => {
  const { call, keyFor, withApp } = await setup()
  expect((await call('PUT', path, { body })).status).toBe(404)
  expect((await call('GET', '/v1/apps/news/schedules')).status).toBe(404)
  await withApp()
  const reader = await keyFor(['news'], ['read'])
  const stranger = await keyFor(['shop'], ['read', 'send'])
  expect((await call('PUT', path, { body, key: reader })).status).toBe(403)
  expect((await call('PUT', path, { body, key: stranger })).status).toBe(404)
  expect((await call('PUT', path, { body, key: await keyFor(['news'], ['send']) })).status).toBe(200)
  expect((await call('GET', path, { key: reader })).status).toBe(200)
  expect((await call('DELETE', path, { key: reader })).status).toBe(403)
})

function withCampaign(more: object): object {
  return { ...body, campaign: { ...body.campaign, ...more } }
}

test.each([
  ['a cron of six fields', { ...body, cron: '0 30 8 * * 1' }, ['/cron']],
  ['a date that does not exist', { ...body, cron: '0 8 30 2 *' }, ['/cron']],
  ['an unknown time zone', { ...body, timeZone: 'Mars/Olympus' }, ['/timeZone']],
  [
    'both at once, with a notification that is wrong',
    { cron: '', timeZone: '', campaign: { notification: { type: 'toast', xml: '<x/>' } } },
    ['/cron', '/timeZone', '/campaign/audience', '/campaign/notification/xml'],
  ],
  [
    'times of its own',
    withCampaign({ startAt: '2030-01-01T00:00:00Z', expiresAt: '2030-01-02T00:00:00Z', dryRun: true }),
    ['/campaign/startAt', '/campaign/expiresAt', '/campaign/dryRun'],
  ],
  [
    'a notification that WNS would refuse',
    withCampaign({ notification: { type: 'toast', xml: '<x/>' } }),
    ['/campaign/notification/xml'],
  ],
  ['a personalized update without a placeholder', withCampaign({ update: 'personalized' }), ['/campaign/update']],
  ['an unknown field', { ...body, at: 'noon' }, ['/at']],
  ['nothing at all', {}, ['/cron', '/timeZone', '/campaign']],
])('refused with its place: %s', async (_, wrong, pointers) => {
  const { call, withApp } = await setup()
  await withApp()
  const { status, json } = await call('PUT', path, { body: wrong })
  expect(status).toBe(422)
  expect(json.code).toBe('invalid')
  expect(json.errors.map(({ pointer }: { pointer: string }) => pointer).toSorted()).toEqual(pointers.toSorted())
  expect((await call('GET', path)).status).toBe(404)
})

test('a schedule in Australia/Lord_Howe, whose clocks change by half an hour, is stored and listed', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const put = await call('PUT', path, { body: { ...body, cron: '0 8 4 * *', timeZone: 'Australia/Lord_Howe' } })
  expect(put.status).toBe(200)
  expect(put.json.next).toHaveLength(5)
  const { warnings: _, ...stored } = put.json
  expect((await call('GET', '/v1/apps/news/schedules')).json.items).toEqual([stored])
})

test('a stored schedule that cannot be read is listed with its problem, beside the others', async () => {
  const { call, withApp, redis, keys } = await setup()
  await withApp()
  const { warnings: _, ...put } = (await call('PUT', path, { body })).json
  const stored = JSON.parse((await redis.hget(keys.schedules('news'), 'morning')) ?? '')
  await redis.hset(keys.schedules('news'), {
    'a-torn': '{"request":',
    'b-zone': JSON.stringify({ ...stored, request: { ...stored.request, timeZone: 'Mars/Olympus' } }),
  })
  const { status, json } = await call('GET', '/v1/apps/news/schedules')
  expect(status).toBe(200)
  expect(json.items).toEqual([
    {
      schedule: 'a-torn',
      app: 'news',
      problem: 'its stored record cannot be read; put the schedule again or delete it',
    },
    {
      ...put,
      schedule: 'b-zone',
      timeZone: 'Mars/Olympus',
      next: [],
      problem: 'its cron or timeZone is not known to this version; put the schedule again',
    },
    put,
  ])
  for (const item of json.items as { schedule: string }[])
    expect((await call('GET', `/v1/apps/news/schedules/${item.schedule}`)).json).toEqual(item)
  expect((await call('PUT', '/v1/apps/news/schedules/a-torn', { body })).status).toBe(200)
  expect((await call('DELETE', '/v1/apps/news/schedules/b-zone')).status).toBe(204)
  expect(namesOf((await call('GET', '/v1/apps/news/schedules')).json)).toEqual(['a-torn', 'morning'])
})

test('an unknown tag of a schedule is reported when it is put, with the nearest one', async () => {
  const { call, withApp } = await setup()
  await withApp()
  const uri = 'https://db5p.notify.windows.com/?token=ok.any.a'
  await call('PUT', '/v1/apps/news/channels/a', { body: { uri, tags: ['news'] } })
  const of = async (audience: object) =>
    (await call('PUT', path, { body: { ...body, campaign: { ...body.campaign, audience } } })).json
  expect(await of({ tags: 'news' })).not.toHaveProperty('warnings')
  expect((await of({ tags: 'news or nwes' })).warnings).toEqual([
    {
      pointer: '/campaign/audience/tags',
      code: 'unknown-tag',
      detail: 'no channel has the tag "nwes"; did you mean "news"?',
    },
  ])
  expect((await call('GET', path)).json).not.toHaveProperty('warnings')
})

test('an invalid name is rejected', async () => {
  const { call, withApp } = await setup()
  await withApp()
  expect((await call('PUT', '/v1/apps/news/schedules/Morning', { body })).status).toBe(422)
})
