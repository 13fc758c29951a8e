import { waitForReady } from './support/ready.ts'
import { startReplica } from '../support/replica.ts'
import { startTestStack } from '../support/stack.ts'
import { prepareApp, rounded, sidOf, tileToAll, toastToAll } from './support/campaign.ts'
import { cpuSecondsOf, spread } from './support/cpu.ts'
import { QuietCampaigns } from './support/quiet-campaign.ts'

export interface DurabilityBenchOptions {
  readonly posts: number
  readonly rounds: number
  readonly say: (line: string) => void
}

const sides = ['async', 'replicas:1'] as const
const kinds = { tile: tileToAll, toast: toastToAll } as const
/** Faster than this machine. */
const UNLIMITED = 100_000

interface Run {
  readonly postsPerSecond: number
  readonly workerCpu: number
  readonly redisCpu: number
}

/**
 * The cost of waiting for a replica: throughput, and CPU of worker and primary, of `replicas:1` over `async`, in
 * alternating campaigns at the full speed of one worker. Primary and replica share one machine, so this is the cost of
 * the waiting itself. Elsewhere, every 128 posts (32 at-most-once) of a batch wait for one more round trip.
 */
export async function benchDurability(options: DurabilityBenchOptions): Promise<Record<string, unknown>> {
  const { posts, rounds, say } = options
  await using stack = await startTestStack()
  await using replica = await startReplica(stack)
  await using quiet = new QuietCampaigns(stack)
  await replica.follow()
  const workers = new Map<string, number>()
  for (const [n, side] of sides.entries()) {
    const apps = Array.from({ length: rounds + 1 }, (_, round) => `side-${n}-${round}`)
    for (const app of apps)
      await prepareApp(stack, { app, client: sidOf(1), channels: posts, ratePerSecond: UNLIMITED, burst: UNLIMITED })
    const worker = await stack.startWorker({ WNS_FANOUT_DURABILITY: side, WNS_FANOUT_APPS: apps.join(',') })
    await waitForReady(worker)
    workers.set(side, worker.pid)
  }
  const runs = new Map<string, Run[]>()
  for (let round = 0; round <= rounds; round += 1) {
    for (const [kind, request] of Object.entries(kinds)) {
      for (const [n, side] of sides.entries()) {
        const pids = [workers.get(side) ?? 0, stack.redisPid] as const
        const before = pids.map(cpuSecondsOf)
        const seconds = await quiet.send(`side-${n}-${round}`, request, posts)
        const [workerCpu = 0, redisCpu = 0] = pids.map((pid, at) => cpuSecondsOf(pid) - (before[at] ?? 0))
        const run = { postsPerSecond: Math.round(posts / seconds), workerCpu, redisCpu }
        say(`${round === 0 ? 'warming up, ' : ''}${kind}, ${side}: ${JSON.stringify(run)}`)
        if (round > 0) runs.set(`${kind} ${side}`, [...(runs.get(`${kind} ${side}`) ?? []), run])
      }
    }
  }
  return {
    bench: 'durability',
    posts,
    rounds,
    ...Object.fromEntries(Object.keys(kinds).map((kind) => [kind, ratiosOf(runs, kind)])),
  }
}

/** `replicas:1` over `async`, in pairs of one round. */
function ratiosOf(runs: ReadonlyMap<string, readonly Run[]>, kind: string) {
  const [plain = [], waiting = []] = sides.map((side) => runs.get(`${kind} ${side}`))
  const ratio = (of: keyof Run) => {
    const { median, min, max } = spread(waiting.map((run, round) => run[of] / (plain[round]?.[of] ?? Number.NaN)))
    return { median: rounded(median), min: rounded(min), max: rounded(max) }
  }
  return { throughput: ratio('postsPerSecond'), workerCpu: ratio('workerCpu'), redisCpu: ratio('redisCpu') }
}
