import { eventually } from '@wns-fanout/testing'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { freePort } from '@wns-fanout/local'
import type { RedisConnection } from '@wns-fanout/state'
import { closeRedis, connectRedis } from '@wns-fanout/state'
import { request } from 'undici'
import { startFaultProxy } from '../fault-proxy.ts'
import { creditWindow, judge } from '../judge.ts'
import { finishedCampaign } from '../load.ts'
import type { ChaosProcess } from '../process.ts'
import { ChaosRedis } from '../redis-server.ts'
import type { ChaosSystem } from '../system.ts'
import { startChaosSystem } from '../system.ts'
import type { Bench, Scenario } from './scenario.ts'
import {
  CannotRunHere,
  LOCK_MS,
  facts,
  forgetful,
  holdsButForgets,
  metric,
  must,
  openBatches,
  postsSoFar,
  settle,
  underWay,
} from './scenario.ts'

/** Faults of the storage of Redis: lagging replicas, full disks. */
export const storageScenarios: readonly Scenario[] = [
  {
    id: 'R6-async',
    what: 'failover to a replica that lags by two seconds',
    runAlone: (app, bench) =>
      withReplica(bench, {}, async (replicated) => {
        const { system } = replicated
        const campaign = await underWay(system, app, { recipients: 12_000 })
        const before = await postsSoFar(system)
        replicated.cutReplicaOff()
        await wait(2000)
        const after = await replicated.failOver()
        // Everything until then is what the new primary has not heard of.
        const forgotten = replicated.postsAtFailOver() - before
        await finishedCampaign(after, campaign.id, 120_000)
        const verdict = await judge(forgetful(after, forgotten), [campaign])
        const rollbacks = await sumOf(after, 'wns_fanout_redis_rollbacks_total')
        must(rollbacks > 0, 'no worker noticed that Redis had gone back')
        return { forgotten, rollbacks, ...holdsButForgets(verdict, campaign, forgotten) }
      }),
  },
  {
    id: 'R6-sync',
    what: 'the same, and posts wait for the replica: at-most-once, without duplicates',
    runAlone: (app, bench) =>
      withReplica(bench, waitingForReplicas, async (replicated) => {
        const { system } = replicated
        const campaign = await underWay(system, app, { recipients: 12_000, delivery: 'at-most-once' })
        replicated.cutReplicaOff()
        // Posts are under way, with credit that the replica knows of, and what they settle it will not hear of.
        await wait(300)
        return facts(await settle(await replicated.failOver(), campaign))
      }),
  },
  {
    id: 'R6-silent',
    what: 'posts wait for a replica that is silent: they stop within the credit it knew of; then failover',
    runAlone: (app, bench) =>
      withReplica(bench, waitingForReplicas, async (replicated) => {
        const { system } = replicated
        const campaign = await underWay(system, app, { recipients: 12_000, delivery: 'at-most-once' })
        const [open, before] = [await openBatches(system, app, campaign.id), await postsSoFar(system)]
        replicated.cutReplicaOff()
        for (const worker of system.workers) await notReadyBecause(worker, 'no replica acknowledges writes')
        await eventually(
          'batches to be given back',
          async () => ((await openBatches(system, app, campaign.id)) === 0 ? true : undefined),
          20_000,
        )
        const posts = (await postsSoFar(system)) - before
        // Batches may have been opened between the two looks.
        const credit = creditWindow['at-most-once'] * (open + 10)
        must(posts <= credit, `${posts} posts without a replica, the credit it knew of was ${credit} at most`)
        must((await hasStopped(system)) === true, 'posts continue without a replica')
        return { posts, credit, ...facts(await settle(await replicated.failOver(), campaign)) }
      }),
  },
  {
    id: 'R11',
    what: 'the disk of Redis is full for five seconds: posts stop within the credit, and continue',
    async run(system, app) {
      const campaign = await underWay(system, app)
      const [open, before] = [await openBatches(system, app, campaign.id), await postsSoFar(system)]
      await fillDisk(system)
      try {
        for (const worker of system.workers) await notReadyBecause(worker, 'cannot write its append-only file')
        await eventually('the gauge', async () => ((await diskGauge(system)) === 1 ? true : undefined), 5000)
        await wait(5000)
        const posts = (await postsSoFar(system)) - before
        must(posts <= creditWindow['at-least-once'] * (open + 10), `${posts} posts with ${open} batches open`)
        must((await hasStopped(system)) === true, 'posts continue without a disk')
        await system.redis.limitFiles(undefined)
        const verdict = await settle(system, campaign)
        must((await diskGauge(system)) === 0, 'the gauge still shows a full disk')
        return { posts, ...facts(verdict) }
      } finally {
        await system.redis.limitFiles(undefined)
      }
    },
  },
  {
    id: 'R12',
    what: 'the same with appendfsync always: Redis ends, and starts again when there is room',
    async run(system, app) {
      await system.look.config('SET', 'appendfsync', 'always')
      const campaign = await underWay(system, app)
      const [open, before] = [await openBatches(system, app, campaign.id), await postsSoFar(system)]
      await fillDisk(system)
      await system.redis.ended()
      await wait(LOCK_MS * 2)
      const posts = (await postsSoFar(system)) - before
      must(posts <= creditWindow['at-least-once'] * (open + 10), `${posts} posts with ${open} batches open`)
      must((await hasStopped(system)) === true, 'posts continue without Redis')
      await system.redis.start()
      return { posts, ...facts(await settle(system, campaign)) }
    },
  },
]

