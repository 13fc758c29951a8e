import type { Client } from '@wns-fanout/client'
import type { App, AppPatch, AppRequest } from '@wns-fanout/domain'
import type { Command } from 'commander'
import { Option } from 'commander'
import { allOf } from '../all-of.ts'
import { withApi } from '../connection.ts'
import { contextOf } from '../context.ts'
import { Failure, UsageError } from '../failure.ts'
import { integer, names, seconds } from '../input/arguments.ts'
import { hoursOf, withoutAbsent } from '../input/campaign-request.ts'
import { type CredentialOptions, credentialsOf } from '../input/credentials.ts'
import { formatCount, formatRate } from '../terminal/format.ts'
import { fieldLines, tableLines } from '../terminal/table.ts'

interface PutOptions extends CredentialOptions {
  readonly displayName?: string
  readonly rate?: number
  readonly burst?: number
  readonly interval?: number
  readonly intervalReason?: string
  readonly maxAttempts?: number
  readonly retentionDays?: number
  readonly rawGates?: 'on' | 'off'
  readonly quietHours?: string
  readonly quietHoursZone?: string
  readonly confirmAbove?: number
  readonly recipientsPerDay?: number
  readonly recipientsPerKey?: number
  readonly unfinishedCampaigns?: number
}

export function addApp(program: Command): void {
  const app = program.command('app').description('Manage apps: credentials, rate, pause and resume.')
  addPut(app)
  addSet(app)
  app
    .command('get <app>')
    .description('Show an app. Secrets are never shown.')
    .action(
      async (id: string, _options: unknown, command: Command) =>
        await showOne(command, async (api) => await api.app(id)),
    )
  app
    .command('list')
    .description('List the apps that your API key may read.')
    .action(async (_options: unknown, command: Command) => await list(command))
  app
    .command('delete <app>')
    .description('Delete an app with its channels, lists and finished campaigns.')
    .action(async (id: string, _options: unknown, command: Command) => await remove(command, id))
  app
    .command('verify <app>')
    .description('Check the credentials of an app with the token service.')
    .action(async (id: string, _options: unknown, command: Command) => await verify(command, id))
  app
    .command('pause <app>')
    .description('Pause sending for an app; its campaigns wait with the reason app-paused.')
    .action(
      async (id: string, _options: unknown, command: Command) =>
        await showOne(command, async (api) => await api.pauseApp(id)),
    )
  app
    .command('resume <app>')
    .description('Resume sending for an app.')
    .action(
      async (id: string, _options: unknown, command: Command) =>
        await showOne(command, async (api) => await api.resumeApp(id)),
    )
}

function settingOptions(command: Command): Command {
  return command
    .option('--display-name <text>', 'display name')
    .option('--rate <n>', 'posts per second to WNS, over all workers (default 300)', integer(1, 100_000))
    .option('--burst <n>', 'maximum number of posts at once (default: a tenth of the rate)', integer(1, 100_000))
    .option('--interval <duration>', 'minimum time between generic updates of a channel (default 30m)', seconds)
    .option('--interval-reason <text>', 'reason for an --interval below the 30-minute guideline')
    .option('--max-attempts <n>', 'maximum number of attempts per recipient (default 5)', integer(1, 6))
    .option('--retention-days <n>', 'days to keep results (default 7)', integer(1, 365))
    .option('--quiet-hours <from-to>', 'hours of each day in which campaigns do not post, such as 22:00-07:00')
    .option('--quiet-hours-zone <zone>', 'whose clocks count: device (default) or a time zone')
    .option('--confirm-above <n>', 'recipients above which a campaign must be confirmed', integer(0, 1_000_000_000))
    .option('--recipients-per-day <n>', 'most recipients of the campaigns of a UTC day', integer(0, 1_000_000_000))
    .option('--recipients-per-key <n>', 'the same for each API key', integer(0, 1_000_000_000))
    .option('--unfinished-campaigns <n>', 'most unfinished campaigns (default 1000)', integer(0, 100_000))
    .addOption(
      new Option('--raw-gates <switch>', 'off: raw notifications also go to apps that do not run (default on)').choices(
        ['on', 'off'],
      ),
    )
}

