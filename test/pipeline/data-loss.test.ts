import { repeat, until } from '@wns-fanout/testing'
import { readFile } from 'node:fs/promises'
import { ApiError } from '@wns-fanout/client'
import type { RedisConnection } from '@wns-fanout/state'
import { acceptLosses, closeRedis, connectRedis, Keys } from '@wns-fanout/state'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import { registerApp } from '../support/apps.ts'
import { finished } from '../support/campaigns.ts'
import { simulatorStats } from '../support/simulator.ts'
import { some, tile } from './support.ts'

// What becomes of running processes, and of those that start, when Redis loses its data.

let stack: TestStack
let redis: RedisConnection
let keys: Keys

beforeAll(async () => {
  stack = await startTestStack()
  redis = connectRedis(stack.redisUrl, { role: 'worker' })
  keys = new Keys(stack.env['WNS_FANOUT_PREFIX'] ?? '')
})
afterAll(async () => {
  await closeRedis(redis)
  await stack[Symbol.asyncDispose]()
})

interface Readiness {
  readonly ready: boolean
  readonly problems: readonly string[]
}

async function readiness(ops: string): Promise<Readiness> {
  const { body } = await request(`${ops}/readyz`)
  return (await body.json()) as Readiness
}
function isReady(ops: string): Promise<true> {
  return until(`${ops} to be ready`, async () => ((await readiness(ops)).ready ? true : undefined))
}
function notReady(ops: string): Promise<readonly string[]> {
  return until(`${ops} not to be ready`, async () => {
    const { ready, problems } = await readiness(ops)
    return ready ? undefined : problems
  })
}
async function isLostBy(ops: string): Promise<boolean> {
  const { body } = await request(`${ops}/metrics`)
  return (await body.text()).includes('\nwns_fanout_data_lost 1\n')
}
async function posts(): Promise<number> {
  return (await simulatorStats(stack)).posts
}
async function firstPosts(before: number): Promise<true> {
  return until('the first posts', async () => ((await posts()) > before ? true : undefined))
}
async function linesWith(file: string, text: string): Promise<number> {
  return (await readFile(file, 'utf8')).split(text).length - 1
}

test('after FLUSHALL nothing is sent or written, by restarted processes neither, until the loss is accepted', async () => {
  const worker = await stack.startWorker()
  const leaving = await stack.startWorker()
  const { api, apiOps } = stack
  await registerApp(stack, 'lost', repeat(2000), { ratePerSecond: 200, burst: 10 })
  const order = { idempotencyKey: 'the-same' }
  const { id } = await api.createCampaign('lost', tile, order)
  await firstPosts(0)

  await redis.flushall()
  for (const ops of [apiOps, worker.ops, leaving.ops])
    expect(await notReady(ops)).toEqual([expect.stringMatching(/lost its data.*doctor --accept-loss/)])
  await until('the gauge to show it', async () => ((await isLostBy(apiOps)) ? true : undefined))
  expect(await isLostBy(worker.ops)).toBe(true)
  await leaving.stop()
  const restarted = await stack.startWorker()
  const sent = await posts()
  expect(await notReady(restarted.ops)).toEqual([expect.stringContaining('another process has missed its data set')])

  const credentials = { kind: 'store', packageSid: 's', clientSecret: 's' } as const
  const refusal = { status: 503, code: 'unavailable', message: expect.stringContaining('data is lost') }
  await expect(api.putApp('x', { credentials })).rejects.toMatchObject(refusal)
  // A process remembers for two seconds that a key is good; then it is one that cannot be checked.
  const unknown = await until('the key to be unknown', async () => {
    const reason: unknown = await api.app('x').catch((error: unknown) => error)
    return reason instanceof ApiError && reason.status !== 404 ? reason : undefined
  })
  expect(unknown).toMatchObject(refusal)
  expect(await redis.exists(keys.dataSetId)).toBe(0)

  expect(await acceptLosses(redis, keys)).toHaveLength(1)
  for (const ops of [apiOps, worker.ops, restarted.ops]) await isReady(ops)
  expect(await isLostBy(worker.ops)).toBe(false)
  // Other channels under the old names, and a campaign that has its old id.
  await expect(api.campaign(id)).rejects.toMatchObject({ status: 404 })
  await registerApp(stack, 'lost', [...repeat(200), ...repeat(100, 'gone')], { maxAttempts: 1 })
  const other = { ...tile, notification: { type: 'badge', value: 7 } } as const
  const again = await api.createCampaign('lost', other, order)
  expect(again.id).toBe(id)
  expect(some((await finished(stack, id)).totals)).toEqual({ accepted: 200, dead: 100 })
  // No recipient got the notification of the lost campaign of that id again.
  expect((await simulatorStats(stack)).duplicates).toBe(0)
  expect(await posts()).toBe(sent + 300)

  for (const file of [worker.logFile, restarted.logFile]) {
    expect(await linesWith(file, 'sending stopped: Redis does not hold the previous data')).toBe(1)
    expect(await linesWith(file, 'sending resumed: ')).toBe(1)
  }
  expect(await linesWith(stack.apiLogFile, 'nothing is written: the data in Redis is not the one from before')).toBe(1)
  expect(await linesWith(stack.apiLogFile, 'a request cannot be served now')).toBe(0)
  await Promise.all([worker.stop(), restarted.stop()])
})

