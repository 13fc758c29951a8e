import { setTimeout as wait } from 'node:timers/promises'
import type { ChaosSystem } from '../system.ts'
import { startChaosSystem } from '../system.ts'
import type { ScenarioAlone } from './scenario.ts'
import { facts, must, settle, underWay } from './scenario.ts'

/** Longer than the tries of a checkpoint, shorter than the lock of a worker by default. */
const REFUSED_MS = 12_000
const DEFAULT_LOCK_MS = 60_000

interface Refusal {
  readonly id: string
  readonly what: string
  readonly setting: string
  /** The value with which Redis refuses writes. */
  readonly refusing: string
}

/** Redis answers but takes no writes, and no process dies: no batch changes its owner, and no recipient is in doubt. */
function refused({ id, what, setting, refusing }: Refusal): ScenarioAlone {
  return {
    id,
    what,
    async runAlone(app, { judged }) {
      const system = await startChaosSystem({ workers: 2, lockMs: DEFAULT_LOCK_MS, judged })
      try {
        const campaign = await underWay(system, app, { recipients: 20_000, delivery: 'at-most-once' })
        await refuse(system, setting, refusing)
        const verdict = await settle(system, campaign)
        must(verdict.takeovers === 0, `${verdict.takeovers} takeovers`)
        must(verdict.inDoubt === 0, `${verdict.inDoubt} in doubt`)
        return facts(verdict)
      } finally {
        await system.stop()
      }
    },
  }
}

async function refuse({ look }: ChaosSystem, setting: string, refusing: string): Promise<void> {
  const [, before = ''] = await look.config('GET', setting)
  await look.config('SET', setting, refusing)
  await wait(REFUSED_MS)
  await look.config('SET', setting, before)
}

/** Refusals that last, with workers whose lock is as long as by default. */
export const refusalScenarios: readonly ScenarioAlone[] = [
  refused({
    id: 'R24a',
    what: 'Redis refuses all writes for twelve seconds, since too few replicas are connected: NOREPLICAS',
    setting: 'min-replicas-to-write',
    refusing: '9',
  }),
  refused({
    id: 'R24b',
    what: 'Redis is full for twelve seconds: OOM',
    setting: 'maxmemory',
    refusing: '1mb',
  }),
]
