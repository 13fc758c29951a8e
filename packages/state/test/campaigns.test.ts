import type { CampaignId } from '@wns-fanout/domain'
import { code, emptyTotals } from '@wns-fanout/domain'
import { Leader } from '@wns-fanout/state'
import { until } from '@wns-fanout/testing'
import { describe, expect, test } from 'vitest'
import { PAGE, Stage, tile, upTo } from './ledger-support.ts'
import { anotherConnection, keysOf } from './support.ts'

const HOUR_MS = 3_600_000
function named(id: string, policy: 'reject' | 'defer' | 'coalesce' | 'drop' = 'reject') {
  return {
    id,
    policy,
    topicIntervalMs: HOUR_MS,
  }
}
function idOf(id: string): CampaignId {
  return id as CampaignId
}
function sumOf(totals: Record<string, number>): number {
  return Object.values(totals).reduce((sum, count) => sum + count, 0)
}

describe('the slot of a topic', () => {
  test('is taken when a campaign is created, and a second campaign is refused until it is free', async () => {
    const stage = new Stage()
    const first = await stage.create(named('c1'))
    if (first.kind !== 'created') throw new Error(first.kind)
    expect(first).toMatchObject({ state: 'scheduled' })
    const second = await stage.create(named('c2'))
    expect(second.kind).toBe('refused')
    const waitMs = (second as { admissibleAtMs: number }).admissibleAtMs - first.startAtMs
    expect(Math.abs(waitMs - HOUR_MS)).toBeLessThan(1000)
    expect(await stage.campaigns.get(stage.app, idOf('c2'))).toBeNull()
    expect(await stage.campaigns.appOf(idOf('c2'))).toBeNull()
  })

  test('belongs to one type and one topic', async () => {
    const stage = new Stage()
    await stage.create(named('c1'))
    expect(await stage.create({ ...named('c2'), topic: 'sport' })).toMatchObject({ kind: 'created' })
    expect(await stage.create({ ...named('c3'), terms: { ...tile, type: 'badge' } })).toMatchObject({ kind: 'created' })
  })

  test('is not needed by an exempt campaign', async () => {
    const stage = new Stage()
    await stage.create(named('c1'))
    expect(await stage.create({ id: 'c2' })).toMatchObject({ kind: 'created' })
  })

  test('creating the same campaign again changes nothing', async () => {
    const stage = new Stage()
    const { slot, ...first } = { slot: undefined, ...(await stage.create(named('c1'))) }
    expect(slot).toBe('taken')
    expect(await stage.create(named('c1'))).toEqual(first)
  })

  test('is renewed by every accepted post, up to a whole interval', async () => {
    const stage = new Stage()
    await stage.sending(upTo(2), { topicIntervalMs: HOUR_MS })
    const slots = stage.bench.keys.slots(stage.app, 'tile', 'default')
    const hand = await stage.hold()
    const soon = (await stage.campaigns.redisNowMs()) + 60_000
    await stage.bench.redis.zadd(slots, soon, 'c1')
    await hand.outcome(code.rejectedForbidden, 0).checkpoint()
    expect(Number(await stage.bench.redis.zscore(slots, 'c1'))).toBe(soon)
    await hand.outcome(code.accepted, 1).checkpoint()
    expect(Number(await stage.bench.redis.zscore(slots, 'c1'))).toBeGreaterThan(soon + HOUR_MS - 70_000)
  })

  test('is released by a campaign that posted nothing, and kept by one that posted', async () => {
    const stage = new Stage()
    await stage.create(named('c1'))
    await stage.campaigns.steer(stage.app, idOf('c1'), 'cancel')
    await stage.sending(upTo(2), { id: 'c2', topicIntervalMs: HOUR_MS })
    await (await stage.hold(tile, stage.ref('c2'))).outcome(code.failedServerError, 0, 1).close()
    expect(await stage.create(named('c3'))).toMatchObject({ kind: 'refused' })
  })

  test('is not released by another campaign that ends', async () => {
    const stage = new Stage()
    await stage.create(named('c1'))
    await stage.create(named('c2', 'defer'))
    await stage.campaigns.steer(stage.app, idOf('c2'), 'cancel')
    expect(await stage.create(named('c3'))).toMatchObject({ kind: 'refused' })
  })
})

