import type { AppId } from '@wns-fanout/domain'
import type { Registry } from '@wns-fanout/state'

const DAY_SECONDS = 86_400
/** Ages in days that the gauge shows. */
export const ageDays = [30, 90, 180, 365] as const

/** Ages change slowly, and reading them is the most expensive of the gauges. */
const FRESH_MS = 600_000
/** Apps that one scrape reads. */
const APPS_AT_ONCE = 20

interface Ages {
  readonly readAtMs: number
  /** Channels that last registered at least that long ago, in the order of `ageDays`. */
  readonly older: readonly number[]
}

/** The ages of channels, read at most every ten minutes, those of a few apps at each scrape. */
export class AgeGauges {
  readonly #registry: Pick<Registry, 'ages'>
  readonly #nowMs: () => number
  readonly #known = new Map<AppId, Ages>()

  constructor(registry: Pick<Registry, 'ages'>, nowMs: () => number = () => performance.now()) {
    this.#registry = registry
    this.#nowMs = nowMs
  }

  /** Read those that are no longer fresh, the oldest first, and forget apps that are gone. */
  async refresh(apps: readonly AppId[], signal: AbortSignal): Promise<void> {
    const wanted = new Set(apps)
    for (const app of this.#known.keys()) if (!wanted.has(app)) this.#known.delete(app)
    const due = apps
      .map((app) => ({ app, readAtMs: this.#known.get(app)?.readAtMs ?? Number.NEGATIVE_INFINITY }))
      .filter(({ readAtMs }) => this.#nowMs() - readAtMs >= FRESH_MS)
      .toSorted((one, other) => one.readAtMs - other.readAtMs)
    for (const { app } of due.slice(0, APPS_AT_ONCE)) {
      signal.throwIfAborted()
      const older = await this.#read(app)
      this.#known.set(app, { readAtMs: this.#nowMs(), older })
    }
  }

  /** None of an app that cannot be read: its other gauges report it. */
  #read(app: AppId): Promise<readonly number[]> {
    const ages = ageDays.map((days) => days * DAY_SECONDS)
    return this.#registry.ages(app, ages).catch(() => [])
  }

  /** Empty until the app was read for the first time. */
  of(app: AppId): readonly number[] {
    return this.#known.get(app)?.older ?? []
  }
}
