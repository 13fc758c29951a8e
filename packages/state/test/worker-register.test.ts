import { randomBytes } from 'node:crypto'
import { closeRedis, connectRedis, WorkerRegister } from '@wns-fanout/state'
import { until } from '@wns-fanout/testing'
import { Cluster } from 'ioredis'
import { expect, inject, onTestFinished, test } from 'vitest'
import { anotherConnection, setup } from './support.ts'

const times = { goneMs: 200, graceMs: 300 }

function start() {
  const bench = setup()
  const errors: unknown[] = []
  const register = (redis = anotherConnection(), some = times) => {
    const made = new WorkerRegister(redis, bench.keys, { ...some, onError: (error) => errors.push(error) })
    onTestFinished(() => made.leave())
    return Object.assign(made, { redis })
  }
  return { ...bench, errors, register }
}

type Registered = ReturnType<ReturnType<typeof start>['register']>

/** As the kernel does when a process dies. */
async function die({ redis }: Registered): Promise<void> {
  redis.disconnect()
  await until('the connection to end', () => redis.status === 'end')
}

async function deathsSeenBy(register: Registered): Promise<string[]> {
  return (await register.look()).map(({ id }) => id)
}

test('a worker whose connection is gone is dead after a while, and one that is idle is not', async () => {
  const { register } = start()
  const [looker, idle, dying] = [register(), register(), register()]
  for (const each of [looker, idle, dying]) await each.start()
  await die(dying)
  await until('the death to show', async () => ((await deathsSeenBy(looker)).length > 0 ? true : undefined))
  expect(await deathsSeenBy(looker)).toEqual([dying.id])
})

test('one worker acts on a death, and a worker that is forgotten is not reported again', async () => {
  const { register } = start()
  const [first, second, dying] = [register(), register(), register()]
  for (const each of [first, second, dying]) await each.start()
  await die(dying)
  const [dead] = await until('the death to show', async () => {
    const seen = await first.look()
    return seen.length > 0 ? seen : undefined
  })
  if (dead === undefined) throw new Error('no death')
  expect([await first.claim(dead), await second.claim(dead)]).toEqual([true, false])
  await first.forget(dead)
  expect(await deathsSeenBy(first)).toEqual([])
})

test('a worker that reconnects during a look judges none by it, and still sees deaths later', async () => {
  const { register, redis: admin, keys, errors } = start()
  const [looker, dying] = [register(), register()]
  for (const each of [looker, dying]) await each.start()
  const call = looker.redis.call.bind(looker.redis) as (...args: string[]) => Promise<unknown>
  let cuts = 1
  // The list is asked for on one connection and answered on the next, as when Redis restarts.
  const cutFirst = async (...args: string[]): Promise<unknown> => {
    if (args[1] === 'LIST' && cuts > 0) {
      cuts -= 1
      const { isHeld } = looker
      await admin.call('CLIENT', 'KILL', 'ID', (await admin.hget(keys.workers, looker.id))?.split(' ')[0] ?? '')
      await until('the connection to break', () => looker.isHeld !== isHeld)
      await until('the next connection', () => looker.isHeld)
    }
    return call(...args)
  }
  Object.assign(looker.redis, { call: cutFirst })
  expect(await deathsSeenBy(looker)).toEqual([])
  expect(cuts).toBe(0)
  await die(dying)
  await until('the death to show', async () => ((await deathsSeenBy(looker)).length > 0 ? true : undefined))
  expect(errors).toEqual([])
})

test('a worker that has registered again is not claimed, and stays in the register', async () => {
  const { register, redis: admin, keys } = start()
  const looker = register()
  await looker.start()
  await admin.hset(keys.workers, 'back', '2 run')
  const judged = { id: 'back', entry: '1 run' }
  expect(await looker.claim(judged)).toBe(false)
  await looker.forget(judged)
  expect(await admin.hget(keys.workers, 'back')).toBe('2 run')
  expect(await looker.claim({ id: 'back', entry: '2 run' })).toBe(true)
})

test('a death whose finder died is claimed by another worker', async () => {
  const { register, redis: admin, keys } = start()
  const [first, second] = [register(), register()]
  for (const each of [first, second]) await each.start()
  await admin.hset(keys.workers, 'dead', '1 run')
  const dead = { id: 'dead', entry: '1 run' }
  expect([await first.claim(dead), await second.claim(dead)]).toEqual([true, false])
  expect(await admin.pttl(keys.deadWorker('dead'))).toBeGreaterThan(0)
  // As when the claim expires.
  await admin.pexpire(keys.deadWorker('dead'), 1)
  await until('the claim to expire', () => second.claim(dead))
})