describe('over the limit', () => {
  test('drop stores the campaign as cancelled and finished', async () => {
    const stage = new Stage()
    await stage.create(named('c1'))
    expect(await stage.create(named('c2', 'drop'))).toMatchObject({ kind: 'created', state: 'cancelled' })
    const record = await stage.record('c2')
    expect(record).toMatchObject({ state: 'cancelled', reason: 'guard', audienceSize: 0, totals: emptyTotals() })
    expect(record.finishedAtMs).toBeTypeOf('number')
    expect(await stage.campaigns.finished(stage.app)).toEqual(['c2'])
    expect(await stage.campaigns.active(stage.app)).toEqual(['c1'])
  })

  test('defer queues campaigns an interval apart, ten at most', async () => {
    const stage = new Stage()
    const first = await stage.create(named('c0'))
    if (first.kind !== 'created') throw new Error(first.kind)
    const starts: number[] = []
    for (let at = 1; at <= 10; at += 1) {
      const answer = await stage.create(named(`c${at}`, 'defer'))
      if (answer.kind !== 'created') throw new Error(answer.kind)
      starts.push(Math.round((answer.startAtMs - first.startAtMs) / HOUR_MS))
    }
    expect(starts).toEqual(upTo(10, 1))
    expect(await stage.record('c1')).toMatchObject({ state: 'scheduled', reason: 'guard' })
    expect(await stage.create(named('c11', 'defer'))).toMatchObject({ kind: 'full' })
    expect(await stage.create(named('c12', 'coalesce'))).toMatchObject({ kind: 'created' })
    await stage.campaigns.steer(stage.app, idOf('c3'), 'cancel')
    expect(await stage.create(named('c13', 'defer'))).toMatchObject({ kind: 'created' })
  })

  test('coalesce keeps only the newest, at the time of the one before', async () => {
    const stage = new Stage()
    await stage.create(named('c0'))
    const older = await stage.create(named('c1', 'coalesce'))
    const newer = await stage.create(named('c2', 'coalesce'))
    expect(newer).toEqual({ ...older, slot: 'coalesced', superseded: 'c1' })
    expect(await stage.record('c1')).toMatchObject({ state: 'cancelled', reason: 'superseded' })
    expect((await stage.record('c1')).finishedAtMs).toBeTypeOf('number')
    expect(await stage.campaigns.launch(stage.app, idOf('c1'))).toEqual({ kind: 'stopped', state: 'cancelled' })
    expect(await stage.create(named('c2', 'coalesce'))).toMatchObject({ kind: 'created', state: 'scheduled' })
  })

  test('coalesce supersedes no campaign that was deferred', async () => {
    const stage = new Stage()
    await stage.create(named('c0'))
    await stage.create(named('c1', 'defer'))
    const answer = await stage.create(named('c2', 'coalesce'))
    expect(answer).not.toHaveProperty('superseded')
    expect(await stage.record('c1')).toMatchObject({ state: 'scheduled' })
    const [first, second] = [await stage.record('c1'), await stage.record('c2')]
    expect(second.startAtMs - first.startAtMs).toBe(HOUR_MS)
  })

  test('a deferred campaign precedes a new one, even when the slot is free', async () => {
    const stage = new Stage()
    await stage.create(named('c0'))
    await stage.create(named('c1', 'defer'))
    await stage.bench.redis.del(stage.bench.keys.slots(stage.app, 'tile', 'default'))
    expect(await stage.create(named('c2'))).toMatchObject({ kind: 'refused' })
  })

  test('a campaign that expired while it was deferred no longer waits', async () => {
    const stage = new Stage()
    await stage.create(named('c0'))
    await stage.create({ ...named('c1', 'defer'), expiresAtMs: (await stage.campaigns.redisNowMs()) + 1 })
    await until(async () => (await stage.ledger.sweep(stage.ref('c1'), 10)).state === 'expired')
    await stage.campaigns.steer(stage.app, idOf('c0'), 'cancel')
    expect(await stage.create(named('c2'))).toMatchObject({ kind: 'created' })
  })
})

