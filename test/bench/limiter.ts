import { setTimeout as wait } from 'node:timers/promises'
import type { StackWorker } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import { clientCount } from '../support/simulator.ts'
import { follow, isFinished, prepareApp, rounded, sidOf, tileToAll } from './support/campaign.ts'
import { overshootOf, readGrantLog } from './support/grant-log.ts'

export interface LimiterBenchOptions {
  readonly seconds: number
  readonly ratePerSecond: number
  readonly burst: number
  readonly say: (line: string) => void
}

const APP = 'limited'
const WORKERS = 4

/**
 * Four workers share one app's rate while workers come and go: how much of it they use, and whether the grants of all
 * of them together, or the posts as the simulator sees them arrive, ever exceed it.
 */
export async function benchLimiter({
  seconds,
  ratePerSecond,
  burst,
  say,
}: LimiterBenchOptions): Promise<Record<string, unknown>> {
  await using stack = await startTestStack()
  const client = sidOf(1)
  const channels = ratePerSecond * seconds
  await prepareApp(stack, { app: APP, client, channels, ratePerSecond, burst })
  const logs: string[] = []
  const join = async (): Promise<StackWorker> => {
    const worker = await stack.startWorker({ LOG_LEVEL: 'trace', WNS_FANOUT_LANES: '64' })
    logs.push(worker.logFile)
    return worker
  }
  const workers = await Promise.all(Array.from({ length: WORKERS }, join))
  const { id } = await stack.api.createCampaign(APP, tileToAll)
  say(`${WORKERS} workers, ${ratePerSecond} posts a second with a burst of ${burst}, for ${seconds} s`)
  // One worker leaves and another one comes, again and again, while the campaign runs.
  let changes = 0
  const ended = { yet: false }
  const churn = (async (): Promise<void> => {
    await wait(4000)
    while (!ended.yet) {
      const joined = await join()
      await workers.shift()?.stop()
      workers.push(joined)
      changes += 1
      say(`worker ${changes} left, another one has come`)
      await wait(4000)
    }
  })()
  const campaign = await follow(stack, id, isFinished, { timeoutMs: seconds * 4000 })
  ended.yet = true
  await churn
  for (const worker of workers) await worker.stop()
  const grants = await readGrantLog(logs, APP)
  const { posts, peakPerSecond } = await clientCount(stack, client)
  const spanMs = (grants.at(-1)?.atMs ?? 0) - (grants[0]?.atMs ?? 0)
  return {
    bench: 'limiter',
    workers: WORKERS,
    changes,
    ratePerSecond,
    burst,
    seconds: rounded(spanMs / 1000),
    // The burst is granted at once: what comes after it takes its time.
    utilisation: rounded((posts - burst) / ((ratePerSecond * spanMs) / 1000)),
    overshoot: rounded(overshootOf(grants, ratePerSecond, burst)),
    peak: rounded(peakPerSecond / (ratePerSecond + burst)),
    grants: grants.length,
    granted: grants.reduce((sum, { count }) => sum + count, 0),
    posts,
    accepted: campaign.totals.accepted,
  }
}
