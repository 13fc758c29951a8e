import { parseArgs } from 'node:util'
import { choose, messageOf, runCatalogue } from './catalogue.ts'
import type { Figures } from './figures.ts'
import { sumOf } from './figures.ts'
import { chaosRun } from './run.ts'

const HELP = `pnpm test:chaos: campaigns under fire, judged by the simulator's own record of posts

  --minutes N    how long faults are injected (2); then everything is repaired
  --seed S       which faults, and when (a random one)
  --delivery D   at-least-once (default) or at-most-once
  --logs DIR     where to leave the logs of all processes
  --catalogue    every named fault of the catalogue instead, in both deliveries, one line each; ids behind it choose:
                 P5 is that row, P2 all rows of P2, R every row that begins with R
  --list         what the catalogue holds
`

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** The last line, for programs. */
function printFigures(run: object, figures: Figures, more: object = {}): void {
  print(JSON.stringify({ ...run, ...sumOf([figures]), ...more }))
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      minutes: { type: 'string', default: '2' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
      delivery: { type: 'string', default: 'at-least-once' },
      logs: { type: 'string' },
      catalogue: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return print(HELP)
  if (values.list) return choose(positionals).forEach(({ id, what }) => print(`${id.padEnd(4)} ${what}`))
  if (positionals.length > 0 && !values.catalogue)
    throw new Error(`${positionals.join(' ')} chooses rows of the catalogue; add --catalogue`)
  const seed = Number(values.seed)
  if (!Number.isSafeInteger(seed)) throw new Error(`--seed wants a whole number, found ${values.seed}`)
  if (values.catalogue) {
    const { failed, figures, ...counts } = await runCatalogue(choose(positionals), { seed, say: print })
    printFigures({ seed, delivery: 'both' }, figures, counts)
    if (failed > 0) process.exitCode = 1
    return
  }
  const minutes = Number(values.minutes)
  if (!(minutes > 0 && minutes <= 1440)) throw new Error(`--minutes wants a number above 0, found ${values.minutes}`)
  const { delivery } = values
  if (delivery !== 'at-least-once' && delivery !== 'at-most-once')
    throw new Error(`--delivery wants at-least-once or at-most-once, found ${delivery}`)
  print(`seed ${seed}, ${delivery}, ${minutes} min of faults`)
  const run = await chaosRun({ seed, deliveries: [delivery], forMs: minutes * 60_000, logsTo: values.logs, say: print })
  const { broken, faults, healMs, campaigns } = run
  print(`${campaigns} campaigns; faults: ${JSON.stringify(faults)}; everything was settled ${healMs} ms after the last`)
  for (const what of broken.slice(0, 50)) print(`BROKEN: ${what}`)
  if (broken.length > 50) print(`BROKEN: and ${broken.length - 50} more`)
  printFigures({ seed, delivery }, run)
  if (broken.length > 0) process.exitCode = 1
}

process.once('SIGINT', () => process.exit(130))
process.once('SIGTERM', () => process.exit(143))
try {
  await main()
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`)
  process.exitCode = 1
}
