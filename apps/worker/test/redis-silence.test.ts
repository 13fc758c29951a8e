import { randomBytes } from 'node:crypto'
import { Keys, closeRedis, connectRedis } from '@wns-fanout/state'
import { startTcpProxy, until } from '@wns-fanout/testing'
import { expect, inject, onTestFinished, test } from 'vitest'
import type { SilenceOptions } from '../src/redis-silence.ts'
import { redisProblem, redisSilent } from '../src/redis-silence.ts'

/** A watch that ends when Redis is silent, as seen through `ask`. */
function watch(ask: () => Promise<string | undefined>, options: SilenceOptions = { lookEveryMs: 1 }) {
  const stop = new AbortController()
  onTestFinished(() => stop.abort())
  const state = { isSilent: false, asked: 0 }
  const ended = redisSilent(
    () => {
      state.asked += 1
      return ask()
    },
    stop.signal,
    options,
  ).then(() => {
    state.isSilent = !stop.signal.aborted
  })
  return { state, stop, ended }
}

test('a Redis that answers is asked again and again', async () => {
  const { state, stop, ended } = watch(async () => undefined)
  await until(() => state.asked >= 3)
  stop.abort()
  await ended
  expect(state.isSilent).toBe(false)
})

test('a Redis that takes no writes for a while is silent', async () => {
  const { state, ended } = watch(async () => 'Redis is away', { silentAfterMs: 40, lookEveryMs: 1 })
  await ended
  expect(state.isSilent).toBe(true)
  expect(state.asked).toBeGreaterThan(2)
})

test('a refusal that ends resets the time', async () => {
  let problem: string | undefined = 'Redis is away'
  const { state, stop, ended } = watch(async () => problem)
  await until(() => state.asked >= 3)
  problem = undefined
  await until(() => state.asked >= 10)
  stop.abort()
  await ended
  expect(state.isSilent).toBe(false)
})

test('a half-open connection to Redis is reported after the time for an answer', async () => {
  const url = new URL(inject('redisUrl'))
  const proxy = await startTcpProxy(Number(url.port))
  const look = connectRedis(`redis://:${url.password}@127.0.0.1:${proxy.port}`, { role: 'producer' })
  onTestFinished(async () => {
    // Without the proxy, the silent connection ends at once.
    await proxy.close()
    await closeRedis(look, 0)
  })
  const keys = new Keys(`t-${randomBytes(6).toString('hex')}:`)
  await until(() => look.status === 'ready')
  expect(await redisProblem(look, keys)).toBeUndefined()
  proxy.silence()
  expect(await redisProblem(look, keys, 30)).toBe('Redis did not answer a small write within 30 ms')
})
