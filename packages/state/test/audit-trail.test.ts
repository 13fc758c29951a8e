import type { AuditEntry } from '@wns-fanout/domain'
import { AuditChecker, AUDIT_START } from '@wns-fanout/domain'
import { AuditTrail } from '@wns-fanout/state'
import { expect, test } from 'vitest'
import { anotherConnection, setup } from './support.ts'

const limits = { maxEntries: 100_000, maxDays: 400 }

function facts(object: string) {
  return { time: '2026-11-27T10:00:00.000Z', actor: 'a', action: 'app.put', object, outcome: 'done' } as const
}

async function all(entries: AsyncIterable<AuditEntry>): Promise<AuditEntry[]> {
  const found: AuditEntry[] = []
  for await (const entry of entries) found.push(entry)
  return found
}

function checked(entries: readonly AuditEntry[]) {
  const checker = new AuditChecker()
  for (const entry of entries) checker.add(entry)
  return checker.result()
}

test('entries of several processes form one chain', async () => {
  const { redis, keys } = setup()
  const trails = [redis, anotherConnection(), anotherConnection()].map(
    (one) => new AuditTrail(one, keys, 'control', limits),
  )
  const appended = await Promise.all(
    Array.from({ length: 600 }, async (_, n) => (trails[n % 3] ?? trails[0])?.append(facts(`o${n}`))),
  )

  const stored = await all(new AuditTrail(redis, keys, 'control', limits).read())
  expect(stored.map(({ seq }) => seq)).toEqual(Array.from({ length: 600 }, (_, n) => n + 1))
  expect(new Set(stored.map(({ object }) => object)).size).toBe(600)
  expect(stored[0]?.previous).toBe(AUDIT_START)
  expect(checked(stored)).toMatchObject({ count: 600, first: 1, last: 600, breaks: [] })
  const bySeq = appended.toSorted((one, other) => (one?.seq ?? 0) - (other?.seq ?? 0))
  expect(bySeq).toEqual(stored)
})

test('a changed entry, a removed one and a forged one are found', async () => {
  const { redis, keys } = setup()
  const trail = new AuditTrail(redis, keys, 'control', limits)
  for (const name of ['a', 'b', 'c', 'd']) await trail.append(facts(name))
  const stored = await all(trail.read())
  const [first, second, third, fourth] = stored as [AuditEntry, AuditEntry, AuditEntry, AuditEntry]

  expect(checked([first, { ...second, object: 'x' }, third]).breaks).toEqual([
    { seq: 2, problem: 'its text does not match its hash' },
  ])
  expect(checked([first, third, fourth]).breaks.map(({ seq }) => seq)).toEqual([3])
  expect(checked([second, third]).breaks).toEqual([])
  const other = new AuditTrail(redis, keys, 'devices', limits)
  const forged = { ...(await other.append(facts('x'))), seq: 2 }
  expect(checked([first, forged]).breaks).toHaveLength(1)

  await redis.xdel(keys.auditTrail('control'), second.id)
  expect(checked(await all(trail.read())).breaks.map(({ seq }) => seq)).toEqual([3])
})

test('old entries go, and the chain continues behind them', async () => {
  const { redis, keys } = setup()
  const trail = new AuditTrail(redis, keys, 'control', { maxEntries: 100, maxDays: 400 })
  for (let n = 0; n < 10; n += 1)
    await Promise.all(Array.from({ length: 50 }, (_, at) => trail.append(facts(`o${n * 50 + at}`))))
  const stored = await all(trail.read())
  // Redis trims whole nodes of a stream, of 100 entries each.
  expect(stored.length).toBeLessThan(400)
  expect(stored.at(-1)?.seq).toBe(500)
  expect(checked(stored).breaks).toEqual([])
})

test('a call whose answer was lost is not entered twice', async () => {
  const { redis, keys } = setup()
  const trail = new AuditTrail(redis, keys, 'control', limits)
  await trail.append(facts('a'))
  const script = { evalsha: redis.evalsha.bind(redis) }
  let isRepeated = false
  redis.evalsha = (async (...args: Parameters<typeof script.evalsha>) => {
    const answer = await script.evalsha(...args)
    if (isRepeated) return answer
    isRepeated = true
    // The connection broke before the answer came, and the client sends the command again.
    return await script.evalsha(...args)
  }) as typeof redis.evalsha
  expect(await trail.append(facts('b'))).toMatchObject({ seq: 2, object: 'b' })
  expect((await all(trail.read())).map(({ object }) => object)).toEqual(['a', 'b'])
  expect(await trail.append(facts('c'))).toMatchObject({ seq: 3 })
})

test('the newest entries are read first where that is asked, behind an entry and between times', async () => {
  const { redis, keys } = setup()
  const trail = new AuditTrail(redis, keys, 'control', limits)
  for (const name of ['a', 'b', 'c']) await trail.append(facts(name))
  const stored = await all(trail.read())
  const named = async (page: Parameters<typeof trail.read>[0]) => (await all(trail.read(page))).map((one) => one.object)
  expect(await named({ newestFirst: true })).toEqual(['c', 'b', 'a'])
  expect(await named({ after: stored[0]?.id })).toEqual(['b', 'c'])
  expect(await named({ after: stored[1]?.id, newestFirst: true })).toEqual(['a'])
  expect(await named({ fromMs: Date.now() + 60_000 })).toEqual([])
  expect(await named({ toMs: Date.now() - 60_000 })).toEqual([])
})

test('Redis that refuses or does not answer rejects the entry', async () => {
  const { redis, keys } = setup()
  await redis.set(keys.auditTrail('control'), 'no stream')
  const trail = new AuditTrail(redis, keys, 'control', { ...limits, patienceMs: 5000 })
  await expect(trail.append(facts('a'))).rejects.toThrow('WRONGTYPE')
  await redis.del(keys.auditTrail('control'))
  expect(await trail.append(facts('b'))).toMatchObject({ seq: 1 })
})
