import { fc, test } from '@fast-check/vitest'
import type { Registration } from '@wns-fanout/domain'
import { channelId, parseImportLine } from '@wns-fanout/domain'
import { importRegistrations, Registry } from '@wns-fanout/state'
import { describe, expect } from 'vitest'
import type { Bench } from './support.ts'
import { keysOf, NEWS, ids, ordinalsIn, registration, registrations, setup, uriOf } from './support.ts'

function start() {
  const bench = setup()
  return { ...bench, registry: new Registry(bench.redis, bench.keys) }
}

async function gated({ redis, keys }: Bench, ...ordinals: readonly number[]) {
  for (const ordinal of ordinals) await redis.setbit(keys.gated(NEWS), ordinal, 1)
}

function withoutUri(channel: string, rest: object = {}): Registration {
  const parsed = parseImportLine({ channel, ...rest })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.inputErrors))
  return parsed.value
}

async function exportedWithTimes(registry: Registry) {
  const lines = []
  for await (const line of registry.exportChannels(NEWS)) lines.push(line)
  return lines
}

/** Without the times, which Redis sets where the registration has none. */
async function exported(registry: Registry) {
  return (await exportedWithTimes(registry)).map(({ registeredAt: _, ...line }) => line)
}

describe('registering', () => {
  test('a new channel is created, the same again changes nothing', async () => {
    const { registry, redis, keys } = start()
    const phone = registration('phone', { tags: ['sport', 'news'], locale: 'pt-BR', vars: { name: 'Ana' } })
    expect(await registry.register(NEWS, [phone])).toEqual([{ outcome: 'created' }])
    const before = await exported(registry)
    const dump = await redis.hgetall(keys.uri(NEWS, 0))
    expect(await registry.register(NEWS, [phone])).toEqual([{ outcome: 'unchanged' }])
    expect(await exported(registry)).toEqual(before)
    expect(await redis.hgetall(keys.uri(NEWS, 0))).toEqual(dump)
    expect(await registry.count(NEWS)).toBe(1)
  })

  test('a channel shows its tags, locale and time, and never its URI', async () => {
    const { registry } = start()
    await registry.register(NEWS, [registration('phone', { tags: ['sport'], locale: 'en' })])
    const channel = await registry.get(NEWS, channelId('phone'))
    expect(channel).toEqual({
      channel: 'phone',
      tags: ['sport'],
      locale: 'en',
      registeredAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/),
    })
    expect(Math.abs(Date.parse(channel?.registeredAt ?? '') - Date.now())).toBeLessThan(120_000)
    expect(await registry.get(NEWS, channelId('unknown'))).toBeNull()
  })

  test.each([
    {
      name: 'the same URI after a day',
      ageSeconds: 86_400,
      sends: registration('phone'),
      outcome: 'unchanged',
      isRenewed: true,
    },
    {
      name: 'the same URI within a day',
      ageSeconds: 80_000,
      sends: registration('phone'),
      outcome: 'unchanged',
      isRenewed: false,
    },
    {
      name: 'no URI after a day',
      ageSeconds: 86_400,
      sends: { channel: channelId('phone'), locale: 'de' },
      outcome: 'updated',
      isRenewed: false,
    },
  ])(
    'registering $name renews the time of a channel: $isRenewed',
    async ({ ageSeconds, sends, outcome, isRenewed }) => {
      const { registry, redis, keys } = start()
      await registry.register(NEWS, [registration('phone')])
      const [nowSeconds = 0] = await redis.time()
      const old = nowSeconds - ageSeconds
      const value = (await redis.hgetBuffer(keys.uri(NEWS, 0), '0'))?.toString('latin1') ?? ''
      const aged = value.replace(/\0[^\0;]*;/, `\0${old.toString(36)};`)
      await redis.hset(keys.uri(NEWS, 0), '0', Buffer.from(aged, 'latin1'))
      expect(await registry.register(NEWS, [sends])).toEqual([{ outcome }])
      const seconds = Date.parse((await registry.get(NEWS, channelId('phone')))?.registeredAt ?? '') / 1000
      expect(seconds > old).toBe(isRenewed)
    },
  )

  test.each([
    { name: 'a new channel', stored: undefined, sends: { registeredAt: '2026-03-01' }, shows: '2026-03-01' },
    { name: 'a new URI', stored: '2026-05-31', sends: { uri: 'new', registeredAt: '2026-03-01' }, shows: '2026-03-01' },
    { name: 'the same URI, later', stored: '2026-03-01', sends: { registeredAt: '2026-05-31' }, shows: '2026-05-31' },
    { name: 'the same URI, earlier', stored: '2026-05-31', sends: { registeredAt: '2026-03-01' }, shows: '2026-05-31' },
    {
      name: 'the same URI in old data',
      stored: '2026-03-01',
      sends: { registeredAt: '2026-03-01' },
      shows: '2026-03-01',
    },
  ])('a registration with its time: $name shows $shows', async ({ stored, sends, shows }) => {
    const { registry } = start()
    if (stored !== undefined) await registry.register(NEWS, [registration('phone', { registeredAt: stored })])
    const { uri, ...rest } = { uri: undefined, ...sends }
    await registry.register(NEWS, [
      registration('phone', { ...rest, ...(uri === undefined ? {} : { uri: uriOf(uri) }) }),
    ])
    expect((await registry.get(NEWS, channelId('phone')))?.registeredAt).toBe(`${shows}T00:00:00.000Z`)
  })

  test('a line without a URI can set a later time', async () => {
    const { registry } = start()
    await registry.register(NEWS, [registration('phone', { registeredAt: '2026-03-01' })])
    await registry.register(NEWS, [withoutUri('phone', { registeredAt: '2026-05-31' })])
    expect((await registry.get(NEWS, channelId('phone')))?.registeredAt).toBe('2026-05-31T00:00:00.000Z')
  })

  test('the same id with a new URI keeps its ordinal', async () => {
    const { registry } = start()
    await registry.register(NEWS, [registration('other'), registration('phone')])
    await registry.register(NEWS, [registration('phone', { uri: uriOf('rotated') })])
    expect(await registry.ordinalsOf(NEWS, ids('phone', 'other'))).toEqual(
      new Map([
        [channelId('other'), 0],
        [channelId('phone'), 1],
      ]),
    )
    expect(await exported(registry)).toContainEqual({ channel: 'phone', uri: uriOf('rotated') })
    expect(await registry.count(NEWS)).toBe(2)
  })

  test('a tag that is no longer given is removed', async () => {
    const { registry, redis, keys } = start()
    await registry.register(NEWS, [registration('phone', { tags: ['a', 'b'] })])
    await registry.register(NEWS, [registration('phone', { tags: ['b', 'c'] })])
    const worn = await Promise.all(['a', 'b', 'c'].map((tag) => redis.getbit(keys.tag(NEWS, tag), 0)))
    expect(worn).toEqual([0, 1, 1])
  })

  test('a field that is absent keeps its value, null clears it', async () => {
    const { registry, redis, keys } = start()
    const all = { tags: ['a'], locale: 'de', vars: { name: 'Ana' }, optedOut: true } as const
    await registry.register(NEWS, [registration('phone', all)])
    expect(await registry.register(NEWS, [registration('phone', { uri: uriOf('rotated') })])).toEqual([
      { outcome: 'updated' },
    ])
    expect(await exported(registry)).toEqual([{ channel: 'phone', uri: uriOf('rotated'), ...all }])
    expect(await registry.get(NEWS, channelId('phone'))).toMatchObject({ tags: ['a'], locale: 'de', optedOut: true })
    const none = { tags: null, locale: null, vars: null, optedOut: null }
    expect(await registry.register(NEWS, [registration('phone', none)])).toEqual([{ outcome: 'updated' }])
    expect(await exported(registry)).toEqual([{ channel: 'phone', uri: uriOf('phone') }])
    expect(await redis.getbit(keys.tag(NEWS, 'a'), 0)).toBe(0)
    expect(await registry.register(NEWS, [registration('phone', none)])).toEqual([{ outcome: 'unchanged' }])
  })

  test('a time zone is kept beside the tags, is found by its bitmap, and is no tag', async () => {
    const { registry, redis, keys } = start()
    const bits = (...zones: readonly string[]): Promise<readonly number[]> =>
      Promise.all(zones.map((zone) => redis.getbit(keys.zone(NEWS, zone), 0)))
    await registry.register(NEWS, [registration('phone', { tags: ['a'], timeZone: 'europe/berlin' })])
    expect(await registry.get(NEWS, channelId('phone'))).toMatchObject({ tags: ['a'], timeZone: 'Europe/Berlin' })
    await registry.register(NEWS, [registration('phone', { tags: ['b', 'c'] })])
    expect(await exported(registry)).toMatchObject([{ tags: ['b', 'c'], timeZone: 'Europe/Berlin' }])
    await registry.register(NEWS, [registration('phone', { timeZone: 'Asia/Tokyo' })])
    expect(await exported(registry)).toMatchObject([{ tags: ['b', 'c'], timeZone: 'Asia/Tokyo' }])
    expect(await bits('Europe/Berlin', 'Asia/Tokyo')).toEqual([0, 1])
    expect(await redis.smembers(keys.tags(NEWS))).toEqual(expect.not.arrayContaining([expect.stringContaining('@')]))
    expect((await redis.smembers(keys.zones(NEWS))).toSorted()).toEqual(['Asia/Tokyo', 'Europe/Berlin'])
    await registry.register(NEWS, [registration('phone', { tags: null, timeZone: null })])
    expect(await exported(registry)).toEqual([{ channel: 'phone', uri: uriOf('phone') }])
    expect(await bits('Asia/Tokyo')).toEqual([0])
  })

  test('a dead channel that registers a new URI keeps its fields', async () => {
    const { registry } = start()
    await registry.register(NEWS, [registration('phone', { tags: ['a'], locale: 'de', vars: { name: 'Ana' } })])
    await registry.register(NEWS, [registration('tablet', { uri: uriOf('phone') })])
    expect(await registry.get(NEWS, channelId('phone'))).toBeNull()
    expect(await registry.register(NEWS, [registration('phone', { uri: uriOf('new') })])).toEqual([
      { outcome: 'created' },
    ])
    expect(await exported(registry)).toContainEqual({
      channel: 'phone',
      uri: uriOf('new'),
      tags: ['a'],
      locale: 'de',
      vars: { name: 'Ana' },
    })
  })

  test('a line without a URI changes a registered channel and keeps its URI', async () => {
    const { registry } = start()
    await registry.register(NEWS, [registration('phone', { tags: ['news'], locale: 'en' })])
    expect(await registry.register(NEWS, [withoutUri('phone', { tags: ['sport'] })])).toEqual([{ outcome: 'updated' }])
    expect(await exported(registry)).toEqual([{ channel: 'phone', uri: uriOf('phone'), tags: ['sport'], locale: 'en' }])
    expect(await registry.register(NEWS, [withoutUri('phone')])).toEqual([{ outcome: 'unchanged' }])
  })

  test('a line without a URI of another channel stores the opt-out alone', async () => {
    const { registry } = start()
    const lines = [
      withoutUri('unknown', { tags: ['x'] }),
      withoutUri('out', { optedOut: true }),
      withoutUri('in', { optedOut: false }),
    ]
    expect(await registry.register(NEWS, lines)).toEqual([
      { outcome: 'unknown-channel' },
      { outcome: 'updated' },
      { outcome: 'unknown-channel' },
    ])
    expect(await registry.count(NEWS)).toBe(0)
    expect(await exported(registry)).toEqual([{ channel: 'out', optedOut: true }])
    expect(await registry.register(NEWS, [registration('out')])).toEqual([{ outcome: 'created' }])
    expect(await registry.get(NEWS, channelId('out'))).toMatchObject({ optedOut: true })
  })

  test('a patch of variables keeps the others, removes with null and refuses a 21st', async () => {
    const { registry } = start()
    const patch = (varsPatch: Record<string, string | null>) =>
      registry.register(NEWS, [{ channel: channelId('phone'), varsPatch }])
    await registry.register(NEWS, [registration('phone', { vars: { name: 'Ada', city: 'Rome' } })])
    expect(await patch({ city: null, path: 'a/b "ü"' })).toEqual([{ outcome: 'updated' }])
    expect(await exported(registry)).toMatchObject([{ vars: { name: 'Ada', path: 'a/b "ü"' } }])
    expect(await patch({ name: 'Ada', city: null })).toEqual([{ outcome: 'unchanged' }])
    const many = Object.fromEntries(Array.from({ length: 19 }, (_, at) => [`v${at}`, 'x']))
    expect(await patch(many)).toEqual([{ outcome: 'too-many-vars' }])
    expect(await exported(registry)).toMatchObject([{ vars: { name: 'Ada', path: 'a/b "ü"' } }])
    expect(await patch({ name: null, path: null })).toEqual([{ outcome: 'updated' }])
    expect(await exported(registry)).toEqual([{ channel: 'phone', uri: uriOf('phone') }])
  })

  test('a tag name that no channel has any more makes room for another', async () => {
    const { registry, redis, keys } = start()
    const tagged = Array.from({ length: 20 }, (_, row) =>
      registration(`c${row}`, { tags: Array.from({ length: 50 }, (__, column) => `t-${row}-${column}`) }),
    )
    await registry.register(NEWS, tagged)
    await registry.register(NEWS, [registration('c0', { tags: [] })])
    expect(await registry.register(NEWS, [registration('fresh', { tags: ['fresh'] })])).toEqual([
      { outcome: 'created' },
    ])
    expect(await redis.scard(keys.tags(NEWS))).toBe(951)
  })

  test('an id that comes twice in one call is one channel, the last line counts', async () => {
    const { registry, redis, keys } = start()
    const results = await registry.register(NEWS, [
      registration('phone', { tags: ['a'], vars: { name: 'Ana' } }),
      registration('tablet'),
      registration('phone', { uri: uriOf('second'), tags: ['b'] }),
    ])
    expect(results.map(({ outcome }) => outcome)).toEqual(['created', 'created', 'updated'])
    expect(await exported(registry)).toEqual([
      { channel: 'phone', uri: uriOf('second'), tags: ['b'], vars: { name: 'Ana' } },
      { channel: 'tablet', uri: uriOf('tablet') },
    ])
    expect(await redis.get(keys.next(NEWS))).toBe('2')
    expect(await redis.getbit(keys.tag(NEWS, 'a'), 0)).toBe(0)
  })

  test('the 1,001st tag name is refused for its line alone', async () => {
    const { registry, redis, keys } = start()
    const tagged = Array.from({ length: 20 }, (_, row) =>
      registration(`c${row}`, { tags: Array.from({ length: 50 }, (__, column) => `t-${row}-${column}`) }),
    )
    await registry.register(NEWS, tagged)
    const results = await registry.register(NEWS, [
      registration('new-name', { tags: ['t-0-0', 'one-too-many'] }),
      registration('known-names', { tags: ['t-0-0'] }),
    ])
    expect(results).toEqual([{ outcome: 'too-many-tags' }, { outcome: 'created' }])
    expect(await registry.get(NEWS, channelId('new-name'))).toBeNull()
    expect(await redis.scard(keys.tags(NEWS))).toBe(1000)
  })

  test('ids that look like members of an object are ids like any other', async () => {
    const { registry } = start()
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '{x}', '*', '%z', '"']
    await registry.register(
      NEWS,
      names.map((name, at) => registration(name, { uri: uriOf(`u${at}`), vars: { constructor: 'x' } })),
    )
    expect((await exported(registry)).map(({ channel }) => channel)).toEqual(names)
    expect([...(await registry.ordinalsOf(NEWS, ids(...names))).keys()]).toEqual(names)
    expect([...(await registry.channelIds(NEWS, 0)).values()]).toEqual(names)
    expect(({} as Record<string, unknown>)['x']).toBeUndefined()
  })

  test('every key carries the app as its only hash tag', async () => {
    const bench = start()
    await bench.registry.register(NEWS, [registration('a{b}', { tags: ['t'], vars: { v: '1' } })])
    for (const key of await keysOf(bench)) expect(key.startsWith(`${bench.keys.prefix}{news}:`)).toBe(true)
  })

  test('two apps do not see each other', async () => {
    const { registry } = start()
    await registry.register(NEWS, [registration('phone')])
    expect(await registry.get('other' as typeof NEWS, channelId('phone'))).toBeNull()
  })
})

