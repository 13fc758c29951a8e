import type { AppId, ScheduleName, ScheduleRequest } from '@wns-fanout/domain'
import { AppEvents, CampaignStore, Schedules } from '@wns-fanout/state'
import { expect, onTestFinished, test, vi } from 'vitest'
import { setup } from './support.ts'

const apps = Array.from({ length: 250 }, (_, n) => `app-${n}` as AppId)
const [first, second, last] = [apps[0], apps[1], apps[249]] as [AppId, AppId, AppId]
const daily = 'daily' as ScheduleName
const request: ScheduleRequest = {
  cron: '0 9 * * *',
  timeZone: 'UTC',
  campaign: { notification: { type: 'badge', value: 1 }, audience: { all: true } },
}

test('the apps with campaigns that are active or not retired are found among many', async () => {
  const { redis, keys } = setup()
  const campaigns = new CampaignStore(redis, keys)
  expect(await campaigns.appsWithAny(apps)).toEqual([])
  await redis.sadd(keys.active(last), 'c1')
  await redis.sadd(keys.finished(second), 'c2')
  expect(await campaigns.appsWithAny(apps)).toEqual([second, last])
  expect(await campaigns.appsWithAny([first])).toEqual([])
})

test('the apps with schedules are found among many, also after a change in another process', async () => {
  const { redis, keys } = setup()
  const [schedules, others] = [new Schedules(redis, keys), new Schedules(redis, keys)]
  expect(await schedules.appsWith(apps)).toEqual([])
  await others.put(last, daily, request)
  expect(await schedules.appsWith(apps)).toEqual([last])
  await others.put(first, daily, request)
  expect(await schedules.appsWith(apps)).toEqual([first, last])
  await others.put('new' as AppId, daily, request)
  await schedules.appsWith(apps)
  expect(await schedules.appsWith([...apps, 'new' as AppId])).toEqual([first, last, 'new'])
})

test('while no schedule is put, the apps are not asked again for a minute', async () => {
  const { redis, keys } = setup()
  const schedules = new Schedules(redis, keys)
  await schedules.put(first, daily, request)
  expect(await schedules.appsWith(apps)).toEqual([first])
  // As an older version writes it, which counts no changes.
  await redis.hset(keys.schedules(last), daily, '{}')
  expect(await schedules.appsWith(apps)).toEqual([first])
  vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 60_000)
  onTestFinished(() => void vi.restoreAllMocks())
  expect(await schedules.appsWith(apps)).toEqual([first, last])
})

test('the apps whose removed channels wait to be reported are found among many, and once an hour all', async () => {
  const { redis, keys } = setup()
  const events = new AppEvents(redis, keys)
  expect(await events.toReport(apps)).toEqual(apps)
  expect(await events.toReport(apps)).toEqual([])
  await redis.rpush(keys.removed(second), 'a')
  expect(await events.toReport(apps)).toEqual([second])
  vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 3_600_000)
  onTestFinished(() => void vi.restoreAllMocks())
  expect(await events.toReport(apps)).toEqual(apps)
})