interface Replicated {
  readonly system: ChaosSystem
  /** From now on nothing reaches the replica, without any error. */
  readonly cutReplicaOff: () => void
  /**
   * The primary dies, the replica is promoted, every process follows, and the old primary comes back as its replica.
   * Resolves to the system as it is then.
   */
  readonly failOver: () => Promise<ChaosSystem>
  /** How many posts there were before any process spoke to the new primary. */
  readonly postsAtFailOver: () => number
}

const waitingForReplicas = { WNS_FANOUT_DURABILITY: 'replicas:1' }

/** Run `act` in a system whose Redis has a replica behind a network of its own, and stop all of it. */
async function withReplica<T>(
  { judged }: Bench,
  env: Readonly<Record<string, string>>,
  act: (replicated: Replicated) => Promise<T>,
): Promise<T> {
  const stops: (() => Promise<unknown>)[] = []
  try {
    const system = await startChaosSystem({ workers: 2, lockMs: LOCK_MS, env, judged })
    stops.push(() => system.stop())
    const link = await startFaultProxy(system.redis.port)
    const replica = new ChaosRedis(join(system.folder, 'replica'), await freePort())
    stops.push(() => Promise.all([replica.stop(), link.close()]))
    await system.look.config('SET', 'repl-diskless-sync-delay', '0')
    await replica.start(following(link.port))
    const look = connectRedis(replica.url(replica.port), { role: 'worker', onError: () => {} })
    stops.push(() => closeRedis(look))
    await inStep(system.look)
    for (const worker of system.workers) await isReady(worker)
    let postsAtFailOver = 0
    return await act({
      system,
      cutReplicaOff: () => link.set({ kind: 'blackhole' }),
      postsAtFailOver: () => postsAtFailOver,
      async failOver() {
        await system.redis.kill()
        await look.replicaof('NO', 'ONE')
        await look.config('SET', 'repl-diskless-sync-delay', '0')
        postsAtFailOver = await postsSoFar(system)
        for (const { proxy } of [system.apiProcess, ...system.workers]) {
          proxy.retarget(replica.port)
          proxy.reset()
        }
        await system.redis.start(following(replica.port))
        await inStep(look)
        return { ...system, look, redis: replica }
      },
    })
  } finally {
    for (const stop of stops.toReversed()) await stop()
  }
}

function following(port: number): readonly string[] {
  return ['--replicaof', `127.0.0.1 ${port}`, '--masteruser', 'chaos', '--masterauth', 'chaos']
}

/** Resolves when a replica has everything that was written so far. */
function inStep(primary: RedisConnection): Promise<true> {
  return eventually(
    'the replica to be in step',
    async () => {
      await primary.set('chaos:in-step', '1')
      return (await primary.wait(1, 200)) >= 1 ? true : undefined
    },
    20_000,
  )
}

/** No file of Redis may grow any more; where that cannot be had, the scenario is not run. */
async function fillDisk({ redis }: ChaosSystem): Promise<void> {
  const folder = join(redis.dir, 'appendonlydir')
  const sizes = await Promise.all((await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size))
  try {
    await redis.limitFiles(Math.max(...sizes))
  } catch (error) {
    throw new CannotRunHere(
      'a full disk is simulated by a limit on the size of files, and prlimit (util-linux) failed',
      {
        cause: error,
      },
    )
  }
}

async function problemsOf({ ops }: ChaosProcess): Promise<readonly string[]> {
  const { body } = await request(`${ops}/readyz`)
  return ((await body.json()) as { problems: string[] }).problems
}

function notReadyBecause(worker: ChaosProcess, why: string): Promise<true> {
  return eventually(
    `${worker.name} to report: ${why}`,
    async () => ((await problemsOf(worker)).some((problem) => problem.includes(why)) ? true : undefined),
    20_000,
  )
}

function isReady(worker: ChaosProcess): Promise<true> {
  return eventually(
    `${worker.name} to be ready`,
    async () => ((await problemsOf(worker)).length === 0 ? true : undefined),
    20_000,
  )
}

async function sumOf({ workers }: ChaosSystem, name: string): Promise<number> {
  return (await Promise.all(workers.map((worker) => metric(worker, name)))).reduce((sum, one) => sum + one, 0)
}

function diskGauge({ apiProcess }: ChaosSystem): Promise<number> {
  return metric(apiProcess, 'wns_fanout_redis_problem')
}

/** Was nothing posted for a second? */
async function hasStopped(system: ChaosSystem): Promise<true | undefined> {
  const before = await postsSoFar(system)
  await wait(1000)
  return (await postsSoFar(system)) === before ? true : undefined
}