test('a lost data set id with all the rest in place costs no campaign anything once it is accepted', async () => {
  const worker = await stack.startWorker()
  await registerApp(stack, 'kept', repeat(600), { ratePerSecond: 300, burst: 10 })
  const before = await posts()
  const { id } = await stack.api.createCampaign('kept', tile)
  await firstPosts(before)
  await redis.del(keys.dataSetId)
  await notReady(worker.ops)
  await worker.stop()
  const next = await stack.startWorker()
  await notReady(next.ops)
  const { totals } = await stack.api.campaign(id)
  expect(totals.pending).toBeGreaterThan(0)

  expect(await acceptLosses(redis, keys)).toHaveLength(1)
  for (const ops of [stack.apiOps, next.ops]) await isReady(ops)
  expect(some((await finished(stack, id)).totals)).toEqual({ accepted: 600 })
  // The one that had waited since its start launches and plans too.
  const badge = { ...tile, notification: { type: 'badge', value: 1 } } as const
  const { id: later } = await stack.api.createCampaign('kept', badge)
  expect(some((await finished(stack, later)).totals)).toEqual({ accepted: 600 })
  expect((await simulatorStats(stack)).duplicates).toBe(0)
  await next.stop()
})

test('a worker does not mix up lost campaigns with new ones of the same id', async () => {
  const worker = await stack.startWorker()
  const toast = { ...tile, notification: { type: 'toast', content: { title: 'Once' } } } as const
  const order = { idempotencyKey: 'same-key' }
  await registerApp(stack, 'renamed', repeat(40))
  const { id } = await stack.api.createCampaign('renamed', toast, order)
  await finished(stack, id)

  await redis.flushall()
  await notReady(worker.ops)
  expect(await acceptLosses(redis, keys)).toHaveLength(1)
  for (const ops of [stack.apiOps, worker.ops]) await isReady(ops)
  await registerApp(stack, 'renamed', [...repeat(32, 'slow-2000'), ...repeat(8)])
  const before = await posts()
  expect((await stack.api.createCampaign('renamed', toast, order)).id).toBe(id)
  await firstPosts(before + 31)
  // Redis goes back to before the first batch was opened.
  const batch = keys.batch('renamed', id, 0)
  const range = (await redis.hget(batch, 'range')) ?? ''
  await redis
    .multi()
    .del(batch, `${batch}:v`, keys.stamp('renamed', 'toast', 0))
    .hset(batch, 'range', range)
    .exec()
  expect(some((await finished(stack, id)).totals)).toEqual({ accepted: 40 })
  expect(await posts()).toBe(before + 40)
  await worker.stop()
})

test('a worker that was frozen during an accepted loss merges nothing into the new campaign of the same id', async () => {
  const sleeping = await stack.startWorker()
  const toast = { ...tile, notification: { type: 'toast', content: { title: 'Once' } } } as const
  const order = { idempotencyKey: 'slept-through' }
  await registerApp(stack, 'slept', ['slow-8000', ...repeat(39)])
  const { id } = await stack.api.createCampaign('slept', toast, order)
  await until('all but one to be accepted', async () =>
    (await stack.api.campaign(id)).totals.accepted === 39 ? true : undefined,
  )
  process.kill(sleeping.pid, 'SIGSTOP')
  try {
    await redis.flushall()
    await notReady(stack.apiOps)
    expect(await acceptLosses(redis, keys)).toHaveLength(1)
    await isReady(stack.apiOps)
    await registerApp(stack, 'slept', [...repeat(32, 'slow-2000'), ...repeat(8)])
    const before = await posts()
    const awake = await stack.startWorker()
    expect((await stack.api.createCampaign('slept', toast, order)).id).toBe(id)
    await firstPosts(before + 31)
    process.kill(sleeping.pid, 'SIGCONT')
    expect(some((await finished(stack, id)).totals)).toEqual({ accepted: 40 })
    expect(await posts()).toBe(before + 40)
    await awake.stop()
  } finally {
    process.kill(sleeping.pid, 'SIGCONT')
    await sleeping.stop()
  }
})
