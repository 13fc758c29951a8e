import { setTimeout as wait } from 'node:timers/promises'
import { createInterface } from 'node:readline'
import type { Delivery } from '@wns-fanout/domain'
import type { Verdict } from '../chaos/judge.ts'
import { judge, creditWindow } from '../chaos/judge.ts'
import type { ChaosCampaign } from '../chaos/load.ts'
import { finishedCampaign, launchCampaign, registerChannels, settledCount } from '../chaos/load.ts'
import { diceOf } from '../chaos/random.ts'
import type { ChaosProcess } from '../chaos/process.ts'
import type { ChaosSystem } from '../chaos/system.ts'
import { startChaosSystem } from '../chaos/system.ts'
import { rounded } from './support/campaign.ts'
import { spread } from './support/cpu.ts'
import type { Ending } from './support/hand-overs.ts'
import { handOverSeconds, readOpened } from './support/hand-overs.ts'

export interface RecoveryBenchOptions {
  /** Lock of a batch; what is shipped is 60 s. */
  readonly lockMs: number
  readonly kills: number
  readonly stops: number
  readonly outageSeconds: number
  readonly say: (line: string) => void
}

const WORKERS = 3
const RATE = 1000
const SHORT_LOCK_MS = 3000
/** So much more than the faults take: a batch of 512, one of nine at a time at this rate, is in hand for 4.6 s. */
const TAIL_SECONDS = 10
/** A worker is serving again so long after it was started, roughly. */
const RESTART_SECONDS = 2

/**
 * The recovery time after a fault, with real processes and a rate limited app: a worker that is killed, one that is
 * stopped, and a Redis outage. The simulator's record of posts shows whether recipients were lost or notified twice.
 */
export async function benchRecovery(options: RecoveryBenchOptions): Promise<Record<string, unknown>> {
  const { lockMs, kills, stops, outageSeconds, say } = options
  const shipped = await inSystem(lockMs, async (system) => {
    const stopped = await stopWorkers(system, stops, say)
    const killed = await killWorkers(system, kills, say)
    const outage = await loseRedis(system, outageSeconds, say)
    return { stopped, killed, outage }
  })
  const short = await inSystem(SHORT_LOCK_MS, (system) => killWorkers(system, kills, say))
  const { stopped, killed, outage } = shipped
  const all = [stopped.verdict, killed.verdict, outage.verdict, short.verdict]
  const sum = (of: (verdict: Verdict) => number): number => all.reduce((so, verdict) => so + of(verdict), 0)
  return {
    bench: 'recovery',
    workers: WORKERS,
    ratePerSecond: RATE,
    lockSeconds: lockMs / 1000,
    sigkillFirstSeconds: killed.first.median,
    sigkillLastSeconds: killed.last.max,
    sigkillCeilingSeconds: killed.ceilingSeconds,
    sigkill: figures(killed),
    sigkillShortLock: figures(short),
    sigtermSeconds: stopped.last.median,
    sigtermExitSeconds: stopped.exit.median,
    sigterm: { ...figures(stopped), exit: stopped.exit },
    outageSeconds: outage.seconds,
    outageBackToFullRateSeconds: outage.backToFullRateSeconds,
    postsDuringOutage: outage.posts,
    postsDuringOutageAllowed: outage.allowed,
    outage: figures(outage),
    duplicates: sum(({ duplicates }) => duplicates),
    duplicateBound: sum(({ duplicateBound }) => duplicateBound),
    inDoubt: sum(({ inDoubt }) => inDoubt),
    lost: sum(({ lost }) => lost),
    counterError: sum(({ counterError }) => counterError),
  }
}

function figures<T extends { readonly verdict: Verdict }>({ verdict, ...rest }: T) {
  const { recipients, takeovers, lost, duplicates, duplicateBound, inDoubt } = verdict
  return { ...rest, recipients, takeovers, lost, duplicates, duplicateBound, inDoubt }
}

async function inSystem<T>(lockMs: number, work: (system: ChaosSystem) => Promise<T>): Promise<T> {
  const system = await startChaosSystem({ workers: WORKERS, lockMs, env: { LOG_LEVEL: 'debug' } })
  try {
    return await work(system)
  } finally {
    await system.stop()
  }
}

