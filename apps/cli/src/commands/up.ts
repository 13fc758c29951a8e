import { createServer } from 'node:net'
import { describeExit, removeStackFile } from '@wns-fanout/local'
import type { Command } from 'commander'
import { type Context, contextOf, untilInterrupted } from '../context.ts'
import { checkOps, type Check } from '../doctor/checks.ts'
import { Failure } from '../failure.ts'
import { integer } from '../input/arguments.ts'
import { claim } from '../stack/folder.ts'
import { parseLog, readableLog } from '../stack/log-line.ts'
import type { RunningStack } from '../stack/stack-file.ts'
import { startStack } from '../stack/start-stack.ts'
import { formatDuration } from '../terminal/format.ts'
import { fieldLines } from '../terminal/table.ts'

interface UpOptions {
  readonly simulate?: true
  readonly workers: number
  readonly port?: number
  readonly restart: boolean
  readonly watch?: true
  readonly inspect?: true
}

const USUAL_PORT = 8080
const WARN_SEVERITY = 40
const SAME_AGAIN_AFTER_MS = 30_000
const MOST_TEXTS = 1000

export function addUp(program: Command): void {
  program
    .command('up')
    .description('Run Redis, the API and workers on this machine until Ctrl-C (same as "pnpm start").')
    .option('--simulate', 'send to a simulator instead of WNS; nothing leaves this machine')
    .option('--workers <n>', 'number of workers', integer(0, 64), 1)
    .option(
      '--port <port>',
      `port of the API; 0 for a free one (default: PORT, else ${USUAL_PORT}, else a free one)`,
      integer(0, 65_535),
    )
    .option('--no-restart', 'do not restart crashed workers')
    .option('--watch', 'restart the API and workers when a source file changes')
    .option('--inspect', 'accept debuggers: the API on port 9229, worker n on port 9229 + n')
    .addHelpText(
      'after',
      `
Uses the Redis of REDIS_URL if it is set; otherwise it starts a Redis that keeps its data in .wns-fanout/redis.
While the stack runs, .wns-fanout/stack.json contains its addresses, process ids and an API key for other commands.
Ctrl-C stops everything in order: workers finish their posts in flight and return their batches to the queue.

Examples:
  $ wns-fanout up --simulate                 try everything without WNS
  $ wns-fanout up --workers 4 --port 9000    four workers against the real WNS
  $ REDIS_URL=redis://10.0.0.5:6379 wns-fanout up`,
    )
    .action(async (options: UpOptions, command: Command) => await up(contextOf(command), options))
}

async function up(context: Context, options: UpOptions): Promise<void> {
  const { screen, folder, interrupted } = context
  const claimed = await claim(folder)
  try {
    const port = await portOf(options.port, (line) => screen.say(line))
    const stack = await startStack({
      folder,
      redisUrl: process.env['REDIS_URL'] || null,
      persistence: 'aof',
      simulate: options.simulate === true,
      workers: options.workers,
      port,
      restart: options.restart,
      watch: options.watch === true,
      inspect: options.inspect === true,
      env: inherited([...ownRedis, 'WNS_FANOUT_PREFIX', 'WNS_ROUTE_TO', 'WNS_CA_FILE']),
      log: (line) => screen.say(line),
      onLog: showTrouble((line) => screen.say(line)),
      signal: interrupted,
      onPart: (name, tookMs) => screen.say(`${name} is up after ${formatDuration(tookMs)}`),
    })
    try {
      const running = stack.current()
      const troubles = (await checkOps(running)).filter(({ state }) => state === 'fail')
      screen.show(running, overview(running, folder.stackFile, folder.logFile('*'), troubles))
      const end = await Promise.race([untilInterrupted(interrupted), stack.failed])
      if (end === 'interrupted') screen.say('Stopping. Press Ctrl-C again to stop at once.')
      else
        throw new Failure(
          'part-ended',
          `${end.name} ended (${describeExit(end.exit)}), so the stack stops; see ${folder.logFile(end.name)}. ` +
            'Start it again to continue its campaigns',
        )
    } finally {
      await stack.stop()
      await removeStackFile(folder.stackFile)
    }
    screen.say('Stopped.')
  } finally {
    await claimed.release()
  }
}

