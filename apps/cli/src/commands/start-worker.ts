import { describeExit, isAlive } from '@wns-fanout/local'
import type { Command } from 'commander'
import { setTimeout as wait } from 'node:timers/promises'
import { type Context, contextOf, untilInterrupted } from '../context.ts'
import { Failure } from '../failure.ts'
import { readableLog } from '../stack/log-line.ts'
import { GRACE_WITHOUT_REDIS_MS, startWorker } from '../stack/parts.ts'
import { enterWorker, leaveWorker, readRunningStack } from '../stack/stack-file.ts'

const CHECK_EVERY_MS = 500

export function addStartWorker(program: Command): void {
  program
    .command('start-worker')
    .description('Run one more worker for the stack of this folder until Ctrl-C.')
    .addHelpText(
      'after',
      `
The worker joins the stack that "wns-fanout up" runs (see .wns-fanout/stack.json), takes a share of its work, and stops
when the stack stops.

Example:
  $ wns-fanout start-worker`,
    )
    .action(async (_options: unknown, command: Command) => await joinStack(contextOf(command)))
}

async function joinStack({ screen, folder, interrupted }: Context): Promise<void> {
  const stack = await readRunningStack(folder)
  const name = `worker-extra-${process.pid}`
  const worker = await startWorker(
    {
      folder,
      env: stack.env,
      onLog: (_name, line) => screen.say(readableLog(line)),
      graceMs: () => (isAlive(stack.pids.main) ? undefined : GRACE_WITHOUT_REDIS_MS),
    },
    name,
  )
  const ended = new AbortController()
  try {
    await enterWorker(folder, worker)
    screen.show({ ready: true, pid: worker.pid, ops: worker.ops }, [
      `Worker ${worker.pid} runs for ${stack.api}; metrics at ${worker.ops}/metrics. Ctrl-C stops it.`,
    ])
    const end = await Promise.race([
      untilInterrupted(interrupted),
      worker.exited,
      whenGone(stack.pids.main, ended.signal),
    ])
    if (end === 'interrupted') screen.say('Stopping; finishing the posts in flight.')
    else if (end === 'gone') screen.say('The stack stopped; stopping this worker.')
    else
      throw new Failure(
        'worker-ended',
        `the worker ended${end === undefined ? '' : ` (${describeExit(end)})`}; see ${folder.logFile(name)}`,
      )
  } finally {
    ended.abort()
    await worker.stop()
    await leaveWorker(folder, worker.pid)
  }
}

/** Resolves when the process no longer exists. */
async function whenGone(pid: number, signal: AbortSignal): Promise<'gone' | 'interrupted'> {
  while (isAlive(pid)) {
    await wait(CHECK_EVERY_MS, undefined, { signal }).catch(() => {})
    if (signal.aborted) return 'interrupted'
  }
  return 'gone'
}
