import type { RedisConnection, StuckConnectionsOptions } from '@wns-fanout/state'
import { StuckConnections, closeRedis, connectRedis } from '@wns-fanout/state'
import { startTcpProxy, until } from '@wns-fanout/testing'
import { expect, inject, onTestFinished, test } from 'vitest'

const short = { everyMs: 20, patienceMs: 200 }

async function viaProxy() {
  const url = new URL(inject('redisUrl'))
  const proxy = await startTcpProxy(Number(url.port))
  onTestFinished(() => proxy.close())
  const open = () => connectRedis(`redis://:${url.password}@127.0.0.1:${proxy.port}`, { role: 'producer' })
  const redis = open()
  onTestFinished(() => closeRedis(redis, 0))
  await until(() => redis.status === 'ready')
  return { proxy, open, redis }
}

function watching(options: StuckConnectionsOptions, ...connections: RedisConnection[]): StuckConnections {
  const stuck = new StuckConnections(options)
  for (const connection of connections) stuck.add(connection)
  return stuck
}

test('a connection that gets no answer where a new one does is stuck, until it answers', async () => {
  const { proxy, open, redis } = await viaProxy()
  const stuck = watching({ open, ...short }, redis)
  onTestFinished(() => stuck.stop())
  expect(stuck.problem).toBeUndefined()
  proxy.silence()
  await until(() => stuck.problem === 'Redis answers on a new connection but not on the one of this process')
  // The socket timeout of the connection ends it, and the next one answers.
  await until(() => stuck.problem === undefined)
  expect(await redis.ping()).toBe('PONG')
})

test('a Redis that is away is no reason to restart', async () => {
  const { proxy, open, redis } = await viaProxy()
  let opened = 0
  const openCounted = () => {
    opened += 1
    return open()
  }
  const stuck = watching({ open: openCounted, ...short, patienceMs: 0 }, redis)
  onTestFinished(() => stuck.stop())
  await proxy.close()
  await until(() => redis.status === 'reconnecting' && opened > 0)
  expect(stuck.problem).toBeUndefined()
})

test('a connection that has ended is stuck', async () => {
  const { open, redis } = await viaProxy()
  const stuck = watching({ open }, redis)
  onTestFinished(() => stuck.stop())
  redis.disconnect()
  await until(() => stuck.problem === 'the connection to Redis has ended and is not opened again')
})

test('one stuck connection among others is enough', async () => {
  const { proxy, open, redis } = await viaProxy()
  const well = connectRedis(inject('redisUrl'), { role: 'producer' })
  onTestFinished(() => closeRedis(well))
  const stuck = watching({ open, ...short }, well, redis)
  onTestFinished(() => stuck.stop())
  proxy.silence()
  await until(() => stuck.problem !== undefined)
  expect(await well.ping()).toBe('PONG')
})
