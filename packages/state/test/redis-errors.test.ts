import { closeRedis, connectRedis, infoOfEach, isRedisAway, waitForRedis } from '@wns-fanout/state'
import { until } from '@wns-fanout/testing'
import { Cluster } from 'ioredis'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { expect, inject, onTestFinished, test } from 'vitest'
import { limitReports } from '../src/redis-errors.ts'

test('an error is reported once in its time, with the number of equal ones since', () => {
  const reports: unknown[] = []
  let nowMs = 0
  const report = limitReports(
    (error, repeated) => reports.push([error.message, repeated]),
    () => nowMs,
  )
  for (nowMs of [0, 400, 999, 1000, 1500]) report(new Error('away'), 1000)
  report(new Error('full'), 1000)
  nowMs = 2000
  report(new Error('away'), 1000)
  expect(reports).toEqual([
    ['away', 0],
    ['away', 2],
    ['full', 0],
    ['away', 1],
  ])
})

test('texts that change do not fill the memory', () => {
  const reports: string[] = []
  const report = limitReports(
    (error) => reports.push(error.message),
    () => 0,
  )
  for (let n = 0; n < 101; n += 1) report(new Error(`away ${n}`), 1000)
  report(new Error('away 0'), 1000)
  expect(reports).toHaveLength(102)
})

test('a node of a cluster that cannot be reached is named', async () => {
  const closed = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => closed.once('listening', resolve))
  const { port } = closed.address() as AddressInfo
  await new Promise((resolve) => closed.close(resolve))
  const errors: string[] = []
  const redis = connectRedis(`redis+cluster://127.0.0.1:${port}`, {
    role: 'worker',
    onError: (error) => errors.push(error.message),
  })
  onTestFinished(() => closeRedis(redis))
  await until(() => errors.some((text) => text.includes(`(cluster node 127.0.0.1:${port})`)))
})

test('the node whose state cannot be read is named, and counts as away', async () => {
  const redis = connectRedis(inject('redisClusterUrl'), { role: 'worker' })
  onTestFinished(() => closeRedis(redis))
  await waitForRedis(redis)
  if (!(redis instanceof Cluster)) throw new Error('a cluster was expected')
  expect(await infoOfEach(redis)).toHaveLength(1)
  const [node] = redis.nodes('master')
  node?.disconnect()
  const error = await infoOfEach(redis).catch((reason: unknown) => reason)
  expect(String(error)).toContain(`(cluster node 127.0.0.1:${node?.options.port})`)
  expect(isRedisAway(error)).toBe(true)
})