describe('launching', () => {
  test('waits for the start time, then answers `go`, and after the freeze `frozen`', async () => {
    const stage = new Stage()
    const startAtMs = (await stage.campaigns.redisNowMs()) + 300
    await stage.create({ ...named('c1'), startAtMs })
    expect(await stage.campaigns.launch(stage.app, idOf('c1'))).toEqual({ kind: 'wait', startAtMs })
    await until(async () => (await stage.campaigns.launch(stage.app, idOf('c1'))).kind === 'go')
    expect(await stage.freeze(upTo(5), 'c1', 2)).toBe('sending')
    expect(await stage.campaigns.launch(stage.app, idOf('c1'))).toEqual({ kind: 'frozen' })
    expect(await stage.record()).toMatchObject({ audienceSize: 5, unknownChannels: 2, state: 'sending' })
  })

  test('twice at the same time stores one audience, which the batches match', async () => {
    const stage = new Stage()
    await stage.sending([0, 1])
    expect(await stage.freeze([0, 1, 2])).toBe('sending')
    expect(await stage.record()).toMatchObject({ audienceSize: 2 })
    expect([...(await stage.hold()).opened.ordinals]).toEqual([0, 1])
    expect(await stage.bench.redis.ttl(stage.bench.keys.targets(stage.app, 'c1'))).toBe(-1)
    expect((await keysOf(stage.bench)).filter((key) => key.includes('tmp'))).toEqual([])
  })

  test('leaves no keys of a campaign that was removed meanwhile', async () => {
    const stage = new Stage()
    expect(await stage.freeze([0, 1])).toBe('missing')
    expect(await keysOf(stage.bench)).toEqual([])
  })

  test('takes the slot; if it is held, `reject` ends the campaign and `defer` waits', async () => {
    const stage = new Stage()
    const startAtMs = (await stage.campaigns.redisNowMs()) + 200
    for (const [id, policy] of [
      ['c1', 'reject'],
      ['c2', 'defer'],
    ] as const)
      await stage.create({ ...named(id, policy), startAtMs })
    await stage.create(named('c0'))
    await until(async () => (await stage.campaigns.launch(stage.app, idOf('c1'))).kind === 'stopped')
    expect(await stage.record('c1')).toMatchObject({ state: 'cancelled', reason: 'guard' })
    const answer = await stage.campaigns.launch(stage.app, idOf('c2'))
    expect(answer.kind).toBe('wait')
    expect((answer as { startAtMs: number }).startAtMs - startAtMs).toBeGreaterThan(HOUR_MS - 1000)
    expect(await stage.record('c2')).toMatchObject({ state: 'scheduled', reason: 'guard' })
  })

  test('of a campaign that is stopped, missing or expired does nothing', async () => {
    const stage = new Stage()
    expect(await stage.campaigns.launch(stage.app, idOf('c9'))).toEqual({ kind: 'stopped', state: 'missing' })
    await stage.create({ id: 'c1', expiresAtMs: 1 })
    expect(await stage.campaigns.launch(stage.app, idOf('c1'))).toEqual({ kind: 'stopped', state: 'expired' })
  })
})

/** Four pages of two: closed, open, parked and not planned. */
async function inMidCampaign(options: { readonly expiresAtMs?: number } = {}) {
  const stage = new Stage()
  const ordinals = upTo(5).flatMap((page) => [page * PAGE, page * PAGE + 1])
  await stage.frozen(ordinals, options)
  await stage.channels(ordinals)
  await stage.ledger.plan(stage.ref(), {
    cursor: 0,
    nextCursor: 4,
    ends: false,
    batches: upTo(4).map((page) => ({ fromPage: page, toPage: page, recipients: 2 })),
  })
  await (await stage.hold(tile, stage.ref('c1', 0))).outcome(code.accepted, 0, 1).close()
  const open = await stage.hold(tile, stage.ref('c1', 1))
  await (await stage.hold(tile, stage.ref('c1', 2))).outcome(code.accepted, 0).park()
  return { stage, open }
}

