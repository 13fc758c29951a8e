import type { StopResult } from '@wns-fanout/domain'
import type { Command } from 'commander'
import { withApi } from '../connection.ts'
import { contextOf } from '../context.ts'

interface Options {
  readonly app?: string
}

/** The kill switch: `stop-all` and `resume-all`. */
export function addStopAll(program: Command): void {
  program
    .command('stop-all')
    .description('Stop all campaigns and schedules at once, of one app or of all apps.')
    .option('--app <app>', 'only this app (default: all apps)')
    .addHelpText(
      'after',
      `
Within a second no worker starts a post. Campaigns wait, new ones are rejected, and schedules skip their occurrences
until "resume-all". Only an API key for all apps may stop all apps.

Example:
  $ wns-fanout stop-all --app news`,
    )
    .action(async (options: Options, command: Command) => await act(command, options, true))
  program
    .command('resume-all')
    .description('End a stop. A stop of all apps and one of a single app are ended separately.')
    .option('--app <app>', 'only this app (default: all apps)')
    .action(async (options: Options, command: Command) => await act(command, options, false))
}

async function act(command: Command, { app }: Options, isStop: boolean): Promise<void> {
  const context = contextOf(command)
  await withApi(context, async (api) => {
    const result = await (isStop ? api.stopAll({ app }) : api.resumeAll({ app }))
    context.screen.show(result, [lineOf(result, app)])
  })
}

function lineOf({ stopped, apps }: StopResult, app: string | undefined): string {
  const what = app === undefined ? `${apps} ${apps === 1 ? 'app' : 'apps'}` : `app ${app}`
  const how = app === undefined ? 'resume-all' : `resume-all --app ${app}`
  return stopped ? `Stopped ${what}. "wns-fanout ${how}" ends the stop.` : `Ended the stop of ${what}.`
}
