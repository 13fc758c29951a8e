import type { CampaignRequest } from '@wns-fanout/domain'
import type { StackWorker, TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import { prepareApp, rounded, sidOf, tileToAll, toastToAll } from './support/campaign.ts'
import { cpuSecondsOf, spread } from './support/cpu.ts'
import type { Commands } from './support/quiet-campaign.ts'
import { QuietCampaigns } from './support/quiet-campaign.ts'

export interface CheckpointsBenchOptions {
  readonly posts: number
  readonly rounds: number
  /** Posts a second of the run that is limited. */
  readonly ratePerSecond: number
  readonly say: (line: string) => void
}

const withCheckpoints = { name: 'with', env: {} } as const
const withoutCheckpoints = {
  name: 'without',
  env: { NODE_OPTIONS: `--import ${new URL('support/without-checkpoints.ts', import.meta.url).href}` },
} as const
type Side = typeof withCheckpoints | typeof withoutCheckpoints
/** Faster than this machine. */
const UNLIMITED = 100_000

/**
 * What the ledger's promises cost: commands to Redis and CPU per 1,000 posts of the whole pipeline, against the same
 * pipeline whose checkpoints in mid-batch never reach Redis.
 */
export async function benchCheckpoints(options: CheckpointsBenchOptions): Promise<Record<string, unknown>> {
  const { posts, rounds, ratePerSecond, say } = options
  await using stack = await startTestStack()
  await using quiet = new QuietCampaigns(stack)
  const limited = { app: 'with-limited', client: sidOf(1), channels: ratePerSecond * 10, ratePerSecond }
  await prepareApp(stack, limited)
  for (const { name } of [withCheckpoints, withoutCheckpoints])
    for (let round = 0; round <= rounds; round += 1)
      await prepareApp(stack, {
        app: `${name}-${round}`,
        client: sidOf(1),
        channels: posts,
        ratePerSecond: UNLIMITED,
        burst: UNLIMITED,
      })
  const cpu = await measureCpu(stack, quiet, options)
  const countBoth = async (side: Side) => {
    const worker = await startWorker(stack, side, rounds)
    const last = `${side.name}-${rounds}`
    const figures: Record<string, Commands> = {
      tile: await quiet.count(last, tileToAll, posts),
      toast: await quiet.count(last, toastToAll, posts),
      ...(side === withCheckpoints ? { limited: await quiet.count(limited.app, tileToAll, limited.channels) } : {}),
    }
    await worker.stop()
    for (const [kind, figure] of Object.entries(figures)) say(`${side.name}, ${kind}: ${JSON.stringify(figure)}`)
    return figures
  }
  const counts = { with: await countBoth(withCheckpoints), without: await countBoth(withoutCheckpoints) }
  return {
    bench: 'checkpoints',
    posts,
    rounds,
    redisCommandsPer1000: counts.with['tile']?.per1000,
    redisCommandsPer1000WithoutCheckpoints: counts.without['tile']?.per1000,
    redisCommandsPer1000Toast: counts.with['toast']?.per1000,
    redisCommandsPer1000ToastWithoutCheckpoints: counts.without['toast']?.per1000,
    redisCommandsPer1000Limited: counts.with['limited']?.per1000,
    workerCpuOverWithoutCheckpoints: ratioOf(cpu, 'tile', 'worker'),
    redisCpuOverWithoutCheckpoints: ratioOf(cpu, 'tile', 'redis'),
    workerCpuOverWithoutCheckpointsToast: ratioOf(cpu, 'toast', 'worker'),
    redisCpuOverWithoutCheckpointsToast: ratioOf(cpu, 'toast', 'redis'),
    commands: counts,
    cpuMillisPer1000: Object.fromEntries([...cpu].map(([name, values]) => [name, spread(values)])),
  }
}

/** A worker that serves the apps of its side alone. */
function startWorker(stack: TestStack, { name, env }: Side, rounds: number): Promise<StackWorker> {
  const apps = Array.from({ length: rounds + 1 }, (_, round) => `${name}-${round}`)
  return stack.startWorker({ ...env, WNS_FANOUT_APPS: [...apps, `${name}-limited`].join(',') })
}

type Kind = 'tile' | 'toast'
type Process = 'worker' | 'redis'
type Cpu = ReadonlyMap<`${Side['name']} ${Kind} ${Process}`, readonly number[]>

/** Both sides in turn, by workers that are both warm; nothing watches the commands meanwhile. */
async function measureCpu(
  stack: TestStack,
  quiet: QuietCampaigns,
  { posts, rounds, say }: CheckpointsBenchOptions,
): Promise<Cpu> {
  const cpu = new Map<`${Side['name']} ${Kind} ${Process}`, number[]>()
  const sides = [withCheckpoints, withoutCheckpoints] as const
  const workers = await Promise.all(sides.map(async (side) => [side, await startWorker(stack, side, rounds)] as const))
  const badge: CampaignRequest = { notification: { type: 'badge', value: 7 }, audience: { all: true } }
  for (const { name } of sides) await quiet.send(`${name}-0`, badge, posts)
  for (let round = 0; round < rounds; round += 1) {
    for (const [kind, request] of [
      ['tile', tileToAll],
      ['toast', toastToAll],
    ] as const) {
      for (const [{ name }, worker] of workers) {
        const before = { worker: cpuSecondsOf(worker.pid), redis: cpuSecondsOf(stack.redisPid) }
        await quiet.send(`${name}-${round}`, request, posts)
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

function ratioOf(cpu: Cpu, kind: Kind, process: Process): number {
  return rounded(
    spread(cpu.get(`with ${kind} ${process}`) ?? []).median /
      spread(cpu.get(`without ${kind} ${process}`) ?? []).median,
  )
}
