import type { AppId } from '@wns-fanout/domain'
import type { Losses } from '@wns-fanout/state'
import {
  acceptLosses,
  AppStore,
  closeRedis,
  connectRedis,
  DataSet,
  standingOf,
  Keys,
  readLosses,
  Registry,
  takeInventory,
} from '@wns-fanout/state'
import { expect, inject, onTestFinished, test } from 'vitest'
import type { Bench } from './support.ts'
import { keyring, NEWS, registrations, setup } from './support.ts'

/** This number of processes, each with its own memory. */
function processes({ redis, keys }: Bench, count: number): DataSet[] {
  return Array.from({ length: count }, () => new DataSet(redis, keys))
}

/** Removes all keys, as FLUSHALL does. */
async function flush({ redis, keys }: Bench): Promise<void> {
  await redis.unlink(keys.dataSetId)
  await redis.unlink(keys.losses)
}

function lost(problem: string) {
  return { kind: 'lost', problem: expect.stringContaining(problem) }
}

test('processes that find an empty Redis at the same time work on the same data set', async () => {
  const bench = setup()
  const standings = await Promise.all(processes(bench, 5).map((one) => one.look()))
  expect(standings.map(({ kind }) => kind)).toEqual(Array.from({ length: 5 }, () => 'well'))
  expect(new Set(standings.map((one) => JSON.stringify(one))).size).toBe(1)
  expect(await bench.redis.exists(bench.keys.losses)).toBe(0)
})

test('lost data stops its processes and those that start later, until an operator accepts the loss', async () => {
  const bench = setup()
  const [one, idle] = processes(bench, 2) as [DataSet, DataSet]
  const before = await one.look()
  await idle.look()
  await flush(bench)
  expect(await one.look()).toEqual(lost('Redis lost its data'))

  const [late] = processes(bench, 1) as [DataSet]
  expect(await late.look()).toEqual(lost('another process has missed its data set since 2'))
  expect(await bench.redis.exists(bench.keys.dataSetId)).toBe(0)
  const { missed } = await readLosses(bench.redis, bench.keys)
  expect(missed).toEqual([{ dataSetId: expect.any(String), sinceMs: expect.any(Number) }])
  const [seconds = 0] = await bench.redis.time()
  expect(Math.abs((missed[0]?.sinceMs ?? 0) / 1000 - seconds)).toBeLessThan(60)

  expect(await acceptLosses(bench.redis, bench.keys)).toEqual([missed[0]?.dataSetId])
  const after = await one.look()
  expect(after).toEqual({ kind: 'well', dataSetId: expect.any(String) })
  expect(after).not.toEqual(before)
  // A process that had not noticed, and one that waited.
  expect(await Promise.all([idle.look(), late.look()])).toEqual([after, after])
  expect(await acceptLosses(bench.redis, bench.keys)).toEqual([])
})

test('a process that started at the moment of the loss stops when another one misses its data', async () => {
  const bench = setup()
  const [old, fresh] = processes(bench, 2) as [DataSet, DataSet]
  await old.look()
  await flush(bench)
  expect((await fresh.look()).kind).toBe('well')
  expect(await old.look()).toEqual(lost('Redis holds other data'))
  expect(await fresh.look()).toEqual(lost('another process has missed its data set'))
  const dataSetId = await bench.redis.get(bench.keys.dataSetId)
  expect(await acceptLosses(bench.redis, bench.keys)).toHaveLength(1)
  expect(await Promise.all([old.look(), fresh.look()])).toEqual([
    { kind: 'well', dataSetId },
    { kind: 'well', dataSetId },
  ])
})

test('when the same data is back, all processes continue and nothing is missed', async () => {
  const bench = setup()
  const [one] = processes(bench, 1) as [DataSet]
  await one.look()
  const dataSetId = (await bench.redis.get(bench.keys.dataSetId)) ?? ''
  await bench.redis.set(bench.keys.dataSetId, 'another')
  expect((await one.look()).kind).toBe('lost')
  await bench.redis.set(bench.keys.dataSetId, dataSetId)
  expect(await acceptLosses(bench.redis, bench.keys)).toEqual([])
  expect(await one.look()).toEqual({ kind: 'well', dataSetId })
  expect(await bench.redis.exists(bench.keys.losses)).toBe(0)
})

