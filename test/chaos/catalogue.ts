import { crashCases, crashOnce } from './crash.ts'
import type { Figures } from './figures.ts'
import { sumOf } from './figures.ts'
import { apiScenarios } from './scenarios/api.ts'
import { clusterScenarios } from './scenarios/cluster.ts'
import { processScenarios } from './scenarios/process.ts'
import { producerScenarios } from './scenarios/producer.ts'
import { redisScenarios } from './scenarios/redis.ts'
import { refusalScenarios } from './scenarios/refusals.ts'
import { sentinelScenarios } from './scenarios/sentinel.ts'
import { storageScenarios } from './scenarios/storage.ts'
import { scaleScenarios } from './scenarios/scale.ts'
import type { Bench, Facts, Scenario, ScenarioAlone, ScenarioInSystem } from './scenarios/scenario.ts'
import { CannotRunHere, LOCK_MS, bothDeliveries, repair } from './scenarios/scenario.ts'
import type { ChaosSystem } from './system.ts'
import { startChaosSystem } from './system.ts'

const crashScenarios: readonly Scenario[] = crashCases.flatMap((crash) =>
  bothDeliveries.map((delivery) => ({
    id: `P2-${crash.point}`,
    what: `the only worker dies at ${crash.point}, ${delivery}`,
    async run(system: ChaosSystem, app: string) {
      await Promise.all(system.workers.slice(1).map((worker) => worker.terminate()))
      const { broken, takeovers, duplicates, inDoubt } = await crashOnce(system, app, crash, delivery)
      if (broken.length > 0) throw new Error(broken.join('; '))
      return { takeovers, duplicates, inDoubt }
    },
  })),
)

export const catalogue: readonly Scenario[] = [
  ...processScenarios,
  ...crashScenarios,
  ...apiScenarios,
  ...redisScenarios,
  ...storageScenarios,
  ...clusterScenarios,
  ...sentinelScenarios,
  ...refusalScenarios,
  ...producerScenarios,
  ...scaleScenarios,
]

/** The scenarios of `ids`: P5 is one row, P2 all rows of P2, R all rows that start with R. Default: all. */
export function choose(ids: readonly string[]): readonly Scenario[] {
  const unknown = ids.filter((one) => !catalogue.some(({ id }) => isNamedBy(one, id)))
  if (unknown.length > 0)
    throw new Error(`the catalogue has no row ${unknown.join(', ')}; --list shows all rows, for example P5, P2 or R`)
  return catalogue.filter(({ id }) => ids.length === 0 || ids.some((one) => isNamedBy(one, id)))
}

function isNamedBy(one: string, id: string): boolean {
  return id === one || id.startsWith(/\d/.test(one) ? `${one}-` : one)
}

export interface CatalogueRun {
  readonly scenarios: number
  readonly held: number
  readonly failed: number
  /** They need something that this place lacks. */
  readonly notRun: number
  /** Over all campaigns that were judged. */
  readonly figures: Figures
}

/** Runs scenarios one by one, and logs each in a line. */
export async function runCatalogue(
  wanted: readonly Scenario[],
  { seed, say }: { readonly seed: number; readonly say: (line: string) => void },
): Promise<CatalogueRun> {
  const judged: Figures[] = []
  const shared = new SharedSystem((figures) => judged.push(figures))
  const startedAtMs = performance.now()
  const counts = { held: 0, failed: 0, notRun: 0 }
  try {
    for (const [n, scenario] of wanted.entries()) {
      const row = `[${n + 1}/${wanted.length}]`
      const report = (line: string): void => say(`${row} ...  ${scenario.id.padEnd(4)} ${line}`)
      const bench = { seed, report, judged: (figures: Figures) => judged.push(figures) }
      const rowStartedAtMs = performance.now()
      const { verdict, text } = await runRow(scenario, `row-${n}`, bench, shared)
      counts[verdict] += 1
      const took = `${secondsSince(rowStartedAtMs)} s`
      say(`${row} ${marks[verdict]} ${scenario.id.padEnd(4)} ${scenario.what} (${took}${text}`)
    }
  } finally {
    await shared.stop()
  }
  const { held, failed, notRun } = counts
  say(
    `${held} of ${wanted.length} scenarios hold, ${failed} fail, ${notRun} cannot be run here (${secondsSince(startedAtMs)} s)`,
  )
  return { scenarios: wanted.length, ...counts, figures: sumOf(judged) }
}

const marks = { held: 'ok  ', failed: 'FAIL', notRun: 'n/a ' } as const

async function runRow(
  scenario: Scenario,
  app: string,
  bench: Bench,
  shared: SharedSystem,
): Promise<{ readonly verdict: keyof typeof marks; readonly text: string }> {
  try {
    const facts = await ('runAlone' in scenario
      ? runAlone(scenario, app, bench, shared)
      : shared.run(scenario, app, bench))
    const shown = Object.entries(facts).map(([name, value]) => `, ${name} ${value}`)
    return { verdict: 'held', text: `${shown.join('')})` }
  } catch (error) {
    // What a failed scenario leaves behind would only fail the next one.
    await shared.stop()
    return { verdict: error instanceof CannotRunHere ? 'notRun' : 'failed', text: `): ${messageOf(error)}` }
  }
}

async function runAlone(scenario: ScenarioAlone, app: string, bench: Bench, shared: SharedSystem): Promise<Facts> {
  await shared.stop()
  return scenario.runAlone(app, bench)
}

/** The system that scenarios are run in one after another, for as long as it is whole. */
class SharedSystem {
  readonly #judged: (figures: Figures) => void
  #system: ChaosSystem | undefined

  constructor(judged: (figures: Figures) => void) {
    this.#judged = judged
  }

  async run(scenario: ScenarioInSystem, app: string, bench: Bench): Promise<Facts> {
    this.#system ??= await startChaosSystem({ workers: 2, lockMs: LOCK_MS, judged: this.#judged })
    await repair(this.#system)
    return scenario.run(this.#system, app, bench)
  }

  async stop(): Promise<void> {
    const system = this.#system
    this.#system = undefined
    await system?.stop()
  }
}

function secondsSince(startedAtMs: number): string {
  return ((performance.now() - startedAtMs) / 1000).toFixed(1)
}

/** An error for people, with what caused it. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message
}