describe('leaving', () => {
  test('an unregistered channel has no URI, tags or variables, but can still be named', async () => {
    const { registry, redis, keys } = start()
    await registry.register(NEWS, [
      registration('phone', { tags: ['a'], vars: { name: 'Ana' } }),
      registration('tablet'),
    ])
    expect(await registry.unregister(NEWS, channelId('phone'))).toBe(true)
    expect(await registry.get(NEWS, channelId('phone'))).toBeNull()
    expect(await registry.count(NEWS)).toBe(1)
    expect(await redis.getbit(keys.tag(NEWS, 'a'), 0)).toBe(0)
    expect(await redis.exists(keys.vars(NEWS, 0))).toBe(0)
    expect(await registry.channelIds(NEWS, 0)).toEqual(
      new Map([
        [0, 'phone'],
        [1, 'tablet'],
      ]),
    )
    expect(await exported(registry)).toEqual([{ channel: 'tablet', uri: uriOf('tablet') }])
    expect(await registry.unregister(NEWS, channelId('phone'))).toBe(false)
    expect(await registry.unregister(NEWS, channelId('never-seen'))).toBe(false)
  })

  test('a channel that comes back is created again with its ordinal and opt-out', async () => {
    const { registry, redis, keys } = start()
    await registry.register(NEWS, registrations(3))
    await registry.register(NEWS, [registration('phone')])
    await registry.setOptOut(NEWS, channelId('phone'), true)
    await registry.unregister(NEWS, channelId('phone'))
    expect(await registry.register(NEWS, [registration('phone', { tags: ['b'] })])).toEqual([{ outcome: 'created' }])
    expect((await registry.ordinalsOf(NEWS, ids('phone'))).get(channelId('phone'))).toBe(3)
    expect(await redis.getbit(keys.optOut(NEWS), 3)).toBe(1)
    expect(await registry.count(NEWS)).toBe(4)
  })

  test('a channel that WNS called dead loses the tags it wore when it comes back without them', async () => {
    const { registry, redis, keys } = start()
    await registry.register(NEWS, [registration('phone', { tags: ['a', 'b'] })])
    // As a checkpoint buries it: the URI goes, what else is known stays.
    const [id, , meta] = ((await redis.hget(keys.uri(NEWS, 0), '0')) ?? '').split('\0')
    await redis.hset(keys.uri(NEWS, 0), '0', `${id}\0\0${meta}`)
    await redis.setbit(keys.occupied(NEWS), 0, 0)
    expect(await registry.get(NEWS, channelId('phone'))).toBeNull()
    expect(await registry.register(NEWS, [registration('phone', { tags: ['b'] })])).toEqual([{ outcome: 'created' }])
    expect(await redis.getbit(keys.tag(NEWS, 'a'), 0)).toBe(0)
    expect(await redis.getbit(keys.tag(NEWS, 'b'), 0)).toBe(1)
  })

  test('a URI moves to the newest id that registers it, and the old id stays without one', async () => {
    const { registry } = start()
    await registry.register(NEWS, [registration('user-a', { uri: uriOf('device') })])
    expect(await registry.register(NEWS, [registration('user-b', { uri: uriOf('device') })])).toEqual([
      { outcome: 'created', movedFrom: 'user-a' },
    ])
    expect(await registry.get(NEWS, channelId('user-a'))).toBeNull()
    expect(await exported(registry)).toEqual([{ channel: 'user-b', uri: uriOf('device') }])
    expect(await registry.count(NEWS)).toBe(1)
    expect(await registry.channelIds(NEWS, 0)).toEqual(
      new Map([
        [0, 'user-a'],
        [1, 'user-b'],
      ]),
    )
  })

  test('a URI that its channel gave up, lost or replaced moves from nowhere', async () => {
    const { registry } = start()
    await registry.register(NEWS, [registration('a', { uri: uriOf('one') }), registration('b', { uri: uriOf('two') })])
    await registry.unregister(NEWS, channelId('a'))
    await registry.register(NEWS, [registration('b', { uri: uriOf('three') })])
    expect(
      await registry.register(NEWS, [
        registration('c', { uri: uriOf('one') }),
        registration('d', { uri: uriOf('two') }),
      ]),
    ).toEqual([{ outcome: 'created' }, { outcome: 'created' }])
  })

  test('an app that allows it keeps a URI under two ids', async () => {
    const { registry } = start()
    const both = [registration('a', { uri: uriOf('device') }), registration('b', { uri: uriOf('device') })]
    expect(await registry.register(NEWS, both, { sharedUri: 'allow' })).toEqual([
      { outcome: 'created' },
      { outcome: 'created' },
    ])
    expect(await registry.count(NEWS)).toBe(2)
  })

  test('opting out and in needs a channel that was registered once, and outlives its registration', async () => {
    const { registry, redis, keys } = start()
    await registry.register(NEWS, [registration('phone')])
    expect(await registry.setOptOut(NEWS, channelId('phone'), true)).toBe(true)
    expect(await redis.getbit(keys.optOut(NEWS), 0)).toBe(1)
    expect(await registry.setOptOut(NEWS, channelId('phone'), false)).toBe(true)
    expect(await redis.getbit(keys.optOut(NEWS), 0)).toBe(0)
    expect(await registry.setOptOut(NEWS, channelId('unknown'), true)).toBe(false)
    await registry.unregister(NEWS, channelId('phone'))
    expect(await registry.setOptOut(NEWS, channelId('phone'), true)).toBe(true)
    expect(await exported(registry)).toEqual([{ channel: 'phone', optedOut: true }])
  })

  test('activity opens the raw gate of its channel and leaves holds and neighbors alone', async () => {
    const { registry, redis, keys } = start()
    await registry.register(NEWS, [registration('phone'), registration('tablet')])
    expect(await registry.markActive(NEWS, channelId('phone'))).toBe(true)
    await gated({ redis, keys }, 0, 1)
    await redis.set(keys.hold(NEWS, 0), Buffer.from('ffff1234fffff000', 'hex'))
    await registry.markActive(NEWS, channelId('phone'))
    expect(await redis.getbit(keys.gated(NEWS), 0)).toBe(0)
    expect(await redis.getbit(keys.gated(NEWS), 1)).toBe(1)
    expect((await redis.getBuffer(keys.hold(NEWS, 0)))?.toString('hex')).toBe('ffff1234fffff000')
    expect(await registry.markActive(NEWS, channelId('unknown'))).toBe(false)
  })

  test('a closed raw gate is shown and counted, and is no longer once its channel leaves', async () => {
    const { registry, redis, keys } = start()
    await registry.register(NEWS, [registration('phone'), registration('tablet')])
    await gated({ redis, keys }, 0, 1)
    expect(await registry.get(NEWS, channelId('phone'))).toMatchObject({ rawGate: 'closed' })
    expect(await registry.closedRawGates(NEWS)).toBe(2)
    await registry.unregister(NEWS, channelId('tablet'))
    expect(await registry.closedRawGates(NEWS)).toBe(1)
    await registry.markActive(NEWS, channelId('phone'))
    expect(await registry.get(NEWS, channelId('phone'))).not.toHaveProperty('rawGate')
    expect(await registry.closedRawGates(NEWS)).toBe(0)
  })

  test.each([
    { name: 'the same URI', uri: 'phone', holdStays: true },
    { name: 'a new URI', uri: 'rotated', holdStays: false },
  ])('registering $name opens the raw gate, and a hold stays: $holdStays', async ({ uri, holdStays }) => {
    const { registry, redis, keys } = start()
    await registry.register(NEWS, [registration('phone'), registration('tablet')])
    await gated({ redis, keys }, 0, 1)
    await redis.set(keys.hold(NEWS, 0), Buffer.from('ffff1234fffff000', 'hex'))
    await registry.register(NEWS, [registration('phone', { uri: uriOf(uri) })])
    expect(await redis.getbit(keys.gated(NEWS), 0)).toBe(0)
    expect(await redis.getbit(keys.gated(NEWS), 1)).toBe(1)
    const holds = (await redis.getBuffer(keys.hold(NEWS, 0))) ?? Buffer.alloc(0)
    expect(holds.readUInt32BE(0) >= 0x8000_0000).toBe(holdStays)
    expect(holds.readUInt32BE(4)).toBe(0xffff_f000)
  })

  test('an import of a known channel opens its raw gate, and so does a channel that comes back', async () => {
    const { registry, redis, keys } = start()
    await registry.register(NEWS, [registration('phone'), registration('tablet')])
    await registry.unregister(NEWS, channelId('tablet'))
    await gated({ redis, keys }, 0, 1)
    const lines = [registration('phone'), registration('tablet', { uri: uriOf('new') })]
    await importRegistrations(
      registry,
      NEWS,
      lines.map((value, at) => ({ line: at + 1, parsed: { ok: true, value } as const })),
    )
    expect(await redis.bitcount(keys.gated(NEWS))).toBe(0)
  })
})

