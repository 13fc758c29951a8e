import { repeat, until } from '@wns-fanout/testing'
import { expect, test } from 'vitest'
import { startTestStack } from '../support/stack.ts'
import { registerApp } from '../support/apps.ts'
import { finished } from '../support/campaigns.ts'
import { simulatorStats } from '../support/simulator.ts'
import { some, tile } from './support.ts'

test('a campaign on a Redis Cluster: every key of an app is in one slot, and nothing else is asked for', async () => {
  await using stack = await startTestStack({ cluster: true })
  await stack.startWorker({ WNS_FANOUT_LOCK_MS: '3000' })
  await registerApp(stack, 'clustered', [...repeat(1200), 'gone', 'throttled', 'forbidden'], { maxAttempts: 2 })
  await registerApp(stack, 'other', repeat(300))
  const first = await stack.api.createCampaign('clustered', tile)
  const second = await stack.api.createCampaign('other', tile)
  expect(some((await finished(stack, first.id)).totals)).toEqual({ accepted: 1201, dead: 1, rejected: 1 })
  expect(some((await finished(stack, second.id)).totals)).toEqual({ accepted: 300 })
  expect(await simulatorStats(stack)).toMatchObject({ duplicates: 0, wrongApp: 0 })
  const results = await Array.fromAsync(stack.api.results(first.id, { class: 'dead' }))
  expect(results.map(({ channel }) => channel)).toEqual(['d1200'])
  const stopped = await stack.api.createCampaign('other', {
    ...tile,
    topic: 'late',
    startAt: new Date(Date.now() + 60_000).toISOString(),
  })
  await stack.api.cancelCampaign(stopped.id)
  await until('the cancelled one to finish', async () => (await stack.api.campaign(stopped.id)).finishedAt)
  await stack.api.deleteApp('other')
})
