import { Keys, closeRedis, connectRedis } from '@wns-fanout/state'
import { eventually, repeat, until } from '@wns-fanout/testing'
import { request } from 'undici'
import { expect, onTestFinished, test } from 'vitest'
import { startReplica } from '../support/replica.ts'
import { startTestStack } from '../support/stack.ts'
import { registerApp } from '../support/apps.ts'
import { finished } from '../support/campaigns.ts'
import { simulatorStats } from '../support/simulator.ts'
import { some, tile } from './support.ts'

test.each(['async', 'replicas:1'])(
  'API and worker with %s leave silent connections, without a takeover',
  async (durability) => {
    const env = { WNS_FANOUT_DURABILITY: durability }
    await using stack = await startTestStack({ proxied: true, apiEnv: env })
    await using replica = await startReplica(stack)
    await replica.follow()
    const redis = connectRedis(stack.redisUrl, { role: 'producer' })
    onTestFinished(() => closeRedis(redis))
    const worker = await stack.startWorker(env)
    await registerApp(stack, 'silent', repeat(3000), { ratePerSecond: 400, burst: 40 })
    const { id } = await stack.api.createCampaign('silent', { ...tile, delivery: 'at-most-once' })
    await until('posts', async () => (await simulatorStats(stack)).posts > 200)

    stack.proxy?.silence()
    await until('the API to report it', async () => !(await isReady(stack.apiOps)))
    await eventually('the API to be back', async () => {
      const { id: found } = await stack.api.campaign(id)
      return found === id && (await isReady(stack.apiOps))
    })
    // Writes wait for the replicas on a connection of their own.
    await eventually('the API to confirm a write', async () =>
      (await stack.api.patchApp('silent', { burst: 41 })).burst === 41 ? true : undefined,
    )
    await until('the worker to be ready', () => isReady(worker.ops))
    expect(some((await finished(stack, id)).totals)).toEqual({ accepted: 3000 })
    expect(await simulatorStats(stack)).toMatchObject({ posts: 3000, duplicates: 0 })
    const keys = new Keys(stack.env['WNS_FANOUT_PREFIX'] ?? '')
    expect(await redis.hget(keys.campaign('silent', id), 'takeovers')).toBeNull()
  },
)

async function isReady(ops: string): Promise<boolean> {
  const { statusCode, body } = await request(`${ops}/readyz`)
  await body.dump()
  return statusCode === 200
}
