import type { RedisRole } from '@wns-fanout/state'
import { closeRedis, connectRedis, PrimaryWatch } from '@wns-fanout/state'
import { startTcpProxy, until } from '@wns-fanout/testing'
import { Redis } from 'ioredis'
import { expect, inject, onTestFinished, test } from 'vitest'

function urls(): string[] {
  return [inject('redisUrl'), inject('redisClusterUrl').replace('redis+cluster:', 'redis:')]
}

/** A watch over a connection that can be led to another server, on which its user has the same password. */
async function watched(role: RedisRole) {
  for (const url of urls()) {
    const redis = new Redis(url)
    await redis.acl('SETUSER', 'primary-watch', 'on', '>secret', '~*', '+@all')
    await redis.quit()
  }
  const [first, second] = urls().map((url) => Number(new URL(url).port)) as [number, number]
  const proxy = await startTcpProxy(first)
  const redis = connectRedis(`redis://primary-watch:secret@127.0.0.1:${proxy.port}`, { role })
  const state = { changes: 0, errors: [] as unknown[] }
  const watch = new PrimaryWatch(redis, {
    onChange: () => (state.changes += 1),
    onError: (error) => state.errors.push(error),
  })
  onTestFinished(async () => {
    watch.stop()
    await closeRedis(redis, 0)
    await proxy.close()
  })
  await until(() => redis.status === 'ready')
  await watch.confirmed()
  return { watch, state, redis, proxy, second }
}

test.each<RedisRole>(['worker', 'ledger'])(
  'a connection that leads to another server is noticed by itself, as a %s',
  async (role) => {
    const { watch, state, proxy, second } = await watched(role)
    proxy.retarget(second)
    proxy.cut()
    await until(() => watch.changes === 1)
    expect(state.changes).toBe(1)
    expect([await watch.look(), state.changes]).toEqual([1, 1])
  },
)

test('a connection that leads to the same server again is no change', async () => {
  const { watch, state, redis } = await watched('worker')
  redis.disconnect(true)
  await until(() => redis.status !== 'ready')
  await watch.confirmed()
  expect([watch.changes, state.changes, state.errors]).toEqual([0, 0, []])
})

test('a question before Redis has answered on a new connection waits for the answer', async () => {
  const { watch, redis, proxy, second } = await watched('worker')
  proxy.retarget(second)
  redis.disconnect(true)
  await until(() => redis.status !== 'ready')
  await watch.confirmed()
  expect(watch.changes).toBe(1)
})

test('nothing is noticed after the end', async () => {
  const { watch, state, redis, proxy, second } = await watched('worker')
  watch.stop()
  proxy.retarget(second)
  redis.disconnect(true)
  await until(() => redis.status !== 'ready')
  expect(await redis.info('server')).toContain(`tcp_port:${second}`)
  expect([watch.changes, state.changes]).toEqual([0, 0])
})