test('a worker that Redis has forgotten registers again', async () => {
  const { register, redis: admin, keys } = start()
  const forgotten = register()
  await forgotten.start()
  await admin.del(keys.workers)
  await forgotten.look()
  expect(await admin.hkeys(keys.workers)).toEqual([forgotten.id])
})

test('a worker that connects again is alive, and starts no post in between', async () => {
  const { register, redis: admin, keys } = start()
  const [looker, cut] = [register(), register()]
  for (const each of [looker, cut]) await each.start()
  const before = (await admin.hget(keys.workers, cut.id)) ?? ''
  expect(cut.isHeld).toBe(true)
  await admin.call('CLIENT', 'KILL', 'ID', before.split(' ')[0] ?? '')
  await until('the loss to show', () => (cut.isHeld ? undefined : true))
  await until('the next connection', () => (cut.isHeld ? true : undefined))
  expect(await admin.hget(keys.workers, cut.id)).not.toBe(before)
  // Longer than a dead worker would need to be found.
  const sinceMs = performance.now()
  await until('some looks', async () => {
    expect(await deathsSeenBy(looker)).toEqual([])
    return performance.now() - sinceMs > times.goneMs + times.graceMs ? true : undefined
  })
  // A forgotten death does not remove the new entry.
  await looker.forget({ id: cut.id, entry: before })
  expect(await admin.hexists(keys.workers, cut.id)).toBe(1)
})

test('after an outage all connections are new, and no worker is judged for a while', async () => {
  const { register, redis: admin, keys } = start()
  const [looker, slow] = [register(anotherConnection(), { goneMs: 0, graceMs: 3_600_000 }), register()]
  for (const each of [looker, slow]) await each.start()
  await die(slow)
  await until('the client to be gone', async () => {
    const client = ((await admin.hget(keys.workers, slow.id)) ?? '').split(' ')[0] ?? ''
    return String(await admin.call('CLIENT', 'LIST', 'ID', client)) === '' ? true : undefined
  })
  expect(await deathsSeenBy(looker)).toEqual([])
  expect(await deathsSeenBy(looker)).toEqual([])
})

test('an entry of an earlier run of Redis is not judged', async () => {
  const { register, redis: admin, keys } = start()
  const looker = register(anotherConnection(), { goneMs: 0, graceMs: 0 })
  await looker.start()
  await admin.hset(keys.workers, 'earlier', `999999 ${'0'.repeat(40)}`)
  for (const _ of [1, 2, 3]) expect(await deathsSeenBy(looker)).toEqual([])
})

test('a worker that stops in order leaves nothing behind', async () => {
  const { register, redis: admin, keys } = start()
  const leaving = register()
  await leaving.start()
  expect(await admin.hexists(keys.workers, leaving.id)).toBe(1)
  await leaving.leave()
  expect(await admin.hexists(keys.workers, leaving.id)).toBe(0)
  expect(leaving.isHeld).toBe(false)
})

test('a user without the right to list clients sees no deaths, reports that once, and still sends', async () => {
  const { register, redis: admin, keys, errors } = start()
  if (admin instanceof Cluster) throw new Error('one server was expected')
  const [user, password] = [`u${randomBytes(4).toString('hex')}`, randomBytes(16).toString('hex')]
  await admin.acl('SETUSER', user, 'on', `>${password}`, `~${keys.prefix}*`, '+@all', '-client|list')
  onTestFinished(async () => {
    await admin.acl('DELUSER', user)
  })
  const { port } = new URL(inject('redisUrl'))
  const connection = connectRedis(`redis://${user}:${password}@127.0.0.1:${port}`, { role: 'worker' })
  onTestFinished(() => closeRedis(connection))
  const looker = register(connection)
  const dying = register()
  for (const each of [looker, dying]) await each.start()
  await die(dying)
  for (const _ of [1, 2, 3]) expect(await deathsSeenBy(looker)).toEqual([])
  expect(errors).toMatchObject([{ cause: { message: expect.stringContaining('NOPERM') } }])
  expect(looker.isHeld).toBe(true)
})
