import { randomUUID } from 'node:crypto'
import type { Client, MissingResult } from '@wns-fanout/client'
import type { Audience, ImportResult } from '@wns-fanout/domain'
import { acceptedLines, formatOfFile } from '@wns-fanout/domain'
import type { Command } from 'commander'
import { Option } from 'commander'
import { withApi } from '../connection.ts'
import { contextOf } from '../context.ts'
import type { Context } from '../context.ts'
import { Failure, UsageError } from '../failure.ts'
import { integer, names, share } from '../input/arguments.ts'
import { addFilters, audienceOf } from '../input/audience.ts'
import { fieldColumns, variableColumns } from '../input/mapping.ts'
import { openSource } from '../input/read.ts'
import { formatBytes, formatCount, formatRate } from '../terminal/format.ts'
import { createProgress } from '../terminal/progress.ts'
import { fieldLines } from '../terminal/table.ts'
import { addChannelChanges } from './channel-changes.ts'
import { addCleanup } from './cleanup.ts'
import { addChannelList } from './channel-list.ts'
import type { TableFile, TableOptions } from './import-table.ts'
import { importRows, isTable } from './import-table.ts'
import { warningLines } from './watching.ts'

interface ImportOptions extends TableOptions {
  readonly format?: 'ndjson' | 'csv'
  readonly gzip?: true
  readonly replaceMissing?: true
  readonly maxMissingShare?: number
  readonly maxRejected?: number
}

interface AppOption {
  readonly app: string
}

export function addChannels(program: Command): void {
  const channels = program.command('channels').description('Manage channels, the devices of an app.')
  channels
    .command('import [file]')
    .description('Register channels from an NDJSON or CSV file, plain or gzip ("-" reads stdin), or from PostgreSQL.')
    .requiredOption('--app <app>', 'app id')
    .addOption(
      new Option('--format <format>', 'format of the file (default: by its name, else ndjson)').choices([
        'ndjson',
        'csv',
      ]),
    )
    .option('--gzip', 'read the file as gzip (default for names that end in .gz)')
    .option(
      '--skip-odd-fields',
      'register channels without their invalid locales, time zones and tags, and report them',
    )
    .option('--map <pairs>', 'columns of fields: channel=device_id,uri=channel_url,locale=language', fieldColumns)
    .option('--tag-from <columns>', 'make a tag from the text of these columns: "São Paulo" is sao-paulo', names)
    .option('--var <columns>', 'columns that become variables: city, or name=first_name', variableColumns)
    .option('--null <texts...>', 'texts that mean "no value", which clears a field (default: \\N and NULL)')
    .option('--rejects <file>', 'write the rejected lines to a file, as they were')
    .option('--max-rejected <n>', 'maximum number of rejected lines for exit code 0 (default: 0)', integer(0, 1e9))
    .option('--from <url>', 'read from PostgreSQL: postgres://user@host/database, or env:NAME of a variable with it')
    .option('--query <select>', 'with --from: a query with the columns of the table')
    .option(
      '--since-column <column>',
      'with --from: a column that grows with each change; a run starts where the last ended',
    )
    .option('--state <file>', 'with --since-column: where the last value is kept (default: in the folder of --dir)')
    .option('--replace-missing', 'remove the channels that are not in the file, after all lines are imported')
    .option(
      '--max-missing-share <share>',
      'with --replace-missing: remove nothing above this share (default: 10%)',
      share,
    )
    .option('--dry-run', 'change nothing; report what is new and what --replace-missing would remove')
    .addHelpText(
      'after',
      `
NDJSON lines look like {"channel": "device-1", "uri": "https://….notify.windows.com/?token=…", "tags": ["news"]}, with
"locale", "timeZone", "vars", "optedOut", "optedOutOf" and "registeredAt" where you have them. CSV has the header
channel,uri,tags,locale,timeZone,optedOut,optedOutOf,registeredAt, and tags and topics are joined by ";". A line without
a URI changes a channel that is registered.
Invalid lines are reported by line number, the others are registered. A known channel keeps the fields that a line does
not name. When two channels have the same URI, the newest one gets it (--json shows which one lost it).

Examples:
  $ wns-fanout channels import devices.ndjson --app news
  $ wns-fanout channels import devices.csv --app news --map channel=device_id,uri=channel_url --tag-from city \\
      --var city --rejects rejected.csv --max-rejected 100
  $ wns-fanout channels import --app news --from env:DATABASE_URL --since-column updated_at \\
      --query "select id as channel, channel_url as uri, updated_at from devices"
  $ wns-fanout channels import all.ndjson --app news --replace-missing --dry-run
  $ zcat devices-*.csv.gz | wns-fanout channels import - --app news --format csv`,
    )
    .action(
      async (file: string | undefined, options: ImportOptions, command: Command) =>
        await importFile(command, file, options),
    )
  addFilters(channels.command('count'))
    .description('Count the channels of an audience.')
    .requiredOption('--app <app>', 'app id')
    .option('--tags <expression>', 'tag expression, for example "(news or sport) and not beta"')
    .option('--list <name>', 'name of an uploaded list')
    .option('--topic <topic>', 'count for a campaign of this topic, without channels that opted out of it')
    .addHelpText(
      'after',
      '\nExample:\n  $ wns-fanout channels count --app news --tags "news and not beta" --registered-after 90d',
    )
    .action(
      async (options: AppOption & Parameters<typeof audienceOf>[0] & { topic?: string }, command: Command) =>
        await count(command, options.app, audienceOf(options), options.topic),
    )
  channels
    .command('export')
    .description('Write all channels as NDJSON for "import". The lines contain channel URIs, so keep them safe.')
    .requiredOption('--app <app>', 'app id')
    .addHelpText('after', '\nExample:\n  $ wns-fanout channels export --app news > news.ndjson')
    .action(async (options: AppOption, command: Command) => await exportAll(command, options.app))
  channels
    .command('get <channel>')
    .description('Show a channel. Its URI is never shown.')
    .requiredOption('--app <app>', 'app id')
    .action(async (channel: string, options: AppOption, command: Command) => await show(command, options.app, channel))
  addChannelList(channels)
  addCleanup(channels)
  addChannelChanges(channels)
}

