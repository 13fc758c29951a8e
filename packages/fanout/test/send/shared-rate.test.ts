import { randomBytes } from 'node:crypto'
import type { AppId } from '@wns-fanout/domain'
import { closeRedis, connectRedis, Keys, Permits } from '@wns-fanout/state'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { LocalPermits } from '../../src/send/local-permits.ts'

const APP = 'news' as AppId
const limit = { ratePerSecond: 2000, burst: 200 }

test('four workers share one rate: each gets permits, and together they never exceed it', async () => {
  const keys = new Keys(`t-${randomBytes(6).toString('hex')}:`)
  const grants: { readonly count: number; readonly atMs: number }[] = []
  const workers = Array.from({ length: 4 }, () => {
    const redis = connectRedis(inject('redisUrl'), { role: 'worker' })
    const permits = new LocalPermits(new Permits(redis, keys), APP, {
      limit: () => limit,
      onGrant: (grant) => grants.push(grant),
    })
    const worker = { posts: 0, post: () => {} }
    worker.post = () => {
      while (permits.take() !== undefined) worker.posts += 1
    }
    permits.onGranted(worker.post)
    onTestFinished(async () => {
      permits.stop()
      await redis.unlink(keys.bucket(APP))
      await closeRedis(redis)
    })
    return worker
  })
  for (const worker of workers) worker.post()
  await vi.waitUntil(() => workers.every(({ posts }) => posts >= 300), { timeout: 30_000, interval: 10 })

  const granted = grants.reduce((sum, { count }) => sum + count, 0)
  expect(workers.reduce((sum, { posts }) => sum + posts, 0)).toBeLessThanOrEqual(granted)
  // A bucket that leaks at the rate never holds more than the burst.
  let [level, lastMs] = [0, 0]
  for (const { count, atMs } of grants.toSorted((one, other) => one.atMs - other.atMs)) {
    level = Math.max(0, level - (limit.ratePerSecond * (atMs - lastMs)) / 1000) + count
    lastMs = atMs
    expect(level).toBeLessThanOrEqual(limit.burst + 0.01)
  }
})
