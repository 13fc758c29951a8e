import type { ApiVerb } from '@wns-fanout/domain'
import { apiVerbs } from '@wns-fanout/domain'
import type { Command } from 'commander'
import { allOf } from '../all-of.ts'
import { findRedis, withApi } from '../connection.ts'
import { contextOf } from '../context.ts'
import { UsageError } from '../failure.ts'
import { instant, names } from '../input/arguments.ts'
import { besideRedis } from '../stack/beside-redis.ts'
import { fieldLines, tableLines } from '../terminal/table.ts'

const verbs: readonly ApiVerb[] = apiVerbs

interface CreateOptions {
  readonly apps: readonly string[]
  readonly verbs?: readonly string[]
  readonly expiresAt?: string
}

export function addKeys(program: Command): void {
  const keys = program.command('keys').description('Manage API keys.')
  keys
    .command('bootstrap')
    .argument('[name]', 'display name', 'bootstrap')
    .description('Create the first API key of an installation, directly in its Redis.')
    .option('--force', 'create it even if there are API keys already (for example, if all of them were lost)')
    .addHelpText(
      'after',
      `
Run it with the REDIS_URL, WNS_FANOUT_PREFIX and WNS_FANOUT_KEYRING_FILE of the API. Without REDIS_URL it uses the
stack that runs in this folder.
The key has all rights. It is printed once; only its hash is stored. "wns-fanout up" creates its first key itself.

Example:
  $ REDIS_URL=redis://redis:6379 WNS_FANOUT_KEYRING_FILE=/etc/wns-fanout/keyring wns-fanout keys bootstrap ops`,
    )
    .action(
      async (name: string, options: { force?: true }, command: Command) =>
        await bootstrap(command, name, options.force === true),
    )
  keys
    .command('create <name>')
    .description('Create an API key. It is shown only once.')
    .requiredOption('--apps <apps>', 'app ids, separated by commas; "*" for all apps', names)
    .option('--verbs <verbs>', `rights, separated by commas: ${verbs.join(', ')} (default: read)`, names)
    .option('--expires-at <time>', 'expiry: +30d or 2026-12-31T00:00:00Z (default: never)', instant)
    .addHelpText(
      'after',
      `
read: everything except channel URIs · register: create and delete channels · send: campaigns and lists · admin: all

Examples:
  $ wns-fanout keys create newsroom --apps news --verbs read,send
  $ wns-fanout keys create device-gateway --apps news,shop --verbs register --expires-at +90d`,
    )
    .action(async (name: string, options: CreateOptions, command: Command) => await create(command, name, options))
  keys
    .command('list')
    .description('List all API keys, without their secret parts.')
    .action(async (_options: unknown, command: Command) => await list(command))
  keys
    .command('revoke <id>')
    .description('Revoke an API key.')
    .action(async (id: string, _options: unknown, command: Command) => await revoke(command, id))
}

async function bootstrap(command: Command, name: string, force: boolean): Promise<void> {
  const context = contextOf(command)
  const { screen } = context
  const made = await besideRedis({
    args: ['--bootstrap-key', name, ...(force ? ['--force'] : [])],
    env: (await findRedis(context)).env,
    isAnswer: (line) => keyIn(line) !== undefined,
    failure: { code: 'bootstrap', message: 'the first API key could not be created' },
  })
  screen.show(made, [keyIn(made) ?? ''])
  if (!screen.json && process.stderr.isTTY)
    process.stderr.write('The key is shown only once; store it safely. Use it as WNS_FANOUT_API_KEY.\n')
}

function keyIn(line: unknown): string | undefined {
  return typeof line === 'object' && line !== null && 'key' in line && typeof line.key === 'string'
    ? line.key
    : undefined
}

async function create(command: Command, name: string, options: CreateOptions): Promise<void> {
  const context = contextOf(command)
  const wanted = options.verbs ?? ['read']
  const known = wanted.filter((verb): verb is ApiVerb => verbs.some((one) => one === verb))
  const unknown = wanted.filter((word) => !verbs.some((verb) => verb === word))
  if (unknown.length > 0) throw new UsageError(`--verbs must be of ${verbs.join(', ')}; found ${unknown.join(', ')}`)
  await withApi(context, async (api) => {
    const made = await api.createKey({
      name,
      apps: [...options.apps],
      verbs: known,
      ...(options.expiresAt === undefined ? {} : { expiresAt: options.expiresAt }),
    })
    context.screen.show(made, [
      ...fieldLines([
        ['id', made.id],
        ['name', made.name],
        ['apps', made.apps.join(', ')],
        ['verbs', made.verbs.join(', ')],
        ['expires', made.expiresAt],
        ['key', made.key],
      ]),
      '',
      'The key is shown only once; store it safely.',
    ])
  })
}

async function list(command: Command): Promise<void> {
  const context = contextOf(command)
  await withApi(context, async (api) => {
    const keys = await allOf(api.keys())
    context.screen.show(
      { items: keys },
      tableLines(
        ['id', 'name', 'apps', 'verbs', 'created', 'created by', 'expires'],
        keys.map((key) => [
          key.id,
          key.name,
          key.apps.join(', '),
          key.verbs.join(', '),
          key.createdAt,
          key.createdBy,
          key.expiresAt,
        ]),
      ),
    )
  })
}

async function revoke(command: Command, id: string): Promise<void> {
  const context = contextOf(command)
  await withApi(context, async (api) => {
    await api.deleteKey(id)
    context.screen.show({ revoked: id }, [`Revoked API key ${id}.`])
  })
}
