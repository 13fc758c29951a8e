import { randomBytes } from 'node:crypto'
import { fc, test } from '@fast-check/vitest'
import type { ListName, TagExpression } from '@wns-fanout/domain'
import { channelId, parseTagExpression } from '@wns-fanout/domain'
import { Audiences, Lists, Registry } from '@wns-fanout/state'
import { describe, expect } from 'vitest'
import type { Bench } from './support.ts'
import { ids, keysOf, NEWS, ordinalsIn, registration, setup } from './support.ts'

function start() {
  const bench = setup()
  return {
    ...bench,
    registry: new Registry(bench.redis, bench.keys),
    audiences: new Audiences(bench.redis, bench.keys),
    lists: new Lists(bench.redis, bench.keys),
    target: bench.keys.targets(NEWS, 'c1'),
  }
}

async function membersOf({ redis }: Bench, key: string): Promise<number[]> {
  return ordinalsIn((await redis.getBuffer(key)) ?? Buffer.alloc(0))
}

const wardrobe = [['news'], ['sport'], ['news', 'sport'], [], ['news', 'beta']]

async function withWardrobe() {
  const bench = start()
  await bench.registry.register(
    NEWS,
    wardrobe.map((tags, at) => registration(`c${at}`, { tags })),
  )
  return bench
}

describe('freezing', () => {
  test.each([
    ['news', [0, 2, 4]],
    ['news and sport', [2]],
    ['news or sport', [0, 1, 2, 4]],
    ['not news', [1, 3]],
    ['not (news or sport)', [3]],
    ['(news or sport) and not beta', [0, 1, 2]],
    ['unknown', []],
    ['not unknown', [0, 1, 2, 3, 4]],
    ['news and unknown', []],
    ['not not news', [0, 2, 4]],
    ['not sport or beta', [0, 3, 4]],
  ])('the tags %s are the channels %j', async (tags, expected) => {
    const bench = await withWardrobe()
    expect(await bench.audiences.freeze(NEWS, { tags }, bench.target)).toEqual({ size: expected.length })
    expect(await membersOf(bench, bench.target)).toEqual(expected)
  })

  test('`all` is the registered channels that did not opt out', async () => {
    const bench = await withWardrobe()
    await bench.registry.unregister(NEWS, channelId('c1'))
    await bench.registry.setOptOut(NEWS, channelId('c2'), true)
    expect(await bench.audiences.freeze(NEWS, { all: true }, bench.target)).toEqual({ size: 3, optedOut: 1 })
    expect(await membersOf(bench, bench.target)).toEqual([0, 3, 4])
    expect(await bench.audiences.freeze(NEWS, { all: true }, bench.target, { exceptOptOut: false })).toEqual({
      size: 4,
    })
  })

  test('a channel that opted out of a topic is left out for that topic alone, and counts once', async () => {
    const bench = await withWardrobe()
    await bench.registry.setOptOut(NEWS, channelId('c1'), true)
    for (const id of ['c1', 'c2', 'c3']) await bench.registry.setOptOut(NEWS, channelId(id), true, 'weather')
    expect(await bench.audiences.freeze(NEWS, { all: true }, bench.target, { topic: 'weather' })).toEqual({
      size: 2,
      optedOut: 1,
      optedOutOfTopic: 2,
    })
    expect(await membersOf(bench, bench.target)).toEqual([0, 4])
    expect(await bench.audiences.count(NEWS, { all: true }, { topic: 'sport' })).toEqual({ size: 4, optedOut: 1 })
    await bench.registry.setOptOut(NEWS, channelId('c3'), false, 'weather')
    expect(await bench.audiences.count(NEWS, { all: true }, { topic: 'weather' })).toMatchObject({ size: 3 })
  })

  test('dead channels keep their tags, and are in neither an audience nor its complement', async () => {
    const bench = await withWardrobe()
    await bench.redis.setbit(bench.keys.occupied(NEWS), 0, 0)
    expect(await bench.audiences.count(NEWS, { tags: 'news' })).toEqual({ size: 2 })
    expect(await bench.audiences.count(NEWS, { tags: 'not news' })).toEqual({ size: 2 })
  })

  test('listed channels are found and the unknown ones counted, each once', async () => {
    const bench = await withWardrobe()
    await bench.registry.unregister(NEWS, channelId('c1'))
    const channels = ids('c0', 'c3', 'c0', 'c1', 'absent', 'absent')
    expect(await bench.audiences.freeze(NEWS, { channels }, bench.target)).toEqual({ size: 2, unknownChannels: 2 })
    expect(await membersOf(bench, bench.target)).toEqual([0, 3])
  })

  test('a bitmap is an audience without the channels that left', async () => {
    const bench = await withWardrobe()
    const key = bench.keys.temporary(NEWS, 'failed')
    for (const ordinal of [1, 2, 4, 77]) await bench.redis.setbit(key, ordinal, 1)
    await bench.registry.unregister(NEWS, channelId('c2'))
    expect(await bench.audiences.freeze(NEWS, { bitmapKey: key }, bench.target)).toEqual({ size: 2 })
    expect(await membersOf(bench, bench.target)).toEqual([1, 4])
  })

  test('an app without channels has empty audiences', async () => {
    const bench = start()
    expect(await bench.audiences.freeze(NEWS, { all: true }, bench.target)).toEqual({ size: 0 })
    expect(await bench.audiences.freeze(NEWS, { tags: 'not news' }, bench.target)).toEqual({ size: 0 })
    expect(await bench.audiences.freeze(NEWS, { channels: ids('a') }, bench.target)).toEqual({
      size: 0,
      unknownChannels: 1,
    })
    expect(
      await bench.audiences.freeze(NEWS, { all: true }, bench.target, { sample: { share: 0.5, seed: 1 } }),
    ).toEqual({
      size: 0,
    })
  })

  test('freezing leaves only the frozen audience, which does not expire', async () => {
    const bench = await withWardrobe()
    const before = await keysOf(bench)
    await bench.audiences.freeze(NEWS, { tags: '(news or sport) and not beta' }, bench.target)
    await bench.audiences.freeze(NEWS, { channels: ids('c0') }, bench.target)
    await bench.audiences.freeze(NEWS, { all: true }, bench.target, { sample: { share: 0.9, seed: 'x' } })
    await bench.audiences.count(NEWS, { all: true })
    await bench.audiences.count(NEWS, { tags: 'news' }, { sample: { share: 0.9, seed: 'x' } })
    expect(await keysOf(bench)).toEqual([...before, bench.target].toSorted())
    expect(await bench.redis.ttl(bench.target)).toBe(-1)
  })

  test('the tags of ten million ordinals are evaluated', async () => {
    const bench = start()
    const { redis, keys } = bench
    await redis.set(keys.next(NEWS), 10_000_000)
    await redis.set(keys.occupied(NEWS), Buffer.alloc(1_250_000, 0xff))
    const [news, sport] = [randomBytes(1_250_000), randomBytes(600_000)]
    await redis.set(keys.tag(NEWS, 'news'), news)
    await redis.set(keys.tag(NEWS, 'sport'), sport)
    const { size } = await bench.audiences.freeze(
      NEWS,
      { tags: '(news or sport) and not (news and sport)' },
      bench.target,
    )
    await redis.set(keys.temporary(NEWS, 'expected'), Buffer.from(news.map((byte, at) => byte ^ (sport[at] ?? 0))))
    expect(size).toBe(await redis.bitcount(keys.temporary(NEWS, 'expected')))
  })
})

