import { crashCases, crashOnce } from './crash.ts'
import { apiScenarios } from './scenarios/api.ts'
import { processScenarios } from './scenarios/process.ts'
import { producerScenarios } from './scenarios/producer.ts'
import { redisScenarios } from './scenarios/redis.ts'
import type { Scenario } from './scenarios/scenario.ts'
import { LOCK_MS, bothDeliveries, mend } from './scenarios/scenario.ts'
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
  ...producerScenarios,
]

/**
 * Run the scenarios whose id begins with one of `only` (all, if there are none), one after another, and tell of each in
 * a line. Resolves to how many failed.
 */
export const runCatalogue = async (only: readonly string[], say: (line: string) => void): Promise<number> => {
  const wanted = catalogue.filter(
    ({ id }) => only.length === 0 || only.some((one) => id === one || id.startsWith(/\d/.test(one) ? `${one}-` : one)),
  )
  let system: ChaosSystem | undefined
  let failed = 0
  try {
    for (const [n, scenario] of wanted.entries()) {
      const startedAtMs = performance.now()
      const seconds = (): string => `${((performance.now() - startedAtMs) / 1000).toFixed(1)} s`
      try {
        system ??= await startChaosSystem({ workers: 2, lockMs: LOCK_MS })
        await mend(system)
        const facts = await scenario.run(system, `row-${n}`)
        const told = Object.entries(facts).map(([name, value]) => `${name} ${value}`)
        if (scenario.isTheEnd === true) {
          await system.stop()
          system = undefined
        }
        say(`ok   ${scenario.id.padEnd(4)} ${scenario.what} (${[seconds(), ...told].join(', ')})`)
      } catch (error) {
        failed += 1
        say(`FAIL ${scenario.id.padEnd(4)} ${scenario.what} (${seconds()}): ${messageOf(error)}`)
        // What a failed scenario leaves behind would only fail the next one.
        await system?.stop()
        system = undefined
      }
    }
  } finally {
    await system?.stop()
  }
  say(`${wanted.length - failed} of ${wanted.length} scenarios hold`)
  return failed
}

const messageOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message
}
