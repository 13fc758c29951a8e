import { setTimeout as wait } from 'node:timers/promises'
import type { TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import { counted, follow, isFinished, prepareApp, rounded, sidOf, tileToAll } from './support/campaign.ts'

export interface ThrottleBenchOptions {
  readonly seconds: number
  readonly say: (line: string) => void
}

const CAP = 300
const RATE = 1000
const WORKERS = 4
/** The rate comes down from the configured one in steps: what it does from then on is how it settles. */
const SETTLING_MS = 15_000

const answers = [
  { status: 406, retryAfter: 1 },
  { status: 429, retryAfter: null },
] as const

/**
 * WNS accepts 300 posts per second of an app that is configured for 1,000, and answers the others with 406 and
 * Retry-After, or with 429 without it. Measures the share of the 300 that four workers reach in a steady state, the
 * share of rejected posts, and lost recipients.
 */
export async function benchThrottle({ seconds, say }: ThrottleBenchOptions): Promise<Record<string, unknown>> {
  await using stack = await startTestStack()
  await Promise.all(Array.from({ length: WORKERS }, () => stack.startWorker({ WNS_FANOUT_LANES: '64' })))
  const runs = []
  for (const [n, cap] of answers.entries()) {
    const run = await settle(stack, n, cap, seconds)
    say(JSON.stringify(run))
    runs.push(run)
  }
  return {
    bench: 'throttle',
    workers: WORKERS,
    cap: CAP,
    ratePerSecond: RATE,
    settledShare: Math.min(...runs.map(({ settledShare }) => settledShare)),
    effectiveShare: Math.min(...runs.map(({ effectiveShare }) => effectiveShare)),
    refusedShare: Math.max(...runs.map(({ refusedShare }) => refusedShare)),
    lost: runs.reduce((sum, { lost }) => sum + lost, 0),
    runs,
  }
}

interface Settled {
  readonly status: number
  readonly settledShare: number
  readonly effectiveShare: number
  readonly refusedShare: number
  readonly refusedShareInAll: number
  readonly lost: number
  readonly state: string
}

interface Sample {
  readonly atMs: number
  readonly accepted: number
  readonly refused: number
  readonly effectiveRate: number
}

async function settle(
  stack: TestStack,
  n: number,
  { status, retryAfter }: (typeof answers)[number],
  seconds: number,
): Promise<Settled> {
  await stack.control('POST', '/v1/reset')
  await stack.control('PUT', '/v1/faults', { rateCap: { perSecond: CAP, status, retryAfter } })
  const app = `capped-${status}`
  const channels = Math.round(CAP * 0.9 * seconds)
  await prepareApp(stack, { app, client: sidOf(n + 1), channels, ratePerSecond: RATE })
  const { id } = await stack.api.createCampaign(app, tileToAll)
  const samples: Sample[] = []
  const startedAt = performance.now()
  const look = async (): Promise<Sample> => {
    const { acceptedPosts, byStatus } = await counted(stack)
    const { effectiveRatePerSecond } = await stack.api.app(app)
    const atMs = performance.now() - startedAt
    return {
      atMs,
      accepted: acceptedPosts,
      refused: byStatus[String(status)] ?? 0,
      effectiveRate: effectiveRatePerSecond,
    }
  }
  // The last batches wait for their retries alone: what they reach is not the rate's doing.
  const enough = channels * 0.95
  for (;;) {
    const sample = await look()
    samples.push(sample)
    if (sample.accepted >= enough || sample.atMs > seconds * 4000) break
    await wait(250)
  }
  const campaign = await follow(stack, id, isFinished, { timeoutMs: 180_000 })
  const settled = samples.filter(({ atMs }) => atMs >= SETTLING_MS)
  const from = settled[0] ?? fail(`the campaign was over within ${SETTLING_MS} ms`)
  const to = samples.at(-1) ?? from
  const accepted = to.accepted - from.accepted
  const refused = to.refused - from.refused
  const all = await counted(stack)
  return {
    status,
    settledShare: rounded(accepted / ((CAP * (to.atMs - from.atMs)) / 1000)),
    effectiveShare: rounded(settled.reduce((sum, { effectiveRate }) => sum + effectiveRate, 0) / settled.length / CAP),
    refusedShare: rounded(refused / Math.max(1, accepted + refused)),
    refusedShareInAll: rounded((all.byStatus[String(status)] ?? 0) / all.posts),
    lost: channels - campaign.totals.accepted,
    state: campaign.state,
  }
}

function fail(why: string): never {
  throw new Error(why)
}
