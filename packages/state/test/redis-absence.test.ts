import { closeRedis, connectRedis } from '@wns-fanout/state'
import { startTcpProxy, until } from '@wns-fanout/testing'
import { expect, inject, onTestFinished, test } from 'vitest'

test('a connection reports each return of Redis once, with the time away, and not its first start', async () => {
  const url = new URL(inject('redisUrl'))
  const proxy = await startTcpProxy(Number(url.port))
  const returns: number[] = []
  let closed = 0
  const redis = connectRedis(`redis://:${url.password}@127.0.0.1:${proxy.port}`, {
    role: 'worker',
    onBack: (awayMs) => returns.push(awayMs),
  })
  onTestFinished(async () => {
    await closeRedis(redis, 0)
    await proxy.close()
  })
  redis.on('close', () => {
    closed += 1
  })
  await until(() => redis.status === 'ready')
  expect(returns).toEqual([])
  for (const lost of [1, 2]) {
    redis.disconnect(true)
    await until(() => returns.length === lost)
    expect(await redis.ping()).toBe('PONG')
  }
  expect(closed).toBe(2)
  expect(returns.every((awayMs) => awayMs > 0)).toBe(true)
})
