import type { Command } from 'commander'
import { type Context, contextOf } from '../context.ts'
import { Failure } from '../failure.ts'
import { integer } from '../input/arguments.ts'
import { isRight, reportLines } from '../demo/report.ts'
import { runDemo } from '../demo/run-demo.ts'

interface DemoCommandOptions {
  readonly channels: number
  readonly workers: number
}

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('Run everything on this machine: import channels, send to them, compare every outcome.')
    .option('--channels <n>', 'number of channels', integer(1, 20_000_000), 100_000)
    .option('--workers <n>', 'number of workers', integer(1, 64), 2)
    .addHelpText(
      'after',
      `
Starts its own Redis, a simulator of WNS, the API and workers in a temporary folder (REDIS_URL is ignored), imports
channels of which 94 % accept posts and the others are gone, throttled, forbidden, failing or slow, sends one tile to
all, and compares the outcome of every recipient with the simulator's last answer. Exits with 0 only if all are equal.
Everything is removed at the end, also after Ctrl-C.

Examples:
  $ wns-fanout demo
  $ wns-fanout demo --channels 1000000 --workers 4`,
    )
    .action(async (options: DemoCommandOptions, command: Command) => await demo(contextOf(command), options))
}

async function demo({ screen, interrupted }: Context, { channels, workers }: DemoCommandOptions): Promise<void> {
  const result = await runDemo({ channels, workers, screen, interrupted })
  screen.show({ ok: isRight(result), ...result }, reportLines(result))
  if (!isRight(result))
    throw new Failure('not-equal', "the totals differ from the simulator's counts; see the rows above")
}
