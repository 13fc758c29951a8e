import { setTimeout as wait } from 'node:timers/promises'
import type { AppId, CampaignId } from '@wns-fanout/domain'
import { workerHeapLimits } from '@wns-fanout/local'
import { CampaignStore, Keys } from '@wns-fanout/state'
import { eventually } from '@wns-fanout/testing'
import { Redis } from 'ioredis'
import { residentBytes } from '../support/memory.ts'
import { simulatorStats } from '../support/simulator.ts'
import type { TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import { prepareApp, rounded, sidOf, tileToAll } from './support/campaign.ts'
import { spread } from './support/cpu.ts'
import { waitForReady } from './support/ready.ts'

export interface PlanBenchOptions {
  /** Audiences, from the smallest. */
  readonly sizes: readonly number[]
  readonly tries: number
  readonly say: (line: string) => void
}

/** Channels that are really registered: beyond these, only the bitmap of the app's channels has them. */
const MOST_REGISTERED = 1_000_000
const POLL_MS = 2

interface Figures {
  readonly recipients: number
  /** What the request for the campaign took, in milliseconds. */
  readonly apiMs: number
  /** From the request to the first post at the simulator. */
  readonly secondsToFirstSend: number
  /** From the request to the last planned batch, without a limit of the look-ahead and without sending. */
  readonly planSeconds: number
  /** The most memory that the worker occupied which planned that. */
  readonly plannerRssMb: number
}

/** How the start of a campaign depends on the size of its audience. */
export async function benchPlan({ sizes, tries, say }: PlanBenchOptions): Promise<Record<string, unknown>> {
  await using stack = await startTestStack()
  const redis = new Redis(stack.redisUrl)
  const figures: Figures[] = []
  for (const [n, recipients] of sizes.entries()) {
    const app = `plan-${n + 1}`
    const registered = Math.min(recipients, MOST_REGISTERED)
    await prepareApp(stack, { app, client: sidOf(n + 1), channels: registered, ratePerSecond: 1000 })
    await extend(redis, stack, app, recipients)
    const first = await firstPosts(stack, app, tries)
    const planned = await planToTheEnd(stack, redis, app)
    figures.push({ recipients, ...first, ...planned })
    say(JSON.stringify(figures.at(-1)))
  }
  await redis.quit()
  const [smallest, largest] = [figures[0], figures.at(-1)]
  return {
    bench: 'plan',
    tries,
    ...largest,
    rssGrowth: rounded((largest?.plannerRssMb ?? 0) / (smallest?.plannerRssMb ?? 1)),
    sizes: figures,
  }
}

function keysOf({ env }: TestStack): Keys {
  return new Keys(env['WNS_FANOUT_PREFIX'] ?? '')
}

/** The app seems to have as many channels; those that are not registered have no URI. */
async function extend(redis: Redis, stack: TestStack, app: string, recipients: number): Promise<void> {
  const keys = keysOf(stack)
  const registered = Number(await redis.get(keys.next(app)))
  if (registered >= recipients) return
  await redis.setrange(keys.occupied(app), registered / 8, Buffer.alloc((recipients - registered) / 8, 255))
  await redis.set(keys.next(app), recipients)
}

/** Medians of several campaigns, each of which is canceled after its first post. */
async function firstPosts(
  stack: TestStack,
  app: string,
  tries: number,
): Promise<Pick<Figures, 'apiMs' | 'secondsToFirstSend'>> {
  const worker = await stack.startWorker()
  await waitForReady(worker)
  const apiMs: number[] = []
  const seconds: number[] = []
  for (let n = 0; n < tries; n += 1) {
    const { posts } = await simulatorStats(stack)
    const startedMs = performance.now()
    const { id } = await stack.api.createCampaign(app, { ...tileToAll, topic: `try-${n}` })
    apiMs.push(performance.now() - startedMs)
    while ((await simulatorStats(stack)).posts === posts) await wait(POLL_MS)
    seconds.push((performance.now() - startedMs) / 1000)
    await stack.api.cancelCampaign(id)
    await eventually('the campaign ends', async () => (await stack.api.campaign(id)).finishedAt)
  }
  await worker.stop()
  return { apiMs: rounded(spread(apiMs).median), secondsToFirstSend: rounded(spread(seconds).median) }
}

async function planToTheEnd(
  stack: TestStack,
  redis: Redis,
  app: string,
): Promise<Pick<Figures, 'planSeconds' | 'plannerRssMb'>> {
  // It serves an app that does not exist, so it plans the campaigns of this one and sends nothing.
  const planner = await stack.startWorker({
    WNS_FANOUT_APPS: 'none',
    NODE_OPTIONS: `${workerHeapLimits.join(' ')} --import ${new URL('support/without-look-ahead.ts', import.meta.url).href}`,
  })
  await waitForReady(planner)
  const campaigns = new CampaignStore(redis, keysOf(stack))
  const startedMs = performance.now()
  const { id } = await stack.api.createCampaign(app, { ...tileToAll, topic: 'whole' })
  await eventually(
    `campaign ${id} to be planned`,
    async () => (await campaigns.get(app as AppId, id as CampaignId))?.planComplete === true || undefined,
    120_000,
  )
  const seconds = (performance.now() - startedMs) / 1000
  const { peak } = await residentBytes(planner.pid)
  await planner.stop()
  return { planSeconds: rounded(seconds), plannerRssMb: Math.round(peak / 1e6) }
}
