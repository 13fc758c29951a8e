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
  readonly kills: number
  /** Workers killed while an app posts as fast as it can. */
  readonly fastKills: number
  readonly stops: number
  readonly freezeSeconds: number
  readonly outageSeconds: number
  readonly say: (line: string) => void
}

const WORKERS = 3
const RATE = 1000
/** As shipped. */
const LOCK_MS = 60_000
/** Faster than any machine. */
const UNLIMITED = 100_000
const RECIPIENTS_PER_FAST_KILL = 10_000
/** So much more than the faults take: a batch of 512, one of nine at a time at this rate, is in hand for 4.6 s. */
const TAIL_SECONDS = 10
/** A worker is serving again so long after it was started, on a machine with other load. */
const RESTART_SECONDS = 5

/**
 * The recovery after a fault, with real processes and the configuration that is shipped: workers that are killed, at a
 * limited rate and at full speed, a worker that is stopped, one that is frozen, and a Redis outage. The simulator's
 * record of posts shows whether recipients were lost or notified twice.
 */
export async function benchRecovery(options: RecoveryBenchOptions): Promise<Record<string, unknown>> {
  const { kills, fastKills, stops, freezeSeconds, outageSeconds, say } = options
  const { stopped, killed, fast, frozen, outage } = await inSystem(async (system) => ({
    stopped: await stopWorkers(system, stops, say),
    killed: await killWorkers(system, kills, say),
    fast: await killAtFullSpeed(system, fastKills, say),
    frozen: await freezeWorker(system, freezeSeconds, say),
    outage: await loseRedis(system, outageSeconds, say),
  }))
  const all = [stopped, killed, fast, frozen, outage].map(({ verdict }) => verdict)
  const sum = (of: (verdict: Verdict) => number): number => all.reduce((so, verdict) => so + of(verdict), 0)
  return {
    bench: 'recovery',
    workers: WORKERS,
    ratePerSecond: RATE,
    lockSeconds: LOCK_MS / 1000,
    nextOwnerMs: killed.nextOwnerMs,
    sigkill: figures(killed),
    duplicatesPerTakeover: rounded(fast.verdict.duplicates / Math.max(1, fast.verdict.takeovers)),
    sigkillFullSpeed: figures(fast),
    sigtermSeconds: stopped.last.median,
    sigtermExitSeconds: stopped.exit.median,
    sigterm: { ...figures(stopped), exit: stopped.exit },
    freezeSeconds,
    takeoversByFreeze: frozen.verdict.takeovers,
    frozen: figures(frozen),
    outageSeconds: outage.seconds,
    takeoversByOutage: outage.verdict.takeovers,
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

async function inSystem<T>(work: (system: ChaosSystem) => Promise<T>): Promise<T> {
  // The chaos tests use fewer lanes than a worker has by default.
  const env = { LOG_LEVEL: 'debug', WNS_FANOUT_LANES: '256' }
  const system = await startChaosSystem({ workers: WORKERS, lockMs: LOCK_MS, env })
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
const PAUSE_MS = [3000, 6000] as const

/** Workers are killed in turn, each a few seconds after the last one serves again. */
async function killWorkers(system: ChaosSystem, kills: number, say: (line: string) => void) {
  const random = diceOf(1)
  const [least, most] = PAUSE_MS
  const pausesMs = Array.from({ length: kills }, () => least + (most - least) * random.next())
  const seconds = pausesMs.reduce((sum, ms) => sum + ms, 0) / 1000
  const campaign = await underLoad(system, 'killed', seconds + kills * RESTART_SECONDS + TAIL_SECONDS)
  const endings: Ending[] = []
  for (const [n, pauseMs] of pausesMs.entries()) {
    await wait(pauseMs)
    endings.push(await killAndRestart(workerOf(system, n)))
    say(`kill ${n + 1} of ${kills}`)
  }
  const verdict = await settle(system, campaign)
  const times = await postTimes(system)
  const kept = endings.map(({ atMs }) => rateWithin(times, atMs, atMs + KEPT_MS) / RATE)
  const opened = await readOpened(logsOf(system), campaign.id)
  const waitsMs = endings.map((ending) =>
    handOverSeconds(opened, ending, 'taken over').map((each) => Math.round(each * 1000)),
  )
  for (const [n, each] of waitsMs.entries()) say(`kill ${n + 1}: next owners after ${each.join(', ') || 'none'} ms`)
  if (waitsMs.some((each) => each.length === 0)) say('some of the killed workers had no batch in hand')
  const { median, max } = spread(waitsMs.flat())
  return {
    kills,
    killsWithBatches: waitsMs.filter((each) => each.length > 0).length,
    batches: waitsMs.flat().length,
    nextOwnerMs: { p50: median, max },
    /** Of the rate, in the seconds after each kill. */
    rateKept: spread(kept.map(rounded)),
    verdict,
  }
}

async function killAndRestart(worker: ChaosProcess): Promise<Ending> {
  const ending = { pid: worker.pid ?? 0, atMs: Date.now() }
  await worker.kill()
  await worker.start()
  return ending
}

/** Workers are killed in turn while they post as fast as they can: then the most posts have no checkpoint yet. */
async function killAtFullSpeed(system: ChaosSystem, kills: number, say: (line: string) => void) {
  await system.control('POST', '/v1/reset')
  const behaviours = Array.from({ length: RECIPIENTS_PER_FAST_KILL * kills }, () => 'ok')
  await registerChannels(system, 'fast', behaviours, { ratePerSecond: UNLIMITED, burst: UNLIMITED })
  const campaign = await launchCampaign(system, 'fast', behaviours, 'at-least-once')
  for (let n = 0; n < kills; n += 1) {
    await settledCount(system, campaign.id, RECIPIENTS_PER_FAST_KILL * (n + 0.5))
    await killAndRestart(workerOf(system, n))
    say(`full speed: kill ${n + 1} of ${kills}`)
  }
  const verdict = await settle(system, campaign)
  say(`full speed: ${verdict.duplicates} duplicates in ${verdict.takeovers} batches that were taken over`)
  return { kills, verdict }
}

// A worker is frozen

/** Longer than a dead worker is left alone, and shorter than its lock. */
async function freezeWorker(system: ChaosSystem, seconds: number, say: (line: string) => void) {
  const campaign = await underLoad(system, 'frozen', seconds + TAIL_SECONDS)
  const worker = workerOf(system, 0)
  worker.freeze()
  say(`a worker is frozen for ${seconds} s`)
  await wait(seconds * 1000)
  worker.thaw()
  const verdict = await settle(system, campaign)
  say(`frozen: ${verdict.takeovers} batches were taken over`)
  return { seconds, verdict }
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
