import { fc, test } from '@fast-check/vitest'
import type { CampaignId } from '@wns-fanout/domain'
import { code } from '@wns-fanout/domain'
import { describe, expect } from 'vitest'
import { Stage, upTo } from './ledger-support.ts'
import { keysOf } from './support.ts'

const HOUR_MS = 3_600_000
function idOf(id: string): CampaignId {
  return id as CampaignId
}
function to(id: string, reach: readonly number[] | undefined, policy: 'reject' | 'defer' | 'coalesce' = 'reject') {
  return { id, policy, topicIntervalMs: HOUR_MS, ...(reach === undefined ? {} : { reach }) }
}

/** How many intervals after the first campaign a campaign starts. */
async function startOf(stage: Stage, id: string, first = 'c0'): Promise<number> {
  const [own, other] = [await stage.record(id), await stage.record(first)]
  return Math.round((own.startAtMs - other.startAtMs) / HOUR_MS)
}

const audiences = fc.array(fc.uniqueArray(fc.nat(15), { maxLength: 5 }), { minLength: 1, maxLength: 12 })

test.prop([audiences], { numRuns: 40 })(
  'a campaign is admitted if no campaign of its topic with a slot shares a recipient with it',
  async (reaches) => {
    const stage = new Stage()
    const admitted: { readonly id: string; readonly reach: readonly number[] }[] = []
    for (const [at, reach] of reaches.entries()) {
      const id = `c${at}`
      const blocking = admitted.findLast((other) => other.reach.some((ordinal) => reach.includes(ordinal)))
      const forecast = await stage.campaigns.slotOf(stage.definition(to(id, reach)), HOUR_MS, await stage.bitmap(reach))
      const answer = await stage.create(to(id, reach))
      expect(answer.kind).toBe(blocking === undefined ? 'created' : 'refused')
      // The forecast is the same rule.
      expect(forecast?.campaign).toBe('before' in answer ? answer.before : undefined)
      expect(forecast?.untilMs).toBe('admissibleAtMs' in answer ? answer.admissibleAtMs : undefined)
      if (blocking === undefined) admitted.push({ id, reach })
    }
  },
)

