import { createClient } from '@wns-fanout/client'
import type { Command } from 'commander'
import { findApi, proxyOf } from '../connection.ts'
import { type Context, contextOf } from '../context.ts'
import { acceptLoss } from '../doctor/accept-loss.ts'
import { probeChannel } from '../doctor/probe.ts'
import { Failure, UsageError } from '../failure.ts'
import { checkAllApps } from '../doctor/all-apps.ts'
import { checkApi, checkApp, checkChannel, checkOps, checkStack, type Check } from '../doctor/checks.ts'

interface DoctorOptions {
  readonly app?: string
  readonly channel?: string
  readonly post?: boolean
  readonly acceptLoss?: boolean
  readonly yes?: boolean
}

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('Check everything from the stack to one device, and suggest fixes.')
    .option('--app <app>', 'also check this app and its credentials')
    .option('--channel <channel>', 'also check this channel of the app')
    .option('--post', 'also post one raw notification to the channel and explain the answer; the device shows nothing')
    .option('--accept-loss', 'accept that Redis lost its data and continue with the data it holds now')
    .option('--yes', 'do not ask for confirmation (with --accept-loss)')
    .addHelpText(
      'after',
      `
Each line is ok, warn or fail, with a suggested fix. Exits with 1 when a check fails. No device is notified without
--post.

After a data loss nothing is sent until the data is restored or the loss is accepted. --accept-loss connects to Redis
directly (REDIS_URL and WNS_FANOUT_PREFIX, or the stack of this folder), because the API keys may be lost too.

Examples:
  $ wns-fanout doctor
  $ wns-fanout doctor --app news --channel device-42 --post
  $ wns-fanout doctor --accept-loss`,
    )
    .action(async (options: DoctorOptions, command: Command) => await run(contextOf(command), options))
}

async function run(
  context: Context,
  { acceptLoss: isAccepting = false, yes, ...options }: DoctorOptions,
): Promise<void> {
  if (!isAccepting && yes === true)
    throw new UsageError('--yes needs --accept-loss; no other option asks for confirmation')
  if (!isAccepting) return await doctor(context, options)
  if (options.app !== undefined || options.channel !== undefined || options.post === true)
    throw new UsageError('--accept-loss cannot be combined with other checks; run them afterwards')
  await acceptLoss(context, yes === true)
}

async function doctor(context: Context, { app, channel, post = false }: DoctorOptions): Promise<void> {
  const { screen } = context
  if (channel !== undefined && app === undefined) throw new UsageError('--channel needs --app')
  if (post && channel === undefined) throw new UsageError('--post needs --app and --channel')
  const checks: Check[] = []
  const note = (found: readonly Check[]): void => {
    for (const check of found) {
      checks.push(check)
      if (!screen.json) screen.say(lineOf(check))
    }
  }
  const stack = await checkStack(context)
  note(stack.checks)
  if (stack.running !== undefined) note(await checkOps(stack.running))

  const connection = await findApi(context).catch((error: unknown) => {
    if (error instanceof Failure) return error
    throw error
  })
  if (connection instanceof Failure) {
    note([{ state: 'fail', what: 'API', found: connection.message }])
  } else {
    const api = createClient({ url: connection.url, apiKey: connection.apiKey, ...proxyOf() })
    try {
      const reached = await checkApi(api, connection)
      note([reached])
      if (reached.state !== 'fail') note(app === undefined ? await checkAllApps(api) : await checkApp(api, app))
      if (reached.state !== 'fail' && app !== undefined && channel !== undefined)
        note([await checkChannel(api, app, channel)])
      if (post && app !== undefined && channel !== undefined && checks.every(({ state }) => state !== 'fail'))
        note([await probeChannel(api, app, channel, AbortSignal.timeout(POST_DEADLINE_MS))])
    } finally {
      await api.close()
    }
  }
  const failed = checks.filter(({ state }) => state === 'fail').length
  screen.emit({ ok: failed === 0, checks })
  if (failed > 0) throw new Failure('doctor', `${failed} of ${checks.length} checks failed`)
  if (!screen.json) screen.say(`${checks.length} checks, none failed.`)
}

/** A post and all its retries end well before this. */
const POST_DEADLINE_MS = 60_000

function lineOf({ state, what, found, todo }: Check): string {
  return `${state.padEnd(4)}  ${what}: ${found}${todo === undefined ? '' : `\n      → ${todo}`}`
}
