import { closeRedis, connectRedis } from '@wns-fanout/state'
import { repeat, until } from '@wns-fanout/testing'
import { expect, onTestFinished, test } from 'vitest'
import { startTestStack } from '../support/stack.ts'
import { registerApp } from '../support/apps.ts'
import { finished } from '../support/campaigns.ts'
import { simulatorStats } from '../support/simulator.ts'
import { some, tile } from './support.ts'

test('outcomes of batches whose checkpoints fail for long reach the ledger, and no recipient is in doubt', async () => {
  await using stack = await startTestStack({ rights: ['on', '>PASSWORD', '~*', '&*', '+@all'] })
  const operator = connectRedis(stack.redisUrl, { role: 'worker' })
  onTestFinished(() => closeRedis(operator))
  // Longer than the five tries: a lock that lapses before would give the batch to another owner.
  const worker = await stack.startWorker({ WNS_FANOUT_LOCK_MS: '20000' })
  await registerApp(stack, 'failing', repeat(2000), { ratePerSecond: 300, burst: 40 })
  const { id } = await stack.api.createCampaign('failing', { ...tile, delivery: 'at-most-once' })
  await until('posts', async () => (await simulatorStats(stack)).posts > 200)

  // An error that lasts, unlike a Redis that is away: after five tries the work on the batch ends.
  await operator.acl('SETUSER', 'wns-fanout', '-evalsha', '-eval')
  await until('the outcomes to be left', async () =>
    (await worker.log()).some(({ operation }) => operation === 'merge of outcomes') ? true : undefined,
  )
  await operator.acl('SETUSER', 'wns-fanout', '+evalsha', '+eval')

  expect(some((await finished(stack, id)).totals)).toEqual({ accepted: 2000 })
  expect(await simulatorStats(stack)).toMatchObject({ posts: 2000, duplicates: 0 })
})