describe('slots of one topic', () => {
  test('a campaign whose recipients are not known waits for all, and all wait for it', async () => {
    const stage = new Stage()
    await stage.create(to('c0', [1]))
    expect(await stage.create(to('c1', undefined))).toMatchObject({ kind: 'refused', before: 'c0' })
    const other = new Stage()
    await other.create(to('c0', undefined))
    expect(await other.create(to('c1', [1]))).toMatchObject({ kind: 'refused', before: 'c0' })
  })

  test('a campaign waits for the overlapping one that is free last', async () => {
    const stage = new Stage()
    await stage.create(to('c0', [0]))
    await stage.create(to('c1', [1]))
    await stage.create(to('c2', [2]))
    const slots = stage.bench.keys.slots(stage.app, 'tile', 'default')
    const now = await stage.campaigns.redisNowMs()
    await stage.bench.redis.zadd(slots, now + 5000, 'c0', now + 9000, 'c1', now + 99_000, 'c2')
    expect(await stage.create(to('c3', [0, 1]))).toEqual({
      kind: 'refused',
      admissibleAtMs: now + 9000,
      before: 'c1',
    })
  })

  test('more than 64 audiences are not compared: the next one waits', async () => {
    const stage = new Stage()
    for (const at of upTo(65)) expect(await stage.create(to(`c${at}`, [at]))).toMatchObject({ kind: 'created' })
    expect(await stage.create(to('c65', [65]))).toMatchObject({ kind: 'refused' })
  })

  test('a deferred campaign waits only behind deferred ones that share a recipient', async () => {
    const stage = new Stage()
    await stage.create(to('c0', [0, 1, 2]))
    await stage.create(to('c1', [0], 'defer'))
    await stage.create(to('c2', [1], 'defer'))
    await stage.create(to('c3', [0, 1], 'defer'))
    await stage.create(to('c4', [2], 'defer'))
    expect(await Promise.all(['c1', 'c2', 'c3', 'c4'].map((id) => startOf(stage, id)))).toEqual([1, 1, 2, 1])
    expect(await stage.create(to('c5', [2]))).toMatchObject({ kind: 'refused', before: 'c4' })
    expect(await stage.create(to('c6', [3]))).toMatchObject({ kind: 'created', slot: 'taken' })
  })

  test('coalesce supersedes every waiting campaign that shares a recipient, and no other', async () => {
    const stage = new Stage()
    await stage.create(to('c0', [0, 1, 2]))
    for (const at of [0, 1, 2]) await stage.create(to(`w${at}`, [at], 'coalesce'))
    expect(await stage.create(to('c1', [0, 1], 'coalesce'))).toMatchObject({ kind: 'created', slot: 'coalesced' })
    const states = await Promise.all(['w0', 'w1', 'w2', 'c1'].map(async (id) => (await stage.record(id)).state))
    expect(states).toEqual(['cancelled', 'cancelled', 'scheduled', 'scheduled'])
    expect((await stage.record('w0')).finishedAtMs).toBeTypeOf('number')
    expect(await startOf(stage, 'c1')).toBe(1)
  })

  test('a campaign that starts later is judged by its recipients at its start', async () => {
    const stage = new Stage()
    const startAtMs = (await stage.campaigns.redisNowMs()) + HOUR_MS
    await stage.create({ ...to('later', [0]), startAtMs })
    await stage.create(to('c0', [0]))
    expect(await stage.bench.redis.exists(stage.bench.keys.reach(stage.app, 'later'))).toBe(0)
    await stage.bench.redis.hset(stage.bench.keys.campaign(stage.app, 'later'), 'startAt', startAtMs - 2 * HOUR_MS)
    const launched = await stage.campaigns.launch(stage.app, idOf('later'), await stage.bitmap([7]))
    expect(launched).toEqual({ kind: 'go' })
    expect(await stage.create(to('c1', [7]))).toMatchObject({ kind: 'refused', before: 'later' })
    expect(await stage.bench.redis.zcard(stage.bench.keys.slots(stage.app, 'tile', 'default'))).toBe(2)
  })

  test('a deferred campaign waits again where an overlapping one has the slot at its start', async () => {
    const stage = new Stage()
    await stage.create(to('c0', [0]))
    await stage.create(to('c1', [0], 'defer'))
    const due = (await stage.campaigns.redisNowMs()) - 1
    await stage.bench.redis.hset(stage.bench.keys.campaign(stage.app, 'c1'), 'startAt', due)
    expect(await stage.campaigns.launch(stage.app, idOf('c1'), await stage.bitmap([0]))).toMatchObject({ kind: 'wait' })
    await stage.bench.redis.hset(stage.bench.keys.campaign(stage.app, 'c1'), 'startAt', due)
    expect(await stage.campaigns.launch(stage.app, idOf('c1'), await stage.bitmap([1]))).toEqual({ kind: 'go' })
  })

  test('the rest of a campaign does not wait for it, and keeps the slot of both', async () => {
    const stage = new Stage()
    await stage.create(to('c0', [0, 1]))
    const definition = stage.definition(to('c1', [1]))
    const request = { ...definition.request, audience: { restOf: 'c0' } } as typeof definition.request
    const rest = { definition: { ...definition, request }, policy: 'reject', topicIntervalMs: HOUR_MS } as const
    expect(await stage.campaigns.create({ ...rest, reachKey: await stage.bitmap([1]) })).toMatchObject({
      slot: 'taken',
    })
    expect(await stage.create(to('c2', [0]))).toMatchObject({ kind: 'refused', before: 'c0' })
    expect(await stage.create(to('c3', [1]))).toMatchObject({ kind: 'refused' })
  })

  test('the recipients of a campaign are kept as long as its slot, and end with it', async () => {
    const stage = new Stage()
    const { redis, keys } = stage.bench
    await stage.sending(upTo(2), { ...to('c0', upTo(2)) })
    expect(await redis.pttl(keys.reach(stage.app, 'c0'))).toBeGreaterThan(24 * HOUR_MS)
    const hand = await stage.hold(undefined, stage.ref('c0'))
    await hand.outcome(code.accepted, 0, 1).close()
    const leftMs = await redis.pttl(keys.reach(stage.app, 'c0'))
    expect(leftMs).toBeGreaterThan(HOUR_MS - 60_000)
    expect(leftMs).toBeLessThanOrEqual(HOUR_MS)
    expect(await stage.create(to('c1', [1]))).toMatchObject({ kind: 'refused' })
    await stage.create(to('c2', [5]))
    await stage.campaigns.steer(stage.app, idOf('c2'), 'cancel')
    expect((await keysOf(stage.bench)).filter((key) => key.endsWith(':reach'))).toEqual([keys.reach(stage.app, 'c0')])
    expect(await stage.create(to('c3', [5]))).toMatchObject({ kind: 'created', slot: 'taken' })
  })
})