async function importFile(command: Command, file: string | undefined, options: ImportOptions): Promise<void> {
  const { app, dryRun, replaceMissing, maxMissingShare, maxRejected = 0 } = options
  checkSource(file, options)
  const context = contextOf(command)
  const { screen } = context
  const startedMs = performance.now()
  const importId = randomUUID()
  await withApi(context, async (api) => {
    const { result, madeTags } =
      isTable(options) || replaceMissing === true || dryRun === true
        ? await importRows(context, api, file === undefined ? null : tableFile(file, options), options, importId)
        : { result: await uploadFile(context, api, file ?? '-', options), madeTags: new Map<string, string | null>() }
    const seconds = (performance.now() - startedMs) / 1000
    const missing =
      replaceMissing === true ? await removeMissing(api, app, importId, dryRun, maxMissingShare) : undefined
    screen.show(
      { ...result, ...missing?.fields, ...(madeTags.size === 0 ? {} : { madeTags: Object.fromEntries(madeTags) }) },
      [...importLines(result, seconds), ...madeTagLines(madeTags), ...(missing?.lines ?? [])],
    )
    if (result.rejected > maxRejected)
      throw new Failure(
        'lines-refused',
        maxRejected === 0
          ? `${formatCount(result.rejected)} lines were not imported; correct them and import them again`
          : `${formatCount(result.rejected)} lines were not imported, and --max-rejected is ${formatCount(maxRejected)}`,
      )
  })
}

function checkSource(
  file: string | undefined,
  { from, query, sinceColumn, state, replaceMissing }: ImportOptions,
): void {
  if ((file === undefined) === (from === undefined))
    throw new UsageError('name one source: a file ("-" for stdin), or a database with --from')
  if (from === undefined && (query ?? sinceColumn ?? state) !== undefined)
    throw new UsageError('--query, --since-column and --state need a database: add --from postgres://…')
  if (sinceColumn !== undefined && replaceMissing === true)
    throw new UsageError(
      '--replace-missing needs all rows, and --since-column reads only those that changed; leave one out',
    )
}

function tableFile(path: string, { format, gzip }: ImportOptions): TableFile {
  return {
    path,
    format: format ?? (formatOfFile(path) === 'csv' ? 'csv' : 'ndjson'),
    isGzip: gzip === true || path.endsWith('.gz'),
  }
}

