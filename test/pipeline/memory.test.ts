import { repeat } from '@wns-fanout/testing'
import { expect, test } from 'vitest'
import { INSPECT, openInspector } from '../support/inspector.ts'
import { liveObjects } from '../support/memory.ts'
import { registerApp } from '../support/apps.ts'
import { finished } from '../support/campaigns.ts'
import { startTestStack } from '../support/stack.ts'
import { tile } from './support.ts'

const RECIPIENTS = 3000
const CAMPAIGNS = 3
/** Whatever a recipient, a post or a batch leaves behind would be one of these. */
const kinds = ['Object', 'Array', 'Map', 'Uint8Array', 'Promise', 'Function']
/** A campaign and its jobs leave some objects in lists of limited length; far fewer than it has recipients. */
const MOST_OBJECTS = (CAMPAIGNS * RECIPIENTS) / 5

test('a worker keeps nothing of the recipients and batches that it has settled', async () => {
  await using stack = await startTestStack()
  const worker = await stack.startWorker({ NODE_OPTIONS: INSPECT, WNS_FANOUT_LANES: '16' })
  await registerApp(stack, 'memory', repeat(RECIPIENTS), {
    ratePerSecond: 50_000,
    genericIntervalSeconds: 0,
    allowFasterThanGuideline: { reason: 'a test' },
  })
  const send = async (): Promise<void> => {
    const { id } = await stack.api.createCampaign('memory', tile)
    expect((await finished(stack, id)).totals.accepted).toBe(RECIPIENTS)
  }
  using inspector = await openInspector(worker.logFile)
  // The first campaign fills pools and caches, which are limited.
  await send()
  const before = await liveObjects(inspector, kinds)
  for (let n = 1; n <= CAMPAIGNS; n += 1) await send()
  const after = await liveObjects(inspector, kinds)
  const grown = Object.fromEntries(kinds.map((kind) => [kind, (after[kind] ?? 0) - (before[kind] ?? 0)]))
  for (const kind of kinds) expect.soft(grown[kind], `more instances of ${kind}`).toBeLessThan(MOST_OBJECTS)
})
