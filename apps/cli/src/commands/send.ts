import type { CampaignRequest } from '@wns-fanout/domain'
import { canaryClasses, passedPolicies } from '@wns-fanout/domain'
import type { Command } from 'commander'
import { Option } from 'commander'
import { withApi } from '../connection.ts'
import { contextOf } from '../context.ts'
import { UsageError } from '../failure.ts'
import { collect, instant, integer, names, seconds, share } from '../input/arguments.ts'
import { addFilters } from '../input/audience.ts'
import { planSend, type SendOptions } from '../input/campaign-request.ts'
import { formatCount } from '../terminal/format.ts'
import { createConfirmed } from '../confirm-send.ts'
import { forecastLines } from '../forecast-lines.ts'
import { campaignLines, warningLines, watch } from './watching.ts'

interface Options extends SendOptions {
  readonly app: string
  readonly idempotencyKey?: string
  readonly detach?: true
}

export function addSend(program: Command): void {
  const command = program
    .command('send')
    .description('Send one notification to an audience and show its progress.')
    .requiredOption('--app <app>', 'app id')
    .option('--name <text>', 'display name of the campaign')
    .optionsGroup('Notification (one of):')
    .option('--toast <title>', 'toast with this title')
    .option('--tile <text>', 'tile (medium and wide) with this first line')
    .option('--badge <value>', 'badge: a number, or a glyph such as alert')
    .option('--raw <text>', 'raw notification with this text')
    .option('--xml-file <file>', 'XML payload, or "-" for stdin')
    .option('--notification-file <file>', 'notification as JSON, or "-" for stdin')
    .option('--template <name>', 'notification that was stored with "templates put"')
    .optionsGroup('Options of the notification:')
    .option('--line <text>', 'another line of the toast or tile (can be repeated)', collect)
    .option('--image <url>', 'image of the toast')
    .option('--launch <text>', 'argument passed to the app when the toast is clicked')
    .addOption(
      new Option('--type <type>', 'type of --xml-file, if its root element does not show it').choices([
        'toast',
        'tile',
        'badge',
      ]),
    )
    .option('--ttl <duration>', 'how long WNS may keep the notification for an offline device', seconds)
    .option('--wns-tag <tag>', 'tag; replaces an earlier toast or tile with the same tag')
    .option('--wns-group <group>', 'group of --wns-tag, for toasts')
    .optionsGroup('Variables:')
    .addOption(
      new Option('--missing <policy>', 'what happens to a recipient without a variable').choices([
        'skip',
        'fallback',
        'refuse',
      ]),
    )
    .option('--fallback <variable=text>', 'with --missing fallback: its value (can be repeated)', collect)
    .option('--values-by-tag <file>', 'JSON file with variables by tag: {"city-berlin": {"temperature": "7"}}')
    .optionsGroup('Audience (one of):')
    .option('--all', 'every channel of the app')
    .option('--tags <expression>', 'tag expression, for example "(news or sport) and not beta"')
    .option('--list <name>', 'name of an uploaded list')
    .option('--channel <ids>', 'channel ids, separated by commas', names)
    .option(
      '--channels-file <file>',
      'file with one channel id per line, or "-" for stdin; a long file is uploaded as a list',
    )
    .option('--failed-of <campaign>', 'recipients that failed or lapsed in this campaign')
    .option('--rest-of <campaign>', 'the rest of the audience of this campaign, for example after a sample')
    .optionsGroup('Audience, narrowed:')
  addFilters(command)
    .optionsGroup('Delivery:')
    .addOption(
      new Option(
        '--update <kind>',
        'generic: same text for all, limited by the 30-minute guideline; personalized: with {{vars.…}}',
      ).choices(['generic', 'personalized']),
    )
    .option('--topic <topic>', 'topic that the 30-minute guideline applies to (default "default")')
    .addOption(
      new Option('--over-limit <policy>', 'behavior if the topic was used within the interval').choices([
        'reject',
        'defer',
        'coalesce',
        'drop',
      ]),
    )
    .addOption(
      new Option('--delivery <kind>', 'whether a broken connection may cause a duplicate or a loss').choices([
        'at-least-once',
        'at-most-once',
      ]),
    )
    .option('--start-at <time>', 'start time: +15m or 2026-01-31T09:30:00Z (default: now)', instant)
    .option('--expires-at <time>', 'end time; recipients not sent to by then have lapsed (default +24h)', instant)
    .option('--local-time <time>', 'send to each time zone when its clocks show this time, such as 07:00')
    .option('--local-date <date>', 'the date of each zone (default: the next time its clocks show the local time)')
    .addOption(
      new Option('--local-time-passed <policy>', 'what a zone gets whose time has passed (default: tomorrow)').choices(
        passedPolicies,
      ),
    )
    .option('--default-time-zone <zone>', 'the zone of channels without one (default: UTC)')
    .option('--window <from-to>', 'post within these hours of each day only, such as 08:00-20:00')
    .option('--window-zone <zone>', 'whose clocks count: device (default) or a time zone')
    .option('--ignore-quiet-hours', 'of an urgent campaign: post in the quiet hours of the app too')
    .option('--pace <duration>', 'spread the posts evenly over this time', seconds)
    .option(
      '--canary <n>',
      'send to this many recipients first; continue only if few of them fail',
      integer(1, 1_000_000),
    )
    .option('--canary-share <share>', 'the same for this share of the audience', share)
    .addOption(
      new Option('--canary-failing <class...>', 'classes that count as failing in the canary').choices(canaryClasses),
    )
    .option('--canary-approve', 'wait after the canary until "campaigns approve" is run')
    .option('--max-failure-share <share>', 'halt when more than this share of recipients fails', share)
    .option('--max-dead-share <share>', 'halt only when more than this share of URIs is dead (default 0.2)', share)
    .option('--dead-reason <text>', 'why --max-dead-share of the URIs may be dead; it is logged')
    .addOption(
      new Option('--priority <priority>', 'urgent campaigns overtake the other campaigns of the app').choices([
        'urgent',
        'normal',
      ]),
    )
    .option('--idempotency-key <key>', 'a repeated command with the same key does not send again')
    .option('--confirm <digest>', 'the digest of the dry run, for a campaign that the app wants confirmed')
    .option('--dry-run', 'show what would happen, and send nothing')
    .option('--allow-empty', 'send even if the audience has no recipients now')
    .option('--detach', 'return at once instead of showing progress')
    .addHelpText(
      'after',
      `
The command ends with the campaign; Ctrl-C stops only the display. Exits with 0 when the campaign completed.

Examples:
  $ wns-fanout send --app news --toast "Storm tonight" --line "Stay inside from 20:00" --tags "region-north"
  $ wns-fanout send --app news --badge 3 --all --dry-run
  $ wns-fanout send --app shop --notification-file sale.json --all --start-at +2h --pace 30m --detach
  $ wns-fanout send --app weather --notification-file forecast.json --all --local-time 07:00 --detach
  $ wns-fanout send --app shop --toast "Hello {{vars.name}}" --update personalized --channels-file vip.txt`,
    )
    .action(async (options: Options, called: Command) => await send(called, options))
}

async function send(command: Command, options: Options): Promise<void> {
  const context = contextOf(command)
  const { screen } = context
  const { request: draft, upload } = await planSend(options)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the API validates it, all problems at once
  const request = draft as CampaignRequest
  await withApi(context, async (api) => {
    if (upload !== undefined) {
      const { size, unknown } = await api.putList(options.app, upload.list, upload.channels)
      const unregistered = unknown > 0 ? `; ${formatCount(unknown)} are not registered` : ''
      screen.say(`Uploaded ${formatCount(size)} channels as list ${upload.list}${unregistered}.`)
    }
    if (options.dryRun === true) {
      if (options.detach === true)
        throw new UsageError('--dry-run cannot be combined with --detach; it starts no campaign')
      const found = await api.dryRun(options.app, request)
      screen.show(found, [...warningLines(found.warnings), ...forecastLines(found)])
      return
    }
    const keyed = options.idempotencyKey === undefined ? {} : { idempotencyKey: options.idempotencyKey }
    const campaign = await createConfirmed(api, options.app, request, keyed, context)
    if (options.detach === true) screen.show(campaign, [...warningLines(campaign.warnings), ...campaignLines(campaign)])
    else await watch(api, campaign, context)
  })
}
