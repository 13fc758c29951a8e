import type { ListedChannel } from '@wns-fanout/domain'
import type { Command } from 'commander'
import { withApi } from '../connection.ts'
import { contextOf } from '../context.ts'
import { UsageError } from '../failure.ts'

interface ListOptions {
  readonly app: string
  readonly optedOut?: true
  readonly topic?: string
}

/** `channels list`: as lines, since an app may have millions. */
export function addChannelList(channels: Command): void {
  channels
    .command('list')
    .description('List channels, one a line: id, opt-outs and tags. With --json, one JSON object a line.')
    .requiredOption('--app <app>', 'app id')
    .option('--opted-out', 'only channels that opted out, also those that are not registered any more')
    .option('--topic <topic>', 'with --opted-out: only channels that opted out of this topic')
    .addHelpText('after', '\nExample:\n  $ wns-fanout channels list --app news --opted-out --topic weather')
    .action(async (options: ListOptions, command: Command) => await list(command, options))
}

async function list(command: Command, { app, optedOut, topic }: ListOptions): Promise<void> {
  if (topic !== undefined && optedOut !== true) throw new UsageError('--topic needs --opted-out; add it')
  const context = contextOf(command)
  const { screen } = context
  const filter = { ...(optedOut === true ? { optedOut } : {}), ...(topic === undefined ? {} : { topic }) }
  await withApi(context, async (api) => {
    for await (const channel of api.channels(app, filter))
      await screen.write(`${screen.json ? JSON.stringify(channel) : lineOf(channel)}\n`)
  })
}

function lineOf({ channel, tags, optedOut, optedOutOf = [], registered }: ListedChannel): string {
  const marks = [
    ...(optedOut === true ? ['opted out'] : []),
    ...(optedOutOf.length === 0 ? [] : [`opted out of ${optedOutOf.join(', ')}`]),
    ...(registered === false ? ['not registered'] : []),
    ...(tags.length === 0 ? [] : [`tags ${tags.join(', ')}`]),
  ]
  return [channel, ...marks].join('  ')
}
