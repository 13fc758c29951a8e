import { parseArgs } from 'node:util'
import { mutants, protocol, type Rules } from './rules.ts'
import { runInterleaving } from './interleaving.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20000' },
    'mutant-seeds': { type: 'string', default: '5000' },
    from: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
})

function whole(name: 'seeds' | 'mutant-seeds' | 'from'): number {
  const value = Number(values[name])
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`--${name} must be a whole number above 0; found ${values[name]}`)
  return value
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

function report(line: string): void {
  process.stderr.write(`${line}\n`)
}

interface Tally {
  seeds: number
  steps: number
  duplicates: number
  takeovers: number
  ambiguous: number
  violations: number
  byInvariant: Record<string, number>
  firstSeed: number | null
}

function runMany(from: number, seeds: number, rules: Rules, progress: boolean): Tally {
  const tally: Tally = {
    seeds,
    steps: 0,
    duplicates: 0,
    takeovers: 0,
    ambiguous: 0,
    violations: 0,
    byInvariant: {},
    firstSeed: null,
  }
  for (let i = 0; i < seeds; i += 1) {
    const result = runInterleaving(from + i, rules)
    tally.steps += result.steps
    tally.duplicates += result.duplicates
    tally.takeovers += result.takeovers
    tally.ambiguous += result.ambiguous
    if (result.violation !== undefined) {
      const { invariant, message } = result.violation
      tally.violations += 1
      tally.byInvariant[invariant] = (tally.byInvariant[invariant] ?? 0) + 1
      tally.firstSeed ??= from + i
      if (progress && tally.violations <= 10) report(`seed ${from + i}: ${message}`)
    }
    if (progress && (i + 1) % 20_000 === 0)
      report(`${i + 1} of ${seeds} seeds, ${tally.steps} steps, ${tally.violations} violations`)
  }
  return tally
}

const from = whole('from')
const startedAtMs = performance.now()
const protocolTally = runMany(from, whole('seeds'), protocol, true)
const seconds = Number(((performance.now() - startedAtMs) / 1000).toFixed(1))
const caught = Object.entries(mutants).map(([name, rules]) => ({
  name,
  ...runMany(from, whole('mutant-seeds'), rules, false),
}))

if (values.json) {
  process.stdout.write(
    `${JSON.stringify({
      ...protocolTally,
      seconds,
      mutants: caught.map(({ name, seeds, violations, byInvariant, firstSeed }) => ({
        name,
        seeds,
        caught: violations,
        byInvariant,
        firstSeed,
      })),
    })}\n`,
  )
} else {
  print(
    `protocol: ${protocolTally.seeds} seeds, ${protocolTally.steps} steps, ${protocolTally.takeovers} takeovers, ${protocolTally.duplicates} duplicates, ` +
      `${protocolTally.ambiguous} ambiguous outcomes, ${seconds} s`,
  )
  print(`violations ${protocolTally.violations}`)
  for (const { name, seeds, violations, byInvariant } of caught) {
    const by = Object.entries(byInvariant).map(([invariant, count]) => `${invariant} ${count}`)
    print(`mutant: ${name}: caught in ${violations} of ${seeds} seeds (${by.join(', ')})`)
  }
}
if (protocolTally.violations > 0 || caught.some(({ violations }) => violations === 0)) process.exitCode = 1
