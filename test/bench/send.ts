import { execFile } from 'node:child_process'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createTransport, requestToken } from '@wns-fanout/wns'
import { simulatorStats } from '../support/simulator.ts'
import type { TestStack, StackWorker } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import { Redis } from 'ioredis'
import { rounded, tileToAll, toastToAll } from './support/campaign.ts'
import { cpuSecondsOf, spread } from './support/cpu.ts'
import { QuietCampaigns } from './support/quiet-campaign.ts'

export interface SendBenchOptions {
  readonly posts: number
  readonly rounds: number
  readonly connections: number
  readonly say: (line: string) => void
}

/** See `contenders/loop.ts`. HTTP/2 is not among them: the simulator, like the tests of WNS, uses HTTP/1.1. */
const contenders = [
  'pool',
  'lanes',
  'ownLanes',
  'rawTls',
  'https',
  'fetch',
  'bullmq',
  'wns',
  'pushNotifications',
] as const
const WARM_UP = 5000

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
    `${contenders.length} other ways to post and the pipeline: ${posts} posts, ${connections} connections, ${rounds} rounds.`,
  )
  const worker = await stack.startWorker({ WNS_FANOUT_LANES: String(connections) })
  await prepareApps(stack, rounds + 1, posts)
  await campaign(stack, appOf(0), 'badge')
  const token = await askForToken(stack)
  const cpu = new Map<string, number[]>()
  const note = (name: string, micros: number): void => {
    cpu.set(name, [...(cpu.get(name) ?? []), micros])
    say(`${name.padEnd(17)} ${micros.toFixed(1)} µs`)
  }
  for (let round = 0; round < rounds; round += 1) {
    say(`round ${round + 1}`)
    for (const name of contenders) {
      const before = cpuSecondsOf(stack.redisPid)
      note(name, await loop(stack, name, token, posts, connections))
      // The warm-up has jobs in Redis too.
      if (name === 'bullmq') note('bullmqRedis', microsSince(stack.redisPid, before, posts + WARM_UP))
    }
    const ours = await pipeline(stack, worker, appOf(round), posts)
    note('ours', ours.worker)
    note('redis', ours.redis)
    note('api', ours.api)
  }
  const sumOf = (names: readonly string[]): number =>
    rounded(names.reduce((sum, name) => sum + spread(cpu.get(name) ?? []).median, 0))
  const ratio = (of: readonly string[], to: readonly string[]): number => rounded(sumOf(of) / sumOf(to))
  const commands = await countCommands(stack, rounds, posts)
  say(`commands to Redis: ${JSON.stringify(commands)}`)
  return {
    bench: 'send',
    posts,
    rounds,
    connections,
    vsPool: ratio(['ours'], ['pool']),
    vsRawTls: ratio(['ours'], ['rawTls']),
    vsLanes: ratio(['ours'], ['lanes']),
    vsOwnLanes: ratio(['ours'], ['ownLanes']),
    totalVsPool: ratio(['ours', 'redis', 'api'], ['pool']),
    redisVsPool: ratio(['redis'], ['pool']),
    naiveBullmqOverOurs: ratio(['bullmq', 'bullmqRedis'], ['ours', 'redis']),
    wnsPackageOverOurs: ratio(['wns'], ['ours']),
    pushPackageOverOurs: ratio(['pushNotifications'], ['ours']),
    redisMicrosPerPost: sumOf(['redis']),
    redisCommandsPer1000: commands.tile.per1000,
    redisCommandsPer1000Toast: commands.toast.per1000,
    ledgerBytesPerRecipient: await ledgerBytes(stack, posts),
    cpuMicrosPerPost: Object.fromEntries([...cpu].map(([name, values]) => [name, spread(values)])),
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

/** Redis bytes of the last campaigns, for each recipient; the registry and the frozen audiences do not count. */
async function ledgerBytes({ redisUrl }: TestStack, posts: number): Promise<number> {
  const redis = new Redis(redisUrl)
  const sizes = new Map<string, number>()
  for await (const keys of redis.scanStream({ match: '*:c:*', count: 1000 }))
    for (const key of keys as string[]) {
      const [, id = ''] = /:c:([^:]+)/.exec(key) ?? []
      if (key.endsWith(':targets')) continue
      sizes.set(id, (sizes.get(id) ?? 0) + Number(await redis.memory('USAGE', key, 'SAMPLES', 0)))
    }
  await redis.quit()
  return rounded(spread([...sizes.values()]).median / posts)
}

function microsSince(pid: number, beforeSeconds: number, posts: number): number {
  return ((cpuSecondsOf(pid) - beforeSeconds) * 1e6) / posts
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
  stack: TestStack,
  name: string,
  token: string,
  posts: number,
  connections: number,
): Promise<number> {
  const { simulator, redisUrl } = stack
  const script = fileURLToPath(new URL('contenders/loop.ts', import.meta.url))
  const args = [name, simulator.address, simulator.caFile, token, String(posts), String(connections), redisUrl]
  const route = fileURLToPath(new URL('../conformance/support/route.cjs', import.meta.url))
  const isPackage = name === 'wns' || name === 'pushNotifications'
  const env = { ...process.env, ROUTE_TO: simulator.address, NODE_EXTRA_CA_CERTS: simulator.caFile }
  const before = await simulatorStats(stack)
  const { stdout } = await run(
    process.execPath,
    ['--conditions=@wns-fanout/source', ...(isPackage ? ['--require', route] : []), script, ...args],
    isPackage ? { env } : {},
  )
  const accepted = (await simulatorStats(stack)).acceptedPosts - before.acceptedPosts
  if (accepted !== posts + WARM_UP) throw new Error(`${accepted} of ${posts + WARM_UP} posts of ${name} were accepted`)
  return (JSON.parse(stdout) as { cpuMicrosPerPost: number }).cpuMicrosPerPost
}

async function pipeline(
  stack: TestStack,
  worker: StackWorker,
  app: string,
  posts: number,
): Promise<Readonly<Record<'worker' | 'redis' | 'api', number>>> {
  const pids = { worker: worker.pid, redis: stack.redisPid, api: stack.apiPid }
  const before = { worker: cpuSecondsOf(pids.worker), redis: cpuSecondsOf(pids.redis), api: cpuSecondsOf(pids.api) }
  await campaign(stack, app, 'tile')
  return {
    worker: microsSince(pids.worker, before.worker, posts),
    redis: microsSince(pids.redis, before.redis, posts),
    api: microsSince(pids.api, before.api, posts),
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
