import { copyFile, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Delivery } from '@wns-fanout/domain'
import { messageOf } from './catalogue.ts'
import type { Verdict } from './judge.ts'
import { Watch, judge } from './judge.ts'
import type { ChaosCampaign } from './load.ts'
import { finishedCampaign, launchCampaign, mixedBehaviours, registerChannels, settledCount } from './load.ts'
import type { Act, NemesisCounts } from './nemesis.ts'
import { healthyFaults, Nemesis } from './nemesis.ts'
import { diceOf } from './random.ts'
import { startChaosSystem } from './system.ts'
import type { ChaosSystem } from './system.ts'

export interface ChaosRunOptions {
  readonly seed: number
  /** Of the campaigns, in turn. */
  readonly deliveries: readonly [Delivery, ...Delivery[]]
  /** How long faults are injected; the repair and the verdict follow. */
  readonly forMs: number
  readonly workers?: number
  readonly lockMs?: number
  /** Fewest and most recipients of a campaign. */
  readonly recipients?: readonly [number, number]
  /** Time between two faults, at least and at most. */
  readonly pauseMs?: readonly [number, number]
  /** What the nemesis does; everything by default. */
  readonly acts?: readonly Act[]
  /** Faults continue until this many batches changed their owner, if that takes longer than `forMs`. */
  readonly atLeastTakeovers?: number
  /** A folder for the logs of all processes, which are gone with them otherwise. */
  readonly logsTo?: string | undefined
  readonly say: (line: string) => void
}

export interface ChaosRun extends Verdict {
  readonly campaigns: number
  readonly faults: NemesisCounts
  /** From the end of the last fault until nothing was pending any more. */
  readonly healMs: number
}

/** Number of campaigns that are sent at the same time. */
const SIDE_BY_SIDE = 3
/** The next one begins when so much of a campaign is settled, or after so long: the last few wait for their retries. */
const NEXT_AT_SHARE = 0.95
const NEXT_AFTER_MS = 15_000
/** So long is waited for the end of a campaign under fire before a second one to the same devices is given up. */
const END_UNDER_FIRE_MS = 60_000
/**
 * Liveness: after the last fault the longest wait is that of an app whose token was revoked twice within a minute. Its
 * breaker opens, the first probe may get another 401, and the last retries follow.
 */
const HEAL_LIMIT_MS = 240_000
const PROGRESS_MS = 5000

/** Sends campaigns while the nemesis injects faults; then repairs everything, waits for the end, and judges. */
export async function chaosRun(options: ChaosRunOptions): Promise<ChaosRun> {
  const { seed, deliveries, forMs, workers = 3, lockMs = 3000, recipients = [3000, 12_000], say } = options
  const random = diceOf(seed)
  const system = await startChaosSystem({ workers, lockMs })
  const nemesis = new Nemesis(system, diceOf(seed ^ 0x5eed), options.pauseMs, options.acts)
  const over = new AbortController()
  const campaigns: ChaosCampaign[] = []
  const watches: Watch[] = []
  try {
    await system.wns(healthyFaults)
    const begin = async (n: number): Promise<ChaosCampaign> => {
      const app = `chaos-${n}`
      const delivery = deliveries[n % deliveries.length] ?? deliveries[0]
      const behaviours = mixedBehaviours(random.between(...recipients), random)
      await registerChannels(system, app, behaviours)
      const campaign = await launchCampaign(system, app, behaviours, delivery)
      campaigns.push(campaign)
      watches.push(new Watch(system, campaign))
      return campaign
    }
    let next = 0
    const send = async (): Promise<void> => {
      while (!over.signal.aborted) {
        const n = next
        next += 1
        const campaign = await begin(n)
        const enough = Math.floor(campaign.behaviours.length * NEXT_AT_SHARE)
        await settledCount(system, campaign.id, enough, NEXT_AFTER_MS).catch(() => {})
        // Another generic update to the same devices at once: no device that got the first one may get it.
        if (n % 6 !== 0 || over.signal.aborted) continue
        // While faults continue, no end is promised; then there is no second campaign.
        const isOver = await finishedCampaign(system, campaign.id, END_UNDER_FIRE_MS).then(
          () => true,
          () => false,
        )
        if (!isOver || over.signal.aborted) continue
        campaigns.push(
          await launchCampaign(system, campaign.app, campaign.behaviours, campaign.delivery, { topic: 'again' }),
        )
      }
    }
    nemesis.start()
    const ending = endAfter(forMs, () => hasTakeovers(system, campaigns, options.atLeastTakeovers ?? 0), over)
    const observing = observe(watches, over.signal)
    const telling = progress(system, campaigns, nemesis, over.signal, say)
    await Promise.all(Array.from({ length: SIDE_BY_SIDE }, send))
    await Promise.all([observing, telling, ending])
    await nemesis.heal()
    say(`healed; waiting for ${campaigns.length} campaigns`)
    const healedAtMs = performance.now()
    for (const { id } of campaigns) {
      await finishedCampaign(system, id, HEAL_LIMIT_MS).catch(async (error: unknown) => {
        throw new Error(`not settled after the repair: ${await unfinished(system, campaigns)}`, { cause: error })
      })
    }
    const healMs = Math.round(performance.now() - healedAtMs)
    const verdict = await judge(system, campaigns)
    const deaths = [system.apiProcess, ...system.workers].flatMap((process) => process.deaths)
    const broken = [...verdict.broken, ...watches.flatMap((watch) => watch.broken), ...deaths]
    return { campaigns: campaigns.length, faults: nemesis.counts, healMs, ...verdict, broken }
  } finally {
    over.abort()
    if (options.logsTo !== undefined) await keepLogs(system.folder, options.logsTo)
    await system.stop()
  }
}

