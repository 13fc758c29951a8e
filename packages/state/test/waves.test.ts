import { randomUUID } from 'node:crypto'
import { fc, test } from '@fast-check/vitest'
import { PAGE_BYTES } from '@wns-fanout/domain'
import type { ZoneGroup } from '@wns-fanout/state'
import { Audiences, countWaves, divideIntoWaves, Registry, timeZonesOf } from '@wns-fanout/state'
import { expect } from 'vitest'
import { NEWS, ordinalsIn, registration, setup } from './support.ts'

function start() {
  const bench = setup()
  const audiences = new Audiences(bench.redis, bench.keys)
  return { ...bench, registry: new Registry(bench.redis, bench.keys), audiences }
}

const groups: readonly ZoneGroup[] = [
  { dueAtMs: 3000, timeZones: ['America/New_York'], hasDefault: false },
  { dueAtMs: 1000, timeZones: ['Asia/Kolkata', 'Asia/Tokyo'], hasDefault: false },
  { dueAtMs: undefined, timeZones: ['Pacific/Auckland'], hasDefault: false },
  { dueAtMs: 2000, timeZones: ['Europe/Berlin', 'UTC'], hasDefault: true },
]
const zones = [undefined, ...groups.flatMap(({ timeZones }) => timeZones)]

function groupOf(zone: string | undefined): ZoneGroup | undefined {
  return groups.find(({ timeZones, hasDefault }) => (zone === undefined ? hasDefault : timeZones.includes(zone)))
}

test.prop([fc.array(fc.constantFrom(...zones), { maxLength: 1300 })], { numRuns: 30 })(
  'each channel is in the wave of its zone, once, and those that are left out are in none',
  async (given) => {
    const { redis, keys, registry, audiences } = start()
    await registry.register(
      NEWS,
      given.map((timeZone, at) => registration(`c${at}`, { timeZone, tags: at % 3 === 0 ? ['third'] : [] })),
    )
    const audience = { tags: 'not third' }
    const [source, destination] = [keys.temporary(NEWS, randomUUID()), keys.temporary(NEWS, randomUUID())]
    await audiences.freeze(NEWS, audience, source)
    const { bits } = await audiences.bitmap(NEWS, audience)
    const counted = await countWaves(redis, keys, NEWS, bits, groups)
    const divided = await divideIntoWaves(redis, keys, NEWS, { source, destination }, groups)

    const ofGroup = (group: ZoneGroup) =>
      given.flatMap((zone, at) => (at % 3 !== 0 && groupOf(zone) === group ? [at] : []))
    const expected = [1000, 2000, 3000]
      .map((dueAtMs) => groups.find((group) => group.dueAtMs === dueAtMs))
      .flatMap((group) => (group === undefined || ofGroup(group).length === 0 ? [] : [group]))
    const { waves, wavePages, leftOut, size } = divided
    expect(waves).toEqual(
      expected.map((group) => ({
        dueAtMs: group.dueAtMs,
        recipients: ofGroup(group).length,
        timeZones: group.timeZones,
      })),
    )
    expect(leftOut).toBe(given.filter((zone, at) => at % 3 !== 0 && zone === 'Pacific/Auckland').length)
    expect(size).toBe(waves.reduce((sum, { recipients }) => sum + recipients, 0))
    expect(counted).toEqual({ waves, leftOut })
    const bitmap = (await redis.getBuffer(destination)) ?? Buffer.alloc(0)
    const bytes = wavePages * PAGE_BYTES
    expect(waves.map((_, at) => ordinalsIn(bitmap.subarray(at * bytes, (at + 1) * bytes)))).toEqual(
      expected.map(ofGroup),
    )
    expect(await redis.exists(source)).toBe(0)
    if (size > 0) expect(await redis.ttl(destination)).toBeGreaterThan(0)
  },
)

test('the zones of an app are known from its channels', async () => {
  const { redis, keys, registry } = start()
  expect(await timeZonesOf(redis, keys, NEWS)).toEqual([])
  await registry.register(NEWS, [
    registration('a', { timeZone: 'Europe/Berlin' }),
    registration('b', { timeZone: 'Asia/Tokyo' }),
    registration('c'),
  ])
  expect(await timeZonesOf(redis, keys, NEWS)).toEqual(['Asia/Tokyo', 'Europe/Berlin'])
})