type Step =
  | {
      readonly kind: 'register'
      readonly id: number
      readonly uri: number
      readonly tags: readonly string[] | null | undefined
      readonly optedOut: boolean | null | undefined
    }
  | { readonly kind: 'unregister'; readonly id: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('register' as const),
    id: fc.nat(6),
    uri: fc.nat(5),
    tags: fc.oneof(fc.subarray(['a', 'b', 'c']), fc.constantFrom(null, undefined)),
    optedOut: fc.constantFrom(true, false, null, undefined),
  }),
  fc.record({ kind: fc.constant('unregister' as const), id: fc.nat(6) }),
)

interface ModelChannel {
  /** Undefined for a channel that is not registered. */
  uri: string | undefined
  tags: readonly string[]
  optedOut: boolean
}

test.prop([fc.array(step, { maxLength: 25 })], { numRuns: 60 })(
  'after any history the registry holds what a plain map would',
  async (steps) => {
    const bench = start()
    const { redis, keys, registry: real } = bench
    // In the order of the ordinals.
    const model = new Map<string, ModelChannel>()
    for (const one of steps) {
      const id = `c${one.id}`
      const known = model.get(id)
      if (one.kind === 'unregister') {
        expect(await real.unregister(NEWS, channelId(id))).toBe(known?.uri !== undefined)
        if (known?.uri !== undefined) model.set(id, { ...known, uri: undefined, tags: [] })
        continue
      }
      const uri = uriOf(`u${one.uri}`)
      const tags = one.tags === undefined ? (known?.tags ?? []) : (one.tags ?? [])
      const optedOut = one.optedOut === undefined ? (known?.optedOut ?? false) : (one.optedOut ?? false)
      const holder = [...model].find(([other, channel]) => channel.uri === uri && other !== id)
      const isSame = known?.uri === uri && String(known.tags) === String(tags) && known.optedOut === optedOut
      const [result] = await real.register(NEWS, [registration(id, { uri, tags: one.tags, optedOut: one.optedOut })])
      expect(result).toEqual({
        outcome: known?.uri === undefined ? 'created' : isSame ? 'unchanged' : 'updated',
        ...(holder === undefined ? {} : { movedFrom: holder[0] }),
      })
      if (holder !== undefined) holder[1].uri = undefined
      model.set(id, { uri, tags, optedOut })
    }
    const kept = [...model].filter(([, { uri, optedOut }]) => uri !== undefined || optedOut)
    expect(await exported(real)).toEqual(
      kept.map(([channel, { uri, tags, optedOut }]) => ({
        channel,
        ...(uri === undefined ? {} : { uri, ...(tags.length === 0 ? {} : { tags }) }),
        ...(optedOut ? { optedOut: true } : {}),
      })),
    )
    const ordinalsWith = (holds: (channel: ModelChannel) => boolean): number[] =>
      [...model.values()].flatMap((channel, ordinal) => (holds(channel) ? [ordinal] : []))
    const stored = async (key: string): Promise<number[]> => ordinalsIn((await redis.getBuffer(key)) ?? Buffer.alloc(0))
    expect(await stored(keys.occupied(NEWS))).toEqual(ordinalsWith(({ uri }) => uri !== undefined))
    expect(await stored(keys.optOut(NEWS))).toEqual(ordinalsWith(({ optedOut }) => optedOut))
    for (const tag of ['a', 'b', 'c'])
      expect(await stored(keys.tag(NEWS, tag))).toEqual(ordinalsWith(({ tags }) => tags.includes(tag)))
    expect(await indexedOrdinals(bench)).toEqual(ordinalsWith(({ uri }) => uri !== undefined))
  },
)

