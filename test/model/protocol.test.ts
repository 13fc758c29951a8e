import { describe, expect, test } from 'vitest'
import { mutants, protocol } from './rules.ts'
import { runInterleaving } from './interleaving.ts'

// A few seconds of `node --conditions=@wns-fanout/source test/model/main.ts --seeds 200000`.
const SEEDS = 20_000
const MUTANT_SEEDS = 5_000

describe('the ledger protocol', () => {
  test('keeps every promise in any order of crashes, lost replies, late calls and owners taken for dead', () => {
    const broken: string[] = []
    const seen = { duplicates: 0, takeovers: 0, ambiguous: 0 }
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const { violation, duplicates, takeovers, ambiguous } = runInterleaving(seed, protocol)
      if (violation !== undefined) broken.push(`seed ${seed}: ${violation.message}`)
      seen.duplicates += duplicates
      seen.takeovers += takeovers
      seen.ambiguous += ambiguous
    }
    expect(broken).toEqual([])
    // Interleavings without faults would prove nothing.
    expect(seen.takeovers).toBeGreaterThan(SEEDS)
    expect(seen.duplicates).toBeGreaterThan(SEEDS / 10)
    expect(seen.ambiguous).toBeGreaterThan(SEEDS / 10)
  })

  test.each(Object.entries(mutants))('breaks a promise with %s', (_, rules) => {
    let caught = 0
    for (let seed = 1; seed <= MUTANT_SEEDS && caught === 0; seed += 1)
      if (runInterleaving(seed, rules).violation !== undefined) caught = seed
    expect(caught).toBeGreaterThan(0)
  })
})
