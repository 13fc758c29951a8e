import { randomBytes } from 'node:crypto'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { code } from '@wns-fanout/domain'
import type { RedisConnection } from '@wns-fanout/state'
import {
  closeRedis,
  connectLedger,
  connectRedis,
  Keys,
  Ledger,
  loadScript,
  replicaWarning,
  ReplicatedScripts,
  ReplicatedWrites,
  spareReplicas,
  waitForRedis,
} from '@wns-fanout/state'
import { until } from '@wns-fanout/testing'
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest'
import { openedBatch, Stage, toast } from './ledger-support.ts'
import { NEWS } from './support.ts'

// One Redis is the replica of the other, through a proxy that can be stopped.
let gate: Gate
let primary: RedisConnection
let replica: RedisConnection

beforeAll(async () => {
  const [primaryUrl, replicaUrl] = inject('redisPairUrls')
  primary = connectRedis(primaryUrl, { role: 'worker' })
  replica = connectRedis(replicaUrl, { role: 'worker' })
  gate = await startGate(new URL(primaryUrl).port)
  const { password } = new URL(primaryUrl)
  await replica.config('SET', 'masterauth', password)
  await primary.config('SET', 'masterauth', password)
  // Clients switch from one to the other with the same password.
  await replica.config('SET', 'requirepass', password)
  await replica.replicaof('127.0.0.1', gate.port)
  await isInStep()
})

afterAll(async () => {
  await replica.replicaof('NO', 'ONE')
  await Promise.all([closeRedis(primary), closeRedis(replica)])
  await gate.close()
})

/** Resolves when the replica has all writes of the primary so far. */
function isInStep(): Promise<true> {
  return until(async () => {
    await primary.incr('in-step')
    return (await primary.wait(1, 100)) === 1
  })
}

interface Scene {
  readonly scripts: ReplicatedScripts
  /** The proxy between the ledger and Redis. */
  readonly way: Gate
  readonly problems: (string | undefined)[]
  /** One batch of six is planned; an answer of its ledger counts only once the replica has acknowledged it. */
  readonly stage: Stage
}

async function scene({ patienceMs = 60_000 } = {}): Promise<Scene> {
  gate.open()
  await isInStep()
  const url = new URL(inject('redisPairUrls')[0])
  const way = await startGate(url.port)
  const keys = new Keys(`t-${randomBytes(6).toString('hex')}:`)
  const redis = connectLedger(`redis://:${url.password}@127.0.0.1:${way.port}`, {})
  const problems: (string | undefined)[] = []
  const onChange = (problem: string | undefined): number => problems.push(problem)
  const scripts = new ReplicatedScripts(redis, keys, { replicas: 1, patienceMs, onChange })
  onTestFinished(async () => {
    gate.open()
    scripts.stop()
    await closeRedis(redis)
    await way.close()
  })
  await until(() => scripts.problem === undefined)
  const stage = new Stage({ redis: primary, keys }, NEWS, new Ledger(primary, keys, scripts))
  await stage.sending([0, 1, 2, 3, 4, 5], { terms: toast })
  await isInStep()
  return { scripts, way, problems, stage }
}

/** Records when a promise settles. */
function watched<T>(promise: Promise<T>): { readonly promise: Promise<T>; isSettled: boolean } {
  const seen = { promise, isSettled: false }
  const note = (): void => {
    seen.isSettled = true
  }
  promise.then(note, note)
  return seen
}

/** The number of `WAIT` commands that the primary has got. */
async function waits(redis = primary): Promise<number> {
  return Number(/cmdstat_wait:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0)
}

function vectorOn(redis: RedisConnection, stage: Stage): Promise<Buffer | null> {
  const { app, campaign, seq } = stage.ref()
  return redis.getBuffer(stage.bench.keys.vector(app, campaign, seq))
}

function credited(vector: Buffer | null): number {
  return [...(vector ?? [])].filter((byte) => byte === code.credited).length
}

test('more replicas than posts wait for cause a warning, because another one may be promoted', async () => {
  expect(await replicaWarning(primary, 1)).toBeUndefined()
  expect(await replicaWarning(primary, 0)).toBeUndefined()
  expect([spareReplicas(2, 1), spareReplicas(3, 2)]).toEqual([
    expect.stringContaining('Redis has 2 replicas, and WNS_FANOUT_DURABILITY=replicas:1 waits for fewer'),
    expect.stringContaining('set WNS_FANOUT_DURABILITY=replicas:3'),
  ])
  expect([spareReplicas(2, 0), spareReplicas(1, 1), spareReplicas(0, 1)]).toEqual([undefined, undefined, undefined])
})

