import { eventually } from '@wns-fanout/testing'
import { setTimeout as wait } from 'node:timers/promises'
import { insist, uriOf } from '../load.ts'
import { ChaosCluster } from '../redis-cluster.ts'
import type { ChaosRedis } from '../redis-server.ts'
import type { ChaosSystem } from '../system.ts'
import { startChaosSystemOn } from '../system.ts'
import type { Bench, Facts, Scenario, ScenarioAlone } from './scenario.ts'
import { LOCK_MS, facts, must, settle, underWay } from './scenario.ts'

type Clustered = ChaosSystem<ChaosCluster>

interface ClusterRow {
  readonly id: string
  readonly what: string
  readonly withReplica?: boolean
  readonly run: (system: Clustered, app: string) => Promise<Facts>
}

function onCluster({ id, what, withReplica = false, run }: ClusterRow): ScenarioAlone {
  return {
    id,
    what,
    async runAlone(app: string, { judged }: Bench) {
      const system = await startChaosSystemOn((dir) => ChaosCluster.make(dir, { masters: 3, replica: withReplica }), {
        workers: 2,
        lockMs: LOCK_MS,
        judged,
      })
      try {
        return await run(system, app)
      } finally {
        await system.stop()
      }
    },
  }
}

/** Faults of a Redis Cluster of three masters and of its users. */
export const clusterScenarios: readonly Scenario[] = [
  {
    id: 'R20',
    what: 'a prefix that would move the hash tag of the apps: neither the API nor a worker starts',
    async run(system: ChaosSystem) {
      for (const one of [system.apiProcess, ...system.workers.slice(1)]) {
        await one.terminate()
        const error = await one.start({ WNS_FANOUT_PREFIX: 'wf{1}:' }).then(
          () => undefined,
          (reason: unknown) => reason,
        )
        must(
          error instanceof Error && error.message.includes('WNS_FANOUT_PREFIX: wanted 1 to 32 letters, digits'),
          `${one.name} started, or did not report why not`,
        )
        await one.ended()
      }
      return {}
    },
  },
  onCluster({
    id: 'R21a',
    what: 'the slot of an app is moved to another node while it sends and channels register',
    async run(system, app) {
      const campaign = await underWay(system, app)
      const moved = new AbortController()
      const [moving, registered] = await Promise.all([
        move(system, app).finally(() => moved.abort()),
        registering(system, app, campaign.behaviours.length, moved.signal),
      ])
      const verdict = await settle(system, campaign)
      const { channels } = await system.api.app(app)
      const wanted = campaign.behaviours.length + registered
      must(channels === wanted, `${channels} channels are there instead of ${wanted}`)
      for (let n = 0; n < registered; n += 1) await system.api.channel(app, `late${n}`)
      return { ...moving, registered, ...facts(verdict) }
    },
  }),
  onCluster({
    id: 'R21b',
    what: 'the node with the slot of an app is killed and comes back with its append-only file',
    async run(system, app) {
      const campaign = await underWay(system, app)
      const home = await system.redis.masterOf(system.keys.base(app))
      await home.kill()
      // Long enough for the others to call it dead.
      await wait(3000)
      await system.redis.start()
      return facts(await settle(system, campaign))
    },
  }),
  onCluster({
    id: 'R21c',
    what: 'the node with the slot of an app is killed and its replica takes its place',
    withReplica: true,
    async run(system, app) {
      const [first] = system.redis.masters
      const name = await onNode(system, first, app)
      const campaign = await underWay(system, name)
      const startedAtMs = performance.now()
      await first?.kill()
      const now = await eventually(
        'the replica to take over',
        () => system.redis.masterOf(system.keys.base(name)),
        30_000,
      )
      must(now === system.redis.replica, 'another node than the replica has the slot')
      const failoverMs = Math.round(performance.now() - startedAtMs)
      const verdict = await settle(system, campaign)
      await system.redis.start()
      return { failoverMs, ...facts(verdict) }
    },
  }),
]

/** An app's name that is served by this node. */
async function onNode({ redis, keys }: Clustered, node: ChaosRedis | undefined, app: string): Promise<string> {
  for (let n = 0; ; n += 1) {
    const name = `${app}-${n}`
    if ((await redis.masterOf(keys.base(name))) === node) return name
  }
}

/** The slot of an app goes to another master, a few keys at a time. */
async function move({ redis, keys }: Clustered, app: string): Promise<Facts> {
  const from = await redis.masterOf(keys.base(app))
  const to = redis.masters.find((one) => one !== from) ?? from
  const startedAtMs = performance.now()
  const moved = await redis.moveSlot(await redis.slotOf(keys.base(app)), from, to, 5)
  return { moved, movingMs: Math.round(performance.now() - startedAtMs) }
}

/** Registers channels until `signal`, each until it is confirmed; resolves to their number. */
async function registering(system: Clustered, app: string, first: number, signal: AbortSignal): Promise<number> {
  let n = 0
  while (!signal.aborted) {
    const uri = uriOf(app, first + n, 'ok')
    const channel = `late${n}`
    await insist(system, `registering ${channel}`, () => system.api.putChannel(app, channel, { uri }))
    n += 1
    await wait(20)
  }
  return n
}
