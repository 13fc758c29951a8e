import { eventually } from '@wns-fanout/testing'
import { join } from 'node:path'
import type { AppId } from '@wns-fanout/domain'
import { parseImportLine } from '@wns-fanout/domain'
import type { TemporaryFolder } from '@wns-fanout/local'
import { temporaryFolder } from '@wns-fanout/local'
import type { RedisConnection } from '@wns-fanout/state'
import { Keys, Registry, closeRedis, connectRedis, waitForFitRedis } from '@wns-fanout/state'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { uriOf } from './load.ts'
import { ChaosCluster } from './redis-cluster.ts'
import type { ChaosRedis } from './redis-server.ts'

// How connections and scripts bear what happens to a cluster; whole campaigns on one are rows of the catalogue.

let folder: TemporaryFolder
let cluster: ChaosCluster
let redis: RedisConnection
const keys = new Keys('cl:')

beforeAll(async () => {
  folder = await temporaryFolder('wns-fanout-cluster-')
  cluster = await ChaosCluster.make(join(folder.path, 'redis'), { masters: 3, replica: true })
  await cluster.start()
  redis = connectRedis(cluster.url(cluster.port), { role: 'worker' })
})
afterAll(async () => {
  await closeRedis(redis)
  await cluster.stop()
  await folder.remove()
})

/** An app that this node serves. */
async function appOn(node: ChaosRedis | undefined): Promise<AppId> {
  for (let n = 0; ; n += 1) {
    const app = `app-${n}` as AppId
    if ((await cluster.masterOf(keys.base(app))) === node) return app
  }
}

function register(registry: Registry, app: AppId, from: number, to: number): Promise<unknown> {
  return registry.register(
    app,
    Array.from({ length: to - from }, (_, n) => {
      const parsed = parseImportLine({ channel: `d${from + n}`, uri: uriOf(app, from + n, 'ok') })
      if (!parsed.ok) throw new Error(JSON.stringify(parsed.inputErrors))
      return parsed.value
    }),
  )
}

test('a script never runs on half of an app: while its slot moves to another node, it waits', async () => {
  const [, from, to] = cluster.masters
  if (from === undefined || to === undefined) throw new Error('there are three masters')
  const app = await appOn(from)
  const registry = new Registry(redis, keys)
  await register(registry, app, 0, 600)
  const over = new AbortController()
  let registered = 600
  const registering = async (): Promise<void> => {
    for (; !over.signal.aborted; registered += 1) await register(registry, app, registered, registered + 1)
  }
  const moving = cluster.moveSlot(await cluster.slotOf(keys.base(app)), from, to, 10).finally(() => over.abort())
  const [moved] = await Promise.all([moving, registering()])
  expect(moved).toBeGreaterThan(500)
  // Had it run where the keys were not yet, it would have given ordinals for a second time.
  expect(await redis.get(keys.next(app))).toBe(String(registered))
  expect(await redis.bitcount(keys.occupied(app))).toBe(registered)
})

test('commands that wait for a node whose replica took over are carried out there', async () => {
  const [first] = cluster.masters
  const key = keys.next(await appOn(first))
  await redis.incr(key)
  await first?.kill()
  const waiting = Promise.all(Array.from({ length: 20 }, () => redis.incr(key)))
  await eventually('the replica to take over', () => cluster.masterOf(key), 30_000)
  expect((await waiting).length).toBe(20)
  expect(await redis.get(key)).toBe('21')
})

test('a process that starts while a master is away waits for it, and reports that', async () => {
  const away = cluster.masters[2]
  await away?.kill()
  onTestFinished(() => cluster.start())
  await eventually(
    'the others to call it dead',
    async () => (await redis.cluster('INFO').catch(() => '')).includes('cluster_state:fail') || undefined,
  )
  const starting = connectRedis(cluster.url(cluster.port), { role: 'producer' })
  onTestFinished(() => closeRedis(starting))
  const lines: string[] = []
  const ready = waitForFitRedis(starting, {
    keys,
    allowVolatile: true,
    signal: new AbortController().signal,
    onWarning: (line) => lines.push(line),
  })
  await eventually('a line about the wait', async () => lines.length > 0 || undefined)
  expect(lines[0]).toBe(
    'Redis at the cluster cannot be used yet: it does not serve all slots, or no node answers ' +
      '(start the masters that are away); trying again.',
  )
  await cluster.start()
  await ready
}, 60_000)