/** Each campaign that has not finished with its state, or why it cannot be asked. */
async function unfinished({ api }: ChaosSystem, campaigns: readonly ChaosCampaign[]): Promise<string> {
  const lines = await Promise.all(
    campaigns.map(async ({ app, id }) => {
      const view = await api.campaign(id).catch((error: unknown) => `cannot be read: ${messageOf(error)}`)
      if (typeof view === 'string') return [`${id} of ${app} ${view}`]
      if (view.finishedAt !== undefined) return []
      return [`${id} of ${app} is ${view.state} (${view.reason ?? 'no reason'}), ${view.totals.pending} pending`]
    }),
  )
  return lines.flat().join('; ')
}

/** Whatever fails meanwhile aborts `over` as well, so this ends. */
async function endAfter(forMs: number, isEnough: () => Promise<boolean>, over: AbortController): Promise<void> {
  await wait(forMs, undefined, { signal: over.signal }).catch(() => {})
  while (!over.signal.aborted && !(await isEnough().catch(() => false)))
    await wait(200, undefined, { signal: over.signal }).catch(() => {})
  over.abort()
}

async function hasTakeovers(
  { look, keys }: ChaosSystem,
  campaigns: readonly ChaosCampaign[],
  atLeast: number,
): Promise<boolean> {
  if (atLeast === 0) return true
  const counts = await Promise.all(campaigns.map(({ app, id }) => look.hget(keys.campaign(app, id), 'takeovers')))
  return counts.reduce((so, count) => so + Number(count ?? 0), 0) >= atLeast
}

async function keepLogs(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  for (const name of await readdir(from)) if (name.endsWith('.log')) await copyFile(join(from, name), join(to, name))
  await copyFile(join(from, 'redis', 'redis.log'), join(to, 'redis.log'))
}

/** Checks the ledger of the newest campaigns repeatedly; without Redis the check waits. */
async function observe(watches: readonly Watch[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const watch of watches.slice(-SIDE_BY_SIDE)) await watch.look().catch(() => {})
    await wait(250, undefined, { signal }).catch(() => {})
  }
}

async function progress(
  system: ChaosSystem,
  campaigns: readonly ChaosCampaign[],
  nemesis: Nemesis,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<void> {
  const startedAtMs = performance.now()
  const settledOf = new Map<string, number>()
  while (!signal.aborted) {
    await wait(PROGRESS_MS, undefined, { signal }).catch(() => {})
    const views = await Promise.all(campaigns.map(({ id }) => system.api.campaign(id).catch(() => undefined)))
    // What cannot be asked now, since the API is dead, is what it was.
    for (const view of views)
      if (view !== undefined) settledOf.set(view.id, (view.audienceSize ?? 0) - view.totals.pending)
    const settled = [...settledOf.values()].reduce((so, count) => so + count, 0)
    const seconds = Math.round((performance.now() - startedAtMs) / 1000)
    const faults = Object.entries(nemesis.counts).map(([name, count]) => `${name} ${count}`)
    say(`${seconds} s: ${campaigns.length} campaigns, ${settled} recipients settled; ${faults.join(', ')}`)
  }
}
