import type { AuditEntry, AuditTrailName } from '@wns-fanout/domain'
import { AuditChecker, auditTrails } from '@wns-fanout/domain'
import type { Command } from 'commander'
import { Option } from 'commander'
import { withApi } from '../connection.ts'
import { contextOf } from '../context.ts'
import { Failure, UsageError } from '../failure.ts'
import { instant, integer } from '../input/arguments.ts'
import { auditLines } from '../input/audit-lines.ts'
import { tableLines } from '../terminal/table.ts'

interface Filter {
  readonly trail: AuditTrailName
  readonly app?: string
  readonly key?: string
  readonly action?: string
  readonly from?: string
  readonly to?: string
}

export function addAudit(program: Command): void {
  const audit = program.command('audit').description('Read and verify the audit log.')
  filtered(audit.command('list'))
    .description('Show the newest entries of the audit log, oldest first.')
    .option('--limit <n>', 'how many entries', integer(1, 10_000), 100)
    .addHelpText('after', '\nExample:\n  $ wns-fanout audit list --app news --action "campaign.*"')
    .action(async (options: Filter & { limit: number }, command: Command) => await list(command, options))
  filtered(audit.command('export'))
    .description('Write the entries of the audit log to stdout, one JSON object a line, oldest first.')
    .option('--after <id>', 'only entries behind the one with this id, for example the last of the export before')
    .addHelpText('after', '\nExample:\n  $ wns-fanout audit export > audit.ndjson')
    .action(async (options: Filter & { after?: string }, command: Command) => await write(command, options))
  audit
    .command('verify')
    .argument('[file]', 'an export without filters, or lines that the processes wrote to stdout; "-" reads stdin')
    .description('Recompute the hashes of the audit log, and fail if an entry was changed or left out.')
    .addOption(trailOption())
    .option('--head <seq:hash>', 'an entry that was noted before, and must be there with this hash')
    .addHelpText(
      'after',
      `
The log is read from the API unless a file is given. Anyone who can write to Redis can also compute a new chain: note
the head that this command shows in another place, and give it as --head later.

Example:
  $ wns-fanout audit verify --head 1204:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`,
    )
    .action(
      async (file: string | undefined, options: { trail: AuditTrailName; head?: string }, command: Command) =>
        await verify(command, file, options),
    )
}

function trailOption(): Option {
  return new Option('--trail <trail>', 'devices: the changes of single channels; control: everything else')
    .choices(auditTrails)
    .default('control')
}

function filtered(command: Command): Command {
  return command
    .addOption(trailOption())
    .option('--app <app>', 'only entries of this app')
    .option('--key <id>', 'only entries of this API key')
    .option('--action <action>', 'only this action, or a group such as "campaign.*"')
    .option('--from <time>', 'only entries since then', instant)
    .option('--to <time>', 'only entries until then', instant)
}

async function list(command: Command, options: Filter & { limit: number }): Promise<void> {
  const context = contextOf(command)
  const { screen } = context
  await withApi(context, async (api) => {
    const newest: AuditEntry[] = []
    for await (const entry of api.audit({ ...options, order: 'newest' })) newest.push(entry)
    const entries = newest.toReversed()
    screen.show(
      { items: entries },
      tableLines(
        ['time', 'actor', 'source', 'action', 'app', 'object', 'recipients', 'outcome'],
        entries.map(({ time, actor, source, action, app, object, recipients, outcome, status }) => [
          time,
          actor,
          source,
          action,
          app,
          object,
          recipients,
          status === undefined ? outcome : `${outcome} (${status})`,
        ]),
      ),
    )
  })
}

async function write(command: Command, options: Filter & { after?: string }): Promise<void> {
  const context = contextOf(command)
  await withApi(context, async (api) => {
    for await (const entry of api.audit(options)) await context.screen.write(`${JSON.stringify(entry)}\n`)
  })
}

async function verify(
  command: Command,
  file: string | undefined,
  { trail, head }: { trail: AuditTrailName; head?: string },
): Promise<void> {
  const context = contextOf(command)
  const noted = head === undefined ? undefined : headOf(head)
  const checker = new AuditChecker()
  let isNotedThere = noted === undefined
  const add = (entry: AuditEntry): void => {
    checker.add(entry)
    if (entry.seq === noted?.seq && entry.hash === noted.hash) isNotedThere = true
  }
  if (file === undefined)
    await withApi(context, async (api) => {
      for await (const entry of api.audit({ trail })) add(entry)
    })
  else for await (const entry of auditLines(file, trail)) add(entry)

  const { breaks, count, first, last, head: hash } = checker.result()
  const problems = [
    ...breaks.map(({ seq, problem }) => `entry ${seq}: ${problem}`),
    ...(isNotedThere ? [] : [`there is no entry ${noted?.seq} with the hash of --head`]),
  ]
  if (problems.length > 0)
    throw new Failure('audit-broken', ['the audit log was changed:', ...problems.map((one) => `  ${one}`)].join('\n'), {
      breaks,
    })
  context.screen.show({ trail, count, first, last, head: hash }, [
    count === 0
      ? `The trail ${trail} has no entries.`
      : `${count} entries of the trail ${trail}, ${first} to ${last}, form one chain. Head: ${last}:${hash}`,
  ])
}

function headOf(text: string): { readonly seq: number; readonly hash: string } {
  const [, seq, hash = ''] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? []
  if (seq === undefined) throw new UsageError('--head must be the number of an entry and its hash, joined by ":"')
  return { seq: Number(seq), hash }
}
