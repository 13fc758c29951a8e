import type { Delivery } from '@wns-fanout/domain'
import { request } from 'undici'
import type { Figures } from '../figures.ts'
import type { Verdict } from '../judge.ts'
import { judge } from '../judge.ts'
import type { ChaosCampaign } from '../load.ts'
import { finishedCampaign, launchCampaign, registerChannels, settledCount } from '../load.ts'
import { healthyFaults } from '../nemesis.ts'
import type { ChaosProcess } from '../process.ts'
import type { AnySystem, ChaosSystem } from '../system.ts'

/** A named fault and its assertion. It throws when the assertion fails, and returns figures otherwise. */
export type Scenario = ScenarioInSystem | ScenarioAlone

interface Row {
  readonly id: string
  readonly what: string
}

export interface ScenarioInSystem extends Row {
  /** Runs in a healthy system of two workers on one Redis; `app` is an unused name. */
  run(system: ChaosSystem, app: string, bench: Bench): Promise<Facts>
}

/** One that needs a system of another kind, which it starts and stops itself. */
export interface ScenarioAlone extends Row {
  runAlone(app: string, bench: Bench): Promise<Facts>
}

/** What every scenario is run with. */
export interface Bench {
  readonly seed: number
  /** Reports progress every few seconds, for scenarios of minutes. */
  readonly report: (line: string) => void
  /** Receives every verdict in a system that the scenario starts itself. */
  readonly judged: (figures: Figures) => void
}

export type Facts = Readonly<Record<string, number | string>>

/** This place lacks what a scenario needs: it is not run, which is neither a pass nor a failure. */
export class CannotRunHere extends Error {
  override readonly name = 'CannotRunHere'
}

export const bothDeliveries = ['at-least-once', 'at-most-once'] as const satisfies Delivery[]

export const LOCK_MS = 2000
const FINISH_MS = 120_000

/** A campaign that is well under way: some recipients are settled and many are not. */
export async function underWay(
  system: AnySystem,
  app: string,
  { recipients = 8000, delivery = 'at-least-once', ratePerSecond = 2000 }: UnderWay = {},
): Promise<ChaosCampaign> {
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
export async function settle(system: AnySystem, campaign: ChaosCampaign): Promise<Verdict & { finishMs: number }> {
  const startedAtMs = performance.now()
  await finishedCampaign(system, campaign.id, FINISH_MS)
  const finishMs = Math.round(performance.now() - startedAtMs)
  const verdict = await judge(system, [campaign])
  if (verdict.broken.length > 0) throw new Error(verdict.broken.slice(0, 5).join('; '))
  return { ...verdict, finishMs }
}

export function facts({ takeovers, duplicates, inDoubt, finishMs }: Verdict & { finishMs: number }): Facts {
  return {
    takeovers,
    duplicates,
    inDoubt,
    finishMs,
  }
}

export function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
}

/** Whatever was broken works again; API and workers run. */
export async function repair(system: AnySystem): Promise<void> {
  await system.redis.start()
  await system.wns(healthyFaults)
  for (const each of [system.apiProcess, ...system.workers]) await each.repair()
}

export function pair(system: AnySystem): readonly [ChaosProcess, ChaosProcess] {
  const [first, second] = system.workers
  if (first === undefined || second === undefined) throw new Error('this needs two workers')
  return [first, second]
}

/** A counter of a process, summed over its labels. */
export async function metric(worker: ChaosProcess, name: string): Promise<number> {
  const { body } = await request(`${worker.ops}/metrics`)
  return (await body.text())
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}

export async function postsSoFar(system: AnySystem): Promise<number> {
  const { body } = await system.control('GET', '/v1/stats')
  return ((await body.json()) as { posts: number }).posts
}

/** The same system with this many more expected duplicates, because Redis lost these posts (G8). */
export function forgetful(system: ChaosSystem, posts: number): ChaosSystem {
  return {
    ...system,
    judged: (figures) => system.judged({ ...figures, duplicateBound: figures.duplicateBound + posts }),
  }
}

/** Holds even after a rollback: one outcome per recipient, and only lost posts are repeated beyond the bound. */
export function holdsButForgets(verdict: Verdict, { behaviours }: ChaosCampaign, forgotten: number): Facts {
  const { lost, counterError, duplicates, duplicateBound, recipients, takeovers } = verdict
  must(lost === 0 && counterError === 0, `lost ${lost}, counter error ${counterError}`)
  must(recipients === behaviours.length, `${recipients} results`)
  const bound = duplicateBound + forgotten
  must(duplicates <= bound, `${duplicates} duplicates exceed the bound of ${bound}, ${forgotten} posts were forgotten`)
  return { duplicates, bound, takeovers }
}

/** Batches of a campaign that are open now. */
export async function openBatches({ look, keys }: AnySystem, app: string, id: string): Promise<number> {
  const live = await look.smembers(keys.live(app, id))
  const states = await Promise.all(live.map((seq) => look.hget(keys.batch(app, id, Number(seq)), 'state')))
  return states.filter((state) => state === 'open').length
}
