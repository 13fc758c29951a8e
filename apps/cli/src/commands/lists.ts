import type { Client, List } from '@wns-fanout/client'
import type { TableRow } from '@wns-fanout/domain'
import { formatOfFile, mapRow } from '@wns-fanout/domain'
import type { Command } from 'commander'
import { withApi } from '../connection.ts'
import { contextOf } from '../context.ts'
import { UsageError } from '../failure.ts'
import type { MappingOptions } from '../input/mapping.ts'
import { fieldColumns, mappingOf, requiredColumns } from '../input/mapping.ts'
import { openSource } from '../input/read.ts'
import { fileRows } from '../input/table-source.ts'
import { formatCount } from '../terminal/format.ts'
import { fieldLines } from '../terminal/table.ts'

interface PutOptions extends AppOption {
  readonly map?: MappingOptions['map']
}

async function upload(api: Client, app: string, list: string, file: string): Promise<List> {
  const { stream } = await openSource(file)
  return await api.uploadList(app, list, stream, { type: formatOfFile(file) ?? 'ids', gzip: file.endsWith('.gz') })
}

/** Uploads the ids in the column of `channel` of a table. */
async function uploadColumn(
  api: Client,
  app: string,
  list: string,
  file: string,
  map: NonNullable<MappingOptions['map']>,
): Promise<List> {
  if (map.channel === undefined || Object.keys(map).length > 1)
    throw new UsageError('a list has only channels; give --map channel=column')
  const format = formatOfFile(file) === 'ndjson' ? 'ndjson' : 'csv'
  const mapping = mappingOf({ map }, format === 'csv')
  const runs = fileRows(await openSource(file), {
    format,
    isGzip: file.endsWith('.gz'),
    columns: requiredColumns({ map }, format === 'csv'),
    onHeader: () => {},
    onBytes: () => {},
  })
  return await api.uploadList(app, list, idLines(runs, mapping), { type: 'ndjson' })
}

async function* idLines(
  runs: AsyncIterable<readonly TableRow[]>,
  mapping: ReturnType<typeof mappingOf>,
): AsyncGenerator<string> {
  for await (const run of runs)
    yield run
      .map(({ line, row, isRow }) => {
        if (!isRow) throw new UsageError(`line ${line}: ${String((row as { detail?: unknown }).detail)}`)
        const { channel } = mapRow(row as Readonly<Record<string, unknown>>, mapping).line
        if (typeof channel !== 'string') throw new UsageError(`line ${line}: the column of the channel has no value`)
        return `${JSON.stringify({ channel })}\n`
      })
      .join('')
}

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
    .option('--map <pair>', 'column with the ids, for a CSV or NDJSON: channel=device_id', fieldColumns)
    .addHelpText(
      'after',
      `
Example:
  $ wns-fanout lists put winners winners.txt --app news
  $ wns-fanout lists put winners winners.csv --app news --map channel=device_id
  $ wns-fanout send --app news --list winners --toast "You won"
  $ wns-fanout campaigns results 1k2… --class failed | wns-fanout lists put again - --app news`,
    )
    .action(async (list: string, file: string, { app, map }: PutOptions, command: Command) => {
      const context = contextOf(command)
      await withApi(context, async (api) => {
        const made =
          map === undefined ? await upload(api, app, list, file) : await uploadColumn(api, app, list, file, map)
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
