import { setTimeout as wait } from 'node:timers/promises'
import type { TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import { simulatorStats } from '../support/simulator.ts'
import { follow, isFinished, prepareApp, rounded, sidOf, tileToAll } from './support/campaign.ts'

export interface ThrottleBenchOptions {
  readonly seconds: number
  readonly say: (line: string) => void
}

const CAP = 300
const RATE = 1000
const WORKERS = 4
/** The rate comes down from the configured one in steps: what it does from then on is how it settles. */
const SETTLING_MS = 15_000

/** A cap that moves changes this often, to the next of its caps. */
const MOVES_EVERY_MS = 30_000

const answers = [
  { status: 406, retryAfter: 1, caps: [CAP] },
  { status: 429, retryAfter: null, caps: [CAP] },
  { status: 429, retryAfter: null, caps: [CAP, 1.5 * CAP] },
] as const

/**
 * WNS accepts 300 posts per second of an app that is configured for 1,000, and answers the others with 406 and
 * Retry-After, or with 429 without it. Measures the share of the 300 that four workers reach in a steady state, the
 * share of rejected posts, and lost recipients. In a last run the cap moves between 300 and 450.
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
  const steady = runs.filter(({ moves }) => !moves)
  return {
    bench: 'throttle',
    workers: WORKERS,
    cap: CAP,
    ratePerSecond: RATE,
    settledShare: Math.min(...steady.map(({ settledShare }) => settledShare)),
    effectiveShare: Math.min(...steady.map(({ effectiveShare }) => effectiveShare)),
    movingShare: Math.min(...runs.filter(({ moves }) => moves).map(({ settledShare }) => settledShare)),
    refusedShare: Math.max(...runs.map(({ refusedShare }) => refusedShare)),
    lost: runs.reduce((sum, { lost }) => sum + lost, 0),
    runs,
  }
}

interface Settled {
  readonly status: number
  readonly moves: boolean
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
  /** What the caps so far allowed. */
  readonly allowed: number
  readonly refused: number
  readonly effectiveRate: number
}

async function settle(
  stack: TestStack,
  n: number,
  { status, retryAfter, caps }: (typeof answers)[number],
  seconds: number,
): Promise<Settled> {
  await stack.control('POST', '/v1/reset')
  const cap = (perSecond: number) => stack.control('PUT', '/v1/faults', { rateCap: { perSecond, status, retryAfter } })
  await cap(CAP)
  const app = `capped-${n}`
  const meanCap = caps.reduce<number>((sum, each) => sum + each, 0) / caps.length
  const channels = Math.round(meanCap * 0.9 * seconds)
  await prepareApp(stack, { app, client: sidOf(n + 1), channels, ratePerSecond: RATE })
  const { id } = await stack.api.createCampaign(app, tileToAll)
  const samples: Sample[] = []
  const startedAt = performance.now()
  let present = { cap: CAP, sinceMs: 0, before: 0 }
  const move = async (atMs: number): Promise<void> => {
    const next = caps[Math.floor(atMs / MOVES_EVERY_MS) % caps.length] ?? CAP
    if (next === present.cap) return
    await cap(next)
    present = { cap: next, sinceMs: atMs, before: present.before + (present.cap * (atMs - present.sinceMs)) / 1000 }
  }
  const look = async (): Promise<Sample> => {
    const { acceptedPosts, byStatus } = await simulatorStats(stack)
    const { effectiveRatePerSecond } = await stack.api.app(app)
    const atMs = performance.now() - startedAt
    await move(atMs)
    return {
      atMs,
      allowed: present.before + (present.cap * (atMs - present.sinceMs)) / 1000,
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
  const all = await simulatorStats(stack)
  return {
    status,
    moves: caps.length > 1,
    settledShare: rounded(accepted / (to.allowed - from.allowed)),
    effectiveShare: rounded(
      settled.reduce((sum, { effectiveRate }) => sum + effectiveRate, 0) / settled.length / meanCap,
    ),
    refusedShare: rounded(refused / Math.max(1, accepted + refused)),
    refusedShareInAll: rounded((all.byStatus[String(status)] ?? 0) / all.posts),
    lost: channels - campaign.totals.accepted,
    state: campaign.state,
  }
}

function fail(why: string): never {
  throw new Error(why)
}
