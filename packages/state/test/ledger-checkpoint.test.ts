import type { AppId } from '@wns-fanout/domain'
import { channelId, classOf, code, codeOf, codeTable } from '@wns-fanout/domain'
import { loadScript, Registry, unpackUri } from '@wns-fanout/state'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { PAGE, Stage, tile, toast, upTo } from './ledger-support.ts'
import { dumpOf, keysOf, registration, uriOf } from './support.ts'

async function sent(count: number, terms = tile) {
  const stage = new Stage()
  await stage.sending(upTo(count), { terms })
  return { stage, hand: await stage.hold(terms) }
}

test('scripts and domain have the same table of outcomes', () => {
  const lua = readFileSync(new URL('../lua/lib/codes.lua', import.meta.url), 'utf8')
  const table = /local CLASS = \{([^}]*)\}/.exec(lua)?.[1] ?? ''
  expect([...table.matchAll(/'([a-z_]+)'/g)].map(([, name]) => name)).toEqual(codeTable.map((meaning) => meaning.class))
  const unknown = /UNKNOWN_BYTES = '\[(.*)\]'/.exec(lua)?.[1]?.split('\\').slice(1).map(Number) ?? []
  expect(unknown).toEqual(upTo(256).filter((byte) => codeTable[codeOf(byte)] === undefined))
  const names: Record<string, number> = {
    PENDING: code.pending,
    CREDITED: code.credited,
    RETRY1: code.retry1,
    ACCEPTED: code.accepted,
    ROTATED: code.rotated,
    FAILED_ROTATED: code.failedRotated,
    FAILED_NO_ANSWER: code.failedNoAnswer,
    BAD_REQUEST: code.rejectedBadRequest,
    TOO_LARGE: code.rejectedTooLarge,
    DEAD_FIRST: code.deadUnknown,
    DEAD_LAST: code.deadExpired,
    POISON: code.failedPoison,
    IN_DOUBT: code.inDoubt,
    SUPPRESSED_GUARD: code.suppressedGuard,
    SUPPRESSED_OPT_OUT: code.suppressedOptOut,
    GATED: code.gated,
    UNREGISTERED: code.unregistered,
    CANCELLED: code.cancelled,
    LAPSED: code.lapsed,
  }
  const limits = new Set(['PAGE', 'MAX_SPAN', 'MAX_RECIPIENTS', 'MAX_WINDOW'])
  for (const [, left = '', right = ''] of lua.matchAll(/^local ([A-Z_0-9, ]+) = ([0-9, ]+)$/gm)) {
    const values = right.split(', ').map(Number)
    left.split(', ').forEach((name, at) => {
      if (!limits.has(name)) expect([name, values[at]]).toEqual([name, names[name]])
      delete names[name]
    })
  }
  expect(names).toEqual({})
})

