import type { Command } from 'commander'
import { planCapacity } from '../capacity.ts'
import { contextOf } from '../context.ts'
import { integer } from '../input/arguments.ts'
import { formatCount } from '../terminal/format.ts'
import { fieldLines } from '../terminal/table.ts'

interface PlanCapacityOptions {
  readonly devices: number
  readonly apps: number
  readonly rate: number
  readonly roundTripMs: number
  readonly lanes: number
  readonly campaigns: number
}

export function addPlanCapacity(program: Command): void {
  program
    .command('plan-capacity')
    .description('Estimate the workers and the Redis that an installation needs. Connects to nothing.')
    .requiredOption('--devices <n>', 'devices of all apps together', integer(1, 10_000_000_000))
    .option('--apps <n>', 'number of apps', integer(1, 100_000), 1)
    .option('--rate <n>', 'limit of each app in posts per second', integer(1, 100_000), 1000)
    .option('--round-trip-ms <n>', 'time from a post to its answer', integer(1, 10_000), 100)
    .option('--lanes <n>', 'WNS_FANOUT_LANES of a worker', integer(1, 16_384), 256)
    .option('--campaigns <n>', 'campaigns to all devices that are kept at a time', integer(0, 10_000), 7)
    .addHelpText(
      'after',
      `
All apps are assumed to send at their limit at once. The figures come from benchmarks on one machine; measure your own
with pnpm bench before you buy hardware.

Examples:
  $ wns-fanout plan-capacity --devices 10000000
  $ wns-fanout plan-capacity --devices 1000000 --apps 20 --rate 300`,
    )
    .action((options: PlanCapacityOptions, command: Command) => {
      const plan = planCapacity({
        devices: options.devices,
        apps: options.apps,
        ratePerApp: options.rate,
        roundTripMs: options.roundTripMs,
        lanesPerWorker: options.lanes,
        keptCampaigns: options.campaigns,
      })
      contextOf(command).screen.show(plan, [
        ...fieldLines([
          ['Posts per second', formatCount(plan.postsPerSecond)],
          ['Campaign to all', `${formatCount(plan.campaignSeconds)} s`],
          ['Workers', `${formatCount(plan.workers)} with a core each (limited by ${plan.limitedBy})`],
          ['Memory per worker', `${formatCount(plan.workerMemoryMb)} MB`],
          ['Lanes', formatCount(plan.lanes)],
          ['Redis memory', `${formatCount(plan.redisMemoryMb)} MB`],
          ['Redis cores', String(plan.redisCores)],
          ['Redis connections', formatCount(plan.redisConnections)],
        ]),
        ...plan.warnings.map((warning) => `warning: ${warning}`),
      ])
    })
}