async function many() {
  const bench = start()
  await bench.redis.set(bench.keys.next(NEWS), 800_000)
  await bench.redis.set(bench.keys.occupied(NEWS), Buffer.alloc(100_000, 0xff))
  return bench
}

describe('sampling', () => {
  test('a sample has about its share and is the same each time', async () => {
    const bench = await many()
    const sample = { share: 0.1, seed: 'spring' }
    const { size } = await bench.audiences.freeze(NEWS, { all: true }, bench.target, { sample })
    expect(Math.abs(size - 80_000)).toBeLessThan(2000)
    const first = await membersOf(bench, bench.target)
    expect(first).toHaveLength(size)
    await bench.audiences.freeze(NEWS, { all: true }, bench.target, { sample })
    expect(await membersOf(bench, bench.target)).toEqual(first)
    expect(await bench.audiences.count(NEWS, { all: true }, { sample })).toEqual({ size })
  })

  test('another seed selects other channels, and a larger share includes the smaller one', async () => {
    const bench = await many()
    const choose = async (share: number, seed: string | number) => {
      await bench.audiences.freeze(NEWS, { all: true }, bench.target, { sample: { share, seed } })
      return new Set(await membersOf(bench, bench.target))
    }
    const [small, large, other] = [await choose(0.05, 7), await choose(0.2, 7), await choose(0.05, 8)]
    expect(small.isSubsetOf(large)).toBe(true)
    const both = small.intersection(other).size / small.size
    expect(Math.abs(both - 0.05)).toBeLessThan(0.01)
  })

  test('a share of 1 is the whole audience', async () => {
    const bench = await many()
    expect(await bench.audiences.count(NEWS, { all: true }, { sample: { share: 1, seed: 1 } })).toEqual({
      size: 800_000,
    })
  })
})