describe('a checkpoint', () => {
  test('adds the change of the vector to the totals', async () => {
    const { stage, hand } = await sent(8)
    const answer = await hand
      .outcome(code.accepted, 0)
      .outcome(code.rejectedBlocked, 1)
      .outcome(code.retry1, 2)
      .want(4)
      .checkpoint()
    expect(answer).toMatchObject({ kind: 'ok', state: 'sending', adjusted: [], live: 1, planPosition: -1 })
    expect(await stage.totals()).toEqual({ accepted: 1, rejected: 1, pending: 6 })
    await hand.outcome(code.accepted, 3, 4).checkpoint()
    expect(await stage.totals()).toEqual({ accepted: 3, rejected: 1, pending: 4 })
  })

  test('restores the ledger after a rollback of Redis, and reports it', async () => {
    const { stage, hand } = await sent(4)
    const forget = await stage.remember()
    expect(await hand.outcome(code.accepted, 0).checkpoint()).toMatchObject({ kind: 'ok', rolledBack: false })
    await forget()
    expect(await stage.totals()).toEqual({ pending: 4 })
    expect(await hand.outcome(code.accepted, 1).checkpoint()).toMatchObject({ kind: 'ok', rolledBack: true })
    expect(await stage.totals()).toEqual({ accepted: 2, pending: 2 })
    expect(await hand.outcome(code.accepted, 2).checkpoint()).toMatchObject({ kind: 'ok', rolledBack: false })
  })

  test('of an owner whose takeover Redis has lost is fenced, and reports the rollback', async () => {
    const { stage } = await sent(4)
    const forget = await stage.remember()
    const second = await stage.hold()
    await forget()
    expect(await second.outcome(code.accepted, 0).checkpoint()).toEqual({ kind: 'fenced', rolledBack: true })
  })

  test('each code counts in its class', async () => {
    const settled = codeTable.flatMap(({ class: name }, value) => (name === 'pending' ? [] : [value]))
    const { stage, hand } = await sent(settled.length, { ...tile, window: 64 })
    settled.forEach((value, position) => hand.outcome(value, position))
    await hand.close()
    const expected: Record<string, number> = {}
    for (const value of settled) expected[classOf(value)] = (expected[classOf(value)] ?? 0) + 1
    expect(await stage.totals()).toEqual(expected)
  })

  test('with the same number again changes nothing', async () => {
    const { stage, hand } = await sent(8)
    await hand
      .outcome(code.accepted, 0)
      .want(4)
      .checkpoint({ samples: ['{}'] })
    const before = await dumpOfCampaign(stage)
    expect(await hand.again()).toMatchObject({ kind: 'ok', adjusted: [], settled: [] })
    expect(await dumpOfCampaign(stage)).toEqual(before)
  })

  test('with the same number again returns the same adjustments', async () => {
    const { stage, hand } = await sent(3)
    await stage.moveTo(1, uriOf('new'))
    const first = await hand.bury(code.deadExpired, 1)
    const again = await hand.again()
    expect(again).toMatchObject({ adjusted: [{ position: 1, byte: (1 << 5) | code.rotated }] })
    expect(again).toMatchObject({ adjusted: (first as { adjusted: unknown }).adjusted })
  })

  test('that parked, sent again, gets the answer of a park', async () => {
    const { stage, hand } = await sent(3)
    expect(await hand.park()).toMatchObject({ kind: 'ok', batchClosed: false })
    expect(await hand.again()).toMatchObject({ kind: 'ok', batchClosed: false })
    await stage.hold()
    expect(await hand.again()).toEqual({ kind: 'fenced', rolledBack: false })
  })

  test('that closed, sent again, gets the answer of a close and counts once', async () => {
    const { stage, hand } = await sent(1)
    expect(await hand.outcome(code.accepted, 0).close()).toMatchObject({ batchClosed: true, campaignFinished: true })
    expect(await hand.again()).toMatchObject({ kind: 'ok', batchClosed: true, campaignFinished: false })
    expect(await stage.record()).toMatchObject({ closed: 1, state: 'completed', totals: { accepted: 1 } })
  })

  test('after the close does not count, whatever its number', async () => {
    const { stage, hand } = await sent(1)
    await hand.outcome(code.accepted, 0).close()
    expect(await hand.close()).toEqual({ kind: 'closed' })
    expect(await stage.record()).toMatchObject({ closed: 1 })
  })

  test('after the park is fenced, whatever its number', async () => {
    const { stage, hand } = await sent(2)
    await hand.park()
    expect(await hand.outcome(code.accepted, 0).checkpoint()).toEqual({ kind: 'fenced', rolledBack: false })
    expect(await stage.totals()).toEqual({ pending: 2 })
  })

  test('counts the last byte of a batch of any size', async () => {
    for (const size of [1, 31, 32, 33, 64, 65]) {
      const terms = { ...tile, window: 100 }
      const stage = new Stage()
      await stage.sending(upTo(size), { terms })
      const hand = await stage.hold(terms)
      await hand.outcome(code.accepted, size - 1).checkpoint()
      expect(await stage.totals()).toEqual({ accepted: 1, ...(size > 1 && { pending: size - 1 }) })
    }
  })

  test('of another fence or owner is fenced', async () => {
    const { stage, hand } = await sent(2)
    await stage.hold()
    expect(await hand.outcome(code.accepted, 0).checkpoint()).toEqual({ kind: 'fenced', rolledBack: false })
    expect(await stage.totals()).toEqual({ pending: 2 })
  })

  test('that closes with pending recipients parks for a second instead', async () => {
    const { stage, hand } = await sent(2)
    expect(await hand.outcome(code.accepted, 0).giveBack().close()).toMatchObject({ batchClosed: false })
    expect(await stage.batch('state')).toBe('parked')
    expect(await stage.open()).toMatchObject({ kind: 'not-due' })
  })

  test('that parks without pending recipients closes the batch', async () => {
    const { stage, hand } = await sent(1)
    expect(await hand.outcome(code.accepted, 0).park()).toMatchObject({ batchClosed: true, campaignFinished: true })
    expect(await stage.totals()).toEqual({ accepted: 1 })
  })

  test.each([
    ['pause', 'paused'],
    ['cancel', 'cancelled'],
    ['halt', 'halted'],
  ] as const)('gets no credit after %s', async (act, state) => {
    const { stage, hand } = await sent(8)
    await stage.campaigns.steer(stage.app, stage.ref().campaign, act)
    const answer = await hand.outcome(code.accepted, 0).want(4).checkpoint()
    expect(answer).toMatchObject({ state, adjusted: [{ position: 4, byte: 0 }] })
    expect(await stage.codes()).toEqual([7, 1, 1, 1, 0, 0, 0, 0])
  })

  test('of a stopped campaign keeps its outcomes, and the close settles the rest', async () => {
    const { stage, hand } = await sent(8)
    await stage.campaigns.steer(stage.app, stage.ref().campaign, 'cancel', 'changed my mind')
    await hand.outcome(code.accepted, 0, 1).checkpoint()
    expect(await stage.totals()).toEqual({ accepted: 2, pending: 6 })
    const answer = await hand.outcome(code.accepted, 2).giveBack().close()
    expect(answer).toMatchObject({ batchClosed: true, campaignFinished: true })
    expect(await stage.totals()).toEqual({ accepted: 3, cancelled: 5 })
    expect(await stage.record()).toMatchObject({ state: 'cancelled', reason: 'changed my mind' })
  })

  test('closes gates and holds channels, and never shortens a hold', async () => {
    const { stage, hand } = await sent(2)
    const until = (await stage.second()) + 100
    await hand.checkpoint({
      gates: [hand.gate(0), hand.gate(1, { closeRawGate: false, holdUntilSecond: until })],
      samples: ['{"after":"the URIs of gates"}'],
    })
    await hand.checkpoint({ gates: [hand.gate(1, { closeRawGate: false, holdUntilSecond: until - 50 })] })
    expect(await stage.isGated(0)).toBe(true)
    expect(await stage.isGated(1)).toBe(false)
    expect(await stage.holds()).toEqual([0, 0x8000_0000 + until])
    expect(await stage.bench.redis.xlen(stage.bench.keys.samples(stage.app, 'c1'))).toBe(1)
  })

  test('neither closes the gate nor holds a channel whose URI has changed since the post', async () => {
    const { stage, hand } = await sent(2)
    await stage.moveTo(1, uriOf('new'))
    const holdUntilSecond = (await stage.second()) + 100
    await hand.checkpoint({ gates: [hand.gate(0), hand.gate(1, { holdUntilSecond })] })
    expect(await stage.isGated(0)).toBe(true)
    expect(await stage.isGated(1)).toBe(false)
    expect(await stage.holds()).toEqual([])
  })

  test('closes no gate that the app has opened since the post, and closes it after a later post', async () => {
    const calls = [
      (registry: Registry, app: AppId) => registry.markActive(app, channelId('ch-0')),
      (registry: Registry, app: AppId) => registry.register(app, [registration('ch-0', { uri: uriOf('u0') })]),
    ]
    for (const call of calls) {
      const stage = new Stage()
      const registry = new Registry(stage.bench.redis, stage.bench.keys)
      await registry.register(stage.app, [registration('ch-0', { uri: uriOf('u0') })])
      await stage.sending([0])
      const hand = await stage.hold()
      const postedSecond = await stage.second()
      await call(registry, stage.app)
      await hand.checkpoint({ gates: [hand.gate(0, { postedSecond })] })
      expect(await stage.isGated(0)).toBe(false)
      await hand.checkpoint({ gates: [hand.gate(0, { postedSecond: (await stage.second()) + 1 })] })
      expect(await stage.isGated(0)).toBe(true)
    }
  })
})

