import type { RedisConnection } from '@wns-fanout/state'
import { expect, test, vi } from 'vitest'
import { redisSilent } from '../src/redis-silence.ts'

/** Resolves to true once Redis counts as silent. */
function watch(ping: () => Promise<unknown>) {
  const stop = new AbortController()
  const state = { isSilent: false, pings: 0 }
  const redis = {
    ping: () => {
      state.pings += 1
      return ping()
    },
  } as unknown as RedisConnection
  const ended = redisSilent(redis, stop.signal).then(() => {
    state.isSilent = true
  })
  return { state, stop, ended }
}

test('a Redis that answers is asked again and again', async () => {
  const { state, stop, ended } = watch(async () => 'PONG')
  await vi.waitFor(
    () => {
      expect(state.pings).toBeGreaterThanOrEqual(3)
    },
    { timeout: 10_000 },
  )
  expect(state.isSilent).toBe(false)
  stop.abort()
  await ended
})

test('a Redis that leaves one question unanswered is silent', async () => {
  const { state, ended } = watch(() => new Promise(() => {}))
  await ended
  expect(state).toEqual({ isSilent: true, pings: 1 })
})

test('a connection that fails is silent at once', async () => {
  const { state, ended } = watch(() => Promise.reject(new Error('closed')))
  await ended
  expect(state.isSilent).toBe(true)
})

test('the watch ends when its signal is aborted', async () => {
  const { ended, stop } = watch(() => new Promise(() => {}))
  stop.abort()
  await ended
})
