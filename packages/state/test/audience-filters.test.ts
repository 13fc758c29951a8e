import { fc, test } from '@fast-check/vitest'
import type { AudienceFilters, ListName } from '@wns-fanout/domain'
import { channelId } from '@wns-fanout/domain'
import { Audiences, Lists, Registry } from '@wns-fanout/state'
import { expect } from 'vitest'
import { ids, keysOf, NEWS, ordinalsIn, registration, setup } from './support.ts'

function start() {
  const bench = setup()
  const { redis, keys } = bench
  const target = keys.targets(NEWS, 'c1')
  return {
    ...bench,
    target,
    registry: new Registry(redis, keys),
    audiences: new Audiences(redis, keys),
    lists: new Lists(redis, keys),
    frozen: async () => ordinalsIn((await redis.getBuffer(target)) ?? Buffer.alloc(0)),
  }
}

const DAY_MS = 86_400_000
const epochMs = Date.parse('2026-01-01T00:00:00Z')
function day(at: number): string {
  return new Date(epochMs + at * DAY_MS).toISOString()
}

interface Device {
  readonly registeredDay: number
  readonly isGated: boolean
  readonly tags: readonly string[]
  readonly isListed: boolean
  readonly isGone: boolean
}

/** The same judgement without bitmaps. */
function isMatch(device: Device, source: string, filters: AudienceFilters): boolean {
  const { registeredAfter, registeredBefore, gate } = filters
  if (device.isGone) return false
  if (source === 'tags' && !device.tags.includes('news')) return false
  if (source === 'list' && !device.isListed) return false
  const registeredMs = epochMs + device.registeredDay * DAY_MS
  if (registeredAfter !== undefined && registeredMs < Date.parse(registeredAfter)) return false
  if (registeredBefore !== undefined && registeredMs >= Date.parse(registeredBefore)) return false
  return gate === undefined || !device.isGated
}

const anyDevice = fc.record({
  registeredDay: fc.nat(9),
  isGated: fc.boolean(),
  tags: fc.subarray(['news', 'sport']),
  isListed: fc.boolean(),
  isGone: fc.boolean(),
})
const anyFilters = fc.record(
  { registeredAfter: fc.nat(10).map(day), registeredBefore: fc.nat(10).map(day), gate: fc.constant('open' as const) },
  { requiredKeys: [] },
)

test.prop([fc.array(anyDevice, { maxLength: 30 }), fc.constantFrom('all', 'tags', 'list', 'none'), anyFilters], {
  numRuns: 60,
})('times and gates narrow any audience as their logic requires', async (devices, source, filters) => {
  const { redis, keys, registry, audiences, lists, target, frozen } = start()
  await registry.register(
    NEWS,
    devices.map(({ tags, registeredDay }, at) => registration(`c${at}`, { tags, registeredAt: day(registeredDay) })),
  )
  await lists.put(NEWS, 'vip' as ListName, ids(...devices.flatMap(({ isListed }, at) => (isListed ? [`c${at}`] : []))))
  for (const [at, { isGated, isGone }] of devices.entries()) {
    if (isGated) await redis.setbit(keys.gated(NEWS), at, 1)
    if (isGone) await registry.unregister(NEWS, channelId(`c${at}`))
  }
  const named = { all: { all: true }, tags: { tags: 'news' }, list: { list: 'vip' }, none: {} } as const
  const before = await keysOf({ redis, keys })
  const { size } = await audiences.freeze(NEWS, { ...named[source as 'all'], ...filters }, target)
  const expected = devices.flatMap((device, at) => (isMatch(device, source, filters) ? [at] : []))
  expect(await frozen()).toEqual(expected)
  expect(size).toBe(expected.length)
  // Nothing stays of what was made on the way.
  expect((await keysOf({ redis, keys })).filter((key) => key !== target)).toEqual(before)
})

test('a channel without a readable time counts as registered in 1970', async () => {
  const { redis, keys, registry, audiences, target, frozen } = start()
  await registry.register(NEWS, [registration('a'), registration('b', { registeredAt: day(3) })])
  const stored = (await redis.hget(keys.uri(NEWS, 0), '0')) ?? ''
  await redis.hset(keys.uri(NEWS, 0), '0', stored.replace(/\0[^;\0]*;/, '\0;'))
  await audiences.freeze(NEWS, { registeredAfter: '1970-01-01T00:00:01Z' }, target)
  expect(await frozen()).toEqual([1])
  await audiences.freeze(NEWS, { registeredBefore: day(1) }, target)
  expect(await frozen()).toEqual([0])
})

test('a time between two seconds belongs to the later one', async () => {
  const { registry, audiences } = start()
  await registry.register(NEWS, [registration('a', { registeredAt: '2026-03-01T12:00:05Z' })])
  const count = async (filters: AudienceFilters) => (await audiences.count(NEWS, filters)).size
  expect(await count({ registeredAfter: '2026-03-01T12:00:05Z' })).toBe(1)
  expect(await count({ registeredAfter: '2026-03-01T12:00:05.001Z' })).toBe(0)
  expect(await count({ registeredBefore: '2026-03-01T12:00:05Z' })).toBe(0)
  expect(await count({ registeredBefore: '2026-03-01T12:00:05.001Z' })).toBe(1)
})

test('times of channels on many pages are found, and a new registration is a new time', async () => {
  const { registry, audiences } = start()
  const old = Array.from({ length: 6000 }, (_, at) => registration(`d${at}`, { registeredAt: day(at < 5000 ? 0 : 5) }))
  await registry.register(NEWS, old)
  expect((await audiences.count(NEWS, { registeredBefore: day(1) })).size).toBe(5000)
  await registry.register(NEWS, [registration('d7')])
  expect((await audiences.count(NEWS, { registeredBefore: day(1) })).size).toBe(4999)
})
