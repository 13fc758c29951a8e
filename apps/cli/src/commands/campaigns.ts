import type { CampaignFilter, Client } from '@wns-fanout/client'
import type { Campaign, HaltCause, RecipientClass, ReplayFilter } from '@wns-fanout/domain'
import {
  campaignStates,
  classes,
  csvLines,
  haltCauses,
  replayClasses,
  replayReasons,
  resultReasons,
} from '@wns-fanout/domain'
import type { Command } from 'commander'
import { Option } from 'commander'
import { withApi } from '../connection.ts'
import { contextOf } from '../context.ts'
import { UsageError } from '../failure.ts'
import { stateOf } from '../follow.ts'
import { integer } from '../input/arguments.ts'
import { formatCount, formatShare } from '../terminal/format.ts'
import { tableLines } from '../terminal/table.ts'
import { campaignLines, watch } from './watching.ts'

export function addCampaigns(program: Command): void {
  const campaigns = program.command('campaigns').description('Show and control campaigns, and read their results.')
  campaigns
    .command('list')
    .description('List campaigns of all apps, newest first.')
    .option('--app <app>', 'only of this app')
    .addOption(
      new Option('--state <state>', 'only in this state; open: not finished').choices(['open', ...campaignStates]),
    )
    .option('--name <text>', 'only with this text in their name')
    .option('--topic <topic>', 'only of this topic')
    .option('--created-after <time>', 'only created at this time (ISO 8601) or later')
    .option('--created-before <time>', 'only created before this time')
    .option('--idempotency-key <key>', 'only the campaigns that this key made')
    .option('--limit <n>', 'maximum number to show', integer(1, 10_000), 50)
    .addHelpText(
      'after',
      '\nExamples:\n  $ wns-fanout campaigns list --state open\n  $ wns-fanout campaigns list --app news --name sale',
    )
    .action(async (options: ListOptions, command: Command) => await list(command, options))
  one(campaigns, 'show', 'Show a campaign with its totals.', async (api, id) => await api.campaign(id))
  campaigns
    .command('watch <campaign>')
    .description('Show live progress until the campaign ends. Ctrl-C stops only the display.')
    .action(async (id: string, _options: unknown, command: Command) => {
      const context = contextOf(command)
      await withApi(context, async (api) => await watch(api, await api.campaign(id), context))
    })
  one(
    campaigns,
    'pause',
    'Pause a campaign. Posts in flight are still counted.',
    async (api, id) => await api.pauseCampaign(id),
  )
  campaigns
    .command('resume <campaign>')
    .description('Resume a paused campaign, or a halted one with --accept.')
    .addOption(
      new Option('--accept <reason>', 'the reason of the halt; it does not halt the campaign again').choices(
        haltCauses,
      ),
    )
    .addHelpText('after', '\nExample:\n  $ wns-fanout campaigns resume 01j9… --accept mass-removal')
    .action(
      async (id: string, { accept }: { readonly accept?: HaltCause }, command: Command) =>
        await showOne(command, async (api) => await api.resumeCampaign(id, { accept })),
    )
  one(
    campaigns,
    'approve',
    'Send the rest after a canary that waits for approval.',
    async (api, id) => await api.approveCampaign(id),
  )
  one(
    campaigns,
    'cancel',
    'Cancel a campaign. Recipients not yet sent to are counted as cancelled.',
    async (api, id) => await api.cancelCampaign(id),
  )
  campaigns
    .command('results <campaign>')
    .description('Write one line per recipient as NDJSON, or as CSV with --csv.')
    .addOption(new Option('--class <class>', 'write only recipients of this class').choices(classes))
    .addOption(new Option('--reason <reason>', 'write only recipients with this reason').choices(resultReasons))
    .option('--csv', 'with the header channel,class,status,reason,posts')
    .addHelpText(
      'after',
      `
Examples:
  $ wns-fanout campaigns results 01j9… --class failed
  $ wns-fanout campaigns results 01j9… --reason not-removed
  $ wns-fanout campaigns results 01j9… --csv > results.csv`,
    )
    .action(async (id: string, options: ResultsOptions, command: Command) => await results(command, id, options))
  campaigns
    .command('samples <campaign>')
    .description('Show sample answers of WNS with their headers, failures first.')
    .option('--limit <n>', 'maximum number to show', integer(1, 10_000), 20)
    .action(
      async (id: string, options: { limit: number }, command: Command) => await samples(command, id, options.limit),
    )
  campaigns
    .command('retry-failed <campaign>')
    .description('Send to the failed and lapsed recipients again, as a new campaign, and show its progress.')
    .option('--include-in-doubt', 'also send to recipients in doubt; some of them will be notified twice')
    .option('--detach', 'return at once instead of showing progress')
    .action(async (id: string, options: RetryOptions, command: Command) => await retryFailed(command, id, options))
  retryCommand(campaigns)
}