async function dumpOfCampaign(stage: Stage): Promise<unknown> {
  return [
    await stage.bench.redis.hgetall(stage.bench.keys.campaign(stage.app, 'c1')),
    await stage.bench.redis.hgetall(stage.bench.keys.batch(stage.app, 'c1', 0)),
    await stage.vector(),
    await stage.bench.redis.xlen(stage.bench.keys.samples(stage.app, 'c1')),
  ]
}

describe('a call that contradicts the protocol is refused and changes nothing', () => {
  const checkpoint = loadScript('ledger-checkpoint')
  const fields = {
    vector: Buffer.from([7 + 32, 1, 1, 1, 0, 0]) as Buffer | string,
    window: 4 as number | string,
    end: '',
    changed: Buffer.alloc(0),
    gates: Buffer.alloc(0),
    dead: [0] as (number | string)[],
  }
  test.each([
    ['a vector that is too short', { vector: Buffer.alloc(5) }, /must have 6 bytes; found 5/],
    ['a vector that is too long', { vector: Buffer.alloc(7) }, /must have 6 bytes; found 7/],
    ['an empty vector', { vector: '' }, /must have 6 bytes; found 0/],
    ['credit above the window', { vector: Buffer.from([1, 1, 1, 1, 1, 0]) }, /5 credits exceed the window of 4/],
    ['an end with credit', { end: 'close' }, /must end without credit; found 3/],
    ['a park with credit', { end: 'park' }, /must end without credit; found 3/],
    ['half a position', { changed: Buffer.alloc(7) }, /changed must be pairs of 4 bytes/],
    ['a position that does not exist', { changed: Buffer.from([0, 0, 0, 7, 0, 0, 0, 0]) }, /has no position 7/],
    ['half a gate', { gates: Buffer.alloc(8) }, /gates must be 12 bytes each/],
    ['a gate without its URI', { gates: Buffer.alloc(12) }, /and have their URIs/],
    ['a dead channel at no position', { dead: [1, 'x', 0, uriOf('u0')] }, /dead channel of batch 0/],
    ['a dead channel beyond the end', { dead: [1, 99, 0, uriOf('u0')] }, /dead channel of batch 0/],
    ['a dead channel whose outcome is another', { dead: [1, 1, 0, uriOf('u0')] }, /dead channel of batch 0/],
    ['a dead channel without its URI', { dead: [1, 1, 0] }, /dead channel of batch 0/],
  ])('%s', async (_, wrong, message) => {
    const { stage, hand } = await sent(6)
    const { redis, keys } = stage.bench
    const given = { ...fields, ...wrong }
    const before = await dumpOf(stage.bench)
    await expect(
      checkpoint.run(
        redis,
        [keys.base(stage.app), keys.campaign(stage.app, 'c1')],
        [
          0,
          hand.owner,
          hand.opened.fence,
          1,
          given.window,
          'tile',
          0,
          given.vector,
          given.end,
          '',
          '',
          given.changed,
          given.gates,
          ...given.dead,
        ],
      ),
    ).rejects.toThrow(message)
    expect(await dumpOf(stage.bench)).toBe(before)
  })

  test('another outcome for a settled recipient', async () => {
    const { stage, hand } = await sent(3)
    await hand.outcome(code.accepted, 0).checkpoint()
    const before = await dumpOf(stage.bench)
    hand.vector[0] = code.failedServerError
    await expect(hand.checkpoint()).rejects.toThrow(/recipient 1 has the code 7, its owner sends 16/)
    expect(await dumpOf(stage.bench)).toBe(before)
  })
})

