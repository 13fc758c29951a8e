import type { AppId } from '@wns-fanout/domain'
import { closeRedis, connectRedis, ReadyApps, ReadyListener } from '@wns-fanout/state'
import { startTcpProxy } from '@wns-fanout/testing'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import type { Bench } from './support.ts'
import { anotherConnection, NEWS, setup } from './support.ts'

const SHOP = 'shop' as AppId

function start() {
  const bench = setup()
  return { ...bench, ready: new ReadyApps(bench.redis, bench.keys) }
}

async function listen({ redis, keys }: Bench) {
  const heard: AppId[] = []
  const errors: unknown[] = []
  const listener = new ReadyListener(redis, keys, {
    onReady: (app) => heard.push(app),
    onError: (error) => errors.push(error),
  })
  await listener.start()
  onTestFinished(() => listener.stop())
  return { heard, errors, listener }
}

test('an app is listed from its time on, and keeps the earliest', async () => {
  const { ready } = start()
  await ready.note(NEWS, 2000)
  await ready.announce(SHOP)
  expect(await ready.until(1999)).toEqual(['shop'])
  expect(await ready.until(2000)).toEqual(['shop', 'news'])
  await ready.note(NEWS, 3000)
  await ready.note(NEWS, 1000)
  expect(await ready.until(1000)).toEqual(['shop', 'news'])
  await ready.forget(SHOP)
  await ready.forget()
  expect(await ready.all()).toEqual(['news'])
})

test('every listener hears each app that is announced, and none that is only noted', async () => {
  const bench = start()
  const [one, other] = [await listen(bench), await listen({ ...bench, redis: anotherConnection() })]
  await bench.ready.note('later' as AppId, 1000)
  await bench.ready.announce(NEWS)
  await bench.ready.announce(SHOP, 500)
  await bench.ready.announce(NEWS)
  await vi.waitFor(() => {
    for (const { heard } of [one, other]) expect(heard).toEqual(['news', 'shop', 'news'])
  })
  expect(await bench.ready.until(Number.MAX_SAFE_INTEGER)).toEqual(['news', 'shop', 'later'])
})

test('a listener hears what was announced while its connection was away', async () => {
  const bench = start()
  const url = new URL(inject('redisUrl'))
  const proxy = await startTcpProxy(Number(url.port))
  const redis = connectRedis(`redis://:${url.password}@127.0.0.1:${proxy.port}`, { role: 'worker' })
  onTestFinished(async () => {
    await closeRedis(redis)
    await proxy.close()
  })
  const { heard, errors } = await listen({ redis, keys: bench.keys })
  await bench.ready.announce(NEWS)
  await vi.waitFor(() => expect(heard).toEqual(['news']))
  proxy.cut({ refused: 2 })
  await bench.ready.announce(SHOP)
  await vi.waitFor(() => expect(heard).toEqual(['news', 'shop']), { timeout: 10_000 })
  expect(errors).toEqual([])
})

test('a stream that cannot be read is reported, and read once it can be', async () => {
  const bench = start()
  await bench.redis.set(bench.keys.readyAnnouncements, 'no stream')
  const { heard, errors } = await listen(bench)
  await vi.waitFor(() => expect(errors).toHaveLength(1))
  await bench.redis.unlink(bench.keys.readyAnnouncements)
  await bench.ready.announce(NEWS)
  await vi.waitFor(() => expect(heard).toEqual(['news']), { timeout: 10_000 })
})

test('a listener that is stopped hears nothing more, and may be stopped again', async () => {
  const bench = start()
  const { heard, listener } = await listen(bench)
  await listener.stop()
  await bench.ready.announce(NEWS)
  await listener.stop()
  expect(heard).toEqual([])
})

test('old announcements are dropped', async () => {
  const { ready, redis, keys } = start()
  await Promise.all(Array.from({ length: 3000 }, () => ready.announce(NEWS)))
  expect(await redis.xlen(keys.readyAnnouncements)).toBeLessThan(1500)
})
