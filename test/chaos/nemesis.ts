import { setTimeout as wait } from 'node:timers/promises'
import type { NetworkFault } from './fault-proxy.ts'
import type { Dice } from './random.ts'
import type { ChaosProcess } from './process.ts'
import type { ChaosSystem } from './system.ts'

/** A healthy WNS here takes a few milliseconds, so that posts are under way whenever something breaks. */
export const healthyFaults = { latencyMs: 5 }

export type Act = 'kill' | 'terminate' | 'freeze' | 'network' | 'reset' | 'api' | 'redis' | 'wns'

function times(count: number, act: Act): Act[] {
  return Array.from({ length: count }, () => act)
}

const everyFault: readonly Act[] = [
  ...times(5, 'kill'),
  ...times(3, 'freeze'),
  ...times(4, 'network'),
  ...times(1, 'reset'),
  ...times(1, 'terminate'),
  ...times(2, 'api'),
  ...times(2, 'redis'),
  ...times(3, 'wns'),
]

export type NemesisCounts = Record<string, number>

/**
 * Breaks one thing after another at random until it is stopped; then it repairs everything. Faults overlap: at
 * any moment the API and workers may be dead, frozen or cut off while Redis is down and WNS refuses.
 */
export class Nemesis {
  readonly #system: ChaosSystem
  readonly #random: Dice
  readonly #pauseMs: readonly [number, number]
  readonly #choices: readonly Act[]
  readonly #busy = new Set<ChaosProcess>()
  readonly #acts = new Set<Promise<void>>()
  /** Of acts that have ended already; the repair reports them. */
  readonly #failures: unknown[] = []
  readonly #stopping = new AbortController()
  readonly counts: NemesisCounts = {}
  #redisBusy = false
  #wnsBusy = false
  #run: Promise<void> | undefined

  /**
   * @param pauseMs the least and the most time between two faults
   * @param acts what it does; an act named twice is chosen twice as often
   */
  constructor(
    system: ChaosSystem,
    random: Dice,
    pauseMs: readonly [number, number] = [300, 1500],
    acts: readonly Act[] = everyFault,
  ) {
    this.#system = system
    this.#random = random
    this.#pauseMs = pauseMs
    this.#choices = acts
  }

  start(): void {
    this.#run ??= this.#strike()
  }

  /** Resolves when all faults have ended and all workers run. Rejects with an error of the nemesis itself. */
  async heal(): Promise<void> {
    this.#stopping.abort()
    await this.#run
    await Promise.allSettled(this.#acts)
    if (this.#failures.length > 0) throw new AggregateError(this.#failures, 'the nemesis could not do what it wanted')
    await this.#system.redis.start()
    await this.#system.wns(healthyFaults)
    for (const each of [this.#system.apiProcess, ...this.#system.workers]) await each.repair()
  }

  async #strike(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      await this.#sleep(this.#random.between(...this.#pauseMs))
      const what = this.#random.pick(this.#choices)
      const act = this.#act(what)
      if (act === undefined) continue
      this.counts[what] = (this.counts[what] ?? 0) + 1
      const done: Promise<void> = act.finally(() => this.#acts.delete(done))
      done.catch((error: unknown) => this.#failures.push(error))
      this.#acts.add(done)
    }
  }

  #act(what: Act): Promise<void> | undefined {
    switch (what) {
      case 'kill':
        return this.#withWorker(async (worker, ms) => {
          await worker.kill()
          await this.#sleep(ms / 4)
          await worker.startAgain()
        })
      case 'terminate':
        return this.#withWorker(async (worker) => {
          await worker.terminate()
          await worker.startAgain()
        })
      case 'freeze':
        return this.#withWorker(async (worker, ms) => {
          worker.freeze()
          await this.#sleep(this.#system.lockMs + ms)
          worker.thaw()
        })
      case 'network':
        return this.#withWorker(async (worker, ms) => {
          worker.proxy.set(this.#networkFault())
          await this.#sleep(ms)
          worker.proxy.set({ kind: 'pass' })
        })
      case 'reset':
        return this.#withWorker(async (worker) => worker.proxy.reset())
      case 'api':
        return this.#withApi()
      case 'redis':
        return this.#withRedis()
      case 'wns':
        return this.#withWns()
      default:
        return what satisfies never
    }
  }

  #withWorker(act: (worker: ChaosProcess, ms: number) => Promise<void>): Promise<void> | undefined {
    const worker = this.#random.pick(this.#system.workers)
    const ms = this.#random.between(200, this.#system.lockMs * 2)
    if (this.#busy.has(worker)) return undefined
    this.#busy.add(worker)
    return act(worker, ms).finally(() => this.#busy.delete(worker))
  }

  /** It dies, or its way to Redis is broken. */
  #withApi(): Promise<void> | undefined {
    const ms = this.#random.between(200, 2000)
    const fault = this.#random.pick<'death' | NetworkFault>(['death', this.#networkFault()])
    const { apiProcess } = this.#system
    if (this.#busy.has(apiProcess)) return undefined
    this.#busy.add(apiProcess)
    return (async () => {
      if (fault === 'death') await apiProcess.kill()
      else apiProcess.proxy.set(fault)
      await this.#sleep(ms)
      await apiProcess.repair()
    })().finally(() => this.#busy.delete(apiProcess))
  }

  #networkFault(): NetworkFault {
    return this.#random.pick<NetworkFault>([
      { kind: 'blackhole' },
      { kind: 'hold' },
      { kind: 'dropReplies' },
      { kind: 'refuse' },
      { kind: 'delay', ms: this.#random.between(20, 300) },
      { kind: 'cutAfterUp', bytes: this.#random.between(1, 3000) },
    ])
  }

  #withRedis(): Promise<void> | undefined {
    const ms = this.#random.between(100, 1000)
    if (this.#redisBusy) return undefined
    this.#redisBusy = true
    return (async () => {
      await this.#system.redis.kill()
      await this.#sleep(ms)
      await this.#system.redis.start()
      // Redis is not killed all the time: even a nemesis needs something that works to break.
      await this.#sleep(5000)
      this.#redisBusy = false
    })()
  }

  #withWns(): Promise<void> | undefined {
    const ms = this.#random.between(300, 2000)
    const storm = this.#random.pick([
      { latencyMs: 250 },
      { ...healthyFaults, always: 503 },
      { ...healthyFaults, always: 500 },
      { ...healthyFaults, rateCap: { perSecond: 200, status: 406, retryAfter: 1 } },
      { ...healthyFaults, rateCap: { perSecond: 200, status: 429, retryAfter: null } },
      'revoke' as const,
    ])
    if (this.#wnsBusy) return undefined
    this.#wnsBusy = true
    return (async () => {
      if (storm === 'revoke') await (await this.#system.control('POST', '/v1/tokens/revoke', {})).body.dump()
      else {
        await this.#system.wns(storm)
        await this.#sleep(ms)
        await this.#system.wns(healthyFaults)
      }
      this.#wnsBusy = false
    })()
  }

  async #sleep(ms: number): Promise<void> {
    await wait(ms, undefined, { signal: this.#stopping.signal }).catch(() => {})
  }
}