function addSet(app: Command): void {
  settingOptions(app.command('set <app>'))
    .description('Change settings of an app; the others stay, and so do the credentials.')
    .option('--default <settings>', 'settings that get their default again: rate, burst, interval, …', names)
    .addHelpText(
      'after',
      '\nExamples:\n  $ wns-fanout app set news --rate 1000\n  $ wns-fanout app set news --default burst,interval',
    )
    .action(
      async (id: string, options: PutOptions & { default?: readonly string[] }, command: Command) =>
        await set(command, id, options),
    )
}

const settingNames: Readonly<Record<string, string>> = {
  'display-name': 'displayName',
  rate: 'ratePerSecond',
  burst: 'burst',
  interval: 'genericIntervalSeconds',
  'interval-reason': 'allowFasterThanGuideline',
  'max-attempts': 'maxAttempts',
  'retention-days': 'retentionDays',
  'raw-gates': 'rawGates',
  'quiet-hours': 'quietHours',
  'confirm-above': 'confirmAbove',
  limits: 'limits',
}

async function set(
  command: Command,
  id: string,
  options: PutOptions & { readonly default?: readonly string[] },
): Promise<void> {
  const unknown = (options.default ?? []).filter((name) => !Object.hasOwn(settingNames, name))
  if (unknown.length > 0)
    throw new UsageError(`--default must be of ${Object.keys(settingNames).join(', ')}; found ${unknown.join(', ')}`)
  const cleared = (options.default ?? []).map((name) => [settingNames[name] ?? '', null] as const)
  const patch: AppPatch = { ...settingsOf(options), ...Object.fromEntries(cleared) }
  if (Object.keys(patch).length === 0) throw new UsageError('name a setting to change, such as --rate 500')
  await showOne(command, async (api) => await api.patchApp(id, patch))
}

function settingsOf(options: PutOptions) {
  return withoutAbsent({
    displayName: options.displayName,
    ratePerSecond: options.rate,
    burst: options.burst,
    genericIntervalSeconds: options.interval,
    allowFasterThanGuideline: options.intervalReason === undefined ? undefined : { reason: options.intervalReason },
    maxAttempts: options.maxAttempts,
    retentionDays: options.retentionDays,
    rawGates: options.rawGates === undefined ? undefined : options.rawGates === 'on',
    quietHours: hoursOf('--quiet-hours', options.quietHours, options.quietHoursZone),
    confirmAbove: options.confirmAbove,
    limits: limitsOf(options),
  })
}

/** The three limits are one setting, so they replace those from before. */
function limitsOf(options: PutOptions): object | undefined {
  const limits = withoutAbsent({
    recipientsPerDay: options.recipientsPerDay,
    recipientsPerKeyAndDay: options.recipientsPerKey,
    unfinishedCampaigns: options.unfinishedCampaigns,
  })
  return Object.keys(limits).length === 0 ? undefined : limits
}

function addPut(app: Command): void {
  settingOptions(app.command('put <app>'))
    .description('Create an app or replace its settings.')
    .option('--credentials-file <file>', 'JSON with the credentials, or "-" for stdin')
    .addOption(new Option('--kind <kind>', 'where the app is registered').choices(['store', 'entra']))
    .option('--package-sid <sid>', 'package SID, with or without ms-app:// (for --kind store)')
    .option('--tenant-id <id>', 'tenant id (for --kind entra)')
    .option('--client-id <id>', 'application (client) id (for --kind entra)')
    .option('--client-secret-file <file>', 'file that holds only the client secret, or "-" for stdin')
    .option(
      '--client-secret-ref <ref>',
      'file:NAME in the folder of the app, or env:WNS_FANOUT_SECRET_<APP>_<NAME>; never stored',
    )
    .option('--previous-client-secret-file <file>', 'file with the previous secret, used during a rotation')
    .addHelpText(
      'after',
      `
Secrets are never arguments: every user of a machine can see the arguments of every process.
A credentials file holds {"kind": "store", "packageSid": "S-1-15-2-…", "clientSecret": "…"} or
{"kind": "entra", "tenantId": "…", "clientId": "…", "clientSecret": "…"}. A secret can also be {"ref": "file:NAME"}.

Examples:
  $ wns-fanout app put news --credentials-file news.json
  $ pass show wns/news | wns-fanout app put news --kind store --package-sid S-1-15-2-… --client-secret-file -
  $ wns-fanout app put news --kind entra --tenant-id contoso.example --client-id 1b2c… \\
      --client-secret-ref file:client-secret
  $ wns-fanout app put news --credentials-file news.json --rate 1000 --max-attempts 3`,
    )
    .action(async (id: string, options: PutOptions, command: Command) => await put(command, id, options))
}

