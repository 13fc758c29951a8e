import { eventually } from '@wns-fanout/testing'
import { setTimeout as wait } from 'node:timers/promises'
import type { ChaosCampaign } from '../load.ts'
import { settledCount } from '../load.ts'
import { ChaosSentinels } from '../redis-sentinels.ts'
import type { ChaosSystem } from '../system.ts'
import { startChaosSystemOn } from '../system.ts'
import type { Bench, Facts, Scenario, ScenarioAlone } from './scenario.ts'
import { LOCK_MS, facts, metric, must, postsSoFar, settle, underWay } from './scenario.ts'

type Watched = ChaosSystem<ChaosSentinels>

/** Credit must be at both replicas, whichever of them is promoted. */
const waitingForBoth = { WNS_FANOUT_DURABILITY: 'replicas:2' }
const FAILOVERS = 3
/** Longer than the fault. */
const long = { recipients: 24_000, ratePerSecond: 500 }

interface SentinelRow {
  readonly id: string
  readonly what: string
  readonly fault: (system: Watched, campaign: ChaosCampaign) => Promise<void>
  /** Nothing died, so no batch may change its owner. */
  readonly isWithoutDeath?: boolean
  /** Environment of API and workers; by default posts wait for both replicas. */
  readonly env?: Readonly<Record<string, string>>
}

/** At-most-once with two replicas: no recipient is sent to twice. */
function onSentinels({ id, what, fault, isWithoutDeath = false, env = waitingForBoth }: SentinelRow): ScenarioAlone {
  return {
    id,
    what,
    async runAlone(app: string, { judged }: Bench): Promise<Facts> {
      const options = { workers: 3, lockMs: LOCK_MS, env, judged }
      const system = await startChaosSystemOn((dir) => ChaosSentinels.make(dir, { replicas: 2 }), options)
      try {
        const campaign = await underWay(system, app, { ...long, delivery: 'at-most-once' })
        await fault(system, campaign)
        const verdict = await settle(system, campaign)
        const expected = isWithoutDeath ? verdict.takeovers === 0 : verdict.takeovers > 0
        must(expected, `${verdict.takeovers} takeovers`)
        return facts(verdict)
      } finally {
        await system.stop()
      }
    },
  }
}

/** Faults of a primary with two replicas under three Sentinels. */
export const sentinelScenarios: readonly Scenario[] = [
  onSentinels({
    id: 'R23a',
    what: 'three planned failovers, and the workers die after each promotion; the old primary lives on',
    async fault(system, campaign) {
      for (let n = 0; n < FAILOVERS; n += 1) {
        await system.redis.failOver()
        await killSendingWorkers(system)
        await settledCount(system, campaign.id, (n + 1) * 2000)
      }
    },
  }),
  onSentinels({
    id: 'R23b',
    what: 'the primary is killed, a replica is promoted, and the workers die at once and once more',
    async fault(system) {
      const old = await system.redis.primary()
      await old.kill()
      await system.redis.promotedInsteadOf(old)
      await killWorkers(system)
      await system.redis.start()
      await killSendingWorkers(system)
    },
  }),
  onSentinels({
    id: 'R23c',
    what: 'the primary is frozen, a replica promoted, the workers die; the old primary awakes, they die again',
    async fault(system) {
      const old = await system.redis.primary()
      old.freeze()
      await system.redis.promotedInsteadOf(old)
      await killWorkers(system)
      await wait(2000)
      old.thaw()
      await system.redis.start()
      await killSendingWorkers(system)
    },
  }),
  onSentinels({
    id: 'R23d',
    what: 'a planned failover without a death: no batch changes its owner',
    isWithoutDeath: true,
    async fault(system) {
      await system.redis.failOver()
    },
  }),
  onSentinels({
    id: 'R23e',
    what: 'a planned failover as in the runbook, without waiting for replicas: nothing is lost',
    isWithoutDeath: true,
    env: {},
    async fault(system, { app }) {
      await system.api.pauseApp(app)
      await postsHaveStopped(system)
      await system.look.client('PAUSE', 10_000, 'WRITE')
      await system.redis.failOver()
      await eventually('the API to take writes', () => system.api.resumeApp(app).catch(() => undefined), 60_000)
      const rollbacks = await Promise.all(
        system.workers.map((worker) => metric(worker, 'wns_fanout_redis_rollbacks_total')),
      )
      must(
        rollbacks.every((count) => count === 0),
        `${rollbacks.join(' and ')} rollbacks`,
      )
    },
  }),
]

async function postsHaveStopped(system: Watched): Promise<void> {
  let before = -1
  await eventually(
    'posts to stop',
    async () => {
      const posts = await postsSoFar(system)
      const isSame = posts === before
      before = posts
      await wait(1000)
      return isSame || undefined
    },
    60_000,
  )
}

/** Once they send again, so that they have batches in hand. */
async function killSendingWorkers(system: Watched): Promise<void> {
  const before = await postsSoFar(system)
  await eventually('the workers to send', async () => (await postsSoFar(system)) > before + 100 || undefined, 60_000)
  await killWorkers(system)
}

async function killWorkers({ workers }: Watched): Promise<void> {
  await Promise.all(workers.map((worker) => worker.kill()))
  for (const worker of workers) await worker.start()
}