function retryCommand(campaigns: Command): void {
  campaigns
    .command('retry <campaign>')
    .description('Send to the recipients with certain results again, as a new campaign, and show its progress.')
    .addOption(new Option('--class <class...>', 'recipients of these classes').choices(replayClasses))
    .addOption(new Option('--reason <reason...>', 'recipients with these reasons').choices(replayReasons))
    .option('--detach', 'return at once instead of showing progress')
    .addHelpText(
      'after',
      `
The 30-minute guard applies: channels that were notified within the interval are suppressed.

Examples:
  $ wns-fanout campaigns retry 01j9… --class cancelled lapsed
  $ wns-fanout campaigns retry 01j9… --reason not-removed`,
    )
    .action(async (id: string, options: ReplayOptions, command: Command) => await replay(command, id, options))
}

interface ListOptions extends CampaignFilter {
  readonly limit: number
}

interface ResultsOptions {
  readonly class?: RecipientClass
  readonly reason?: string
  readonly csv?: true
}

interface ReplayOptions {
  readonly class?: ReplayFilter['classes']
  readonly reason?: readonly string[]
  readonly detach?: true
}

interface RetryOptions {
  readonly includeInDoubt?: true
  readonly detach?: true
}

function one(
  parent: Command,
  name: string,
  description: string,
  act: (api: Client, id: string) => Promise<Campaign>,
): void {
  parent
    .command(`${name} <campaign>`)
    .description(description)
    .action(
      async (id: string, _options: unknown, command: Command) =>
        await showOne(command, async (api) => await act(api, id)),
    )
}

async function showOne(command: Command, act: (api: Client) => Promise<Campaign>): Promise<void> {
  const { screen } = contextOf(command)
  await withApi(contextOf(command), async (api) => {
    const campaign = await act(api)
    screen.show(campaign, campaignLines(campaign))
  })
}

async function list(command: Command, { limit, ...filter }: ListOptions): Promise<void> {
  const context = contextOf(command)
  await withApi(context, async (api) => {
    const items: Campaign[] = []
    for await (const campaign of api.searchCampaigns(filter)) {
      items.push(campaign)
      if (items.length === limit) break
    }
    context.screen.show(
      { items },
      items.length === 0
        ? ['No campaigns. Run "wns-fanout send --help" to start one.']
        : tableLines(
            ['campaign', 'app', 'name', 'state', 'created', 'recipients', 'accepted', 'settled'],
            items.map(({ id, app, name, createdAt, audienceSize, totals, ...rest }) => [
              id,
              app,
              name,
              stateOf({ id, app, createdAt, audienceSize, totals, ...rest }),
              createdAt,
              audienceSize,
              totals.accepted,
              audienceSize === null ? '' : formatShare(audienceSize - totals.pending, audienceSize),
            ]),
          ),
    )
  })
}

async function results(command: Command, id: string, { csv, ...only }: ResultsOptions): Promise<void> {
  const context = contextOf(command)
  const { screen } = context
  await withApi(context, async (api) => {
    if (csv === true) await screen.write(csvLines([['channel', 'class', 'status', 'reason', 'posts']]))
    for await (const result of api.results(id, { class: only.class, reason: only.reason })) {
      const { channel, class: name, status, reason, posts } = result
      await screen.write(
        csv === true
          ? csvLines([[channel, name, String(status ?? ''), reason ?? '', String(posts)]])
          : `${JSON.stringify(result)}\n`,
      )
    }
  })
}

async function samples(command: Command, id: string, limit: number): Promise<void> {
  const context = contextOf(command)
  await withApi(context, async (api) => {
    const { items } = await api.samples(id)
    const shown = items.slice(0, limit)
    context.screen.show({ items: shown }, [
      ...tableLines(
        ['channel', 'status', 'wns', 'description', 'at', 'message id'],
        shown.map((sample) => [
          sample.channel,
          String(sample.status),
          sample.wnsStatus,
          sample.description,
          sample.at,
          sample.msgId,
        ]),
      ),
      ...(items.length > shown.length
        ? [`${formatCount(shown.length)} of ${formatCount(items.length)}; use --limit to show more`]
        : []),
    ])
  })
}

async function replay(
  command: Command,
  id: string,
  { class: classNames, reason, detach }: ReplayOptions,
): Promise<void> {
  if (classNames === undefined && reason === undefined) throw new UsageError('give --class, --reason or both')
  const context = contextOf(command)
  await withApi(context, async (api) => {
    const campaign = await api.retry(id, { classes: classNames, reasons: reason })
    if (detach === true) context.screen.show(campaign, campaignLines(campaign))
    else await watch(api, campaign, context)
  })
}

async function retryFailed(command: Command, id: string, { includeInDoubt, detach }: RetryOptions): Promise<void> {
  const context = contextOf(command)
  await withApi(context, async (api) => {
    const campaign = await api.retryFailed(id, includeInDoubt === true ? { includeInDoubt } : {})
    if (detach === true) context.screen.show(campaign, campaignLines(campaign))
    else await watch(api, campaign, context)
  })
}