describe('a dead channel', () => {
  test('is removed if its URI is still the rejected one', async () => {
    const { stage, hand } = await sent(3)
    expect(await hand.bury(code.deadExpired, 1)).toMatchObject({ adjusted: [{ position: 1, byte: 32 + 10 }] })
    expect(await stage.uriAt(1)).toBe('')
    expect(await stage.bench.redis.getbit(stage.bench.keys.occupied(stage.app), 1)).toBe(0)
    expect(await stage.totals()).toEqual({ dead: 1, pending: 2 })
  })

  test('gives up its URI in the index of URIs', async () => {
    const stage = new Stage()
    const { redis, keys } = stage.bench
    await new Registry(redis, keys).register(
      stage.app,
      upTo(3).map((ordinal) => registration(`ch-${ordinal}`, { uri: uriOf(`u${ordinal}`) })),
    )
    await stage.sending(upTo(3), { terms: tile })
    const hand = await stage.hold(tile)
    await hand.bury(code.deadExpired, 1)
    const buckets = (await keysOf(stage.bench)).filter((key) => key.includes(':uris:'))
    const indexed = await Promise.all(buckets.map((key) => redis.hvals(key)))
    expect(indexed.flat().toSorted()).toEqual(['0', '2'])
  })

  test('with a new URI gets one more post to it', async () => {
    const { stage, hand } = await sent(1)
    await stage.moveTo(0, uriOf('new'))
    await hand.bury(code.deadExpired, 0)
    expect(await hand.close()).toMatchObject({ batchClosed: false })
    expect(await stage.totals()).toEqual({ pending: 1 })
    expect(await stage.uriAt(0)).toBe(uriOf('new'))
    await dueNow(stage)
    const second = await stage.hold()
    expect(second.opened.uris.map(unpackUri)).toEqual([uriOf('new')])
    expect([...second.opened.before]).toEqual([32 + code.rotated])
    await second.outcome(code.accepted, 0).close()
    expect(await stage.totals()).toEqual({ accepted: 1 })
  })

  test.each([
    ['again to a new URI fails', uriOf('newest'), 'failed', uriOf('newest')],
    ['to a URI that is dead too is removed', uriOf('new'), 'dead', ''],
    ['and then deleted is dead', '', 'dead', ''],
  ])('that moved %s', async (_, now, expected, left) => {
    const { stage, hand } = await sent(1)
    await stage.moveTo(0, uriOf('new'))
    await hand.bury(code.deadExpired, 0)
    await hand.close()
    await dueNow(stage)
    const second = await stage.hold()
    await stage.moveTo(0, now)
    await second.bury(code.failedRotated, 0)
    await second.close()
    expect(await stage.totals()).toEqual({ [expected]: 1 })
    expect(await stage.uriAt(0)).toBe(left)
  })

  test('of a cancelled campaign is removed all the same, since WNS has answered', async () => {
    const { stage, hand } = await sent(2)
    await stage.campaigns.steer(stage.app, stage.ref().campaign, 'cancel')
    await hand.bury(code.deadExpired, 0)
    await hand.giveBack().close()
    expect(await stage.totals()).toEqual({ dead: 1, cancelled: 1 })
    expect(await stage.uriAt(0)).toBe('')
  })

  test('is removed once, even if its checkpoint is repeated', async () => {
    const { stage, hand } = await sent(2)
    await hand.bury(code.deadExpired, 0)
    await stage.moveTo(0, uriOf('u0'))
    await hand.again()
    expect(await stage.uriAt(0)).toBe(uriOf('u0'))
  })

  test('more than one in five of 500 answers halt the campaign before more are removed', async () => {
    const terms = { ...tile, window: 600 }
    const stage = new Stage()
    await stage.sending(upTo(600), { terms })
    const hand = await stage.hold(terms)
    await hand.outcome(code.accepted, ...upTo(400)).checkpoint()
    await hand.bury(code.deadExpired, ...upTo(100, 400))
    expect(await stage.record()).toMatchObject({ state: 'sending', totals: { dead: 100 } })
    await hand.bury(code.deadExpired, ...upTo(20, 500))
    const { state, reason, totals } = await stage.record()
    expect({ state, reason }).toEqual({ state: 'halted', reason: 'mass-removal' })
    // At exactly one fifth, one more is removed; above it, none, and those recipients stay pending.
    expect(totals).toMatchObject({ accepted: 400, dead: 101, pending: 99 })
    expect(await stage.uriAt(501)).toBe(uriOf('u501'))
    await hand.bury(code.deadExpired, ...upTo(5, 520))
    await hand.giveBack().park()
    expect(await stage.totals()).toEqual({ accepted: 400, dead: 101, pending: 99 })
    expect(await stage.uriAt(520)).toBe(uriOf('u520'))
  })
})