function evaluate(expression: TagExpression, tags: readonly string[]): boolean {
  switch (expression.kind) {
    case 'tag':
      return tags.includes(expression.tag)
    case 'not':
      return !evaluate(expression.of, tags)
    case 'and':
      return evaluate(expression.left, tags) && evaluate(expression.right, tags)
    case 'or':
      return evaluate(expression.left, tags) || evaluate(expression.right, tags)
    default:
      return expression satisfies never
  }
}

const { expressionText } = fc.letrec<{ expressionText: string }>((tie) => ({
  expressionText: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.constantFrom('a', 'b', 'c', 'absent'),
    tie('expressionText').map((inner) => `not (${inner})`),
    fc.tuple(tie('expressionText'), tie('expressionText')).map(([left, right]) => `(${left}) and (${right})`),
    fc.tuple(tie('expressionText'), tie('expressionText')).map(([left, right]) => `(${left}) or (${right})`),
  ),
}))

test.prop(
  [expressionText, fc.array(fc.subarray(['a', 'b', 'c']), { maxLength: 20 }), fc.array(fc.nat(19), { maxLength: 5 })],
  {
    numRuns: 60,
  },
)('any expression has the value of its logic, over the registered channels', async (text, tagSets, left) => {
  const bench = start()
  await bench.registry.register(
    NEWS,
    tagSets.map((tags, at) => registration(`c${at}`, { tags })),
  )
  for (const at of left) await bench.registry.unregister(NEWS, channelId(`c${at}`))
  const parsed = parseTagExpression(text)
  if (!parsed.ok) throw new Error(parsed.detail)
  const expected = tagSets.flatMap((tags, at) => (!left.includes(at) && evaluate(parsed.expression, tags) ? [at] : []))
  expect(await bench.audiences.freeze(NEWS, { tags: text }, bench.target)).toEqual({ size: expected.length })
  expect(await membersOf(bench, bench.target)).toEqual(expected)
})

describe('lists', () => {
  const VIP = 'vip' as ListName

  test('a list is stored, found, used as an audience and removed', async () => {
    const bench = await withWardrobe()
    const { lists, audiences } = bench
    expect(await lists.put(NEWS, VIP, ids('c1', 'c4', 'c1', 'absent'))).toEqual({ size: 2, unknown: 1 })
    expect(await lists.get(NEWS, VIP)).toEqual({ size: 2, unknown: 1 })
    expect(await audiences.freeze(NEWS, { list: 'vip' }, bench.target)).toEqual({ size: 2 })
    expect(await membersOf(bench, bench.target)).toEqual([1, 4])
    const ttl = await bench.redis.ttl(bench.keys.list(NEWS, 'vip'))
    expect(ttl).toBeGreaterThan(29.9 * 86_400)
    expect(await lists.delete(NEWS, VIP)).toBe(true)
    expect(await lists.delete(NEWS, VIP)).toBe(false)
    expect(await lists.get(NEWS, VIP)).toBeNull()
    await expect(audiences.freeze(NEWS, { list: 'vip' }, bench.target)).rejects.toMatchObject({ code: 'not-found' })
  })

  test('the old list applies until a new upload is complete', async () => {
    const bench = await withWardrobe()
    await bench.lists.put(NEWS, VIP, ids('c0'))
    const failing = async function* () {
      for (let at = 0; at < 600; at += 1) yield channelId(`c${at % 5}`)
      expect(await bench.lists.get(NEWS, VIP)).toEqual({ size: 1, unknown: 0 })
      throw new Error('the upload broke off')
    }
    await expect(bench.lists.put(NEWS, VIP, failing())).rejects.toThrow('broke off')
    expect(await bench.lists.get(NEWS, VIP)).toEqual({ size: 1, unknown: 0 })
    expect(await bench.lists.put(NEWS, VIP, ids('c1', 'c2'))).toEqual({ size: 2, unknown: 0 })
  })

  test('a list may be empty', async () => {
    const bench = await withWardrobe()
    expect(await bench.lists.put(NEWS, VIP, [])).toEqual({ size: 0, unknown: 0 })
    expect(await bench.lists.get(NEWS, VIP)).toEqual({ size: 0, unknown: 0 })
    expect(await bench.audiences.count(NEWS, { list: 'vip' })).toEqual({ size: 0 })
  })
})
