import { Keys } from '@wns-fanout/state'
import { repeat, startTcpProxy, until } from '@wns-fanout/testing'
import { request } from 'undici'
import { expect, onTestFinished, test } from 'vitest'
import type { TestReplica } from '../support/replica.ts'
import { startReplica } from '../support/replica.ts'
import type { StackWorker, TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import { registerApp } from '../support/apps.ts'
import { finished } from '../support/campaigns.ts'
import { simulatorStats } from '../support/simulator.ts'
import { some, tile } from './support.ts'

const CREDIT = 64
/** The other primary does not know the connections of this one, so only locks that lapse show a loss. */
const lock = { WNS_FANOUT_LOCK_MS: '3000' }

test('a worker without a batch in hand notices a new primary, and repeats nothing that it lacks', async () => {
  await using stack = await startTestStack({ proxied: true })
  await using replica = await startReplica(stack)
  await replica.follow()
  const worker = await stack.startWorker()
  await registerApp(stack, 'idle', repeat(1200), { ratePerSecond: 600, burst: 40 })
  const { id } = await stack.api.createCampaign('idle', { ...tile, delivery: 'at-most-once' })
  await until('posts', async () => (await simulatorStats(stack)).posts > 100)
  replica.cutOff()
  const { posts: known } = await simulatorStats(stack)
  await finished(stack, id)

  await promote(replica, stack)
  expect(some((await finished(stack, id)).totals)).toEqual({ accepted: 1200 })
  expect(await simulatorStats(stack)).toMatchObject({ posts: 1200, duplicates: 0 })
  expect(known).toBeLessThan(1200)
  expect(await rollbacksOf(worker)).toBeGreaterThan(0)
  expect((await worker.log()).some(({ msg }) => msg === 'Redis lost writes that it had acknowledged')).toBe(true)
})

test('a worker that was cut off with the old primary adds what it knows to batches that others took over', async () => {
  await using stack = await startTestStack({ proxied: true })
  await using replica = await startReplica(stack)
  await replica.follow()
  const side = await startTcpProxy(Number(new URL(stack.redisUrl).port))
  onTestFinished(() => side.close())
  const cutOff = await stack.startWorker({ ...lock, REDIS_URL: withPort(stack.env['REDIS_URL'] ?? '', side.port) })
  await registerApp(stack, 'apart', repeat(3000), { ratePerSecond: 150, burst: 40 })
  const { id } = await stack.api.createCampaign('apart', { ...tile, delivery: 'at-most-once' })
  await until('posts', async () => (await simulatorStats(stack)).posts > 100)

  // The old primary and its worker continue alone; the others get the replica.
  replica.cutOff()
  await until('posts that the replica does not know of', async () => (await simulatorStats(stack)).posts > 500)
  await promote(replica, stack)
  const { posts: before } = await simulatorStats(stack)
  await stack.startWorker(lock)
  const keys = new Keys(stack.env['WNS_FANOUT_PREFIX'] ?? '')
  const takeovers = async () => Number((await replica.own.hget(keys.campaign('apart', id), 'takeovers')) ?? 0)
  await until('a takeover on the new primary', async () => (await takeovers()) > 0)
  side.retarget(replica.port)
  side.cut()
  await until('the rollback to be counted', async () => (await rollbacksOf(cutOff)) > 0)
  const { posts: together } = await simulatorStats(stack)

  const { totals } = await finished(stack, id)
  const { duplicates } = await simulatorStats(stack)
  expect(totals.accepted + totals.in_doubt).toBe(3000)
  // Twice only what both sides posted at the same time, and what the other one had credit for.
  expect(duplicates).toBeLessThanOrEqual(together - before + CREDIT * (await takeovers()))
  expect(duplicates).toBeLessThan(400)
})

/** The API and every worker behind the stack's proxy get the replica in place of the primary. */
async function promote(replica: TestReplica, { proxy }: TestStack): Promise<void> {
  await replica.promote()
  proxy?.retarget(replica.port)
  proxy?.cut()
}

async function rollbacksOf({ ops }: StackWorker): Promise<number> {
  const { body } = await request(`${ops}/metrics`)
  return Number(/^wns_fanout_redis_rollbacks_total (\d+)$/m.exec(await body.text())?.[1])
}

function withPort(url: string, port: number): string {
  const changed = new URL(url)
  changed.port = String(port)
  return changed.href
}