/**
 * Shows warnings and errors of the parts, and repeats a text only after half a minute. Texts that differ only in words
 * with a digit (jobs, ports, times) count as the same: a worker that was stuck logs one for each of its jobs.
 */
function showTrouble(say: (line: string) => void): (name: string, line: string) => void {
  const shownAtMs = new Map<string, number>()
  return (name, line) => {
    if ((parseLog(line)?.severity ?? 0) < WARN_SEVERITY) return
    const what = readableLog(line)
    const text = `${name}  ${what}`
    const kind = `${name}  ${what.replace(/[\w-]*\d[\w:.-]*/g, '#')}`
    const nowMs = performance.now()
    if (nowMs - (shownAtMs.get(kind) ?? Number.NEGATIVE_INFINITY) < SAME_AGAIN_AFTER_MS) return
    if (shownAtMs.size >= MOST_TEXTS) shownAtMs.clear()
    shownAtMs.set(kind, nowMs)
    say(text)
  }
}

/** The requested port if it is free; without a request the usual one, or a free one when that is taken. */
async function portOf(wanted: number | undefined, log: (line: string) => void): Promise<number> {
  const asked = wanted ?? (process.env['PORT'] ? integer(0, 65_535)(process.env['PORT']) : undefined)
  const port = asked ?? USUAL_PORT
  if (port === 0 || (await isFree(port))) return port
  if (asked !== undefined)
    throw new Failure(
      'port-taken',
      `port ${port} of 127.0.0.1 is in use by another process; use --port to choose another, or --port 0 for a free one`,
      { port },
    )
  log(`Port ${port} is in use by another process; the API gets a free port.`)
  return 0
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false))
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/** How the Redis of `REDIS_URL` is reached. */
const ownRedis = [
  'WNS_FANOUT_REDIS_TLS_CA_FILE',
  'WNS_FANOUT_REDIS_TLS_CERT_FILE',
  'WNS_FANOUT_REDIS_TLS_KEY_FILE',
  'WNS_FANOUT_SENTINEL_USERNAME',
  'WNS_FANOUT_SENTINEL_PASSWORD_FILE',
] as const

function inherited(names: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name]
      return value === undefined || value === '' ? [] : [[name, value]]
    }),
  )
}

function overview(stack: RunningStack, stackFile: string, logs: string, troubles: readonly Check[]): readonly string[] {
  const { simulator } = stack
  return [
    '',
    ...(simulator === null
      ? []
      : ['*** SIMULATOR: notifications go to a program on this machine, not to WNS. ***', '']),
    ...fieldLines([
      ['API', `${stack.api}/v1`],
      ['docs', `${stack.api}/docs`],
      ...[stack.ops.api, ...stack.ops.workers].map(
        (url, index) => [index === 0 ? 'metrics' : '', `${url}/metrics`] as const,
      ),
      ['simulator', simulator === null ? null : `${simulator.control}/v1/stats`],
      ['logs', logs],
      ['details', stackFile],
    ]),
    '',
    'For curl in another terminal:',
    `  export WNS_FANOUT_URL=${stack.api}`,
    `  export WNS_FANOUT_API_KEY=$(node -p "require('${stackFile}').apiKey")`,
    '  curl -H "Authorization: Bearer $WNS_FANOUT_API_KEY" $WNS_FANOUT_URL/v1/apps',
    'Commands such as "wns-fanout doctor" find this stack when you run them in this folder.',
    '',
    ...troubles.map(({ what, found }) => `NOT READY, ${what.replace(/ ready$/, '')}: ${found}`),
    `${troubles.length === 0 ? 'Ready. ' : ''}Ctrl-C stops everything.`,
  ]
}
