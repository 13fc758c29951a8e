import { closeRedis, connectRedis, isRedisAway, onceRedisServes } from '@wns-fanout/state'
import { startTcpProxy, until } from '@wns-fanout/testing'
import { expect, inject, onTestFinished, test } from 'vitest'

/** A connection through a proxy that a test can cut. */
async function throughProxy() {
  const url = new URL(inject('redisUrl'))
  const proxy = await startTcpProxy(Number(url.port))
  url.port = String(proxy.port)
  const redis = connectRedis(url.href, { role: 'producer' })
  const stopping = new AbortController()
  const lines: string[] = []
  onTestFinished(async () => {
    await closeRedis(redis)
    await proxy.close()
  })
  return {
    proxy,
    redis,
    stopping,
    lines,
    options: { signal: stopping.signal, onWaiting: (line: string) => lines.push(line), retryMs: 10 },
  }
}

test('a step of the start during which Redis goes away runs again, and one line reports it', async () => {
  const { proxy, redis, lines, options } = await throughProxy()
  let runs = 0
  const answer = await onceRedisServes(
    redis,
    async () => {
      runs += 1
      if (runs > 2) return await redis.ping()
      proxy.cut()
      await until(() => redis.status !== 'ready')
      return await redis.ping()
    },
    options,
  )
  expect(answer).toBe('PONG')
  expect(runs).toBe(3)
  expect(lines).toEqual([
    `Redis at 127.0.0.1:${proxy.port} went away while this process starts: the connection broke. Trying again.`,
  ])
})

test('a step that Redis refuses runs again, and the line has the reason', async () => {
  const { redis, lines, options } = await throughProxy()
  const answers = [new Error('LOADING Redis is loading the dataset in memory'), new Error('OOM command not allowed')]
  const step = async () => {
    const error = answers.shift()
    if (error !== undefined) throw error
    return 'served'
  }
  expect(await onceRedisServes(redis, step, options)).toBe('served')
  expect(lines).toEqual([expect.stringContaining('(LOADING): it still loads its data')])
})

test('a step with an error of its own is not repeated', async () => {
  const { redis, lines, options } = await throughProxy()
  let runs = 0
  const step = async () => {
    runs += 1
    throw new Error('Redis must be version 7')
  }
  await expect(onceRedisServes(redis, step, options)).rejects.toThrow('Redis must be version 7')
  expect(runs).toBe(1)
  expect(lines).toEqual([])
})

test('a stop ends the repetition', async () => {
  const { redis, stopping, lines, options } = await throughProxy()
  const starting = onceRedisServes(redis, () => Promise.reject(new Error('Connection is closed.')), options)
  await until(() => lines.length > 0)
  stopping.abort(new Error('stopping'))
  await expect(starting).rejects.toThrow()
})

test.each([
  ["Stream isn't writeable and enableOfflineQueue options is false", true],
  ["Socket timeout. Expecting data, but didn't receive any in 7000ms.", true],
  ['NOREPLICAS Not enough good replicas to write.', true],
  ['WRONGTYPE Operation against a key holding the wrong kind of value', false],
])('"%s" means that Redis is away: %s', (message, isAway) => {
  expect(isRedisAway(new Error(message))).toBe(isAway)
})
