import type { AppEvent, AppEventType } from '@wns-fanout/domain'
import { appEventTypes } from '@wns-fanout/domain'
import type { Command } from 'commander'
import { Option } from 'commander'
import { withApi } from '../connection.ts'
import { contextOf } from '../context.ts'
import { integer } from '../input/arguments.ts'
import { tableLines } from '../terminal/table.ts'

interface FeedOptions {
  readonly app: string
  readonly type?: AppEventType[]
  readonly after?: string
}

function ofType(): Option {
  return new Option('--type <type...>', 'only events of these types').choices(appEventTypes)
}

/** `events list` and `follow`. */
export function addEvents(program: Command): void {
  const events = program.command('events').description('Show what happened to an app: ends, halts, refusals, removals.')
  events
    .command('list')
    .description('List the events of an app, oldest first.')
    .requiredOption('--app <app>', 'app id')
    .addOption(ofType())
    .option('--after <cursor>', 'only events behind this one; default: all that are kept')
    .option('--limit <n>', 'maximum number to show', integer(1, 10_000), 1000)
    .addHelpText('after', '\nExample:\n  $ wns-fanout events list --app news --type campaign.halted')
    .action(async ({ limit, ...options }: FeedOptions & { limit: number }, command: Command) => {
      const context = contextOf(command)
      await withApi(context, async (api) => {
        const items: AppEvent[] = []
        let cursor = options.after
        let isEnd = false
        while (!isEnd && items.length < limit) {
          const page = await api.appEvents(options.app, { ...options, after: cursor, limit: limit - items.length })
          items.push(...page.items)
          cursor = page.cursor
          isEnd = !page.more
        }
        const rows = items.map((event) => [event.timestamp, event.type, textOf(event)])
        context.screen.show({ items, cursor }, tableLines(['time', 'type', 'event'], rows))
      })
    })
  events
    .command('follow')
    .description('Show the events of an app as they happen. With --json each is one line. Ctrl-C stops.')
    .requiredOption('--app <app>', 'app id')
    .addOption(ofType())
    .option('--after <cursor>', 'start behind this event; default: now')
    .addHelpText(
      'after',
      '\nExample:\n  $ wns-fanout --json events follow --app news --type channels.removed >> removed.ndjson',
    )
    .action(async (options: FeedOptions, command: Command) => {
      const context = contextOf(command)
      await withApi(context, async (api) => {
        try {
          for await (const event of api.followAppEvents(options.app, { ...options, signal: context.interrupted }))
            context.screen.show(event, [`${event.timestamp}  ${event.type}  ${textOf(event)}`])
        } catch (error) {
          if (!context.interrupted.aborted) throw error
        }
      })
    })
}

/** The data of an event in one line. */
function textOf(event: AppEvent): string {
  switch (event.type) {
    case 'campaign.finished':
      return `${event.data.campaign}: ${event.data.state}${inBrackets(event.data.reason)}, ${event.data.totals.accepted} of ${event.data.audienceSize} accepted`
    case 'campaign.halted':
      return `${event.data.campaign}: ${event.data.reason}${event.data.resumable ? ', can be resumed' : ''}`
    case 'campaign.waiting-for-approval':
      return event.data.campaign
    case 'schedule.refused':
      return `${event.data.schedule}, due ${event.data.dueAt}: ${event.data.code}`
    case 'schedule.stopped':
      return `${event.data.schedule}, due ${event.data.dueAt}: its key ${event.data.createdBy} is over`
    case 'breaker.opened':
      return `${event.data.kind}: ${event.data.reason}`
    case 'breaker.closed':
      return event.data.kind
    case 'channels.removed':
      return `${event.data.count} channels`
    case 'webhook.disabled':
      return `${event.data.webhook}: ${event.data.reason}`
    default:
      return event satisfies never
  }
}

function inBrackets(reason: string | undefined): string {
  return reason === undefined ? '' : ` (${reason})`
}
