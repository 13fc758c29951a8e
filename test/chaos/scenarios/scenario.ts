import type { Delivery } from '@wns-fanout/domain'
import { request } from 'undici'
import type { Verdict } from '../judge.ts'
import { judge } from '../judge.ts'
import type { ChaosCampaign } from '../load.ts'
import { finishedCampaign, launchCampaign, registerChannels, settledCount } from '../load.ts'
import { HEALTHY } from '../nemesis.ts'
import type { ChaosProcess } from '../process.ts'
import type { ChaosSystem } from '../system.ts'

/** A named fault: what is done, and what has to hold. `run` throws when it does not, and tells figures when it does. */
export interface Scenario {
  readonly id: string
  readonly what: string
  /** Nothing can be run in the same system afterwards. */
  readonly isTheEnd?: true
  /** In a system of two workers that is whole; `app` is a name that nobody has used. */
  run(system: ChaosSystem, app: string): Promise<Facts>
}

export type Facts = Readonly<Record<string, number | string>>

export const bothDeliveries = ['at-least-once', 'at-most-once'] as const satisfies Delivery[]

export const LOCK_MS = 2000
const FINISH_MS = 120_000

/** A campaign that is well under way: some recipients are settled and many are not. */
export const underWay = async (
  system: ChaosSystem,
  app: string,
  { recipients = 8000, delivery = 'at-least-once', ratePerSecond = 2000 }: UnderWay = {},
): Promise<ChaosCampaign> => {
  const behaviours = Array.from({ length: recipients }, () => 'ok')
  await registerChannels(system, app, behaviours, { ratePerSecond, burst: Math.ceil(ratePerSecond / 10) })
  const campaign = await launchCampaign(system, app, behaviours, delivery)
  await settledCount(system, campaign.id, 200)
  return campaign
}

export interface UnderWay {
  readonly recipients?: number
  readonly delivery?: Delivery
  readonly ratePerSecond?: number
}

/** Wait for the end of a campaign and judge it. Throws with every promise that was broken. */
export const settle = async (system: ChaosSystem, campaign: ChaosCampaign): Promise<Verdict & { finishMs: number }> => {
  const startedAtMs = performance.now()
  await finishedCampaign(system, campaign.id, FINISH_MS)
  const finishMs = Math.round(performance.now() - startedAtMs)
  const verdict = await judge(system, [campaign])
  if (verdict.broken.length > 0) throw new Error(verdict.broken.slice(0, 5).join('; '))
  return { ...verdict, finishMs }
}

export const facts = ({ takeovers, duplicates, inDoubt, finishMs }: Verdict & { finishMs: number }): Facts => ({
  takeovers,
  duplicates,
  inDoubt,
  finishMs,
})

export const must = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(what)
}

/** Whatever was broken works again; API and workers run. */
export const mend = async (system: ChaosSystem): Promise<void> => {
  await system.redis.start()
  await system.wns(HEALTHY)
  for (const each of [system.apiProcess, ...system.workers]) await each.mend()
}

export const pair = (system: ChaosSystem): readonly [ChaosProcess, ChaosProcess] => {
  const [first, second] = system.workers
  if (first === undefined || second === undefined) throw new Error('this needs two workers')
  return [first, second]
}

/** A counter of a process, summed over its labels. */
export const metric = async (worker: ChaosProcess, name: string): Promise<number> => {
  const { body } = await request(`${worker.ops}/metrics`)
  return (await body.text())
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}

export const postsSoFar = async (system: ChaosSystem): Promise<number> => {
  const { body } = await system.control('GET', '/v1/stats')
  return ((await body.json()) as { posts: number }).posts
}