async function dueNow(stage: Stage): Promise<void> {
  await stage.bench.redis.hset(stage.bench.keys.batch(stage.app, 'c1', 0), 'dueAt', 0)
}

function batch(page: number, recipients: number) {
  return { fromPage: page, toPage: page, recipients }
}

describe('planning', () => {
  test('writes batches in order and counts them once', async () => {
    const stage = new Stage()
    await stage.frozen([0, 1, PAGE, PAGE * 2])
    const step = { cursor: 0, nextCursor: 2, ends: false, batches: [batch(0, 2), batch(1, 1)] }
    expect(await stage.ledger.plan(stage.ref(), step)).toEqual({
      kind: 'ok',
      firstSeq: 0,
      live: 2,
      active: 2,
      campaignFinished: false,
    })
    expect(await stage.ledger.plan(stage.ref(), step)).toEqual({ kind: 'moved', cursor: 2, live: 2 })
    const last = { cursor: 2, nextCursor: 3, ends: true, batches: [batch(2, 1)] }
    expect(await stage.ledger.plan(stage.ref(), last)).toMatchObject({ kind: 'ok', firstSeq: 2, live: 3 })
    expect(await stage.ledger.plan(stage.ref(), last)).toEqual({ kind: 'stopped', state: 'sending' })
    expect(await stage.record()).toMatchObject({ planned: 3, planComplete: true, cursor: 3 })
    expect(await stage.ledger.liveBatches(stage.ref())).toHaveLength(3)
  })

  test('an empty audience completes at once', async () => {
    const stage = new Stage()
    await stage.frozen([])
    const step = { cursor: 0, nextCursor: 0, ends: true, batches: [] }
    expect(await stage.ledger.plan(stage.ref(), step)).toMatchObject({ kind: 'ok', campaignFinished: true })
    expect(await stage.record()).toMatchObject({ state: 'completed', audienceSize: 0 })
    expect(await stage.campaigns.finished(stage.app)).toEqual(['c1'])
  })

  test('a plan that is completed after its last batch closed completes the campaign', async () => {
    const stage = new Stage()
    await stage.frozen([0])
    await stage.channels([0])
    await stage.ledger.plan(stage.ref(), { cursor: 0, nextCursor: 1, ends: false, batches: [batch(0, 1)] })
    const hand = await stage.hold()
    expect(await hand.outcome(code.accepted, 0).close()).toMatchObject({ batchClosed: true, campaignFinished: false })
    expect((await stage.record()).state).toBe('sending')
    const end = { cursor: 1, nextCursor: 1, ends: true, batches: [] }
    expect(await stage.ledger.plan(stage.ref(), end)).toMatchObject({ campaignFinished: true })
    expect((await stage.record()).state).toBe('completed')
  })

  test('a stopped campaign is not planned any further', async () => {
    const stage = new Stage()
    await stage.frozen([0])
    await stage.campaigns.steer(stage.app, stage.ref().campaign, 'cancel')
    const step = { cursor: 0, nextCursor: 1, ends: true, batches: [batch(0, 1)] }
    expect(await stage.ledger.plan(stage.ref(), step)).toEqual({ kind: 'stopped', state: 'cancelled' })
    expect(await stage.ledger.plan(stage.ref('nowhere'), step)).toEqual({ kind: 'stopped', state: 'missing' })
  })
})

describe('at-most-once', () => {
  test('a topic slot is kept if a recipient may have been reached, even without an answer', async () => {
    const stage = new Stage()
    await stage.sending([0, 1], { terms: toast, topicIntervalMs: 60_000 })
    await stage.hold(toast)
    await (await stage.hold(toast)).close()
    expect(await stage.record()).toMatchObject({ state: 'completed', totals: { in_doubt: 2 } })
    expect(await stage.create({ id: 'c2', terms: toast, topicIntervalMs: 60_000 })).toMatchObject({ kind: 'refused' })
  })
})
