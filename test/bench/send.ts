import { execFile } from 'node:child_process'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createTransport, requestToken } from '@wns-fanout/wns'
import type { TestStack, StackWorker } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import { tileToAll, toastToAll } from './support/campaign.ts'
import { cpuSecondsOf, spread } from './support/cpu.ts'
import { QuietCampaigns } from './support/quiet-campaign.ts'

export interface SendBenchOptions {
  readonly posts: number
  readonly rounds: number
  readonly connections: number
  readonly say: (line: string) => void
}

const packageSid = 'S-1-15-2-1-2-3-4-5-6-7'
const run = promisify(execFile)

/**
 * The whole pipeline against the loops that people write by hand, in one run, turn by turn, against one simulator: CPU
 * of the sending process per post. Ours counts everything the worker does for a campaign: queue, ledger, permits,
 * guard, metrics.
 */
export async function benchSend({
  posts,
  rounds,
  connections,
  say,
}: SendBenchOptions): Promise<Record<string, unknown>> {
  await using stack = await startTestStack()
  say(
    `Two hand-written loops and the pipeline, ${posts} posts over ${connections} connections, ${rounds} rounds in turn.`,
  )
  const worker = await stack.startWorker({ WNS_FANOUT_LANES: String(connections) })
  await prepareApps(stack, rounds + 1, posts)
  await campaign(stack, appOf(0), 'badge')
  const token = await askForToken(stack)
  const cpu = { pool: [] as number[], lanes: [] as number[], ours: [] as number[], redis: [] as number[] }
  for (let round = 0; round < rounds; round += 1) {
    for (const kind of ['pool', 'lanes'] as const) {
      const figure = await loop(stack, kind, token, posts, connections)
      cpu[kind].push(figure)
      say(`round ${round + 1}: ${kind.padEnd(5)} ${figure.toFixed(1)} µs`)
    }
    const ours = await pipeline(stack, worker, appOf(round), posts)
    cpu.ours.push(ours.worker)
    cpu.redis.push(ours.redis)
    say(`round ${round + 1}: ours  ${ours.worker.toFixed(1)} µs, Redis ${ours.redis.toFixed(1)} µs`)
  }
  const commands = await countCommands(stack, rounds, posts)
  say(`commands to Redis: ${JSON.stringify(commands)}`)
  return {
    bench: 'send',
    posts,
    rounds,
    connections,
    vsPool: ratio(cpu.ours, cpu.pool),
    vsLanes: ratio(cpu.ours, cpu.lanes),
    redisVsPool: ratio(cpu.redis, cpu.pool),
    redisCommandsPer1000: commands.tile.per1000,
    redisCommandsPer1000Toast: commands.toast.per1000,
    cpuMicrosPerPost: Object.fromEntries(Object.entries(cpu).map(([name, values]) => [name, spread(values)])),
  }
}

/** Counted apart from the CPU, since watching the commands costs Redis more than running them. */
async function countCommands(stack: TestStack, round: number, posts: number) {
  await using quiet = new QuietCampaigns(stack)
  return {
    tile: await quiet.count(appOf(round), tileToAll, posts),
    toast: await quiet.count(appOf(round), toastToAll, posts),
  }
}

/** Medians compared; three digits are more than a shared machine deserves. */
function ratio(of: readonly number[], to: readonly number[]): number {
  return Math.round((spread(of).median / spread(to).median) * 1000) / 1000
}

function appOf(round: number): string {
  return `bench-${round}`
}

async function prepareApps(stack: TestStack, rounds: number, channels: number): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    const app = appOf(round)
    await stack.api.putApp(app, {
      credentials: { kind: 'store', packageSid, clientSecret: 'bench-secret' },
      ratePerSecond: 100_000,
      burst: 100_000,
    })
    const lines = function* (): Generator<string> {
      for (let n = 0; n < channels; n += 1)
        yield `${JSON.stringify({ channel: `device-${n}`, uri: `https://db5p.notify.windows.com/?token=ok.any.${app}-${n}` })}\n`
    }
    const result = await stack.api.importChannels(app, Readable.from(lines(), { objectMode: false }), {
      type: 'ndjson',
    })
    if (result.created !== channels) throw new Error(`only ${result.created} of ${channels} channels were imported`)
  }
}

async function loop(
  { simulator }: TestStack,
  kind: 'pool' | 'lanes',
  token: string,
  posts: number,
  connections: number,
): Promise<number> {
  const script = fileURLToPath(new URL('contenders/loop.ts', import.meta.url))
  const args = [kind, simulator.address, simulator.caFile, token, String(posts), String(connections)]
  const { stdout } = await run(process.execPath, ['--conditions=@wns-fanout/source', script, ...args])
  return (JSON.parse(stdout) as { cpuMicrosPerPost: number }).cpuMicrosPerPost
}

async function pipeline(
  stack: TestStack,
  worker: StackWorker,
  app: string,
  posts: number,
): Promise<{ readonly worker: number; readonly redis: number }> {
  const before = { worker: cpuSecondsOf(worker.pid), redis: cpuSecondsOf(stack.redisPid) }
  await campaign(stack, app, 'tile')
  return {
    worker: ((cpuSecondsOf(worker.pid) - before.worker) * 1e6) / posts,
    redis: ((cpuSecondsOf(stack.redisPid) - before.redis) * 1e6) / posts,
  }
}

async function campaign({ api }: TestStack, app: string, type: 'tile' | 'badge'): Promise<void> {
  const created = await api.createCampaign(app, {
    notification:
      type === 'badge'
        ? { type, value: 7 }
        : { type, content: { medium: { lines: ['Hello from the benchmark, a payload of usual size'] } } },
    audience: { all: true },
  })
  for await (const now of api.watch(created.id)) {
    if (now.finishedAt === undefined) continue
    if (now.totals.accepted !== now.audienceSize)
      throw new Error(`not all were accepted: ${JSON.stringify(now.totals)}`)
    return
  }
}

/** A token for the hand-written loops, asked for as the worker does. */
async function askForToken({ simulator }: TestStack): Promise<string> {
  const transport = createTransport({ routeTo: simulator.address, caFile: simulator.caFile })
  const answer = await requestToken({ kind: 'store', packageSid, clientSecret: 'bench-secret' }, transport)
  if (!answer.ok) throw new Error(answer.explanation)
  return answer.token.reveal()
}
