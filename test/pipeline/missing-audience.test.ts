import { repeat, until } from '@wns-fanout/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import { registerApp } from '../support/apps.ts'
import { finished } from '../support/campaigns.ts'
import { tile } from './support.ts'

let stack: TestStack

beforeAll(async () => {
  stack = await startTestStack()
  await stack.startWorker()
})
afterAll(async () => {
  await stack[Symbol.asyncDispose]()
})

test('a campaign whose list is gone when it starts halts, and its app can be removed', async () => {
  await registerApp(stack, 'gone', repeat(2))
  const startAt = new Date(Date.now() + 1500).toISOString()
  const { id } = await stack.api.createCampaign('gone', { ...tile, audience: { list: 'never-uploaded' }, startAt })
  const campaign = await finished(stack, id)
  expect(campaign).toMatchObject({ state: 'halted', reason: 'audience-missing', audienceSize: 0 })
  // Nothing was posted, so the topic is free again.
  const next = await finished(stack, (await stack.api.createCampaign('gone', tile)).id)
  expect(next.totals.accepted).toBe(2)
  await until('the app to be removed', () => stack.api.deleteApp('gone').then(() => true))
})

test('a campaign to a tag that no channel has completes with the reason empty-audience', async () => {
  await registerApp(stack, 'empty', repeat(2))
  const created = await stack.api.createCampaign('empty', {
    ...tile,
    audience: { tags: 'nwes' },
    allowEmpty: true,
  })
  expect(created.warnings).toMatchObject([{ code: 'unknown-tag' }, { code: 'empty-audience' }])
  const campaign = await finished(stack, created.id)
  expect(campaign).toMatchObject({ state: 'completed', reason: 'empty-audience', audienceSize: 0 })
})
