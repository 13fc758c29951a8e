import { nth, repeat, until } from '@wns-fanout/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { request } from 'undici'
import type { RedisConnection } from '@wns-fanout/state'
import { closeRedis, connectRedis, Keys } from '@wns-fanout/state'
import type { StackWorker, TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import { registerApp } from '../support/apps.ts'
import { finished } from '../support/campaigns.ts'
import { simulatorStats } from '../support/simulator.ts'
import { letGo, some, tile } from './support.ts'

// How a worker behaves when Redis is not what it was.

let stack: TestStack

beforeAll(async () => {
  stack = await startTestStack()
})
afterAll(async () => {
  await stack[Symbol.asyncDispose]()
})

async function readiness({ ops }: StackWorker): Promise<{ ready: boolean; problems: string[] }> {
  const { body } = await request(`${ops}/readyz`)
  return (await body.json()) as { ready: boolean; problems: string[] }
}

test('a worker sends nothing while Redis holds other data than before, and continues when it is back', async () => {
  const worker = await stack.startWorker()
  const redis = connectRedis(stack.redisUrl, { role: 'producer' })
  const { dataSetId: key } = new Keys(stack.env['WNS_FANOUT_PREFIX'] ?? '')
  try {
    await registerApp(stack, 'data-set-app', repeat(600), { ratePerSecond: 100, burst: 10 })
    const { id } = await stack.api.createCampaign('data-set-app', tile)
    await until('the first posts', async () => ((await simulatorStats(stack)).posts > 0 ? true : undefined))
    const startAtMs = Date.now() + 1500
    const startAt = new Date(startAtMs).toISOString()
    const second = await stack.api.createCampaign('data-set-app', { ...tile, topic: 'second', startAt })

    const dataSetId = (await redis.get(key)) ?? ''
    await redis.set(key, 'another')
    const { problems } = await until('the worker to notice', async () => {
      const state = await readiness(worker)
      return state.ready ? undefined : state
    })
    expect(problems).toEqual([expect.stringContaining('Redis holds other data')])
    await letGo(stack, 'data-set-app', id)
    await redis.del(key)
    await until('the worker to see that it is missing', async () =>
      (await readiness(worker)).problems.some((problem) => problem.startsWith('Redis lost its data'))
        ? true
        : undefined,
    )
    await expect(stack.api.createCampaign('data-set-app', tile)).rejects.toMatchObject({
      status: 503,
      code: 'unavailable',
    })
    // A campaign that becomes due meanwhile is not launched, though nothing but the data set id is missing.
    await until('the second campaign to be overdue', () => (Date.now() > startAtMs + 500 ? true : undefined))
    expect((await simulatorStats(stack)).posts).toBeLessThan(600)
    expect((await stack.api.campaign(second.id)).state).toBe('scheduled')

    await redis.set(key, dataSetId)
    await until('the worker to be ready', async () => ((await readiness(worker)).ready ? true : undefined))
    expect(some((await finished(stack, id)).totals)).toEqual({ accepted: 600 })
    expect(some((await finished(stack, second.id)).totals)).toEqual({ suppressed: 600 })
    expect((await simulatorStats(stack)).duplicates).toBe(0)
    const stopped = (await worker.log()).filter(({ msg }) => String(msg).startsWith('sending stopped: '))
    expect(stopped).toMatchObject([{ msg: expect.stringContaining('Redis does not hold the previous data') }])
  } finally {
    await closeRedis(redis)
    await worker.stop()
  }
})

/** The batches that a worker opened, in order, by its log. */
async function openedBy(worker: StackWorker): Promise<number[]> {
  return (await worker.log()).filter((entry) => 'notificationType' in entry).map(({ seq }) => Number(seq))
}

test('a batch that a stop interrupted is sent before batches that are not begun', async () => {
  const few = { WNS_FANOUT_LANES: '1', LOG_LEVEL: 'debug' }
  const leaving = await stack.startWorker(few)
  await registerApp(stack, 'handed', repeat(3000), { ratePerSecond: 100, burst: 10 })
  const { id } = await stack.api.createCampaign('handed', tile)
  // With one lane a worker has one batch of a campaign in hand.
  await until('a batch to be begun', async () => ((await openedBy(leaving)).length > 0 ? true : undefined))
  await leaving.stop()
  const interrupted = (await openedBy(leaving)).at(-1)
  const next = await stack.startWorker(few)
  try {
    const [first] = await until('the next worker to open a batch', async () => {
      const opened = await openedBy(next)
      return opened.length > 0 ? opened : undefined
    })
    expect(first).toBe(interrupted)
    await stack.api.cancelCampaign(id)
  } finally {
    await next.stop()
  }
})

test('the batches of a worker that is killed have another owner long before its locks lapse', async () => {
  const lock = { WNS_FANOUT_LOCK_MS: '3600000', LOG_LEVEL: 'debug' }
  const workers = [await stack.startWorker(lock), await stack.startWorker(lock)]
  try {
    await registerApp(stack, 'killed', repeat(3000), { ratePerSecond: 300, burst: 30 })
    await stack.control('POST', '/v1/reset')
    const { id } = await stack.api.createCampaign('killed', tile)
    const dying = await until('a worker to have batches', async () => {
      for (const worker of workers) if ((await openedBy(worker)).length > 0) return worker
      return undefined
    })
    process.kill(dying.pid, 'SIGKILL')
    expect(some((await finished(stack, id)).totals)).toEqual({ accepted: 3000 })
    const logs = await Promise.all(workers.map((worker) => worker.log()))
    expect(logs.flat().filter(({ msg }) => msg === 'a worker died, and others get its jobs')).toHaveLength(1)
    const { posts, duplicates } = await simulatorStats(stack)
    expect(posts - duplicates).toBe(3000)
    // At most the credit of each batch that it had in hand.
    expect(duplicates).toBeLessThanOrEqual(256 * 6)
  } finally {
    await Promise.all(workers.map((worker) => worker.stop().catch(() => {})))
  }
})

/** As if these batches had been planned and never opened, as a Redis that lost power may report. */
async function forget(
  redis: RedisConnection,
  keys: Keys,
  app: string,
  id: string,
  seqs: readonly number[],
): Promise<void> {
  for (const seq of seqs) {
    const batch = keys.batch(app, id, seq)
    const range = (await redis.hget(batch, 'range')) ?? ''
    await redis
      .multi()
      .del(batch, `${batch}:v`, keys.stamp(app, 'toast', 0), keys.stamp(app, 'toast', 1))
      .hset(batch, 'range', range)
      .sadd(keys.live(app, id), seq)
      .exec()
  }
}

test('a worker whose open Redis has forgotten merges its outcomes, and no recipient gets a toast twice', async () => {
  const worker = await stack.startWorker()
  const redis = connectRedis(stack.redisUrl, { role: 'worker' })
  const keys = new Keys(stack.env['WNS_FANOUT_PREFIX'] ?? '')
  try {
    // The first answers come with the first checkpoint, the others while the batch has no owner.
    await registerApp(stack, 'rolled', [...repeat(10, 'slow-1500'), ...repeat(22, 'slow-3500'), ...repeat(8)])
    await stack.control('POST', '/v1/reset')
    const { id } = await stack.api.createCampaign('rolled', {
      notification: { type: 'toast', content: { title: 'Once' } },
      audience: { all: true },
    })
    await until('the first credit to be posted', async () =>
      (await simulatorStats(stack)).posts >= 32 ? true : undefined,
    )
    await forget(redis, keys, 'rolled', id, [0])
    expect(some((await finished(stack, id)).totals)).toEqual({ accepted: 40 })
    expect(await simulatorStats(stack)).toMatchObject({ posts: 40, duplicates: 0 })
    const { body } = await request(`${worker.ops}/metrics`)
    expect(await body.text()).toMatch(/wns_fanout_redis_rollbacks_total [1-9]/)
    expect(await worker.log()).toContainEqual(
      expect.objectContaining({ msg: expect.stringContaining('merged outcomes that the ledger did not have') }),
    )
  } finally {
    await closeRedis(redis)
    await worker.stop()
  }
})

test('a batch that was finished and forgotten is settled again by the worker that finished it', async () => {
  const worker = await stack.startWorker()
  const redis = connectRedis(stack.redisUrl, { role: 'worker' })
  const keys = new Keys(stack.env['WNS_FANOUT_PREFIX'] ?? '')
  try {
    await registerApp(stack, 'finished', repeat(600))
    await registerApp(stack, 'slow', repeat(10, 'slow-3500'))
    await stack.control('POST', '/v1/reset')
    const toast = { notification: { type: 'toast', content: { title: 'Once' } }, audience: { all: true } } as const
    const slow = await stack.api.createCampaign('slow', toast)
    await until('its posts', async () => ((await simulatorStats(stack)).posts >= 10 ? true : undefined))
    const { id } = await stack.api.createCampaign('finished', toast)
    expect(some((await finished(stack, id)).totals)).toEqual({ accepted: 600 })
    // Both are forgotten: no worker has the finished one in hand.
    await forget(redis, keys, 'finished', id, [0, 1])
    await forget(redis, keys, 'slow', slow.id, [0])
    await redis.hdel(keys.campaign('finished', id), 'finishedAt', 'total:accepted', 'answers', 'posts')
    await redis.hset(keys.campaign('finished', id), 'state', 'sending', 'closed', 0)
    expect(some((await finished(stack, id)).totals)).toEqual({ accepted: 600 })
    expect(some((await finished(stack, slow.id)).totals)).toEqual({ accepted: 10 })
    expect(await simulatorStats(stack)).toMatchObject({ posts: 610, duplicates: 0 })
  } finally {
    await closeRedis(redis)
    await worker.stop()
  }
})

test('a worker does not wait for a Redis that is away before it stops', async () => {
  const worker = await stack.startWorker()
  process.kill(stack.redisPid, 'SIGSTOP')
  try {
    // It ends by itself: a worker that waits is killed after its grace time.
    expect(await worker.stop()).toMatchObject({ signal: null })
  } finally {
    process.kill(stack.redisPid, 'SIGCONT')
  }
  const reason = expect.stringContaining('Redis takes no writes; other workers take over')
  expect(await worker.log()).toContainEqual(
    expect.objectContaining({ err: expect.objectContaining({ message: reason }) }),
  )
})

test('a recipient that kills workers is looked for in one batch at a time, so that no other one is suspected', async () => {
  const redis = connectRedis(stack.redisUrl, { role: 'worker' })
  const keys = new Keys(stack.env['WNS_FANOUT_PREFIX'] ?? '')
  const dying = await stack.startWorker({ LOG_LEVEL: 'debug', WNS_FANOUT_LOCK_MS: '2000' })
  try {
    await registerApp(stack, 'hunted', ['slow-3000', ...repeat(511), 'slow-3000', ...repeat(87)])
    await stack.control('POST', '/v1/reset')
    await stack.api.pauseApp('hunted')
    const { id } = await stack.api.createCampaign('hunted', { ...tile, delivery: 'at-least-once' })
    const batches = [keys.batch('hunted', id, 0), keys.batch('hunted', id, 1)]
    await until('the plan', async () => ((await redis.exists(...batches)) === 2 ? true : undefined))
    // Each has lost three owners before, the last one with its first recipient alone under credit.
    for (const batch of batches) await redis.hset(batch, 'losses', 3, 'suspect', 1)
    await stack.api.resumeApp('hunted')
    await until('both batches to be begun or left', async () => {
      const left = (await dying.log()).filter(({ reason }) => reason === 'suspected').length
      const { posts } = await simulatorStats(stack)
      return posts > 0 && posts + left >= 2 ? true : undefined
    })
    process.kill(dying.pid, 'SIGKILL')
    const next = await stack.startWorker({ WNS_FANOUT_LOCK_MS: '2000' })
    expect(some((await finished(stack, id)).totals)).toEqual({ accepted: 599, failed: 1 })
    await next.stop()
  } finally {
    await closeRedis(redis)
    await dying.stop()
  }
})

test('a worker that is frozen, and workers whose connections all broke, keep their batches', async () => {
  const few = { WNS_FANOUT_LANES: '32' }
  const redis = connectRedis(stack.redisUrl, { role: 'producer' })
  // Workers of the tests above that died, which would be found dead here.
  await redis.del(new Keys(stack.env['WNS_FANOUT_PREFIX'] ?? '').workers)
  const workers = [await stack.startWorker(few), await stack.startWorker(few)]
  const frozen = nth(workers, 0)
  try {
    await registerApp(stack, 'kept', repeat(6000), { ratePerSecond: 500, burst: 50 })
    await stack.control('POST', '/v1/reset')
    const { id } = await stack.api.createCampaign('kept', tile)
    const posted = (count: number): Promise<boolean> =>
      until(`${count} posts`, async () => (await simulatorStats(stack)).posts > count)
    await posted(300)
    await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await posted(1000)
    process.kill(frozen.pid, 'SIGSTOP')
    // Far longer than a dead worker is left alone.
    await posted((await simulatorStats(stack)).posts + 2500)
    process.kill(frozen.pid, 'SIGCONT')
    expect(some((await finished(stack, id)).totals)).toEqual({ accepted: 6000 })
    const lines = (await Promise.all(workers.map((worker) => worker.log()))).flat().map(({ msg }) => String(msg))
    expect(lines.filter((line) => /worker died|taken over/.test(line))).toEqual([])
    expect((await simulatorStats(stack)).duplicates).toBe(0)
  } finally {
    process.kill(frozen.pid, 'SIGCONT')
    await closeRedis(redis)
    for (const worker of workers) await worker.stop()
  }
})
