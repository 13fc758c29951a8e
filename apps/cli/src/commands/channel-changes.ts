import type { ChangeResult, ChannelChangeKind } from '@wns-fanout/client'
import type { Audience } from '@wns-fanout/domain'
import { formatOfFile } from '@wns-fanout/domain'
import type { Command } from 'commander'
import { withApi } from '../connection.ts'
import { contextOf } from '../context.ts'
import { Failure, UsageError } from '../failure.ts'
import { names } from '../input/arguments.ts'
import type { FilterOptions } from '../input/audience.ts'
import { addFilters, audienceOf, filtersOf } from '../input/audience.ts'
import { openSource } from '../input/read.ts'
import { formatBytes, formatCount } from '../terminal/format.ts'
import { createProgress } from '../terminal/progress.ts'

interface ChangeOptions extends FilterOptions {
  readonly app: string
  readonly ids?: string
  readonly list?: string
  readonly tags?: string
  readonly all?: true
  readonly topic?: string
  readonly yes?: true
}

const descriptions: Readonly<Record<ChannelChangeKind, string>> = {
  tag: 'Add tags to channels.',
  untag: 'Remove tags from channels.',
  delete: 'Delete channels. Nothing more is sent to them; their opt-outs stay.',
  'opt-out': 'Exclude channels from every audience, or from the campaigns of a topic.',
  'opt-in': 'Include channels in audiences again.',
  activate: 'Open the raw gates of channels.',
}

/** `channels tag`, `untag`, `delete`, `opt-out`, `opt-in` and `activate`: of one channel or of many. */
export function addChannelChanges(channels: Command): void {
  for (const kind of Object.keys(descriptions) as readonly ChannelChangeKind[]) {
    const isTagging = kind === 'tag' || kind === 'untag'
    const command = channels.command(isTagging ? `${kind} <tags> [channel]` : `${kind} [channel]`)
    command
      .description(descriptions[kind])
      .requiredOption('--app <app>', 'app id')
      .option('--ids <file>', 'channel ids: one per line, NDJSON or CSV with a "channel", or results; "-" reads stdin')
      .option('--list <name>', 'the channels of an uploaded list')
      .option('--tags <expression>', 'the channels of a tag expression')
      .option('--all', 'all channels')
    addFilters(command).addHelpText(
      'after',
      `\nExample:\n  $ wns-fanout channels ${kind}${isTagging ? ' rome,italy' : ''} --app news --ids devices.txt`,
    )
    if (kind === 'opt-out' || kind === 'opt-in')
      command.option('--topic <topic>', 'only for the campaigns of this topic (default: for all)')
    if (kind === 'delete') command.option('--yes', 'delete the channels of an audience without a question')
    command.action(async (...given: readonly unknown[]) => {
      const [tags, channel] = isTagging ? given : [undefined, given[0]]
      const called = given.at(-1) as Command
      await change(called, kind, {
        ...called.opts<ChangeOptions>(),
        ...(tags === undefined ? {} : { newTags: names(tags as string) }),
        ...(channel === undefined ? {} : { channel: channel as string }),
      })
    })
  }
}

async function change(
  command: Command,
  kind: ChannelChangeKind,
  options: ChangeOptions & { readonly newTags?: readonly string[]; readonly channel?: string },
): Promise<void> {
  const context = contextOf(command)
  const { screen } = context
  const target = targetOf(options)
  if (kind === 'delete' && 'audience' in target && options.yes !== true)
    throw new UsageError('add --yes to delete the channels of an audience; "channels count" shows how many they are')
  const progress = createProgress(screen, kind)
  await withApi(context, async (api) => {
    const tags = {
      ...(options.newTags === undefined ? {} : { tags: options.newTags }),
      ...(options.topic === undefined ? {} : { topic: options.topic }),
    }
    const result =
      'audience' in target
        ? await api.changeChannels(options.app, kind, {
            audience: target.audience,
            ...tags,
            onProgress: ({ done, matched }) => {
              const note = `${formatCount(done)} of ${formatCount(matched)}`
              progress.update({ done, total: matched, note })
            },
          })
        : await changeIds(options.app, target)
    progress.end()
    screen.show(result, [summary(result)])
    if (result.matched === 0) throw new Failure('nothing-matched', 'no registered channel was named, so none changed')

    async function changeIds(app: string, ids: Exclude<Target, { audience: Audience }>): Promise<ChangeResult> {
      if ('channel' in ids)
        return await api.changeChannels(app, kind, { ids: [`${ids.channel}\n`], type: 'ids', ...tags })
      const source = await openSource(ids.file)
      return await api.changeChannels(app, kind, {
        ids: source.stream,
        type: formatOfFile(ids.file) ?? 'ids',
        gzip: ids.file.endsWith('.gz'),
        ...tags,
        onBytes: (done) => progress.update({ done, total: source.bytes, note: formatBytes(done) }),
      })
    }
  })
}

type Target = { readonly audience: Audience } | { readonly channel: string } | { readonly file: string }

function targetOf(options: ChangeOptions & { readonly channel?: string }): Target {
  const { channel, ids, list, tags, all } = options
  const isFiltered = Object.keys(filtersOf(options)).length > 0
  const hasAudience = (list ?? tags ?? all) !== undefined || isFiltered
  const targets: Target[] = [
    ...(channel === undefined ? [] : [{ channel }]),
    ...(ids === undefined ? [] : [{ file: ids }]),
    ...(hasAudience ? [{ audience: audienceOf(options) }] : []),
  ]
  const [target] = targets
  if (target === undefined || targets.length > 1 || (all === true && (list ?? tags) !== undefined))
    throw new UsageError(
      'name the channels in one way: an id, --ids, --list, --tags or --all; only the last three can be narrowed by ' +
        '--registered-after, --registered-before and --gate',
    )
  return target
}

function summary({ updated, unchanged, refused, unknown }: ChangeResult): string {
  return (
    `${formatCount(updated)} updated, ${formatCount(unchanged)} unchanged, ${formatCount(unknown)} unknown` +
    (refused === 0 ? '.' : `; ${formatCount(refused)} refused, because a channel may have at most 50 tags.`)
  )
}