async function put(command: Command, id: string, options: PutOptions): Promise<void> {
  const request = { ...settingsOf(options), credentials: await credentialsOf(options) }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the API validates it, all problems at once
  await showOne(command, async (api) => await api.putApp(id, request as AppRequest))
}

async function showOne(command: Command, act: (api: Client) => Promise<App>): Promise<void> {
  const context = contextOf(command)
  await withApi(context, async (api) => {
    const app = await act(api)
    context.screen.show(app, appLines(app))
  })
}

function appLines(app: App): readonly string[] {
  const { credentials } = app
  return fieldLines([
    ['app', app.app],
    ['name', app.displayName],
    ['state', app.stopped === undefined ? app.state : `stopped (${app.stopped.scope}) since ${app.stopped.at}`],
    [
      'credentials',
      credentials.kind === 'store'
        ? `store ${credentials.packageSid}`
        : `entra ${credentials.clientId} in ${credentials.tenantId}`,
    ],
    ['channels', app.channels],
    [
      'rate',
      `${formatRate(app.ratePerSecond)}, burst ${formatCount(app.burst)}, now ${formatRate(app.effectiveRatePerSecond)}`,
    ],
    ['interval', `${app.genericIntervalSeconds} s between generic updates`],
    ['confirmed above', app.confirmAbove],
    ['recipients a day', app.limits?.recipientsPerDay],
    ['recipients a day and key', app.limits?.recipientsPerKeyAndDay],
    ['unfinished campaigns', app.limits?.unfinishedCampaigns],
    ['below the guideline', app.allowFasterThanGuideline?.reason],
    ['attempts', app.maxAttempts],
    ['results kept', `${app.retentionDays} days`],
    ['raw gates', app.rawGates ? undefined : 'off'],
    ['quiet hours', app.quietHours && `${app.quietHours.from} to ${app.quietHours.to}, ${app.quietHours.zone}`],
    ['throttled until', app.throttledUntil],
    ['breaker', app.breaker === undefined ? null : `${app.breaker.reason} since ${app.breaker.since}`],
  ])
}

async function list(command: Command): Promise<void> {
  const context = contextOf(command)
  await withApi(context, async (api) => {
    const apps = await allOf(api.apps())
    context.screen.show(
      { items: apps },
      apps.length === 0
        ? ['No apps. Run "wns-fanout app put --help" to create one.']
        : tableLines(
            ['app', 'state', 'channels', 'rate', 'breaker'],
            apps.map((app) =>
              'problem' in app
                ? [app.app, app.problem]
                : [app.app, app.state, app.channels, formatRate(app.effectiveRatePerSecond), app.breaker?.reason],
            ),
          ),
    )
  })
}

async function remove(command: Command, id: string): Promise<void> {
  const context = contextOf(command)
  await withApi(context, async (api) => {
    await api.deleteApp(id)
    context.screen.show({ deleted: id }, [`Deleted app ${id} with its channels.`])
  })
}

async function verify(command: Command, id: string): Promise<void> {
  const context = contextOf(command)
  await withApi(context, async (api) => {
    const verified = await api.verifyApp(id)
    const { ok, code, explanation, expiresInSeconds } = verified
    context.screen.show(verified, [
      `${ok ? 'ok' : 'refused'} (${code}): ${explanation}`,
      ...(expiresInSeconds === undefined ? [] : [`The token is valid for ${formatCount(expiresInSeconds)} s.`]),
    ])
    if (!ok)
      throw new Failure('credentials-refused', `the token service rejected the credentials of app ${id} (${code})`)
  })
}
