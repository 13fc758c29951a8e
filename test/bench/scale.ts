import type { StackWorker, TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import { simulatorStats } from '../support/simulator.ts'
import { follow, isFinished, prepareApp, rounded, sidOf, tileToAll } from './support/campaign.ts'
import { spread } from './support/cpu.ts'
import { waitForReady } from './support/ready.ts'

export interface ScaleBenchOptions {
  readonly seconds: number
  readonly rounds: number
  readonly say: (line: string) => void
}

/** Posts per second that the lanes of a run allow, given the latency of the simulator. */
const ALLOWED_PER_SECOND = 2000
const LANES = [64, 256, 1024] as const
const WORKERS = [1, 2, 4] as const
/** With 16 lanes each and this latency, a worker sends 200 a second: four of them leave most of the CPU unused. */
const LANES_EACH = 16
const LATENCY_MS = 80
const UNLIMITED = 100_000

interface Run {
  readonly workers: number
  readonly lanes: number
  readonly latencyMs: number
}

/**
 * What is lost between the lanes and the posts. A lane whose post takes a round trip sends one post per round trip, so
 * `efficiency` is the rate ÷ (lanes ÷ round trip); `speedup` is the rate of several workers ÷ that of one.
 */
export async function benchScale({ seconds, rounds, say }: ScaleBenchOptions): Promise<Record<string, unknown>> {
  await using stack = await startTestStack()
  const efficiencies = new Map<number, number[]>(LANES.map((lanes) => [lanes, []]))
  const rates = new Map<number, number[]>(WORKERS.map((workers) => [workers, []]))
  let apps = 0
  const measure = async (run: Run): Promise<number> => {
    apps += 1
    const allowed = (run.workers * run.lanes * 1000) / run.latencyMs
    const rate = await rateOf(stack, `scale-${apps}`, apps, run, Math.round(allowed * seconds))
    say(`${JSON.stringify(run)}: ${Math.round(rate)} posts a second of ${Math.round(allowed)}`)
    return rate
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const lanes of LANES) {
      const latencyMs = (lanes * 1000) / ALLOWED_PER_SECOND
      efficiencies.get(lanes)?.push((await measure({ workers: 1, lanes, latencyMs })) / ALLOWED_PER_SECOND)
    }
    for (const workers of WORKERS)
      rates.get(workers)?.push(await measure({ workers, lanes: LANES_EACH, latencyMs: LATENCY_MS }))
  }
  const one = spread(rates.get(1) ?? []).median
  const byLanes = [...efficiencies].map(([lanes, all]) => [lanes, rounded(spread(all).median)] as const)
  return {
    bench: 'scale',
    rounds,
    efficiency: Math.min(...byLanes.map(([, value]) => value)),
    efficiencyByLanes: Object.fromEntries(byLanes),
    speedup2: rounded(spread(rates.get(2) ?? []).median / one),
    speedup4: rounded(spread(rates.get(4) ?? []).median / one),
    postsPerSecond: Object.fromEntries([...rates].map(([workers, all]) => [workers, spread(all)])),
  }
}

/** Posts per second from the first third of the campaign to the end of the second: neither its start nor its end. */
async function rateOf(
  stack: TestStack,
  app: string,
  n: number,
  { workers, lanes, latencyMs }: Run,
  posts: number,
): Promise<number> {
  await stack.control('PUT', '/v1/faults', { latencyMs })
  await prepareApp(stack, { app, client: sidOf(n), channels: posts, ratePerSecond: UNLIMITED, burst: UNLIMITED })
  const running: StackWorker[] = []
  for (let at = 0; at < workers; at += 1)
    running.push(await stack.startWorker({ WNS_FANOUT_LANES: String(lanes), WNS_FANOUT_APPS: app }))
  for (const worker of running) await waitForReady(worker)
  const before = await simulatorStats(stack)
  const seen: { readonly atMs: number; readonly posts: number }[] = []
  const { id } = await stack.api.createCampaign(app, tileToAll)
  await follow(
    stack,
    id,
    async (now) => {
      seen.push({ atMs: performance.now(), posts: (await simulatorStats(stack)).posts - before.posts })
      return isFinished(now)
    },
    { everyMs: 50 },
  )
  for (const worker of running) await worker.stop()
  const from = seen.find((one) => one.posts >= posts / 3)
  const to = seen.find((one) => one.posts >= (posts * 2) / 3)
  if (from === undefined || to === undefined || to.posts === from.posts)
    throw new Error(`the campaign was over before it could be measured; take more seconds`)
  return ((to.posts - from.posts) * 1000) / (to.atMs - from.atMs)
}