test('an open and a checkpoint are answered once the replica has acknowledged them', async () => {
  const { stage, problems } = await scene()
  const hand = await stage.hold(toast)
  expect(hand.opened).toMatchObject({ replicated: true, window: 4 })
  expect(credited(await vectorOn(replica, stage))).toBe(4)
  const answer = await hand.outcome(code.accepted, 0, 1).want(4, 5).checkpoint()
  expect(answer).toMatchObject({ kind: 'ok', replicated: true })
  expect([...((await vectorOn(replica, stage)) ?? [])]).toEqual([...hand.vector])
  expect(problems).toEqual([])
})

test('no credit is acknowledged while the replica lags, only after it has caught up', async () => {
  const { stage, scripts, problems } = await scene()
  gate.hold()
  const opening = watched(stage.open(toast))
  await until(() => scripts.problem !== undefined)
  expect(scripts.problem).toMatch(/^no replica acknowledges writes \(0 of 1 answered within 500 ms\)/)
  // Only the primary has it; a failover would lose it.
  expect(credited(await vectorOn(primary, stage))).toBe(4)
  expect(await vectorOn(replica, stage)).toBeNull()
  expect(opening.isSettled).toBe(false)
  gate.open()
  expect(openedBatch(await opening.promise)).toMatchObject({ replicated: true, takeover: false })
  expect(credited(await vectorOn(replica, stage))).toBe(4)
  expect(problems).toEqual([expect.stringContaining('no replica'), undefined])
})

test('a call that has waited too long is answered as not replicated', async () => {
  const { stage } = await scene({ patienceMs: 10 })
  gate.hold()
  const hand = await stage.hold(toast)
  expect(hand.opened.replicated).toBe(false)
  expect(await hand.park()).toMatchObject({ kind: 'ok', replicated: false })
  expect(await stage.codes()).toEqual(Array.from({ length: 6 }, () => code.pending))
})

test('a connection that breaks between the script and its WAIT proves nothing', async () => {
  const { stage, scripts, way } = await scene()
  gate.hold()
  const opening = watched(stage.open(toast))
  await until(() => scripts.problem !== undefined)
  for (let n = 0; n < 2; n += 1) {
    const before = await waits()
    way.cut()
    // Repeated on a new connection, where this owner's open writes nothing any more.
    await until(async () => (await waits()) > before + 1)
    expect(opening.isSettled).toBe(false)
  }
  expect(await vectorOn(replica, stage)).toBeNull()
  gate.open()
  expect(openedBatch(await opening.promise)).toMatchObject({ replicated: true, fence: 1 })
  expect(credited(await vectorOn(replica, stage))).toBe(4)
})

test('a checkpoint that was written before, on any connection, does not count as replicated', async () => {
  const { stage } = await scene()
  const hand = await stage.hold(toast)
  gate.hold()
  const plain = new Ledger(primary, stage.bench.keys)
  hand.outcome(code.accepted, 0)
  const change = { number: 1, vector: hand.vector, changed: [], dead: [], gates: [], samples: [] }
  expect(await plain.checkpoint(hand.ref, hand.owner, hand.opened, toast, change)).toMatchObject({ kind: 'ok' })
  const before = await waits()
  const again = watched(stage.ledger.checkpoint(hand.ref, hand.owner, hand.opened, toast, change))
  await until(async () => (await waits()) > before + 1)
  expect(again.isSettled).toBe(false)
  gate.open()
  expect(await again.promise).toMatchObject({ kind: 'ok', replicated: true })
})

test('calls during a WAIT share the next one', async () => {
  const { stage, scripts } = await scene()
  const before = await waits()
  const script = loadScript('app-set')
  const key = stage.bench.keys.app(NEWS)
  const replies = await Promise.all(
    Array.from({ length: 100 }, (_, n) => scripts.run(script, [key], ['state', String(n)])),
  )
  expect(replies.every(({ replicated }) => replicated)).toBe(true)
  expect((await waits()) - before).toBeLessThan(5)
})

