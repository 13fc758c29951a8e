import type { AppId, CampaignId, CampaignRequest } from '@wns-fanout/domain'
import { CampaignStore, Keys } from '@wns-fanout/state'
import { Redis } from 'ioredis'
import type { StackWorker, TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import { eventually } from '../chaos/load.ts'
import { counted, prepareApp, rounded, sidOf, tileToAll } from './support/campaign.ts'
import type { CommandCount } from './support/commands.ts'
import { countCommands, OBSERVER } from './support/commands.ts'
import { cpuSecondsOf, spread } from './support/cpu.ts'

export interface CheckpointsBenchOptions {
  readonly posts: number
  readonly rounds: number
  /** Posts a second of the run that is limited. */
  readonly ratePerSecond: number
  readonly say: (line: string) => void
}

/** At least once: window 256, a checkpoint each 128 outcomes. */
const tile = tileToAll
/** At most once: window 64, a checkpoint each 32 outcomes. */
const toast: CampaignRequest = {
  notification: { type: 'toast', content: { title: 'Hello from the benchmark, a payload of usual size' } },
  audience: { all: true },
}

const WITH = { name: 'with', env: {} } as const
const WITHOUT = {
  name: 'without',
  env: { NODE_OPTIONS: `--import ${new URL('support/without-checkpoints.ts', import.meta.url).href}` },
} as const
type Side = typeof WITH | typeof WITHOUT
/** Faster than this machine. */
const UNLIMITED = 100_000

/**
 * What the ledger's promises cost: commands to Redis and CPU per 1,000 posts of the whole pipeline, against the same
 * pipeline whose checkpoints in mid-batch never reach Redis.
 */
export const benchCheckpoints = async (options: CheckpointsBenchOptions): Promise<Record<string, unknown>> => {
  const { posts, rounds, ratePerSecond, say } = options
  await using stack = await startTestStack()
  await using look = observer(stack)
  const limited = { app: 'with-limited', client: sidOf(1), channels: ratePerSecond * 10, ratePerSecond }
  await prepareApp(stack, limited)
  for (const { name } of [WITH, WITHOUT])
    for (let round = 0; round <= rounds; round += 1)
      await prepareApp(stack, {
        app: `${name}-${round}`,
        client: sidOf(1),
        channels: posts,
        ratePerSecond: UNLIMITED,
        burst: UNLIMITED,
      })
  const run = (app: string, request: CampaignRequest, recipients: number): Promise<number> =>
    campaign(stack, look.redis, app, request, recipients)
  const cpu = await measureCpu(stack, run, options)
  const countBoth = async (side: Side) => {
    const worker = await startWorker(stack, side, rounds)
    const count = async (app: string, request: CampaignRequest, recipients: number): Promise<Commands> => {
      let seconds = 0
      const commands = await countCommands(stack.redisUrl, async () => {
        seconds = await run(app, request, recipients)
      })
      return per1000(commands, recipients, seconds)
    }
    const last = `${side.name}-${rounds}`
    const figures = {
      tile: await count(last, tile, posts),
      toast: await count(last, toast, posts),
      limited: side === WITH ? await count(limited.app, tile, limited.channels) : undefined,
    }
    await worker.stop()
    for (const [kind, figure] of Object.entries(figures)) say(`${side.name}, ${kind}: ${JSON.stringify(figure)}`)
    return figures
  }
  const counts = { with: await countBoth(WITH), without: await countBoth(WITHOUT) }
  return {
    bench: 'checkpoints',
    posts,
    rounds,
    redisCommandsPer1000: counts.with.tile.per1000,
    redisCommandsPer1000WithoutCheckpoints: counts.without.tile.per1000,
    redisCommandsPer1000Toast: counts.with.toast.per1000,
    redisCommandsPer1000ToastWithoutCheckpoints: counts.without.toast.per1000,
    redisCommandsPer1000Limited: counts.with.limited?.per1000,
    workerCpuOverWithoutCheckpoints: ratioOf(cpu, 'tile', 'worker'),
    redisCpuOverWithoutCheckpoints: ratioOf(cpu, 'tile', 'redis'),
    workerCpuOverWithoutCheckpointsToast: ratioOf(cpu, 'toast', 'worker'),
    redisCpuOverWithoutCheckpointsToast: ratioOf(cpu, 'toast', 'redis'),
    commands: counts,
    cpuMillisPer1000: Object.fromEntries([...cpu].map(([name, values]) => [name, spread(values)])),
  }
}

const observer = (stack: TestStack): { readonly redis: Redis; [Symbol.asyncDispose](): Promise<void> } => {
  const redis = new Redis(stack.redisUrl, { connectionName: OBSERVER })
  return {
    redis,
    async [Symbol.asyncDispose]() {
      await redis.quit()
    },
  }
}

/** A worker that serves the apps of its side alone. */
const startWorker = (stack: TestStack, { name, env }: Side, rounds: number): Promise<StackWorker> => {
  const apps = Array.from({ length: rounds + 1 }, (_, round) => `${name}-${round}`)
  return stack.startWorker({ ...env, WNS_FANOUT_APPS: [...apps, `${name}-limited`].join(',') })
}

/** Send it and wait for its end without asking the API, whose commands would be counted. @returns seconds */
const campaign = async (
  stack: TestStack,
  redis: Redis,
  app: string,
  request: CampaignRequest,
  recipients: number,
): Promise<number> => {
  await stack.control('POST', '/v1/reset')
  const store = new CampaignStore(redis, new Keys(stack.env['WNS_FANOUT_PREFIX'] ?? ''))
  const startedAtMs = performance.now()
  const { id } = await stack.api.createCampaign(app, request)
  const { totals } = await eventually(
    `campaign ${id} to finish`,
    async () => {
      const record = await store.get(app as AppId, id as CampaignId)
      return record?.finishedAtMs === undefined ? undefined : record
    },
    300_000,
  )
  const seconds = (performance.now() - startedAtMs) / 1000
  const { posts } = await counted(stack)
  if (totals.accepted !== recipients || posts !== recipients)
    throw new Error(`${recipients} were to be accepted at once, ${posts} posts: ${JSON.stringify(totals)}`)
  return seconds
}

interface Commands {
  readonly per1000: number
  readonly postsPerSecond: number
  readonly by: CommandCount
}

const per1000 = (commands: CommandCount, posts: number, seconds: number): Commands => {
  const by = Object.entries(commands)
    .map(([name, count]) => [name, rounded((count * 1000) / posts)] as const)
    .toSorted(([, left], [, right]) => right - left)
  const all = Object.values(commands).reduce((sum, count) => sum + count, 0)
  return {
    per1000: rounded((all * 1000) / posts),
    postsPerSecond: Math.round(posts / seconds),
    by: Object.fromEntries(by),
  }
}

type Kind = 'tile' | 'toast'
type Process = 'worker' | 'redis'
type Cpu = ReadonlyMap<`${Side['name']} ${Kind} ${Process}`, readonly number[]>

/** Both sides in turn, by workers that are both warm; nothing watches the commands meanwhile. */
const measureCpu = async (
  stack: TestStack,
  run: (app: string, request: CampaignRequest, recipients: number) => Promise<number>,
  { posts, rounds, say }: CheckpointsBenchOptions,
): Promise<Cpu> => {
  const cpu = new Map<`${Side['name']} ${Kind} ${Process}`, number[]>()
  const sides = [WITH, WITHOUT] as const
  const workers = await Promise.all(sides.map(async (side) => [side, await startWorker(stack, side, rounds)] as const))
  const badge: CampaignRequest = { notification: { type: 'badge', value: 7 }, audience: { all: true } }
  for (const { name } of sides) await run(`${name}-0`, badge, posts)
  for (let round = 0; round < rounds; round += 1) {
    for (const [kind, request] of [
      ['tile', tile],
      ['toast', toast],
    ] as const) {
      for (const [{ name }, worker] of workers) {
        const before = { worker: cpuSecondsOf(worker.pid), redis: cpuSecondsOf(stack.redisPid) }
        await run(`${name}-${round}`, request, posts)
        const used = {
          worker: cpuSecondsOf(worker.pid) - before.worker,
          redis: cpuSecondsOf(stack.redisPid) - before.redis,
        }
        for (const process of ['worker', 'redis'] as const) {
          const key = `${name} ${kind} ${process}` as const
          cpu.set(key, [...(cpu.get(key) ?? []), rounded((used[process] * 1e6) / posts)])
        }
        say(`round ${round + 1}, ${kind}, ${name}: ${JSON.stringify(used)} CPU seconds`)
      }
    }
  }
  for (const [, worker] of workers) await worker.stop()
  return cpu
}

const ratioOf = (cpu: Cpu, kind: Kind, process: Process): number =>
  rounded(
    spread(cpu.get(`with ${kind} ${process}`) ?? []).median /
      spread(cpu.get(`without ${kind} ${process}`) ?? []).median,
  )
