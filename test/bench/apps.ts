import { setTimeout as wait } from 'node:timers/promises'
import type { CampaignRequest } from '@wns-fanout/domain'
import { eventually } from '@wns-fanout/testing'
import { Redis } from 'ioredis'
import { residentBytes } from '../support/memory.ts'
import { simulatorStats } from '../support/simulator.ts'
import type { TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import { prepareApp, rounded, sidOf } from './support/campaign.ts'
import { cpuSecondsOf, spread } from './support/cpu.ts'
import { waitForReady } from './support/ready.ts'

export interface AppsBenchOptions {
  /** Numbers of apps, from the smallest. */
  readonly sizes: readonly number[]
  /** Seconds over which the idle worker is measured. */
  readonly seconds: number
  /** Campaigns at each number of apps, each of another app if there are enough. */
  readonly tries: number
  readonly say: (line: string) => void
}

interface Figures {
  readonly apps: number
  /** CPU of a worker without campaigns, in percent of a core. */
  readonly idleCpuPercent: number
  /** CPU of Redis meanwhile. */
  readonly redisCpuPercent: number
  /** The most memory that the worker occupied. */
  readonly rssMb: number
  /** Connections of the worker to Redis. */
  readonly connections: number
  /** From the request for a campaign to the first post at the simulator, the token included: the 99th percentile. */
  readonly firstPostMs: number
  readonly firstPostMedianMs: number
}

/** Exempt from the guard, so that an app may be tried several times. */
const tile: CampaignRequest = {
  notification: { type: 'tile', content: { medium: { lines: ['Hello {{vars.name|there}}'] } } },
  audience: { all: true },
  update: 'personalized',
}

const POLL_MS = 2
/** Apps that are registered at once: fewer than the long requests that a key may have open. */
const AT_ONCE = 6
/** What a worker does at its start is not counted as idle. */
const SETTLE_MS = 5000

/** What one worker costs while its apps send nothing, and how soon any of them sends. */
export async function benchApps({ sizes, seconds, tries, say }: AppsBenchOptions): Promise<Record<string, unknown>> {
  await using stack = await startTestStack()
  const redis = new Redis(stack.redisUrl)
  const figures: Figures[] = []
  let registered = 0
  for (const apps of sizes) {
    while (registered < apps) {
      const next = Array.from({ length: Math.min(AT_ONCE, apps - registered) }, (_, n) => registered + n)
      await Promise.all(next.map((n) => registerApp(stack, n)))
      registered += next.length
    }
    figures.push(await measure(stack, redis, { apps, seconds, tries }))
    say(JSON.stringify(figures.at(-1)))
  }
  await redis.quit()
  return { bench: 'apps', seconds, tries, ...figures.at(-1), sizes: figures }
}

async function registerApp(stack: TestStack, n: number): Promise<void> {
  await prepareApp(stack, { app: nameOf(n), client: sidOf(n + 1), channels: 1, ratePerSecond: 300 })
}

function nameOf(n: number): string {
  return `app-${n + 1}`
}

async function measure(
  stack: TestStack,
  redis: Redis,
  { apps, seconds, tries }: { readonly apps: number; readonly seconds: number; readonly tries: number },
): Promise<Figures> {
  const before = await clients(redis)
  const worker = await stack.startWorker()
  await waitForReady(worker)
  await wait(SETTLE_MS)
  const [ofWorker, ofRedis, startedMs] = [cpuSecondsOf(worker.pid), cpuSecondsOf(stack.redisPid), performance.now()]
  await wait(seconds * 1000)
  const elapsed = (performance.now() - startedMs) / 1000
  const idleCpuPercent = rounded(((cpuSecondsOf(worker.pid) - ofWorker) * 100) / elapsed)
  const redisCpuPercent = rounded(((cpuSecondsOf(stack.redisPid) - ofRedis) * 100) / elapsed)
  const connections = (await clients(redis)) - before
  const firstPosts: number[] = []
  for (let n = 0; n < tries; n += 1)
    firstPosts.push(await firstPostMs(stack, nameOf(Math.floor((n * apps) / tries)), `apps-${apps}-${n}`))
  const { peak } = await residentBytes(worker.pid)
  await worker.stop()
  return {
    apps,
    idleCpuPercent,
    redisCpuPercent,
    rssMb: Math.round(peak / 1e6),
    connections,
    firstPostMs: Math.round(percentile(firstPosts, 0.99)),
    firstPostMedianMs: Math.round(spread(firstPosts).median),
  }
}

async function firstPostMs(stack: TestStack, app: string, topic: string): Promise<number> {
  const { posts } = await simulatorStats(stack)
  const startedMs = performance.now()
  const { id } = await stack.api.createCampaign(app, { ...tile, topic })
  while ((await simulatorStats(stack)).posts === posts) await wait(POLL_MS)
  const firstMs = performance.now() - startedMs
  await eventually('the campaign ends', async () => (await stack.api.campaign(id)).finishedAt)
  return firstMs
}

async function clients(redis: Redis): Promise<number> {
  return Number(/connected_clients:(\d+)/.exec(await redis.info('clients'))?.[1])
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
