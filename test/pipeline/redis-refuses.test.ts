import { Keys, closeRedis, connectRedis } from '@wns-fanout/state'
import { repeat, until } from '@wns-fanout/testing'
import { request } from 'undici'
import { expect, onTestFinished, test } from 'vitest'
import { startTestStack } from '../support/stack.ts'
import { registerApp } from '../support/apps.ts'
import { finished } from '../support/campaigns.ts'
import { simulatorStats } from '../support/simulator.ts'
import { some, tile } from './support.ts'

test('a Redis that refuses writes costs no batch its owner and leaves no recipient in doubt', async () => {
  await using stack = await startTestStack()
  const redis = connectRedis(stack.redisUrl, { role: 'producer' })
  onTestFinished(() => closeRedis(redis))
  const worker = await stack.startWorker()
  await registerApp(stack, 'refused', repeat(3000), { ratePerSecond: 400, burst: 40 })
  const { id } = await stack.api.createCampaign('refused', { ...tile, delivery: 'at-most-once' })
  await until('posts', async () => (await simulatorStats(stack)).posts > 200)

  await redis.config('SET', 'min-replicas-to-write', '9')
  await until('the worker to report it', async () => /NOREPLICAS/.test(await problemsOf(worker.ops)))
  await until('the API to report it', async () => /NOREPLICAS/.test(await problemsOf(stack.apiOps)))
  // At most every five seconds, so this is longer than a call to the ledger is repeated for other errors.
  const reports = async () => (await worker.log()).filter(({ msg }) => msg === 'trouble with Redis').length
  await until('three reports', async () => (await reports()) >= 3)
  const { length: linesMeanwhile } = await worker.log()
  expect(linesMeanwhile).toBeLessThan(20)

  await redis.config('SET', 'min-replicas-to-write', '0')
  expect(some((await finished(stack, id)).totals)).toEqual({ accepted: 3000 })
  expect(await simulatorStats(stack)).toMatchObject({ posts: 3000, duplicates: 0 })
  const keys = new Keys(stack.env['WNS_FANOUT_PREFIX'] ?? '')
  expect(await redis.hget(keys.campaign('refused', id), 'takeovers')).toBeNull()
  expect(await problemsOf(worker.ops)).toBe('')
})

test('a Redis at maxmemory is no ready one, and everything resumes when it has memory', async () => {
  await using stack = await startTestStack()
  const redis = connectRedis(stack.redisUrl, { role: 'producer' })
  onTestFinished(() => closeRedis(redis))
  const worker = await stack.startWorker()
  await registerApp(stack, 'full', repeat(2000), { ratePerSecond: 400, burst: 40 })
  const { id } = await stack.api.createCampaign('full', tile)
  await until('posts', async () => (await simulatorStats(stack)).posts > 100)

  await redis.config('SET', 'maxmemory', '1mb')
  for (const ops of [worker.ops, stack.apiOps]) {
    await until(`${ops} to report it`, async () => /OOM/.test(await problemsOf(ops)))
    const { body } = await request(`${ops}/metrics`)
    expect(await body.text()).toContain('wns_fanout_redis_problem{kind="memory"} 1\n')
  }

  await redis.config('SET', 'maxmemory', '0')
  expect(some((await finished(stack, id)).totals)).toEqual({ accepted: 2000 })
  expect(await problemsOf(worker.ops)).toBe('')
})

async function problemsOf(ops: string): Promise<string> {
  const { body } = await request(`${ops}/readyz`)
  return ((await body.json()) as { problems: string[] }).problems.join(' ')
}
