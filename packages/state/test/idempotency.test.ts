import { Idempotency } from '@wns-fanout/state'
import { expect, test } from 'vitest'
import { anotherConnection, keysOf, NEWS, setup } from './support.ts'

function start() {
  const bench = setup()
  const make = (options = {}) => new Idempotency(anotherConnection(), bench.keys, { pollMs: 10, ...options })
  return { ...bench, make }
}

async function fresh(idempotency: Idempotency, key = 'key', hash = 'hash') {
  const answer = await idempotency.begin(NEWS, key, hash)
  if (answer.kind !== 'fresh') throw new Error(`expected a fresh request, found ${answer.kind}`)
  return answer
}

test('the second request gets the first answer, also from another process', async () => {
  const { make } = start()
  const { finish } = await fresh(make())
  await finish(201, '{"id":"c1","name":"Grüße \\u0000"}')
  expect(await make().begin(NEWS, 'key', 'hash')).toEqual({
    kind: 'replay',
    status: 201,
    body: '{"id":"c1","name":"Grüße \\u0000"}',
  })
})

test('the same key with another request is a mismatch, before and after the first is done', async () => {
  const { make } = start()
  const { finish } = await fresh(make())
  expect(await make().begin(NEWS, 'key', 'other')).toEqual({ kind: 'mismatch' })
  await finish(201, '')
  expect(await make().begin(NEWS, 'key', 'other')).toEqual({ kind: 'mismatch' })
})

test('of twenty at the same time one runs and the others get its answer', async () => {
  const { make } = start()
  let worked = 0
  const answers = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const answer = await make().begin(NEWS, 'key', 'hash')
      if (answer.kind !== 'fresh') return answer
      worked += 1
      await new Promise((resolve) => setTimeout(resolve, 50))
      await answer.finish(201, 'body')
      return undefined
    }),
  )
  expect(worked).toBe(1)
  expect(answers.filter((answer) => answer?.kind === 'replay' && answer.body === 'body')).toHaveLength(19)
})

test('a rejection is not stored, and the next request is fresh', async () => {
  const bench = start()
  const first = await fresh(bench.make())
  await first.abandon()
  expect(await keysOf(bench)).toEqual([])
  await fresh(bench.make())
})

test('a waiting request runs after one that was abandoned', async () => {
  const { make } = start()
  const first = await fresh(make())
  const waiting = fresh(make())
  await first.abandon()
  await (await waiting).finish(200, 'second')
  await first.finish(500, 'too late')
  expect(await make().begin(NEWS, 'key', 'hash')).toEqual({ kind: 'replay', status: 200, body: 'second' })
})

test('a request runs after the process of another died, and a wait has a limit', async () => {
  const { make } = start()
  await fresh(make({ runMs: 300 }))
  await expect(make({ runMs: 100 }).begin(NEWS, 'key', 'hash')).rejects.toMatchObject({ code: 'unavailable' })
  await fresh(make({ runMs: 2000 }))
})

test('keys are stored for a day, per app, by their hash', async () => {
  const bench = start()
  const nasty = 'a{b}\r\n*'.repeat(20)
  const { finish } = await fresh(bench.make(), nasty)
  await finish(200, '')
  const [key = ''] = await keysOf(bench)
  expect(key).toMatch(/\{news\}:idem:[0-9a-f]{64}$/)
  expect(await bench.redis.ttl(key)).toBeGreaterThan(86_000)
  expect((await bench.make().begin('other' as typeof NEWS, nasty, 'hash')).kind).toBe('fresh')
})
