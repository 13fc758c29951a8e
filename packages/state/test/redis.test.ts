import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:net'
import { channelId } from '@wns-fanout/domain'
import type { RedisConnection } from '@wns-fanout/state'
import {
  AppStore,
  Audiences,
  checkRedis,
  closeRedis,
  connectRedis,
  Keys,
  loadScript,
  memoryShare,
  Permits,
  Registry,
  waitForRedis,
} from '@wns-fanout/state'
import { Cluster } from 'ioredis'
import { until } from '@wns-fanout/testing'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { keyring, NEWS, registration, setup } from './support.ts'

describe('a connection', () => {
  test('does not attach commands to its errors', async () => {
    const { redis, keys } = setup()
    await redis.set(keys.dataSetId, 'text')
    if (redis instanceof Cluster) throw new Error('one server was expected')
    const copy = redis.duplicate()
    onTestFinished(() => closeRedis(copy))
    const errors = await Promise.all([
      redis.hset(keys.dataSetId, 'field', 'canary-secret').catch((error: unknown) => error),
      redis
        .pipeline()
        .hset(keys.dataSetId, 'field', 'canary-secret')
        .exec()
        .then((replies) => replies?.[0]?.[0]),
      copy.hset(keys.dataSetId, 'f', 'canary-secret').catch((error: unknown) => error),
      loadScript('app-set')
        .run(redis, [keys.dataSetId], ['f', 'canary-secret'])
        .catch((error: unknown) => error),
    ])
    for (const error of errors) {
      expect(error).toBeInstanceOf(Error)
      expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('canary-secret')
    }
  })

  test('of a producer fails at once while Redis is away, one of a worker waits', async () => {
    const proxy = await startProxy(inject('redisUrl'))
    const producer = connectRedis(proxy.url, { role: 'producer' })
    const worker = connectRedis(proxy.url, { role: 'worker' })
    onTestFinished(() => Promise.all([closeRedis(producer), closeRedis(worker)]).then(() => undefined))
    expect(await producer.ping()).toBe('PONG')
    expect(await worker.ping()).toBe('PONG')
    proxy.cut()
    await until(() => producer.status !== 'ready' && worker.status !== 'ready')
    await expect(producer.ping()).rejects.toThrow(/enableOfflineQueue|closed|max retries/i)
    const patient = worker.ping()
    await proxy.repair()
    expect(await patient).toBe('PONG')
    await until(() => producer.status === 'ready')
    expect(await producer.ping()).toBe('PONG')
  })

  test('reports a wait in one clear line instead of a stack trace', async () => {
    const proxy = await startProxy(inject('redisUrl'))
    proxy.cut()
    const redis = connectRedis(proxy.url, { role: 'worker' })
    onTestFinished(() => closeRedis(redis))
    const lines: string[] = []
    const ready = waitForRedis(redis, { onWaiting: (line) => lines.push(line) })
    await until(() => lines.length > 0)
    expect(lines[0]).toMatch(/^Redis at 127\.0\.0\.1:\d+ cannot be used yet: .*ECONNREFUSED.*; trying again\.$/)
    await proxy.repair()
    await ready
    expect(await redis.ping()).toBe('PONG')
  })

  test('reports a wrong password', async () => {
    const { port } = new URL(inject('redisUrl'))
    const redis = connectRedis(`redis://:wrong-canary@127.0.0.1:${port}`, { role: 'worker' })
    onTestFinished(() => redis.disconnect())
    const aborting = new AbortController()
    const lines: string[] = []
    const waiting = waitForRedis(redis, { signal: aborting.signal, onWaiting: (line) => lines.push(line) })
    await until(() => lines.length > 0)
    expect(lines[0]).toMatch(/WRONGPASS.*check user and password in REDIS_URL/)
    expect(lines.join()).not.toContain('wrong-canary')
    aborting.abort(new Error('stopping'))
    await expect(waiting).rejects.toThrow('stopping')
  })
})