/** A campaign that keeps all workers busy for this time at its rate. */
async function underLoad(
  system: ChaosSystem,
  app: string,
  seconds: number,
  delivery: Delivery = 'at-least-once',
): Promise<ChaosCampaign> {
  await system.control('POST', '/v1/reset')
  const behaviours = Array.from({ length: Math.round(RATE * seconds) }, () => 'ok')
  await registerChannels(system, app, behaviours, { ratePerSecond: RATE, burst: RATE / 10 })
  const campaign = await launchCampaign(system, app, behaviours, delivery)
  await settledCount(system, campaign.id, RATE * 4)
  return campaign
}

async function settle(system: ChaosSystem, campaign: ChaosCampaign): Promise<Verdict> {
  await finishedCampaign(system, campaign.id, 300_000 + system.lockMs * 2)
  const verdict = await judge(system, [campaign])
  if (verdict.broken.length > 0) throw new Error(verdict.broken.slice(0, 5).join('; '))
  return verdict
}

// A worker is killed

const KEPT_MS = 5000

/** Workers are killed in turn, at moments that have nothing to do with their locks, and started again at once. */
async function killWorkers(system: ChaosSystem, kills: number, say: (line: string) => void) {
  const random = diceOf(1)
  const pausesMs = Array.from({ length: kills }, () => system.lockMs * (0.2 + 0.25 * random.next()))
  const seconds = pausesMs.reduce((sum, ms) => sum + ms, 0) / 1000
  const campaign = await underLoad(system, `killed-${system.lockMs}`, seconds + kills * RESTART_SECONDS + TAIL_SECONDS)
  const endings: Ending[] = []
  for (const [n, pauseMs] of pausesMs.entries()) {
    await wait(pauseMs)
    const worker = workerOf(system, n)
    endings.push({ pid: worker.pid ?? 0, atMs: Date.now() })
    await worker.kill()
    await worker.start()
    say(`lock ${system.lockMs / 1000} s: kill ${n + 1} of ${kills}`)
  }
  const verdict = await settle(system, campaign)
  const times = await postTimes(system)
  const kept = endings.map(({ atMs }) => rateWithin(times, atMs, atMs + KEPT_MS) / RATE)
  const seen = await handOvers(system, campaign, endings, 'taken over')
  for (const [n, { first, last, batches }] of seen.entries())
    say(`lock ${system.lockMs / 1000} s: kill ${n + 1}: ${batches} batches, taken over after ${first} to ${last} s`)
  const stalledIntervalMs = Math.max(1000, system.lockMs / 4)
  return {
    lockSeconds: system.lockMs / 1000,
    ceilingSeconds: (system.lockMs + 2 * stalledIntervalMs) / 1000,
    kills,
    ...summary(seen),
    /** Of the rate, in the seconds after each kill. */
    rateKept: spread(kept.map(rounded)),
    verdict,
  }
}

// A worker is stopped

const STOP_EVERY_MS = 4000

async function stopWorkers(system: ChaosSystem, stops: number, say: (line: string) => void) {
  const seconds = stops * (STOP_EVERY_MS / 1000 + RESTART_SECONDS) + TAIL_SECONDS
  const campaign = await underLoad(system, 'stopped', seconds, 'at-most-once')
  const endings: Ending[] = []
  const exitSeconds: number[] = []
  for (let n = 0; n < stops; n += 1) {
    await wait(STOP_EVERY_MS)
    const worker = workerOf(system, n)
    const ending = { pid: worker.pid ?? 0, atMs: Date.now() }
    endings.push(ending)
    const code = await worker.terminate()
    if (code !== 0) throw new Error(`a stopped worker exited with ${code}`)
    exitSeconds.push((Date.now() - ending.atMs) / 1000)
    await worker.start()
  }
  const verdict = await settle(system, campaign)
  const seen = await handOvers(system, campaign, endings, 'handed over')
  for (const [n, { first, last, batches }] of seen.entries())
    say(`stop ${n + 1}: ${batches} batches, handed over after ${first} to ${last} s, gone after ${exitSeconds[n]} s`)
  return { stops, ...summary(seen), exit: spread(exitSeconds), verdict }
}

// Redis is away