async function uploadFile(
  { screen }: Context,
  api: Client,
  file: string,
  options: ImportOptions,
): Promise<ImportResult> {
  const { format, isGzip } = tableFile(file, options)
  const source = await openSource(file)
  const progress = createProgress(screen, 'import')
  let sent = 0
  const step = (): { done: number; total: number | null; note: string } => ({
    done: sent,
    total: source.bytes,
    note: `${formatBytes(sent)}${source.bytes === null ? '' : ` of ${formatBytes(source.bytes)}`}`,
  })
  const result = await api.importChannels(options.app, source.stream, {
    onProgress: (bytes) => {
      sent = bytes
      progress.update(step())
    },
    type: format,
    gzip: isGzip,
    oddFields: options.skipOddFields === true ? 'skip-field' : 'strict',
  })
  progress.end(step())
  return result
}

const SHOWN_TAGS = 20

function madeTagLines(madeTags: ReadonlyMap<string, string | null>): readonly string[] {
  const entries = [...madeTags]
  if (entries.length === 0) return []
  return [
    'Tags made from texts:',
    ...entries
      .slice(0, SHOWN_TAGS)
      .map(([text, tag]) => `  ${text} → ${tag ?? '(no tag: it has no Latin letter or digit)'}`),
    ...(entries.length > SHOWN_TAGS
      ? [`  … and ${formatCount(entries.length - SHOWN_TAGS)} more (--json shows them)`]
      : []),
  ]
}

async function removeMissing(
  api: Client,
  app: string,
  importId: string,
  dryRun: true | undefined,
  maxShare: number | undefined,
): Promise<{ readonly fields: MissingResult; readonly lines: readonly string[] }> {
  const options = { dryRun: dryRun === true, ...(maxShare === undefined ? {} : { maxShare }) }
  const fields = await api.removeMissing(app, importId, options)
  const { missing, registered, removed } = fields
  const found = `${formatCount(missing)} of ${formatCount(registered)} channels are not in the file`
  return { fields, lines: [dryRun === true ? `${found}.` : `${found}; ${formatCount(removed)} were removed.`] }
}

function importLines(result: ImportResult, seconds: number): readonly string[] {
  const { created, updated, unchanged, duplicates, rejected, errors, moved } = result
  const shown = errors.reduce((sum, { count: lines }) => sum + lines, 0)
  return [
    `${formatCount(created)} created, ${formatCount(updated)} updated, ${formatCount(unchanged)} unchanged ` +
      `(${formatRate(acceptedLines(result) / seconds)}); ${formatCount(duplicates)} duplicates, ${formatCount(rejected)} rejected.`,
    ...(moved === 0
      ? []
      : [`${formatCount(moved)} channels lost their URI to a channel of this file with the same one.`]),
    ...errors.map(
      ({ line, code, detail, count: lines }) =>
        `  line ${line}${lines === 1 ? '' : ` and ${formatCount(lines - 1)} more`}: ${detail} (${code})`,
    ),
    ...(rejected > shown ? [`  … and ${formatCount(rejected - shown)} more lines`] : []),
  ]
}

async function count(command: Command, app: string, audience: Audience, topic: string | undefined): Promise<void> {
  const context = contextOf(command)
  await withApi(context, async (api) => {
    const result = await api.countChannels(app, audience, topic === undefined ? {} : { topic })
    const { count: size, optedOut, optedOutOfTopic = 0 } = result
    const out = [
      ...(optedOut === 0 ? [] : [`${formatCount(optedOut)} that opted out`]),
      ...(optedOutOfTopic === 0 ? [] : [`${formatCount(optedOutOfTopic)} that opted out of the topic`]),
    ]
    context.screen.show(result, [
      ...warningLines(result.warnings),
      `${formatCount(size)}${out.length === 0 ? '' : ` (and ${out.join(', ')})`}`,
    ])
  })
}

async function exportAll(command: Command, app: string): Promise<void> {
  const context = contextOf(command)
  await withApi(context, async (api) => {
    for await (const line of api.exportChannels(app)) await context.screen.write(`${JSON.stringify(line)}\n`)
  })
}

async function show(command: Command, app: string, channel: string): Promise<void> {
  const context = contextOf(command)
  await withApi(context, async (api) => {
    const found = await api.channel(app, channel)
    context.screen.show(
      found,
      fieldLines([
        ['channel', found.channel],
        ['tags', found.tags.join(', ')],
        ['locale', found.locale],
        ['time zone', found.timeZone],
        ['opted out', found.optedOut === true ? 'yes' : undefined],
        ['opted out of', found.optedOutOf?.join(', ')],
        ['raw gate', found.rawGate],
        ['registered', found.registeredAt],
      ]),
    )
  })
}
