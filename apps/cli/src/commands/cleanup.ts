import type { CleanupResult } from '@wns-fanout/client'
import type { Command } from 'commander'
import { withApi } from '../connection.ts'
import { contextOf } from '../context.ts'
import { past, share } from '../input/arguments.ts'
import { formatCount } from '../terminal/format.ts'
import { createProgress } from '../terminal/progress.ts'
import { tableLines } from '../terminal/table.ts'

interface CleanupOptions {
  readonly app: string
  readonly olderThan: string
  readonly maxShare?: number
  readonly dryRun?: true
}

/** `channels cleanup`: removes channels whose devices have not registered for long. */
export function addCleanup(channels: Command): void {
  channels
    .command('cleanup')
    .description('Remove channels whose devices have not registered for long. Their opt-outs stay.')
    .requiredOption('--app <app>', 'app id')
    .requiredOption('--older-than <age>', 'age of the last registration, such as 90d, or a time', past)
    .option(
      '--max-share <share>',
      'remove nothing if more than this share of the channels is older (default 0.1)',
      share,
    )
    .option('--dry-run', 'show how many would be removed, with ten of them, and remove nothing')
    .addHelpText(
      'after',
      `
Examples:
  $ wns-fanout channels cleanup --app news --older-than 90d --dry-run
  $ wns-fanout channels cleanup --app news --older-than 90d --max-share 40%`,
    )
    .action(async (options: CleanupOptions, command: Command) => await cleanUp(command, options))
}

async function cleanUp(command: Command, { app, olderThan, maxShare, dryRun }: CleanupOptions): Promise<void> {
  const context = contextOf(command)
  const { screen } = context
  const progress = createProgress(screen, 'cleanup')
  await withApi(context, async (api) => {
    const result = await api.cleanUpChannels(app, olderThan, {
      ...(maxShare === undefined ? {} : { maxShare }),
      ...(dryRun === undefined ? {} : { dryRun }),
      onProgress: ({ done, matched }) =>
        progress.update({ done, total: matched, note: `${formatCount(done)} of ${formatCount(matched)}` }),
    })
    progress.end()
    screen.show(result, cleanupLines(result, olderThan, dryRun === true))
  })
}

function cleanupLines(
  { registered, matched, removed, sample }: CleanupResult,
  registeredBefore: string,
  isDry: boolean,
): readonly string[] {
  const found = `${formatCount(matched)} of ${formatCount(registered)} channels have not registered since ${registeredBefore}`
  if (!isDry) return [`${found}; ${formatCount(removed)} were removed.`]
  if (sample.length === 0) return [`${found}.`]
  const rows = sample.map(({ channel, registeredAt, tags }) => [channel, registeredAt, tags.join(', ')])
  return [`${found}. ${formatCount(sample.length)} of them:`, ...tableLines(['channel', 'registered', 'tags'], rows)]
}
