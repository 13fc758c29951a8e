import { channelId } from '@wns-fanout/domain'
import { Registry } from '@wns-fanout/state'
import { expect, test } from 'vitest'
import { NEWS, registration, setup } from './support.ts'

const DAY_SECONDS = 86_400
const ages = [30, 90, 365].map((days) => days * DAY_SECONDS)

function daysAgo(days: number): string {
  return new Date(Date.now() - days * DAY_SECONDS * 1000).toISOString()
}

test('channels are counted by the time since they last registered', async () => {
  const { redis, keys } = setup()
  const registry = new Registry(redis, keys)
  expect(await registry.ages(NEWS, ages)).toEqual([0, 0, 0])
  const days = [0, 29, 31, 100, 400]
  await registry.register(
    NEWS,
    days.map((age) => registration(`d${age}`, { registeredAt: daysAgo(age) })),
  )
  expect(await registry.ages(NEWS, ages)).toEqual([3, 2, 1])
  await registry.unregister(NEWS, channelId('d400'))
  expect(await registry.ages(NEWS, ages)).toEqual([2, 1, 0])
})

test('the ages of a large app are estimated from pages that are spread over it', async () => {
  const { redis, keys } = setup()
  const registry = new Registry(redis, keys)
  // One channel on each page: a third of them is old.
  const pages = 300
  for (let page = 0; page < pages; page += 1) {
    await redis.set(keys.next(NEWS), page * 512)
    await registry.register(NEWS, [registration(`d${page}`, { registeredAt: daysAgo(page % 3 === 0 ? 100 : 1) })])
  }
  const [, older = 0] = await registry.ages(NEWS, ages)
  expect(Math.abs(older - pages / 3)).toBeLessThan(pages / 10)
})
