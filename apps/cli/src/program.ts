import { Command } from 'commander'
import { addApp } from './commands/app.ts'
import { addCampaigns } from './commands/campaigns.ts'
import { addChannels } from './commands/channels.ts'
import { addDemo } from './commands/demo.ts'
import { addDoctor } from './commands/doctor.ts'
import { addKeys } from './commands/keys.ts'
import { addLists } from './commands/lists.ts'
import { addSchedules } from './commands/schedules.ts'
import { addSend } from './commands/send.ts'
import { addStartWorker } from './commands/start-worker.ts'
import { addUp } from './commands/up.ts'

/** All commands of `wns-fanout`. Parsing throws a `CommanderError` instead of ending the process. */
export function createProgram(): Command {
  const program = new Command('wns-fanout')
  program
    .description(
      'Broadcast to Windows devices through WNS: campaigns to millions of channels, counted to the last one.',
    )
    .option('--json', 'machine-readable: stdout carries one JSON document or NDJSON and nothing else')
    .option('--dir <folder>', 'the folder of the local stack (default: WNS_FANOUT_DIR, else .wns-fanout)')
    .addHelpText(
      'after',
      `
The API is found by WNS_FANOUT_URL and WNS_FANOUT_API_KEY, else by the stack that runs in this folder.
Exit codes: 0 done, 1 failed, 2 the command was given wrong. DEBUG=1 shows where an error comes from.

First steps:
  $ wns-fanout demo                                    see the whole job, nothing needed
  $ wns-fanout up --simulate                           run a stack here; then, in another terminal:
  $ wns-fanout app put news --credentials-file news.json
  $ wns-fanout channels import devices.ndjson --app news
  $ wns-fanout send --app news --toast "Hello" --audience all`,
    )
    .showHelpAfterError('(add --help to see what is possible)')
    .exitOverride()
  // Subcommands inherit what is set before they are made, so they come last.
  for (const add of [
    addDemo,
    addUp,
    addStartWorker,
    addApp,
    addChannels,
    addSend,
    addCampaigns,
    addSchedules,
    addLists,
    addKeys,
    addDoctor,
  ])
    add(program)
  return program
}
