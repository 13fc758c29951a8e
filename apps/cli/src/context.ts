import type { Command } from 'commander'
import { DEFAULT_FOLDER, folderAt, type Folder } from './stack/folder.ts'
import { createScreen, type Screen } from './terminal/screen.ts'

/** What every command needs: where to write, which folder its stack is in, and when to stop. */
export interface Context {
  readonly screen: Screen
  readonly folder: Folder
  /** Aborted by the first Ctrl-C or SIGTERM; the second ends the process at once. */
  readonly interrupted: AbortSignal
}

export interface GlobalOptions {
  readonly json?: true
  readonly dir?: string
}

export function contextOf(command: Command): Context {
  const { json, dir } = command.optsWithGlobals<GlobalOptions>()
  return {
    screen: createScreen(json === true),
    folder: folderAt(dir ?? (process.env['WNS_FANOUT_DIR'] || DEFAULT_FOLDER)),
    interrupted: interruption(),
  }
}

let controller: AbortController | undefined

/** Signals belong to the process, so all callers share one. */
function interruption(): AbortSignal {
  if (controller !== undefined) return controller.signal
  const interrupting = new AbortController()
  controller = interrupting
  const onSignal = (name: NodeJS.Signals): void => {
    // The pipes to child processes close with this process, so the children end too.
    if (interrupting.signal.aborted) process.exit(1)
    interrupting.abort(name)
  }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, onSignal)
  return interrupting.signal
}

/** Resolves at the first signal. */
export async function untilInterrupted(signal: AbortSignal): Promise<'interrupted'> {
  if (signal.aborted) return 'interrupted'
  return await new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve('interrupted'), { once: true })
  })
}
