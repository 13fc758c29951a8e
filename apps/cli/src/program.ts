import { Command } from 'commander'
import { addApp } from './commands/app.ts'
import { addAudit } from './commands/audit.ts'
import { addCampaigns } from './commands/campaigns.ts'
import { addChannels } from './commands/channels.ts'
import { addDemo } from './commands/demo.ts'
import { addDoctor } from './commands/doctor.ts'
import { addEvents } from './commands/events.ts'
import { addKeys } from './commands/keys.ts'
import { addLists } from './commands/lists.ts'
import { addPlanCapacity } from './commands/plan-capacity.ts'
import { addSchedules } from './commands/schedules.ts'
import { addStopAll } from './commands/stop-all.ts'
import { addTemplates } from './commands/templates.ts'
import { addSend } from './commands/send.ts'
import { addStartWorker } from './commands/start-worker.ts'
import { addUp } from './commands/up.ts'
import { addWebhooks } from './commands/webhooks.ts'
import { version } from './version.ts'

/** All commands of `wns-fanout`. Parsing throws a `CommanderError` instead of ending the process. */
export function createProgram(): Command {
  const program = new Command('wns-fanout')
  program
    .description('Send notifications to millions of Windows devices through WNS, with one counted outcome per device.')
    .version(version, '--version', 'show the version')
    .option('--json', 'write one JSON document or NDJSON to stdout and nothing else')
    .option('--dir <folder>', 'folder of the local stack (default: WNS_FANOUT_DIR, else .wns-fanout)')
    .addHelpText(
      'after',
      `
Commands use the API at WNS_FANOUT_URL with WNS_FANOUT_API_KEY, or else the stack that runs in this folder.
Exit codes: 0 success, 1 failure, 2 wrong command line. DEBUG=1 shows stack traces.

First steps:
  $ wns-fanout demo                                    see everything work, without any setup
  $ wns-fanout up --simulate                           run a stack; then, in another terminal:
  $ wns-fanout app put news --credentials-file news.json
  $ wns-fanout channels import devices.ndjson --app news
  $ wns-fanout send --app news --toast "Hello" --all`,
    )
    .showHelpAfterError('(use --help for the available commands and options)')
    .exitOverride()
  // Subcommands inherit only the settings made before them, so they come last.
  for (const add of [
    addDemo,
    addUp,
    addStartWorker,
    addApp,
    addChannels,
    addSend,
    addCampaigns,
    addSchedules,
    addEvents,
    addWebhooks,
    addTemplates,
    addLists,
    addKeys,
    addStopAll,
    addAudit,
    addDoctor,
    addPlanCapacity,
  ])
    add(program)
  return program
}
