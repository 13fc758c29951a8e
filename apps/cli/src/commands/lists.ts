import { formatOfFile } from '@wns-fanout/domain'
import type { Command } from 'commander'
import { withApi } from '../connection.ts'
import { contextOf } from '../context.ts'
import { openSource } from '../input/read.ts'
import { formatCount } from '../terminal/format.ts'
import { fieldLines } from '../terminal/table.ts'

interface AppOption {
  readonly app: string
}

export function addLists(program: Command): void {
  const lists = program
    .command('lists')
    .description('Manage lists: uploaded audiences of up to millions of channels, kept for 30 days.')
  lists
    .command('put <list> <file>')
    .description('Upload channel ids: one per line, NDJSON or CSV with a "channel", or results; "-" reads stdin.')
    .requiredOption('--app <app>', 'app id')
    .addHelpText(
      'after',
      `
Example:
  $ wns-fanout lists put winners winners.txt --app news
  $ wns-fanout send --app news --list winners --toast "You won"
  $ wns-fanout campaigns results 1k2… --class failed | wns-fanout lists put again - --app news`,
    )
    .action(async (list: string, file: string, { app }: AppOption, command: Command) => {
      const context = contextOf(command)
      await withApi(context, async (api) => {
        const { stream } = await openSource(file)
        const type = formatOfFile(file) ?? 'ids'
        const made = await api.uploadList(app, list, stream, { type, gzip: file.endsWith('.gz') })
        context.screen.show(made, [
          `List ${list} has ${formatCount(made.size)} channels; ${formatCount(made.unknown)} ids are not registered.`,
        ])
      })
    })
  lists
    .command('get <list>')
    .description('Show the size of a list.')
    .requiredOption('--app <app>', 'app id')
    .action(async (list: string, { app }: AppOption, command: Command) => {
      const context = contextOf(command)
      await withApi(context, async (api) => {
        const found = await api.list(app, list)
        context.screen.show(
          found,
          fieldLines([
            ['list', found.list],
            ['channels', found.size],
            ['unknown', found.unknown],
          ]),
        )
      })
    })
  lists
    .command('delete <list>')
    .description('Delete a list. Campaigns that were launched with it do not change.')
    .requiredOption('--app <app>', 'app id')
    .action(async (list: string, { app }: AppOption, command: Command) => {
      const context = contextOf(command)
      await withApi(context, async (api) => {
        await api.deleteList(app, list)
        context.screen.show({ deleted: list }, [`Deleted list ${list}.`])
      })
    })
}