async function loseRedis(system: ChaosSystem, outageSeconds: number, say: (line: string) => void) {
  const campaign = await underLoad(system, 'outage', 40)
  await wait(6000)
  const open = await openBatches(system, campaign)
  const before = await postsSoFar(system)
  const downAtMs = Date.now()
  await system.redis.kill()
  say(`Redis is gone; ${open} batches are open`)
  await wait(outageSeconds * 1000 - (Date.now() - downAtMs))
  const posts = (await postsSoFar(system)) - before
  await system.redis.start()
  const upAtMs = Date.now()
  say(`Redis is back after ${rounded((upAtMs - downAtMs) / 1000)} s, ${posts} posts in between`)
  const verdict = await settle(system, campaign)
  const times = await postTimes(system)
  const rate = rateWithin(times, downAtMs - 5000, downAtMs)
  const back = times.find((atMs) => atMs >= upAtMs && rateWithin(times, atMs, atMs + 3000) >= rate * 0.95)
  if (back === undefined) throw new Error('the rate from before Redis was away was never reached again')
  const opened = await readOpened(logsOf(system), campaign.id)
  const takeovers = opened.filter(({ takeover }) => takeover).map(({ atMs }) => (atMs - upAtMs) / 1000)
  say(`back at ${rounded(rate)} posts a second after ${(back - upAtMs) / 1000} s; taken over: ${takeovers.join(' ')}`)
  return {
    seconds: rounded((upAtMs - downAtMs) / 1000),
    ratePerSecondBefore: Math.round(rate),
    backToFullRateSeconds: rounded((back - upAtMs) / 1000),
    posts,
    allowed: creditWindow['at-least-once'] * open,
    openBatches: open,
    verdict,
  }
}

function rateWithin(times: readonly number[], fromMs: number, toMs: number): number {
  return (times.filter((atMs) => atMs >= fromMs && atMs < toMs).length * 1000) / (toMs - fromMs)
}

async function openBatches({ look, keys }: ChaosSystem, { app, id }: ChaosCampaign): Promise<number> {
  const live = await look.smembers(keys.live(app, id))
  const states = await Promise.all(live.map((seq) => look.hget(keys.batch(app, id, Number(seq)), 'state')))
  return states.filter((state) => state === 'open').length
}

async function postsSoFar(system: ChaosSystem): Promise<number> {
  const { posts } = (await (await system.control('GET', '/v1/stats')).body.json()) as { readonly posts: number }
  return posts
}

/** When each channel got its first post, in milliseconds since 1970; ordered. */
async function postTimes(system: ChaosSystem): Promise<number[]> {
  const times: number[] = []
  const { body } = await system.control('GET', '/v1/posts')
  for await (const line of createInterface({ input: body }))
    if (line !== '') times.push((JSON.parse(line) as { readonly firstAtMs: number }).firstAtMs)
  return times.toSorted((left, right) => left - right)
}

// Hand-overs

function workerOf({ workers }: ChaosSystem, n: number): ChaosProcess {
  const worker = workers[n % workers.length]
  if (worker === undefined) throw new Error('there are no workers')
  return worker
}

function logsOf({ workers }: ChaosSystem): string[] {
  return workers.map(({ logFile }) => logFile)
}

interface HandOver {
  readonly first: number
  readonly last: number
  readonly batches: number
}

async function handOvers(
  system: ChaosSystem,
  { id }: ChaosCampaign,
  endings: readonly Ending[],
  how: 'taken over' | 'handed over',
): Promise<HandOver[]> {
  const opened = await readOpened(logsOf(system), id)
  return endings.map((ending) => {
    const seconds = handOverSeconds(opened, ending, how)
    return { first: seconds[0] ?? 0, last: seconds.at(-1) ?? 0, batches: seconds.length }
  })
}

/** Of all endings that left batches behind: how long the first and the last of them waited for its next owner. */
function summary(seen: readonly HandOver[]) {
  const some = seen.filter(({ batches }) => batches > 0)
  if (some.length === 0) throw new Error('none of the workers had a batch in hand')
  return {
    batches: some.reduce((sum, { batches }) => sum + batches, 0),
    first: spread(some.map(({ first }) => first)),
    last: spread(some.map(({ last }) => last)),
  }
}