test('a script that Redis rejects fails alone; a script that Redis has lost is sent as text', async () => {
  const { stage, scripts } = await scene()
  await primary.script('FLUSH')
  const script = loadScript('app-set')
  const good = scripts.run(script, [stage.bench.keys.app(NEWS)], ['state', 'x'])
  const bad = scripts.run(script, [stage.bench.keys.vector(NEWS, 'c1', 0)], ['state', 'canary-secret'])
  await primary.set(stage.bench.keys.vector(NEWS, 'c1', 0), 'text')
  const error = await bad.catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(Error)
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('canary-secret')
  expect(await good).toMatchObject({ replicated: true })
})

test('after a failover the open is repeated on a primary that lacks it', async () => {
  const { stage, scripts, way } = await scene()
  gate.hold()
  const opening = watched(stage.open(toast))
  await until(() => scripts.problem !== undefined)
  const [primaryUrl, replicaUrl] = inject('redisPairUrls')
  onTestFinished(async () => {
    await primary.replicaof('NO', 'ONE')
    gate.leadTo(new URL(primaryUrl).port)
    await replica.replicaof('127.0.0.1', gate.port)
  })
  // The replica, which lacks the open, is promoted, and the old primary becomes its replica.
  await replica.replicaof('NO', 'ONE')
  expect(await vectorOn(replica, stage)).toBeNull()
  way.leadTo(new URL(replicaUrl).port)
  await until(async () => (await waits(replica)) > 0)
  expect(opening.isSettled).toBe(false)
  gate.open()
  gate.leadTo(new URL(replicaUrl).port)
  await primary.replicaof('127.0.0.1', gate.port)
  expect(openedBatch(await opening.promise)).toMatchObject({ replicated: true })
  expect(credited(await vectorOn(replica, stage))).toBe(4)
  expect(credited(await vectorOn(primary, stage))).toBe(4)
})

test('a stop rejects calls that still wait', async () => {
  const { stage, scripts } = await scene()
  gate.hold()
  const opening = stage.open(toast)
  await until(() => scripts.problem !== undefined)
  scripts.stop()
  await expect(opening).rejects.toThrow('closed')
  await expect(stage.open(toast)).rejects.toThrow('closed')
})

test('a cluster is refused with a solution', () => {
  expect(() => connectLedger(inject('redisClusterUrl'), {})).toThrow(/WNS_FANOUT_DURABILITY.*names a cluster. Use/)
})

interface Gate {
  readonly port: number
  /** Hold back data in both directions until it is opened. */
  hold(): void
  open(): void
  cut(): void
  /** Cut the connections, and connect to another port from now on. */
  leadTo(port: string): void
  close(): Promise<void>
}

/** A port that forwards to another one. */
async function startGate(target: string): Promise<Gate> {
  const sockets = new Set<Socket>()
  let port = Number(target)
  let isHeld = false
  const server = createServer((inner) => {
    const outer = connect(port, '127.0.0.1')
    for (const [from, to] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      sockets.add(from)
      if (isHeld) from.pause()
      from.on('data', (chunk) => to.write(chunk))
      from.on('error', () => from.destroy()).on('close', () => to.destroy() && sockets.delete(from))
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    hold() {
      isHeld = true
      for (const socket of sockets) socket.pause()
    },
    open() {
      isHeld = false
      for (const socket of sockets) socket.resume()
    },
    cut,
    leadTo(next) {
      port = Number(next)
      cut()
    },
    async close() {
      cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('what a connection wrote is confirmed by the replica of its server, and only by that', async () => {
  gate.open()
  await isInStep()
  const [primaryUrl] = inject('redisPairUrls')
  const keys = new Keys(`t-${randomBytes(6).toString('hex')}:`)
  const waiter = connectLedger(primaryUrl, {})
  const elsewhere = connectRedis(inject('redisUrl'), { role: 'producer' })
  onTestFinished(() => Promise.all([closeRedis(waiter), closeRedis(elsewhere)]).then(() => undefined))
  await waitForRedis(waiter)
  const options = { replicas: 1, waitMs: 300 }
  const writes = new ReplicatedWrites(primary, waiter, keys, options)
  expect(await Promise.all([writes.confirm(), writes.confirm()])).toEqual([true, true])
  await primary.set(`${keys.prefix}written`, 'x')
  expect(await writes.confirm()).toBe(true)
  expect(await replica.get(`${keys.prefix}written`)).toBe('x')
  // The waiter is at a server that never had these writes: its replica proves nothing.
  expect(await new ReplicatedWrites(elsewhere, waiter, keys, options).confirm()).toBe(false)
  gate.hold()
  expect(await writes.confirm()).toBe(false)
  gate.open()
  await isInStep()
  expect(await writes.confirm()).toBe(true)
})
