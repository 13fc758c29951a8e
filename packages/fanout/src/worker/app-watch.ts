import type { AppId, FanoutEvent } from '@wns-fanout/domain'
import type { AppRevision, AppStore } from '@wns-fanout/state'
import pLimit from 'p-limit'
import { AppBreaker } from '../send/app-breaker.ts'
import type { AppRunnerDeps } from './app-runner.ts'
import { AppRunner } from './app-runner.ts'
import type { Queues } from './queues.ts'
import { sendQueueName } from './queues.ts'

export interface AppWatchDeps extends Omit<AppRunnerDeps, 'limit' | 'report' | 'queues'> {
  readonly apps: AppStore
  readonly queues: AppRunnerDeps['queues'] & Pick<Queues, 'rest'>
  readonly emit: (event: FanoutEvent) => void
  /** Only these apps, where workers are divided among apps. */
  readonly only?: ReadonlySet<string> | undefined
  /** Called with each app and whenever it changed, before any of its batches is sent. */
  readonly onApp: (app: AppRevision) => void
  readonly onAppGone: (app: AppId) => void
  /** How long a queue may be without work before the process lets it go, in milliseconds; default 5 s. */
  readonly lingerMs?: number | undefined
}

/** The process has this many times as many batches in hand as one app, so that one app does not take all. */
const MAX_FULL_QUEUES = 4
const LINGER_MS = 5000
/** Queues are served a little before their jobs are due, by the clock of this process. */
const AHEAD_MS = 1000

interface KnownApp {
  readonly revision: AppRevision
  /** Kept between runners: it counts the answers of WNS. */
  breaker?: AppBreaker
}

/**
 * Serves the queues of the apps that have work, and follows the state of all: paused, active, removed. An app without
 * work costs an entry of a map.
 */
export class AppWatch {
  readonly #deps: AppWatchDeps
  readonly #runnerDeps: Omit<AppRunnerDeps, 'report'>
  readonly #known = new Map<AppId, KnownApp>()
  readonly #runners = new Map<AppId, AppRunner>()
  readonly #leaving = new Set<Promise<void>>()
  #revisions: ReadonlyMap<AppId, AppRevision> | undefined
  #mayServe = false

  constructor(deps: AppWatchDeps) {
    this.#deps = deps
    this.#runnerDeps = { ...deps, limit: pLimit(MAX_FULL_QUEUES * (deps.busyBatches + deps.freeSlots)) }
  }

  /** Is the breaker of the app open? */
  isBarred(app: AppId): boolean {
    const known = this.#known.get(app)
    return known?.breaker?.isOpen ?? known?.revision.breaker !== undefined
  }

  /** Follow each app as its record shows it, and serve those whose queue needs a worker. */
  async look(): Promise<void> {
    const { apps, queues } = this.#deps
    this.#revisions =
      this.#revisions === undefined ? await apps.revisions() : ((await apps.changes()) ?? this.#revisions)
    for (const [app, revision] of this.#revisions) this.#isolated(app, () => this.#follow(app, revision))
    for (const app of this.#known.keys()) if (!this.#revisions.has(app)) this.#forget(app)
    this.#mayServe = true
    // An announcement that was lost is made up for here.
    for (const app of await queues.ready.until(Date.now() + AHEAD_MS)) this.#serve(app)
    await Promise.all([...this.#runners].map(([app, runner]) => this.#letGoIfIdle(app, runner)))
  }

  /** The queue of the app may have a job. */
  wake(app: AppId): void {
    this.#serve(app)
    this.#runners.get(app)?.wake()
  }

  /** Stop sending for every app, until the next `look`. */
  pauseAll(): void {
    this.#mayServe = false
    for (const [app, runner] of this.#runners) this.#end(app, runner)
  }

  /** Forget every app; the next `look` begins again. */
  forgetAll(): void {
    this.#mayServe = false
    this.#revisions = undefined
    for (const app of this.#known.keys()) this.#forget(app)
  }

  /** Resolves when no job is under way any more. */
  async close(): Promise<void> {
    this.pauseAll()
    await Promise.all(this.#leaving)
  }

  /** An app that fails here is tried again with each `look`, and does not keep the others from being served. */
  #follow(app: AppId, revision: AppRevision): void {
    if (this.#deps.only !== undefined && !this.#deps.only.has(app)) return
    const known = this.#known.get(app)
    if (known?.revision !== revision) {
      this.#deps.onApp(revision)
      this.#known.set(app, { ...known, revision })
    }
    known?.breaker?.follow(revision.breaker)
    const runner = this.#runners.get(app)
    if (runner !== undefined && revision.state === 'paused') this.#end(app, runner)
  }

  #serve(app: AppId): void {
    const known = this.#known.get(app)
    if (!this.#mayServe || known === undefined || known.revision.state === 'paused' || this.#runners.has(app)) return
    this.#isolated(app, () => {
      known.breaker ??= this.#breakerOf(app, known.revision)
      const report = (error: unknown): void => this.#report(sendQueueName(app), error)
      this.#runners.set(app, new AppRunner(app, known.breaker, { ...this.#runnerDeps, report }))
    })
  }

  #breakerOf(app: AppId, revision: AppRevision): AppBreaker {
    const breaker = new AppBreaker(app, this.#deps.apps, (error) => this.#report(`breaker of ${app}`, error))
    breaker.follow(revision.breaker)
    return breaker
  }

  /** A runner that waits for a job is held while its queue is looked at, so it cannot take one that is then dropped. */
  async #letGoIfIdle(app: AppId, runner: AppRunner): Promise<void> {
    if (runner.idleMs < (this.#deps.lingerMs ?? LINGER_MS) || !runner.hold()) return
    try {
      if ((await this.#deps.queues.rest(app)) && this.#runners.get(app) === runner) this.#end(app, runner)
    } catch (error) {
      this.#report(sendQueueName(app), error)
    } finally {
      if (this.#runners.get(app) === runner) runner.release()
    }
  }

  /** Stop serving an app, and wait for the answers of its posts under way. */
  #end(app: AppId, runner: AppRunner): void {
    this.#runners.delete(app)
    const leaving = runner
      .end()
      .catch((error: unknown) => this.#report(sendQueueName(app), error))
      .finally(() => this.#leaving.delete(leaving))
    this.#leaving.add(leaving)
  }

  #forget(app: AppId): void {
    const runner = this.#runners.get(app)
    if (runner !== undefined) this.#end(app, runner)
    this.#known.delete(app)
    this.#deps.onAppGone(app)
  }

  #isolated(app: AppId, work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#report(`watch of ${app}`, error)
    }
  }

  #report(operation: string, error: unknown): void {
    this.#deps.emit({ type: 'operation.failed', operation, error })
  }
}