/** The ordinals that the index of URIs names, sorted. */
async function indexedOrdinals({ redis, keys }: ReturnType<typeof start>): Promise<number[]> {
  const buckets = (await keysOf({ redis, keys })).filter((key) => key.startsWith(keys.uris(NEWS, 0).slice(0, -1)))
  const entries = await Promise.all(buckets.map((key) => redis.hgetall(key)))
  return entries.flatMap((entry) => Object.values(entry).map(Number)).toSorted((left, right) => left - right)
}

const name = fc.stringMatching(/^[a-z0-9-]{1,40}$/).filter((text) => !['and', 'or', 'not'].includes(text))
const anyChannel = fc.record({
  id: fc.oneof(fc.uuid(), fc.stringMatching(/^[!-~]{1,128}$/)),
  token: fc.stringMatching(/^[a-zA-Z0-9\-._~!$&'()*+,;=:@/?%]{0,200}$/),
  tags: fc.uniqueArray(name, { maxLength: 4 }),
  locale: fc.constantFrom('en', 'pt-BR', 'zh-Hant-TW', null, undefined),
  timeZone: fc.constantFrom('Europe/Berlin', 'America/Argentina/Buenos_Aires', 'UTC', null, undefined),
  optedOut: fc.constantFrom(true, false, null, undefined),
  registeredAt: fc.constantFrom('1970-01-01T00:00:01Z', '2024-02-29 23:59:59+02', '2026-05-31', null, undefined),
  vars: fc.option(
    fc.dictionary(fc.constantFrom('name', 'constructor', 'toString'), fc.string({ unit: 'binary', maxLength: 30 })),
    {
      nil: undefined,
    },
  ),
})

const anyChannels = fc
  .uniqueArray(anyChannel, { selector: ({ id }) => id, minLength: 1, maxLength: 20 })
  .map((channels) =>
    channels.map(({ id, token, vars, ...rest }, at) =>
      registration(id, { ...rest, ...(vars === undefined ? {} : { vars: { ...vars } }), uri: uriOf(`${at}.${token}`) }),
    ),
  )

test.prop([anyChannels], { numRuns: 60 })('whatever the parser accepts comes out as it was given', async (given) => {
  const { registry } = start()
  await registry.register(NEWS, given)
  const expected = given.map(({ channel, uri, tags, locale, timeZone, vars, optedOut, registeredAt }) => ({
    channel,
    uri: uri?.raw,
    ...(tags?.length ? { tags } : {}),
    ...(locale === undefined || locale === null ? {} : { locale }),
    ...(timeZone === undefined || timeZone === null ? {} : { timeZone }),
    ...(vars === undefined || vars === null || Object.keys(vars).length === 0
      ? {}
      : // What UTF-8 cannot carry was replaced on the way in.
        { vars: JSON.parse(Buffer.from(JSON.stringify(vars), 'utf8').toString('utf8')) as unknown }),
    ...(optedOut === true ? { optedOut } : {}),
    registeredAt: registeredAt ?? expect.any(String),
  }))
  expect(await exportedWithTimes(registry)).toEqual(expected)
  expect([...(await registry.channelIds(NEWS, 0)).values()]).toEqual(given.map(({ channel }) => channel))
})

test.prop([anyChannels, fc.array(fc.nat(), { maxLength: 5 }), fc.array(fc.nat(), { maxLength: 5 })], { numRuns: 40 })(
  'an export that is imported into an empty app restores it, with the opt-outs of channels that are gone',
  async (given, gone, out) => {
    const { registry } = start()
    const restored = start()
    await registry.register(NEWS, given)
    const among = (picks: readonly number[]) => picks.flatMap((pick) => given[pick % Math.max(1, given.length)] ?? [])
    for (const { channel } of among(gone)) await registry.unregister(NEWS, channel)
    for (const [at, { channel }] of among(out).entries())
      await registry.setOptOut(NEWS, channel, true, ['', 'weather', 'sport'][at % 3])
    const lines = await exportedWithTimes(registry)
    const result = await importRegistrations(
      restored.registry,
      NEWS,
      lines.map((line, at) => ({ line: at + 1, parsed: parseImportLine(JSON.parse(JSON.stringify(line))) })),
    )
    expect(result).toMatchObject({ created: await registry.count(NEWS), rejected: 0, moved: 0 })
    expect(await exportedWithTimes(restored.registry)).toEqual(lines)
    const audiences = [registry, restored.registry].map((one) => one.count(NEWS))
    expect(new Set(await Promise.all(audiences)).size).toBe(1)
  },
)

async function topicsOf(registry: Registry, channel: string) {
  return (await registry.get(NEWS, channelId(channel)))?.optedOutOf
}

describe('opt-outs of topics', () => {
  test('a registration replaces them, keeps them where it does not name them, and null clears them', async () => {
    const { registry } = start()
    const register = async (optedOutOf?: readonly string[] | null) => {
      const line = { ...registration('phone'), ...(optedOutOf === undefined ? {} : { optedOutOf }) }
      const [registered] = await registry.register(NEWS, [line])
      return [registered?.outcome, await topicsOf(registry, 'phone')]
    }
    expect(await register(['weather', 'sport'])).toEqual(['created', ['sport', 'weather']])
    expect(await register()).toEqual(['unchanged', ['sport', 'weather']])
    expect(await register(['weather', 'sport'])).toEqual(['unchanged', ['sport', 'weather']])
    expect(await register(['weather', 'news'])).toEqual(['updated', ['news', 'weather']])
    expect(await register(null)).toEqual(['updated', undefined])
  })

  test('they outlive the registration, and one that comes first is kept', async () => {
    const { registry } = start()
    expect(await registry.register(NEWS, [withoutUri('later', { optedOutOf: ['weather'] })])).toEqual([
      { outcome: 'updated' },
    ])
    expect(await registry.register(NEWS, [withoutUri('stranger', { optedOutOf: [] })])).toEqual([
      { outcome: 'unknown-channel' },
    ])
    await registry.register(NEWS, [registration('later')])
    await registry.unregister(NEWS, channelId('later'))
    await registry.register(NEWS, [registration('later')])
    expect(await topicsOf(registry, 'later')).toEqual(['weather'])
  })

  test('one topic is added and removed without the others', async () => {
    const { registry } = start()
    await registry.register(NEWS, [{ ...registration('phone'), optedOutOf: ['sport'] }])
    const patch = (topic: string, isOut: boolean) =>
      registry.register(NEWS, [{ channel: channelId('phone'), topicPatch: { topic, isOut } }])
    expect(await patch('weather', true)).toEqual([{ outcome: 'updated' }])
    expect(await patch('weather', true)).toEqual([{ outcome: 'unchanged' }])
    expect(await topicsOf(registry, 'phone')).toEqual(['sport', 'weather'])
    await patch('sport', false)
    expect(await topicsOf(registry, 'phone')).toEqual(['weather'])
  })

  test('a 101st topic is refused', async () => {
    const { registry } = start()
    const [first, second] = [0, 50].map((from) => Array.from({ length: 50 }, (_, at) => `t${from + at}`))
    await registry.register(NEWS, [
      { ...registration('a'), optedOutOf: first },
      { ...registration('b'), optedOutOf: second },
    ])
    expect(await registry.register(NEWS, [{ ...registration('c'), optedOutOf: ['more'] }])).toEqual([
      { outcome: 'too-many-topics' },
    ])
    await expect(registry.setOptOut(NEWS, channelId('a'), true, 'more')).rejects.toMatchObject({ code: 'invalid' })
    expect(await registry.setOptOut(NEWS, channelId('a'), true, 't99')).toBe(true)
  })
})

describe('the list of channels', () => {
  test('pages contain each channel once, over the end of a chunk and over gaps', async () => {
    const { registry, redis, keys } = start()
    const near = registrations(3)
    await registry.register(NEWS, near)
    await redis.set(keys.next(NEWS), 70_000)
    await registry.register(NEWS, [registration('far')])
    const found: string[] = []
    let after: string | undefined
    do {
      const page = await registry.list(NEWS, { limit: 2, after })
      found.push(...page.items.map(({ channel }) => channel))
      after = page.next
    } while (after !== undefined)
    expect(found).toEqual([...near.map(({ channel }) => channel), 'far'])
  })

  test('those that opted out are listed in general, by topic, and when they are gone', async () => {
    const { registry } = start()
    await registry.register(NEWS, [
      { ...registration('a'), optedOut: true },
      { ...registration('b'), optedOutOf: ['weather'] },
      registration('c'),
      { ...registration('d'), optedOutOf: ['sport'] },
    ])
    await registry.unregister(NEWS, channelId('b'))
    const list = async (optedOut: boolean, topic?: string) =>
      (await registry.list(NEWS, { optedOut, topic, limit: 10 })).items
    expect(await list(true)).toMatchObject([
      { channel: 'a', optedOut: true },
      { channel: 'b', optedOutOf: ['weather'], registered: false },
      { channel: 'd', optedOutOf: ['sport'] },
    ])
    expect((await list(true, 'weather')).map(({ channel }) => channel)).toEqual(['b'])
    expect(await list(true, 'none')).toEqual([])
    expect((await list(false)).map(({ channel }) => channel)).toEqual(['c'])
  })
})

test('a call that breaks off gives no ordinal twice, and the next one heals what it left', async () => {
  const { registry, redis, keys } = start()
  await registry.register(NEWS, registrations(3))
  // Another program wrote another type to the key of a tag.
  await redis.hset(keys.tag(NEWS, 'x'), 'not', 'a bitmap')
  await expect(registry.register(NEWS, [registration('a'), registration('b', { tags: ['x'] })])).rejects.toThrow(
    'WRONGTYPE',
  )
  await redis.del(keys.tag(NEWS, 'x'))
  await registry.register(NEWS, [registration('c')])
  await registry.register(NEWS, [registration('b', { tags: ['x'] }), registration('a')])
  const ordinals = await registry.ordinalsOf(NEWS, ids('a', 'b', 'c'))
  expect(new Set(ordinals.values()).size).toBe(3)
  expect(await registry.count(NEWS)).toBe(6)
  expect(
    (await exported(registry))
      .map(({ channel }) => channel)
      .slice(3)
      .toSorted(),
  ).toEqual(['a', 'b', 'c'])
})

test('registrations at the same time never share an ordinal', async () => {
  const { registry } = start()
  const all = registrations(4000)
  await Promise.all(
    Array.from({ length: 8 }, (_, part) => registry.register(NEWS, all.slice(part * 500, (part + 1) * 500))),
  )
  const ordinals = await registry.ordinalsOf(
    NEWS,
    all.map(({ channel }) => channel),
  )
  expect(new Set(ordinals.values()).size).toBe(4000)
  expect(Math.max(...ordinals.values())).toBe(3999)
})
