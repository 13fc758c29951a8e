import { eventually } from '@wns-fanout/testing'
import { readdir, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { acceptLosses } from '@wns-fanout/state'
import { request } from 'undici'
import { judge } from '../judge.ts'
import { finishedCampaign, settledCount } from '../load.ts'
import type { ChaosProcess } from '../process.ts'
import type { ChaosSystem } from '../system.ts'
import type { Facts, Scenario } from './scenario.ts'
import {
  LOCK_MS,
  facts,
  forgetful,
  holdsButForgets,
  must,
  openBatches,
  pair,
  postsSoFar,
  settle,
  underWay,
} from './scenario.ts'

const WINDOW = 256

/** What can happen to Redis, and to the way there. */
export const redisScenarios: readonly Scenario[] = [
  {
    id: 'R1',
    what: 'Redis is killed and comes back with its append-only file',
    async run(system, app) {
      const campaign = await underWay(system, app)
      for (let n = 0; n < 3; n += 1) {
        await system.redis.kill()
        await wait(300)
        await system.redis.start()
        await settledCount(system, campaign.id, 500 * (n + 2))
      }
      return facts(await settle(system, campaign))
    },
  },
  {
    id: 'R2',
    what: 'Redis is down for longer than a lock: sending stops within the credit',
    async run(system, app) {
      const campaign = await underWay(system, app)
      const open = await openBatches(system, app, campaign.id)
      const before = await postsSoFar(system)
      await system.redis.kill()
      await wait(LOCK_MS * 3)
      const posts = (await postsSoFar(system)) - before
      await system.redis.start()
      const backAtMs = performance.now()
      // Batches may have been opened between the two looks.
      must(posts <= WINDOW * (open + 10), `${posts} posts during the outage with ${open} batches open`)
      const settled = (await system.api.campaign(campaign.id)).totals.accepted
      await settledCount(system, campaign.id, settled + 300)
      const recoveryMs = Math.round(performance.now() - backAtMs)
      return { posts, recoveryMs, ...facts(await settle(system, campaign)) }
    },
  },
  {
    id: 'R3',
    what: 'the machine of Redis loses power: its last second is gone',
    async run(system, app) {
      const campaign = await underWay(system, app)
      const file = await appendOnlyFile(system)
      const { size } = await stat(file)
      const before = await postsSoFar(system)
      await wait(1000)
      await system.redis.kill()
      await truncate(file, size)
      const forgotten = (await postsSoFar(system)) - before
      await system.redis.start()
      await finishedCampaign(system, campaign.id, 120_000)
      const verdict = await judge(forgetful(system, forgotten), [campaign])
      return { forgotten, ...holdsButForgets(verdict, campaign, forgotten) }
    },
  },
  {
    id: 'R4',
    what: 'Redis returns empty: no process sends or is ready; after acceptance all continue',
    async run(system, app) {
      await underWay(system, app)
      await system.redis.kill()
      await rm(join(system.redis.dir, 'appendonlydir'), { recursive: true })
      await system.redis.start()
      return silentUntilAccepted(system, app)
    },
  },
  {
    id: 'R5',
    what: 'FLUSHALL by accident: no process sends or is ready; after acceptance all continue',
    async run(system, app) {
      await underWay(system, app)
      await system.look.flushall()
      return silentUntilAccepted(system, app)
    },
  },
  {
    id: 'R7',
    what: 'the primary is demoted for two seconds: READONLY',
    async run(system, app) {
      const campaign = await underWay(system, app)
      await system.look.replicaof('127.0.0.1', 1)
      await wait(2000)
      await system.look.replicaof('NO', 'ONE')
      return facts(await settle(system, campaign))
    },
  },
  {
    id: 'R8',
    what: 'Redis takes its time to load: LOADING',
    async run(system, app) {
      const campaign = await underWay(system, app)
      await system.redis.kill()
      await system.redis.start(['--key-load-delay', '200', '--loading-process-events-interval-bytes', '1024'])
      return facts(await settle(system, campaign))
    },
  },
  {
    id: 'R9',
    what: 'Redis is full for three seconds: OOM',
    async run(system, app) {
      const campaign = await underWay(system, app)
      const [, before = '0'] = await system.look.config('GET', 'maxmemory')
      await system.look.config('SET', 'maxmemory', '1mb')
      await wait(3000)
      await system.look.config('SET', 'maxmemory', before)
      return facts(await settle(system, campaign))
    },
  },
  {
    id: 'R10',
    what: 'Redis may evict: no worker starts',
    async run(system) {
      const [worker] = pair(system)
      await worker.terminate()
      await system.look.config('SET', 'maxmemory-policy', 'allkeys-lru')
      try {
        const error = await worker.start().then(
          () => undefined,
          (reason: unknown) => reason,
        )
        must(
          error instanceof Error && error.message.includes('maxmemory-policy'),
          'it started, or did not report why not',
        )
        await worker.ended()
      } finally {
        await system.look.config('SET', 'maxmemory-policy', 'noeviction')
      }
      return {}
    },
  },
  {
    id: 'R13',
    what: 'Redis sleeps for longer than a lock; then everything takes 100 ms more',
    async run(system, app) {
      const campaign = await underWay(system, app)
      await system.look.call('DEBUG', 'SLEEP', String((LOCK_MS * 1.5) / 1000))
      for (const { proxy } of system.workers) proxy.set({ kind: 'delay', ms: 100 })
      const verdict = await settle(system, campaign)
      return facts(verdict)
    },
  },
  {
    id: 'R14',
    what: 'clients are paused: all commands, then writes',
    async run(system, app) {
      const campaign = await underWay(system, app)
      await system.look.client('PAUSE', LOCK_MS * 1.5, 'WRITE')
      await settledCount(system, campaign.id, 1500)
      await system.look.client('PAUSE', LOCK_MS * 1.5, 'ALL')
      return facts(await settle(system, campaign))
    },
  },
  {
    id: 'R15',
    what: 'every connection is killed, twenty times',
    async run(system, app) {
      const campaign = await underWay(system, app)
      for (let n = 0; n < 20; n += 1) {
        await system.look.call('CLIENT', 'KILL', 'TYPE', 'normal')
        await wait(100)
      }
      return facts(await settle(system, campaign))
    },
  },
  {
    id: 'R16',
    what: 'one worker is in a black hole for 20 s, then works again',
    async run(system, app) {
      const campaign = await underWay(system, app, { recipients: 10_000 })
      const [lost, other] = pair(system)
      lost.proxy.set({ kind: 'blackhole' })
      await wait(20_000)
      lost.proxy.set({ kind: 'pass' })
      const verdict = await settle(system, campaign)
      // It takes part again: alone, it sends the next campaign.
      await other.terminate()
      const next = await settle(system, await underWay(system, `${app}-next`, { recipients: 2000 }))
      return { ...facts(verdict), nextFinishMs: next.finishMs }
    },
  },
  {
    id: 'R17',
    what: 'replies are dropped, then the connections reset: checkpoints are executed twice',
    async run(system, app) {
      const campaign = await underWay(system, app)
      for (let n = 0; n < 4; n += 1) {
        for (const { proxy } of system.workers) proxy.set({ kind: 'dropReplies' })
        await wait(300)
        for (const { proxy } of system.workers) proxy.set({ kind: 'pass' })
        await wait(300)
      }
      return facts(await settle(system, campaign))
    },
  },
  {
    id: 'R18',
    what: 'connections are cut inside a command',
    async run(system, app) {
      const campaign = await underWay(system, app)
      for (let n = 0; n < 10; n += 1) {
        for (const { proxy } of system.workers) proxy.set({ kind: 'cutAfterUp', bytes: 37 + n * 211 })
        await wait(200)
      }
      for (const { proxy } of system.workers) proxy.set({ kind: 'pass' })
      return facts(await settle(system, campaign))
    },
  },
  {
    id: 'R19',
    what: 'SCRIPT FLUSH while scripts run all the time',
    async run(system, app) {
      const campaign = await underWay(system, app)
      for (let n = 0; n < 20; n += 1) {
        await system.look.script('FLUSH')
        await wait(100)
      }
      const verdict = await settle(system, campaign)
      must(verdict.takeovers === 0, `${verdict.takeovers} takeovers`)
      return facts(verdict)
    },
  },
  {
    id: 'R22',
    what: 'the password is changed: workers wait, are not ready, and come back with the old one',
    async run(system, app) {
      const campaign = await underWay(system, app)
      const [worker] = pair(system)
      await system.look.call('ACL', 'SETUSER', 'observer', 'on', '>observer', '~*', '&*', '+@all')
      await system.look.call('AUTH', 'observer', 'observer')
      await system.look.call('ACL', 'SETUSER', 'chaos', 'resetpass', '>another')
      for (const { proxy } of system.workers) proxy.reset()
      await stands(worker, 'not ready', 20_000)
      await system.look.call('ACL', 'SETUSER', 'chaos', 'resetpass', '>chaos')
      return facts(await settle(system, campaign))
    },
  },
]

/**
 * Data is lost: all processes report it within a minute, and no worker exceeds its credit. A restart changes
 * nothing. Once the loss is accepted, those that were restarted and those that were not send what is registered again
 * under the old name.
 */
async function silentUntilAccepted(system: ChaosSystem, app: string): Promise<Facts> {
  const startedAtMs = performance.now()
  const [restarted] = pair(system)
  const all = [system.apiProcess, ...system.workers]
  for (const one of all) await stands(one, 'lost', 60_000)
  const noticedMs = Math.round(performance.now() - startedAtMs)
  for (const one of [system.apiProcess, restarted]) {
    await one.terminate()
    await one.start()
  }
  const before = await postsSoFar(system)
  await wait(2000)
  const posts = (await postsSoFar(system)) - before
  must(posts === 0, `${posts} posts by workers that know of the loss`)
  for (const one of all) await stands(one, 'lost', 0)
  must((await acceptLosses(system.look, system.keys)).length === 1, 'there was no one loss to accept')
  const acceptedAtMs = performance.now()
  for (const one of all) await stands(one, 'ready', 10_000)
  const backMs = Math.round(performance.now() - acceptedAtMs)
  return {
    noticedMs,
    backMs,
    ...facts(await settle(system, await underWay(system, `${app}-next`, { recipients: 2000 }))),
  }
}

/** The answer of `/readyz` in a word. */
type Standing = 'ready' | 'lost' | 'not ready'

async function standing({ ops }: ChaosProcess): Promise<Standing> {
  const { statusCode, body } = await request(`${ops}/readyz`)
  const text = await body.text()
  if (statusCode === 200) return 'ready'
  return text.includes('data set') || text.includes('data-set') ? 'lost' : 'not ready'
}

function stands(one: ChaosProcess, wanted: Standing, timeoutMs: number): Promise<true> {
  return eventually(
    `${one.name} to be ${wanted}`,
    async () => ((await standing(one)) === wanted ? true : undefined),
    timeoutMs,
  )
}

async function appendOnlyFile({ redis }: ChaosSystem): Promise<string> {
  const folder = join(redis.dir, 'appendonlydir')
  const name = (await readdir(folder))
    .filter((one) => one.endsWith('.incr.aof'))
    .toSorted()
    .at(-1)
  if (name === undefined) throw new Error('Redis has no append-only file')
  return join(folder, name)
}
