import type { CampaignRequest } from '@wns-fanout/domain'
import type { Command } from 'commander'
import { Option } from 'commander'
import { withApi } from '../connection.ts'
import { contextOf } from '../context.ts'
import { UsageError } from '../failure.ts'
import { collect, instant, integer, names, seconds, share } from '../input/arguments.ts'
import { planSend, type SendOptions } from '../input/campaign-request.ts'
import { formatCount, formatDuration } from '../terminal/format.ts'
import { campaignLines, warningLines, watch } from './watching.ts'

interface Options extends SendOptions {
  readonly app: string
  readonly idempotencyKey?: string
  readonly detach?: true
}

export function addSend(program: Command): void {
  program
    .command('send')
    .description('Send one notification to an audience and watch it arrive.')
    .requiredOption('--app <app>', 'the app that sends')
    .option('--name <text>', 'a name for people')
    .optionsGroup('What to send (one of):')
    .option('--toast <title>', 'a toast with this title')
    .option('--tile <text>', 'a tile (medium and wide) with this first line')
    .option('--badge <value>', 'a badge: a number or a glyph such as alert')
    .option('--raw <text>', 'a raw notification')
    .option('--xml-file <file>', 'a payload in XML, or "-" for stdin')
    .option('--notification-file <file>', 'the notification as JSON, or "-" for stdin')
    .optionsGroup('More about it:')
    .option('--line <text>', 'a further line of the toast or tile (repeat for more)', collect)
    .option('--image <url>', 'an image of the toast')
    .option('--launch <text>', 'what the app is started with when the toast is clicked')
    .addOption(
      new Option('--type <type>', 'of --xml-file, where its root does not say it').choices(['toast', 'tile', 'badge']),
    )
    .option('--ttl <duration>', 'how long WNS may keep it for a device that is away', seconds)
    .option('--wns-tag <tag>', 'replaces an earlier toast or tile with this tag')
    .option('--wns-group <group>', 'with --wns-tag, for toasts')
    .optionsGroup('To whom (one of):')
    .option('--audience <all>', '"all": every channel of the app')
    .option('--tags <expression>', 'e.g. "(news or sport) and not beta"')
    .option('--list <name>', 'an uploaded list')
    .option('--channel <ids>', 'these channels, separated by commas', names)
    .option('--channels-file <file>', 'channel ids one a line, or "-" for stdin; a long file is uploaded as a list')
    .option('--failed-of <campaign>', 'whoever failed or lapsed in that campaign')
    .optionsGroup('How:')
    .addOption(
      new Option(
        '--update <kind>',
        'generic: the same for all, guarded by the 30-minute rule; personalized: needs {{vars.…}}',
      ).choices(['generic', 'personalized']),
    )
    .option('--topic <topic>', 'what the 30-minute rule is about (default "default")')
    .addOption(
      new Option('--over-limit <policy>', 'when the topic was used within the interval').choices([
        'reject',
        'defer',
        'coalesce',
        'drop',
      ]),
    )
    .addOption(
      new Option('--delivery <kind>', 'may a device get it twice, or not at all, when a connection breaks').choices([
        'at-least-once',
        'at-most-once',
      ]),
    )
    .option('--start-at <time>', 'not now but then: +15m or 2026-01-31T09:30:00Z', instant)
    .option('--expires-at <time>', 'whoever was not reached by then is lapsed (default +24h)', instant)
    .option('--pace <duration>', 'spread it evenly over this time', seconds)
    .option('--canary <n>', 'so many first; go on only if few of them fail', integer(1, 1_000_000))
    .option('--max-failure-share <share>', 'stop when more than this share fails', share)
    .addOption(
      new Option('--priority <priority>', 'urgent overtakes other campaigns of the app').choices(['urgent', 'normal']),
    )
    .option('--idempotency-key <key>', 'repeating the command with the same key sends nothing twice')
    .option('--dry-run', 'only tell how many would get it and how long it would take')
    .option('--detach', 'do not watch')
    .addHelpText(
      'after',
      `
Watching ends with the campaign; Ctrl-C ends only the watching. Exit code 0 when it completed.

Examples:
  $ wns-fanout send --app news --toast "Storm tonight" --line "Stay inside from 20:00" --tags "region-north"
  $ wns-fanout send --app news --badge 3 --audience all --dry-run
  $ wns-fanout send --app shop --notification-file sale.json --audience all --start-at +2h --pace 30m --detach
  $ wns-fanout send --app shop --toast "Hello {{vars.name}}" --update personalized --channels-file vip.txt`,
    )
    .action(async (options: Options, command: Command) => await send(command, options))
}

async function send(command: Command, options: Options): Promise<void> {
  const context = contextOf(command)
  const { screen } = context
  const { request: draft, upload } = await planSend(options)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the API judges it and tells every problem at once
  const request = draft as CampaignRequest
  await withApi(context, async (api) => {
    if (upload !== undefined) {
      const { size, unknown } = await api.putList(options.app, upload.list, upload.channels)
      screen.say(
        `Uploaded ${formatCount(size)} channels as the list ${upload.list}${unknown > 0 ? `; ${formatCount(unknown)} are not registered` : ''}.`,
      )
    }
    if (options.dryRun === true) {
      if (options.detach === true) throw new UsageError('--dry-run starts nothing that --detach could leave alone')
      const { audienceSize, estimate, warnings } = await api.dryRun(options.app, request)
      screen.show({ audienceSize, estimate, warnings }, [
        ...warningLines(warnings),
        `${formatCount(audienceSize)} recipients; about ${formatDuration(estimate.seconds * 1000)} at ${formatCount(estimate.ratePerSecond)} a second. Nothing was sent.`,
      ])
      return
    }
    const campaign = await api.createCampaign(
      options.app,
      request,
      options.idempotencyKey === undefined ? {} : { idempotencyKey: options.idempotencyKey },
    )
    if (options.detach === true) screen.show(campaign, [...warningLines(campaign.warnings), ...campaignLines(campaign)])
    else await watch(api, campaign, context)
  })
}