describe('stopping', () => {
  test('before the freeze ends at once, with an empty audience', async () => {
    const stage = new Stage()
    await stage.create()
    expect(await stage.campaigns.steer(stage.app, idOf('c1'), 'cancel')).toEqual({ ok: true, state: 'cancelled' })
    const record = await stage.record()
    expect(record).toMatchObject({ state: 'cancelled', audienceSize: 0 })
    expect(record.finishedAtMs).toBeTypeOf('number')
    expect(await stage.freeze(upTo(5))).toBe('cancelled')
    expect(await stage.record()).toMatchObject({ state: 'cancelled', audienceSize: 0 })
    expect(await stage.campaigns.active(stage.app)).toEqual([])
  })

  test('of a sending campaign: totals add up to the audience at every step until no recipient is pending', async () => {
    const { stage, open } = await inMidCampaign()
    const steps: [Record<string, number>, boolean][] = []
    const look = async (): Promise<void> => {
      const record = await stage.record()
      expect(sumOf(record.totals)).toBe(10)
      steps.push([await stage.totals(), record.finishedAtMs !== undefined])
    }
    await look()
    await stage.campaigns.steer(stage.app, idOf('c1'), 'cancel', 'enough')
    await look()
    expect(await stage.ledger.sweep(stage.ref(), 1)).toMatchObject({ closed: 1, campaignFinished: false })
    await look()
    expect(await stage.ledger.sweep(stage.ref(), 9)).toMatchObject({ closed: 1, live: 1, campaignFinished: false })
    await look()
    await open.outcome(code.accepted, 0).checkpoint()
    await look()
    expect(await open.giveBack().close()).toMatchObject({ batchClosed: true, campaignFinished: true })
    await look()
    expect(steps.map(([, finished]) => finished)).toEqual([false, false, false, false, false, true])
    expect(steps[0]?.[0]).toEqual({ accepted: 3, pending: 7 })
    expect(steps[1]?.[0]).toEqual({ accepted: 3, cancelled: 2, pending: 5 })
    expect(steps[3]?.[0]).toEqual({ accepted: 3, cancelled: 5, pending: 2 })
    expect(steps[5]?.[0]).toEqual({ accepted: 4, cancelled: 6 })
    expect(await stage.record()).toMatchObject({ state: 'cancelled', reason: 'enough' })
    expect(await stage.ledger.sweep(stage.ref(), 9)).toMatchObject({ closed: 0, live: 0, campaignFinished: false })
  })

  test('after the owner of an open batch is lost: the next open ends the campaign', async () => {
    const { stage } = await inMidCampaign()
    await stage.campaigns.steer(stage.app, idOf('c1'), 'cancel')
    await stage.ledger.sweep(stage.ref(), 9)
    expect(await stage.open(tile, 'next', stage.ref('c1', 1))).toEqual({ kind: 'closed' })
    expect(await stage.totals()).toEqual({ accepted: 3, cancelled: 7 })
    expect((await stage.record()).finishedAtMs).toBeTypeOf('number')
  })

  test('at the end in Redis time: the first script moves the campaign to expired', async () => {
    const { stage, open } = await inMidCampaign()
    // An end in the past, so that the test does not wait for it.
    await stage.bench.redis.hset(stage.bench.keys.campaign(stage.app, 'c1'), 'expiresAt', 1)
    expect(await stage.record()).toMatchObject({ state: 'expired' })
    expect(await open.outcome(code.accepted, 0).checkpoint()).toMatchObject({ state: 'expired' })
    expect(await stage.open(tile, 'next', stage.ref('c1', 3))).toEqual({ kind: 'closed' })
    expect(await stage.ledger.sweep(stage.ref(), 9)).toMatchObject({ state: 'expired', closed: 1, live: 1 })
    expect(await open.giveBack().close()).toMatchObject({ campaignFinished: true })
    expect(await stage.totals()).toEqual({ accepted: 4, lapsed: 6 })
    expect(await stage.record()).toMatchObject({ state: 'expired', reason: 'expired' })
  })

  test('the sweep ignores a campaign that may still send', async () => {
    const { stage } = await inMidCampaign()
    expect(await stage.ledger.sweep(stage.ref(), 9)).toMatchObject({ state: 'sending', closed: 0, live: 3 })
    await stage.campaigns.steer(stage.app, idOf('c1'), 'pause')
    expect(await stage.ledger.sweep(stage.ref(), 9)).toMatchObject({ state: 'paused', closed: 0 })
    expect(await stage.ledger.sweep(stage.ref('c9'), 9)).toMatchObject({ state: 'missing' })
  })

  test.each([
    ['pause', 'sending', true, 'paused'],
    ['pause', 'paused', true, 'paused'],
    ['pause', 'scheduled', false, 'scheduled'],
    ['pause', 'completed', false, 'completed'],
    ['resume', 'paused', true, 'sending'],
    ['resume', 'sending', true, 'sending'],
    ['resume', 'cancelled', false, 'cancelled'],
    ['cancel', 'paused', true, 'cancelled'],
    ['cancel', 'cancelled', true, 'cancelled'],
    ['cancel', 'completed', false, 'completed'],
    ['cancel', 'halted', false, 'halted'],
    ['halt', 'sending', true, 'halted'],
    ['halt', 'cancelled', false, 'cancelled'],
  ] as const)('%s on a %s campaign is %s, and it is %s afterwards', async (act, from, ok, after) => {
    const stage = new Stage()
    await (from === 'scheduled' ? stage.create() : stage.sending(upTo(2)))
    if (from === 'completed') await (await stage.hold()).outcome(code.accepted, 0, 1).close()
    else if (from === 'paused') await stage.campaigns.steer(stage.app, idOf('c1'), 'pause')
    else if (from === 'cancelled') await stage.campaigns.steer(stage.app, idOf('c1'), 'cancel')
    else if (from === 'halted') await stage.campaigns.steer(stage.app, idOf('c1'), 'halt')
    expect(await stage.campaigns.steer(stage.app, idOf('c1'), act)).toEqual({ ok, state: after })
    expect(await stage.record()).toMatchObject({ state: after })
  })

  test('steering a campaign that does not exist is a conflict', async () => {
    const stage = new Stage()
    expect(await stage.campaigns.steer(stage.app, idOf('c9'), 'pause')).toEqual({ ok: false, state: 'missing' })
    expect(await keysOf(stage.bench)).toEqual([])
  })
})

