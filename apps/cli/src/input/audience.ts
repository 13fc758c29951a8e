import type { Audience, AudienceFilters } from '@wns-fanout/domain'
import type { Command } from 'commander'
import { Option } from 'commander'
import { UsageError } from '../failure.ts'
import { past } from './arguments.ts'

export interface FilterOptions {
  readonly registeredAfter?: string
  readonly registeredBefore?: string
  readonly gate?: 'open'
}

/** Options that narrow the audience of a command. */
export function addFilters(command: Command): Command {
  return command
    .option('--registered-after <time>', 'only channels registered since: 30d, or 2026-01-31T09:30:00Z', past)
    .option('--registered-before <time>', 'only channels that have not registered since: 90d, or a time', past)
    .addOption(new Option('--gate <state>', 'only channels whose raw gate is open').choices(['open']))
}

export function filtersOf({ registeredAfter, registeredBefore, gate }: FilterOptions): AudienceFilters {
  return {
    ...(registeredAfter === undefined ? {} : { registeredAfter }),
    ...(registeredBefore === undefined ? {} : { registeredBefore }),
    ...(gate === undefined ? {} : { gate }),
  }
}

/** The audience of tags, of a list, or of filters alone; the API checks names and expressions. */
export function audienceOf(options: FilterOptions & { readonly tags?: string; readonly list?: string }): Audience {
  const { tags, list } = options
  const filters = filtersOf(options)
  if (tags !== undefined && list !== undefined) throw new UsageError('--tags and --list cannot be combined')
  if (tags !== undefined) return { tags, ...filters }
  return list === undefined ? { all: true, ...filters } : { list, ...filters }
}
