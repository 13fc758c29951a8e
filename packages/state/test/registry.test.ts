import { randomUUID } from 'node:crypto'
import { fc, test } from '@fast-check/vitest'
import { channelId } from '@wns-fanout/domain'
import { importRegistrations, Registry } from '@wns-fanout/state'
import { describe, expect } from 'vitest'
import { keysOf, NEWS, ids, ordinalsIn, registration, registrations, setup, uriOf } from './support.ts'

function start() {
  const bench = setup()
  return { ...bench, registry: new Registry(bench.redis, bench.keys) }
}

async function exported(registry: Registry) {
  const lines = []
  for await (const line of registry.exportChannels(NEWS)) lines.push(line)
  return lines
}

describe('registering', () => {
  test('a new channel is created, the same again is updated and changes nothing', async () => {
    const { registry, redis, keys } = start()
    const phone = registration('phone', { tags: ['sport', 'news'], locale: 'pt-BR', vars: { name: 'Ana' } })
    expect(await registry.register(NEWS, [phone])).toEqual(['created'])
    const before = await exported(registry)
    const dump = await redis.hgetall(keys.uri(NEWS, 0))
    expect(await registry.register(NEWS, [phone])).toEqual(['updated'])
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

  test('a tag that is no longer worn is taken off', async () => {
    const { registry, redis, keys } = start()
    await registry.register(NEWS, [registration('phone', { tags: ['a', 'b'] })])
    await registry.register(NEWS, [registration('phone', { tags: ['b', 'c'] })])
    const worn = await Promise.all(['a', 'b', 'c'].map((tag) => redis.getbit(keys.tag(NEWS, tag), 0)))
    expect(worn).toEqual([0, 1, 1])
  })

  test('variables that are no longer given go away', async () => {
    const { registry } = start()
    await registry.register(NEWS, [registration('phone', { vars: { name: 'Ana' } })])
    await registry.register(NEWS, [registration('phone')])
    expect(await exported(registry)).toEqual([{ channel: 'phone', uri: uriOf('phone') }])
  })

  test('an id that comes twice in one call is one channel, the last line counts', async () => {
    const { registry, redis, keys } = start()
    const results = await registry.register(NEWS, [
      registration('phone', { tags: ['a'], vars: { name: 'Ana' } }),
      registration('tablet'),
      registration('phone', { uri: uriOf('second'), tags: ['b'] }),
    ])
    expect(results).toEqual(['created', 'created', 'updated'])
    expect(await exported(registry)).toEqual([
      { channel: 'phone', uri: uriOf('second'), tags: ['b'] },
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
    expect(results).toEqual(['too-many-tags', 'created'])
    expect(await registry.get(NEWS, channelId('new-name'))).toBeNull()
    expect(await redis.scard(keys.tags(NEWS))).toBe(1000)
  })

  test('ids that look like members of an object are ids like any other', async () => {
    const { registry } = start()
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '{x}', '*', '%z', '"']
    await registry.register(
      NEWS,
      names.map((name) => registration(name, { vars: { constructor: 'x' } })),
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
    expect(await registry.register(NEWS, [registration('phone', { tags: ['b'] })])).toEqual(['created'])
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
    expect(await registry.register(NEWS, [registration('phone', { tags: ['b'] })])).toEqual(['created'])
    expect(await redis.getbit(keys.tag(NEWS, 'a'), 0)).toBe(0)
    expect(await redis.getbit(keys.tag(NEWS, 'b'), 0)).toBe(1)
  })

  test('opting out and in needs a registered channel', async () => {
    const { registry, redis, keys } = start()
    await registry.register(NEWS, [registration('phone')])
    expect(await registry.setOptOut(NEWS, channelId('phone'), true)).toBe(true)
    expect(await redis.getbit(keys.optOut(NEWS), 0)).toBe(1)
    expect(await registry.setOptOut(NEWS, channelId('phone'), false)).toBe(true)
    expect(await redis.getbit(keys.optOut(NEWS), 0)).toBe(0)
    expect(await registry.setOptOut(NEWS, channelId('unknown'), true)).toBe(false)
  })

  test('activity opens the raw gate of its channel and leaves holds and neighbours alone', async () => {
    const { registry, redis, keys } = start()
    await registry.register(NEWS, [registration('phone'), registration('tablet')])
    expect(await registry.markActive(NEWS, channelId('phone'))).toBe(true)
    await redis.set(keys.gate(NEWS, 0), Buffer.from('80001234ffffffff', 'hex'))
    await registry.markActive(NEWS, channelId('phone'))
    expect((await redis.getBuffer(keys.gate(NEWS, 0)))?.toString('hex')).toBe('00001234ffffffff')
    await registry.markActive(NEWS, channelId('phone'))
    expect((await redis.getBuffer(keys.gate(NEWS, 0)))?.toString('hex')).toBe('00001234ffffffff')
    expect(await registry.markActive(NEWS, channelId('unknown'))).toBe(false)
  })
})

type Step =
  | { readonly kind: 'register'; readonly id: number; readonly uri: number; readonly tags: readonly string[] }
  | { readonly kind: 'unregister'; readonly id: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('register' as const),
    id: fc.nat(6),
    uri: fc.nat(3),
    tags: fc.subarray(['a', 'b', 'c']),
  }),
  fc.record({ kind: fc.constant('unregister' as const), id: fc.nat(6) }),
)

test.prop([fc.array(step, { maxLength: 25 })], { numRuns: 60 })(
  'after any history the registry holds what a plain map would',
  async (steps) => {
    const { redis, keys, registry: real } = start()
    const model = new Map<string, { uri: string; tags: readonly string[] }>()
    const ordinals = new Map<string, number>()
    for (const one of steps) {
      const id = `c${one.id}`
      if (one.kind === 'register') {
        const uri = uriOf(`u${one.uri}`)
        const wasThere = model.has(id)
        const [result] = await real.register(NEWS, [registration(id, { uri, tags: one.tags })])
        expect(result).toBe(wasThere ? 'updated' : 'created')
        model.set(id, { uri, tags: one.tags })
        if (!ordinals.has(id)) ordinals.set(id, ordinals.size)
      } else {
        expect(await real.unregister(NEWS, channelId(id))).toBe(model.delete(id))
      }
    }
    const living = [...model.keys()].toSorted((left, right) => (ordinals.get(left) ?? 0) - (ordinals.get(right) ?? 0))
    expect(await exported(real)).toEqual(
      living.map((channel) => {
        const { uri = '', tags = [] } = model.get(channel) ?? {}
        return { channel, uri, ...(tags.length === 0 ? {} : { tags }) }
      }),
    )
    const occupied = ordinalsIn((await redis.getBuffer(keys.occupied(NEWS))) ?? Buffer.alloc(0))
    expect(occupied).toEqual(living.map((id) => ordinals.get(id)))
    for (const tag of ['a', 'b', 'c']) {
      const worn = ordinalsIn((await redis.getBuffer(keys.tag(NEWS, tag))) ?? Buffer.alloc(0))
      expect(worn).toEqual(living.filter((id) => model.get(id)?.tags.includes(tag)).map((id) => ordinals.get(id)))
    }
  },
)

const name = fc.stringMatching(/^[a-z0-9-]{1,40}$/).filter((text) => !['and', 'or', 'not'].includes(text))
const anyChannel = fc.record({
  id: fc.oneof(fc.uuid(), fc.stringMatching(/^[!-~]{1,128}$/)),
  token: fc.stringMatching(/^[a-zA-Z0-9\-._~!$&'()*+,;=:@/?%]{0,200}$/),
  tags: fc.uniqueArray(name, { maxLength: 4 }),
  locale: fc.option(fc.constantFrom('en', 'pt-BR', 'zh-Hant-TW'), { nil: undefined }),
  vars: fc.option(
    fc.dictionary(fc.constantFrom('name', 'constructor', 'toString'), fc.string({ unit: 'binary', maxLength: 30 })),
    {
      nil: undefined,
    },
  ),
})

test.prop([fc.uniqueArray(anyChannel, { selector: ({ id }) => id, minLength: 1, maxLength: 20 })], { numRuns: 60 })(
  'whatever the parser lets through comes out as it went in',
  async (channels) => {
    const { registry } = start()
    const given = channels.map(({ id, token, tags, locale, vars }) =>
      registration(id, {
        uri: uriOf(token),
        tags,
        ...(locale === undefined ? {} : { locale }),
        ...(vars === undefined ? {} : { vars: { ...vars } }),
      }),
    )
    await registry.register(NEWS, given)
    const expected = given.map(({ channel, uri, tags, locale, vars }) => ({
      channel,
      uri: uri.raw,
      ...(tags.length === 0 ? {} : { tags }),
      ...(locale === undefined ? {} : { locale }),
      ...(vars === undefined || Object.keys(vars).length === 0
        ? {}
        : // What UTF-8 cannot carry was replaced on the way in.
          { vars: JSON.parse(Buffer.from(JSON.stringify(vars), 'utf8').toString('utf8')) as unknown }),
    }))
    expect(await exported(registry)).toEqual(expected)
    expect([...(await registry.channelIds(NEWS, 0)).values()]).toEqual(given.map(({ channel }) => channel))
  },
)

test('a call that breaks off gives no ordinal twice, and the next one heals what it left', async () => {
  const { registry, redis, keys } = start()
  await registry.register(NEWS, registrations(3))
  // Somebody wrote another type where a tag belongs.
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

test('100,000 channels go in and come out byte for byte', async () => {
  const { registry } = start()
  const all = Array.from({ length: 100_000 }, (_, at) => {
    const id = randomUUID()
    return registration(at % 3 === 0 ? `device-${at}` : id, {
      uri: uriOf(`AwY%bU-${id}%2f`),
      tags: at % 2 === 0 ? ['even'] : [],
    })
  })
  const result = await importRegistrations(
    registry,
    NEWS,
    all.map((value, at) => ({ line: at + 1, parsed: { ok: true, value } as const })),
  )
  expect(result).toEqual({ accepted: 100_000, rejected: 0, errors: [], sharedUris: 0 })
  expect(await registry.count(NEWS)).toBe(100_000)
  const expected = new Map(all.map(({ channel, uri }) => [channel as string, uri.raw]))
  let seen = 0
  let different = 0
  for await (const line of registry.exportChannels(NEWS)) {
    seen += 1
    if (expected.get(line.channel) !== line.uri) different += 1
  }
  expect({ seen, different }).toEqual({ seen: 100_000, different: 0 })
})
