import { randomBytes } from 'node:crypto'
import { Keys, closeRedis, connectRedis } from '@wns-fanout/state'
import { startTcpProxy, until } from '@wns-fanout/testing'
import { expect, inject, onTestFinished, test } from 'vitest'
import { redisProblem, redisSilent } from '../src/redis-silence.ts'

/** A watch that ends when Redis is silent, as seen through `ask`. */
function watch(ask: () => Promise<string | undefined>) {
  const stop = new AbortController()
  onTestFinished(() => stop.abort())
  const state = { isSilent: false, asked: 0 }
  const ended = redisSilent(() => {
    state.asked += 1
    return ask()
  }, stop.signal).then(() => {
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
  const { state, ended } = watch(async () => 'Redis is away')
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

test('a half-open connection to Redis is reported within two seconds', async () => {
  const url = new URL(inject('redisUrl'))
  const proxy = await startTcpProxy(Number(url.port))
  onTestFinished(() => proxy.close())
  const look = connectRedis(`redis://:${url.password}@127.0.0.1:${proxy.port}`, { role: 'producer' })
  onTestFinished(() => closeRedis(look, 0))
  const keys = new Keys(`t-${randomBytes(6).toString('hex')}:`)
  await until(() => look.status === 'ready')
  expect(await redisProblem(look, keys)).toBeUndefined()
  proxy.silence()
  expect(await redisProblem(look, keys)).toBe('Redis did not answer a small write within 1900 ms')
})
