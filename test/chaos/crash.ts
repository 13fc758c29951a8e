import { eventually } from '@wns-fanout/testing'
import type { Delivery } from '@wns-fanout/domain'
import type { CrashPoint } from '@wns-fanout/fanout'
import type { Verdict } from './judge.ts'
import { judge } from './judge.ts'
import { finishedCampaign, launchCampaign, registerChannels, settledCount } from './load.ts'
import { healthyFaults } from './nemesis.ts'
import type { ChaosProcess } from './process.ts'
import type { ChaosSystem } from './system.ts'

export interface CrashCase {
  readonly point: CrashPoint
  readonly nth: number
  /** What has to be so that the point is reached at all. */
  readonly given?:
    | 'parked'
    | 'slow-redis'
    | 'asked-to-rest'
    | 'asked-to-stop'
    | 'a-lost-job'
    | 'a-dead-worker'
    | 'a-finished-campaign'
}

/** Each crash point once, at a moment when there is something to lose. */
export const crashCases: readonly CrashCase[] = [
  { point: 'audience-frozen', nth: 1 },
  { point: 'batches-planned', nth: 1 },
  { point: 'jobs-adding', nth: 1 },
  { point: 'jobs-added', nth: 1 },
  { point: 'job-taken', nth: 2 },
  { point: 'batch-opened', nth: 2 },
  { point: 'credit-granted', nth: 1 },
  { point: 'post-written', nth: 40 },
  { point: 'answer-read', nth: 90 },
  { point: 'answer-recorded', nth: 100 },
  { point: 'checkpoint-executed', nth: 4 },
  { point: 'window-full', nth: 2, given: 'slow-redis' },
  { point: 'token-asked', nth: 1 },
  { point: 'resting', nth: 1, given: 'asked-to-rest' },
  { point: 'batch-closed', nth: 1 },
  { point: 'job-finished', nth: 1 },
  { point: 'batch-parked', nth: 1 },
  { point: 'stopping', nth: 1, given: 'asked-to-stop' },
  { point: 'job-missed', nth: 1, given: 'a-lost-job' },
  { point: 'death-claimed', nth: 1, given: 'a-dead-worker' },
  { point: 'jobs-released', nth: 1, given: 'a-dead-worker' },
  { point: 'finish-reported', nth: 1, given: 'a-finished-campaign' },
  { point: 'dead-removed', nth: 1 },
]

const RECIPIENTS = 2000

/**
 * The only worker of `system` dies at a crash point; the next one finishes what it left. Resolves to the verdict; the
 * worker is left running.
 */
export async function crashOnce(
  system: ChaosSystem,
  app: string,
  { point, nth, given }: CrashCase,
  delivery: Delivery,
): Promise<Verdict> {
  const [worker] = system.workers
  if (worker === undefined) throw new Error('there is no worker to kill')
  await worker.terminate()
  await system.wns(
    given === 'asked-to-rest'
      ? { ...healthyFaults, rateCap: { perSecond: 50, status: 406, retryAfter: 2 } }
      : healthyFaults,
  )
  if (given === 'slow-redis') worker.proxy.set({ kind: 'delay', ms: 60 })
  // Some are refused for a while and some for good, so that batches park and channels die.
  const behaviours = Array.from({ length: RECIPIENTS }, (_, n) =>
    n % 100 === 50 ? 'flaky-50' : n % 200 === 10 ? 'gone' : 'ok',
  )
  await registerChannels(system, app, behaviours)
  const campaign = await launchCampaign(system, app, behaviours, delivery)
  if (given === 'a-dead-worker') await dieAt(worker, 'post-written', 40)
  if (given === 'a-lost-job') await dieAt(worker, 'batches-planned', 1)
  if (given === 'asked-to-stop') {
    await worker.start({ WNS_CRASH_AT: `${point}:${nth}` })
    await settledCount(system, campaign.id, 200)
    if ((await worker.terminate()) !== null) throw new Error('the worker ended in order instead of dying')
  } else await dieAt(worker, point, nth)
  await system.wns(healthyFaults)
  worker.proxy.set({ kind: 'pass' })
  await worker.start()
  await finishedCampaign(system, campaign.id, 60_000)
  await eventually(
    `the end of campaign ${campaign.id} to be logged`,
    async () => ((await system.look.sismember(system.keys.finished(app), campaign.id)) === 0 ? true : undefined),
    30_000,
  )
  return judge(system, [campaign])
}

async function dieAt(worker: ChaosProcess, point: CrashPoint, nth: number): Promise<void> {
  // It may crash before it is ready.
  await worker.start({ WNS_CRASH_AT: `${point}:${nth}` }).catch(() => {})
  const signal = await worker.ended()
  if (signal !== 'SIGKILL') throw new Error(`the worker ended by ${signal} instead of dying at ${point}`)
}