describe('retiring', () => {
  test('lets every key of a finished campaign expire, and none of another campaign', async () => {
    const stage = new Stage()
    await stage.sending(upTo(2))
    await stage.sending(upTo(2), { id: 'c2' })
    const hand = await stage.hold()
    await hand.outcome(code.accepted, 0, 1).checkpoint({ end: 'close', samples: ['{}'] })
    await stage.campaigns.retire(stage.app, await stage.record())
    const lasting: string[] = []
    for (const key of await keysOf(stage.bench))
      if ((await stage.bench.redis.ttl(key)) === -1) lasting.push(key.slice(stage.bench.keys.prefix.length))
      else expect(await stage.bench.redis.ttl(key)).toBeGreaterThan(7 * 86_400 - 60)
    expect(lasting.filter((key) => /c1/.test(key))).toEqual([])
    expect(lasting.filter((key) => /c:c2/.test(key))).toHaveLength(4)
    expect(await stage.campaigns.finished(stage.app)).toEqual([])
    expect(await stage.totals()).toEqual({ accepted: 2 })
  })
})

test('retiring removes expired campaigns from the index', async () => {
  const stage = new Stage()
  for (const id of ['c1', 'c2', 'c3']) await stage.sending(upTo(1), { id })
  // As if the retention of these had ended.
  for (const id of ['c1', 'c2']) await stage.bench.redis.del(stage.bench.keys.campaign(stage.app, id))
  await (await stage.hold(tile, stage.ref('c3'))).outcome(code.accepted, 0).close()
  await stage.campaigns.retire(stage.app, await stage.record('c3'))
  expect(await stage.campaigns.ids(stage.app, undefined, 10)).toEqual(['c3'])
})

describe('the leader', () => {
  test('is one process, stays leader by holding again, and resigns for the next', async () => {
    const { bench } = new Stage()
    const [one, two] = [
      new Leader(bench.redis, bench.keys, 60_000, 'one'),
      new Leader(anotherConnection(), bench.keys, 60_000, 'two'),
    ]
    expect([await one.hold(), await two.hold(), await one.hold()]).toEqual([true, false, true])
    await two.resign()
    expect(await two.hold()).toBe(false)
    await one.resign()
    expect([await two.hold(), await one.hold()]).toEqual([true, false])
  })

  test('loses the lead when others find it dead', async () => {
    const { bench } = new Stage()
    const one = new Leader(bench.redis, bench.keys, 60_000, 'one')
    const two = new Leader(bench.redis, bench.keys, 60_000, 'two')
    await one.hold()
    await two.depose('three')
    expect(await two.hold()).toBe(false)
    await two.depose('one')
    expect(await two.hold()).toBe(true)
  })

  test('ends with its lease', async () => {
    const { bench } = new Stage()
    const one = new Leader(bench.redis, bench.keys, 50, 'one')
    const two = new Leader(bench.redis, bench.keys, 60_000, 'two')
    expect(await one.hold()).toBe(true)
    await until(() => two.hold())
    expect(await one.hold()).toBe(false)
  })
})
