import { createClient } from '@wns-fanout/client'
import { repeat, until } from '@wns-fanout/testing'
import type { RedisConnection } from '@wns-fanout/state'
import { Keys } from '@wns-fanout/state'
import { expect, test } from 'vitest'
import { request } from 'undici'
import { startReplica } from '../support/replica.ts'
import type { StackWorker, TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import { registerApp } from '../support/apps.ts'
import { finished } from '../support/campaigns.ts'
import { simulatorStats } from '../support/simulator.ts'
import { letGo, some, tile } from './support.ts'

test('a worker that is to wait for replicas posts only while one answers, and gives its batches back meanwhile', async () => {
  await using stack = await startTestStack()
  await using replica = await startReplica(stack)
  const { redis } = replica
  const worker = await stack.startWorker({ WNS_FANOUT_DURABILITY: 'replicas:1', WNS_FANOUT_LOCK_MS: '2000' })
  await registerApp(stack, 'durable', repeat(1200), { ratePerSecond: 400, burst: 40 })
  const { id } = await stack.api.createCampaign('durable', { ...tile, delivery: 'at-most-once' })

  // Without a replica a batch is put back unopened.
  await until('a batch to wait', async () => ((await delayed(stack, redis)) > 0 ? true : undefined))
  await until('the worker to report it', async () =>
    (await problemsOf(worker)).some((problem) => problem.startsWith('no replica acknowledges writes'))
      ? true
      : undefined,
  )
  expect((await simulatorStats(stack)).posts).toBe(0)

  await replica.follow()
  await until('the worker to be ready', async () => ((await problemsOf(worker)).length === 0 ? true : undefined))
  await until('posts', async () => ((await simulatorStats(stack)).posts > 100 ? true : undefined))

  // A replica that stops answering halfway makes no recipient uncertain.
  replica.freeze()
  await until('the worker to notice', async () => ((await problemsOf(worker)).length > 0 ? true : undefined))
  await letGo(stack, 'durable', id)
  const { posts } = await simulatorStats(stack)
  expect(posts).toBeLessThan(1200)
  await until('batches to wait again', async () => ((await delayed(stack, redis)) > 0 ? true : undefined))
  expect((await simulatorStats(stack)).posts).toBe(posts)
  replica.thaw()

  expect(some((await finished(stack, id)).totals)).toEqual({ accepted: 1200 })
  expect(await simulatorStats(stack)).toMatchObject({ posts: 1200, duplicates: 0 })
  const keys = new Keys(stack.env['WNS_FANOUT_PREFIX'] ?? '')
  expect(await redis.hget(keys.campaign('durable', id), 'takeovers')).toBeNull()
  const stopped = (await worker.log()).filter(({ msg }) => String(msg).startsWith('sending stopped: no replica'))
  expect(stopped).toHaveLength(2)
})

test('a write of the API is a success only once the replicas have it', async () => {
  await using stack = await startTestStack({ apiEnv: { WNS_FANOUT_DURABILITY: 'replicas:1' } })
  await using replica = await startReplica(stack)
  const api = createClient({ ...stack.apiAccess, retries: 0 })
  const credentials = { kind: 'store', packageSid: 'S-1-15-2-7', clientSecret: 'a-secret' } as const
  const alone = await api.putApp('news', { credentials }).catch((error: unknown) => error)
  expect(alone).toMatchObject({ status: 503, detail: expect.stringContaining('too few replicas of Redis have it') })

  await replica.follow()
  await until('the write to be confirmed', () =>
    api.putApp('news', { credentials }).then(
      () => true,
      () => undefined,
    ),
  )
  const campaign = { ...tile, allowEmpty: true }
  await api.createCampaign('news', campaign, { idempotencyKey: 'one' })

  replica.freeze()
  const refused = await api.patchApp('news', { ratePerSecond: 7 }).catch((error: unknown) => error)
  expect(refused).toMatchObject({ status: 503 })
  // What is read needs no replica, and the write is there.
  expect((await api.app('news')).ratePerSecond).toBe(7)
  expect((await api.countChannels('news', { all: true })).count).toBe(0)
  replica.thaw()
  await until('writes to be confirmed again', () =>
    api.patchApp('news', { ratePerSecond: 8 }).then(
      () => true,
      () => undefined,
    ),
  )
  // A request that was not confirmed may be repeated: it is the same campaign.
  const again = await api.createCampaign('news', campaign, { idempotencyKey: 'one' })
  expect((await api.campaign(again.id)).id).toBe(again.id)
})

async function problemsOf({ ops }: StackWorker): Promise<readonly string[]> {
  const { body } = await request(`${ops}/readyz`)
  return ((await body.json()) as { problems: string[] }).problems
}

/** Jobs of the app that are put off. */
function delayed(stack: TestStack, redis: RedisConnection): Promise<number> {
  return redis.zcard(
    `${new Keys(stack.env['WNS_FANOUT_PREFIX'] ?? '').sendQueuePrefix('durable')}:send-durable:delayed`,
  )
}