test('a lost record is written again, and a second loss must be accepted again', async () => {
  const bench = setup()
  const [one] = processes(bench, 1) as [DataSet]
  await one.look()
  for (let n = 0; n < 2; n += 1) {
    await flush(bench)
    expect((await one.look()).kind).toBe('lost')
    await flush(bench)
    expect((await one.look()).kind).toBe('lost')
    expect(await acceptLosses(bench.redis, bench.keys)).toHaveLength(1)
    expect((await one.look()).kind).toBe('well')
  }
})

test('a process that was stopped during an accepted loss starts again, whatever happened to the data since', async () => {
  const bench = setup()
  const [asleep, other] = processes(bench, 2) as [DataSet, DataSet]
  await Promise.all([asleep.look(), other.look()])
  await flush(bench)
  await other.look()
  await acceptLosses(bench.redis, bench.keys)
  await bench.redis.unlink(bench.keys.dataSetId)
  // It misses only accepted data, so it creates a data set as a starting process does.
  expect((await asleep.look()).kind).toBe('well')
})

test.each<[string, string | undefined, Partial<Losses>, string]>([
  ['an empty Redis', undefined, {}, 'empty'],
  ['data, and nothing is missed', undefined, { current: 'a' }, 'well'],
  ['the data from before', 'a', { current: 'a' }, 'well'],
  [
    'the data from before, noted as missed by mistake',
    'a',
    { current: 'a', missed: [{ dataSetId: 'a', sinceMs: 0 }] },
    'well',
  ],
  ['no data instead of its data', 'a', {}, 'lost'],
  ['other data', 'a', { current: 'b' }, 'lost'],
  ['other data, and the loss is accepted', 'a', { current: 'b', accepted: new Set(['a']) }, 'well'],
  ['none, and the loss is accepted', 'a', { accepted: new Set(['a']) }, 'empty'],
  ['the same data, though others miss theirs', 'b', { current: 'b', missed: [{ dataSetId: 'a', sinceMs: 0 }] }, 'lost'],
  ['none, and others miss theirs', undefined, { missed: [{ dataSetId: 'a', sinceMs: 0 }] }, 'lost'],
  [
    'an accepted loss, and another one that is not',
    'a',
    { current: 'c', accepted: new Set(['a']), missed: [{ dataSetId: 'b', sinceMs: 0 }] },
    'lost',
  ],
])('a process that finds %s', (_what, dataSetId, found, kind) => {
  expect(standingOf(dataSetId, { current: null, missed: [], accepted: new Set(), ...found }).kind).toBe(kind)
})

test('the inventory counts the data', async () => {
  const { redis, keys } = setup()
  expect(await takeInventory(redis, keys)).toEqual({ apps: 0, channels: 0, campaigns: 0, apiKeys: 0 })
  const apps = new AppStore(redis, keys, keyring())
  const registry = new Registry(redis, keys)
  for (const app of [NEWS, 'shop' as AppId]) {
    await apps.put(app, { credentials: { kind: 'entra', tenantId: 't', clientId: 'c', clientSecret: 's' } })
    await registry.register(app, registrations(3))
  }
  await redis.zadd(keys.campaigns(NEWS), 1, 'c1')
  expect(await takeInventory(redis, keys)).toEqual({ apps: 2, channels: 6, campaigns: 1, apiKeys: 0 })
})

test('in a cluster a loss is recorded and accepted too', async () => {
  const redis = connectRedis(inject('redisClusterUrl'), { role: 'worker' })
  onTestFinished(() => closeRedis(redis))
  const bench = { redis, keys: new Keys('loss:') }
  const [one] = processes(bench, 1) as [DataSet]
  await one.look()
  await flush(bench)
  expect((await one.look()).kind).toBe('lost')
  expect(await acceptLosses(redis, bench.keys)).toHaveLength(1)
  expect((await one.look()).kind).toBe('well')
  await flush(bench)
})
