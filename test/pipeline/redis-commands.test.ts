import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { follow, isFinished, prepareApp, sidOf, tileToAll, toastToAll } from '../bench/support/campaign.ts'
import { countCommands } from '../bench/support/commands.ts'
import { waitForReady } from '../bench/support/ready.ts'
import { startTestStack } from '../support/stack.ts'

const RECIPIENTS = 4000
/** Commands of sending; the others depend on how often the API is asked for progress. */
const ofSending = /^(?:ledger|permits|token|bullmq)\b/
// Usual are 26 commands of a tile, 45 of a toast, and 110,000 bytes. The rest is for slow machines, where checkpoints
// and permits are more frequent. One more command for every fourth recipient exceeds it.
const MAX_COMMANDS_PER_1000 = 250
const MAX_BYTES_PER_1000 = 250_000

test.each([
  ['tile', tileToAll],
  ['toast', toastToAll],
])('a recipient of a %s takes no command of its own and few bytes of the traffic to Redis', async (_, request) => {
  await using stack = await startTestStack()
  await prepareApp(stack, { app: 'news', client: sidOf(1), channels: RECIPIENTS, ratePerSecond: 100_000 })
  await waitForReady(await stack.startWorker())
  const redis = new Redis(stack.redisUrl)
  const received = async () => Number(/total_net_input_bytes:(\d+)/.exec(await redis.info('stats'))?.[1])
  const bytesBefore = await received()
  const counts = await countCommands(stack.redisUrl, async () => {
    const { id } = await stack.api.createCampaign('news', request)
    const ended = await follow(stack, id, isFinished)
    expect(ended.totals.accepted).toBe(RECIPIENTS)
  })
  const bytes = (await received()) - bytesBefore
  await redis.quit()
  const commands = Object.entries(counts)
    .filter(([name]) => ofSending.test(name) && name !== 'bullmq wait')
    .reduce((sum, [, count]) => sum + count, 0)
  // Each batch has at most 512 recipients, and is opened once.
  expect(counts['ledger-open']).toBeGreaterThanOrEqual(Math.ceil(RECIPIENTS / 512))
  expect((commands * 1000) / RECIPIENTS).toBeLessThan(MAX_COMMANDS_PER_1000)
  expect((bytes * 1000) / RECIPIENTS).toBeLessThan(MAX_BYTES_PER_1000)
})