describe('checks', () => {
  test('a Redis without persistence is refused with the settings to change, or accepted with a warning', async () => {
    const { redis } = setup()
    const problems = await checkRedis(redis)
    expect(problems).toMatchObject([
      { code: 'volatile', fatal: true, detail: expect.stringContaining('appendonly yes') },
    ])
    expect(await checkRedis(redis, { allowVolatile: true })).toMatchObject([{ code: 'volatile', fatal: false }])
  })

  test('the share of the memory in use is between 0 and 1', async () => {
    const { redis } = setup()
    const share = await memoryShare(redis)
    expect(share).toBeGreaterThan(0)
    expect(share).toBeLessThan(1)
  })
})

describe('scripts', () => {
  test('run again after Redis lost them', async () => {
    const { redis, keys } = setup()
    const script = loadScript('app-set')
    expect(await script.run(redis, [keys.app(NEWS)], ['state', 'x'])).toBe(0)
    await redis.script('FLUSH')
    expect(await script.run(redis, [keys.app(NEWS)], ['state', 'x'])).toBe(0)
    await redis.script('FLUSH')
    expect(await script.runBuffer(redis, [keys.app(NEWS)], ['state', Buffer.from([0, 255])])).toBe(0)
  })

  test('need a key', async () => {
    const { redis } = setup()
    await expect(loadScript('app-set').run(redis, [], [])).rejects.toThrow('needs a key')
  })
})

test('apps, channels, audiences and permits work in a cluster', async () => {
  const redis: RedisConnection = connectRedis(inject('redisClusterUrl'), { role: 'worker' })
  onTestFinished(() => closeRedis(redis))
  await waitForRedis(redis)
  expect(redis).toBeInstanceOf(Cluster)
  const keys = new Keys('cluster:')
  const apps = new AppStore(redis, keys, keyring())
  const registry = new Registry(redis, keys)
  const credentials = { kind: 'entra', tenantId: 't', clientId: 'c', clientSecret: 's' } as const
  expect(await apps.put(NEWS, { credentials })).toMatchObject({ created: true })
  await registry.register(NEWS, [registration('a', { tags: ['x'] }), registration('b')])
  const audiences = new Audiences(redis, keys)
  expect(await audiences.freeze(NEWS, { tags: 'not x' }, keys.targets(NEWS, 'c1'))).toEqual({ size: 1 })
  expect(
    await audiences.count(NEWS, { channels: [channelId('a')] }, { sample: { share: 0.999_999, seed: 1 } }),
  ).toMatchObject({ unknownChannels: 0 })
  expect(await new Permits(redis, keys).take(NEWS, 5, { ratePerSecond: 10, burst: 5 })).toMatchObject({ granted: 5 })
  expect((await checkRedis(redis)).map(({ code }) => code)).toEqual(['volatile'])
  expect(await memoryShare(redis)).toBeGreaterThan(0)
  expect(await apps.delete(NEWS)).toBe(true)
  expect(await registry.count(NEWS)).toBe(0)
})

/** A port that forwards to Redis until it is cut; `repair` opens the same port again. */
async function startProxy(redisUrl: string) {
  const target = new URL(redisUrl)
  const sockets = new Set<{ destroy: () => void }>()
  const make = () =>
    createServer((inner) => {
      const outer = connect(Number(target.port), target.hostname)
      for (const socket of [inner, outer]) {
        sockets.add(socket)
        socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket))
      }
      inner.pipe(outer).pipe(inner)
      inner.on('close', () => outer.destroy())
      outer.on('close', () => inner.destroy())
    })
  let server = make()
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  await listen(0)
  const { port } = server.address() as AddressInfo
  const cut = () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  onTestFinished(cut)
  return {
    url: `redis://${target.username}:${target.password}@127.0.0.1:${port}`,
    cut,
    repair: async () => {
      server = make()
      await listen(port)
    },
  }
}
