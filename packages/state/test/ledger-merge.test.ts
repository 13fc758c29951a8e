import { byteOf, code, codeOf, pendingCode, postsOf } from '@wns-fanout/domain'
import type { BatchTerms, MergeAnswer } from '@wns-fanout/state'
import { describe, expect, test } from 'vitest'
import type { Hand } from './ledger-support.ts'
import { Stage, tile, toast, upTo } from './ledger-support.ts'
import { dumpOf } from './support.ts'

function mergeOutcomes(hand: Hand, isVouched = false): Promise<MergeAnswer> {
  return hand.stage.ledger.mergeOutcomes(hand.ref, hand.owner, hand.opened.fence, hand.terms, hand.vector, isVouched)
}

/** A batch whose open Redis has lost, and the owner that opened it and posted to the first four recipients. */
async function forgotten(terms: BatchTerms = toast, size = 8) {
  const stage = new Stage()
  await stage.sending(upTo(size), { terms })
  const forget = await stage.remember()
  const lost = await stage.hold(terms)
  await lost.outcome(code.accepted, 0, 1).want(4, 5).checkpoint()
  lost.outcome(code.accepted, 2)
  await forget()
  expect(await stage.totals()).toEqual({ pending: size })
  return { stage, lost }
}

describe('an owner whose open Redis has lost', () => {
  test('gets `rolledBack` although another owner has the same fence', async () => {
    const { stage, lost } = await forgotten()
    const heir = await stage.hold(toast)
    expect(heir.opened.fence).toBe(lost.opened.fence)
    expect(await lost.checkpoint()).toEqual({ kind: 'fenced', rolledBack: true })
  })

  test('merges its outcomes into a batch without an owner, so that no recipient is posted to again', async () => {
    const { stage, lost } = await forgotten()
    await lost.checkpoint()
    lost.vector[4] = code.pending
    lost.vector[5] = code.pending
    // The post to 3 is still under way.
    expect(await mergeOutcomes(lost)).toMatchObject({
      kind: 'ok',
      settled: expect.arrayContaining([
        { class: 'accepted', count: 3 },
        { class: 'in_doubt', count: 1 },
      ]),
    })
    expect(await stage.totals()).toEqual({ accepted: 3, in_doubt: 1, pending: 4 })
    expect((await stage.vector()).map(postsOf)).toEqual([1, 1, 1, 1, 0, 0, 0, 0])
    expect(await stage.bench.redis.hget(stage.bench.keys.campaign(stage.app, 'c1'), 'posts')).toBe('4')
    const heir = await stage.hold(toast)
    expect(heir.credited).toEqual([4, 5, 6, 7])
    await heir.outcome(code.accepted, 4, 5, 6, 7).close()
    expect(await stage.totals()).toEqual({ accepted: 7, in_doubt: 1 })
  })

  test('does not change recipients with credit from the new owner, nor settled ones', async () => {
    const { stage, lost } = await forgotten({ ...toast, window: 6 })
    const heir = await stage.hold({ ...toast, window: 2 })
    expect(heir.credited).toEqual([0, 1])
    await heir.outcome(code.rejectedForbidden, 1).checkpoint()
    await mergeOutcomes(lost)
    expect((await stage.codes()).slice(0, 3)).toEqual([code.credited, code.rejectedForbidden, code.accepted])
    await heir.outcome(code.accepted, 0).checkpoint()
    expect(await stage.totals()).toMatchObject({ accepted: 2, rejected: 1 })
  })

  test('at-least-once does not change recipients without an outcome', async () => {
    const { stage, lost } = await forgotten(tile)
    await mergeOutcomes(lost)
    expect((await stage.codes()).slice(0, 4)).toEqual([code.accepted, code.accepted, code.accepted, code.pending])
    expect(await stage.totals()).toEqual({ accepted: 3, pending: 5 })
  })

  test('changes nothing when it merges the same outcomes again', async () => {
    const { stage, lost } = await forgotten()
    await mergeOutcomes(lost)
    const before = await dumpOf(stage.bench)
    expect(await mergeOutcomes(lost)).toEqual({ kind: 'ok', settled: [] })
    expect(await dumpOf(stage.bench)).toBe(before)
  })

  test('merges late answers although others have opened the batch since', async () => {
    const { stage, lost } = await forgotten(tile)
    await mergeOutcomes(lost)
    await (await stage.hold({ ...tile, window: 1 })).park()
    await (await stage.hold({ ...tile, window: 1 })).park()
    expect(await mergeOutcomes(lost.outcome(code.accepted, 3))).toEqual({
      kind: 'ok',
      settled: [{ class: 'accepted', count: 1 }],
    })
    expect(await stage.totals()).toEqual({ accepted: 4, pending: 4 })
  })

  test('merges into the batch of an earlier owner whose loss Redis has lost', async () => {
    const stage = new Stage()
    await stage.sending(upTo(8), { terms: toast })
    const dead = await stage.hold({ ...toast, window: 2 })
    const forget = await stage.remember()
    const lost = await stage.hold({ ...toast, window: 3 })
    expect(lost.credited).toEqual([2, 3, 4])
    await forget()
    await mergeOutcomes(lost.outcome(code.accepted, 2, 3))
    expect(await stage.codes()).toEqual([1, 1, 7, 7, 27, 0, 0, 0])
    expect(await dead.outcome(code.accepted, 0, 1).checkpoint()).toMatchObject({
      kind: 'ok',
      adjusted: [
        { position: 2, byte: byteOf(code.accepted, 1) },
        { position: 3, byte: byteOf(code.accepted, 1) },
        { position: 4, byte: byteOf(code.inDoubt, 1) },
      ],
    })
    expect(await stage.totals()).toEqual({ accepted: 4, in_doubt: 1, pending: 3 })
  })

  test('keeps the URI of a dead channel, and a channel that was rotated twice, for the next post', async () => {
    const { stage, lost } = await forgotten(tile)
    lost.vector[1] = byteOf(code.deadExpired, 1)
    lost.vector[2] = byteOf(code.failedRotated, 2)
    await mergeOutcomes(lost)
    expect((await stage.codes()).slice(0, 4)).toEqual([code.accepted, code.deadExpired, code.pending, code.pending])
    expect(await stage.uriAt(1)).not.toBe('')
    expect(await stage.totals()).toEqual({ accepted: 1, dead: 1, pending: 6 })
  })

  test('keeps the guard: a reached recipient has a stamp, a rejected one has none', async () => {
    const terms = { ...tile, guardSeconds: 1860 }
    const { stage, lost } = await forgotten(terms)
    await stage.hold({ ...terms, window: 1 })
    lost.vector[1] = byteOf(code.rejectedForbidden, 1)
    await stage.setStamp(2, 5)
    await mergeOutcomes(lost)
    expect(await stage.stampAt(1)).toBe(0)
    expect(await stage.stampAt(2)).toBeGreaterThanOrEqual((await stage.second()) - 5)
    await stage.sending(upTo(8), { id: 'c2', terms, topic: 'other' })
    const other = await stage.hold(terms, stage.ref('c2'))
    expect([...other.opened.vector].map(codeOf).slice(0, 4)).toEqual([
      code.suppressedGuard,
      code.credited,
      code.suppressedGuard,
      code.suppressedGuard,
    ])
  })

  test('adds nothing to a closed batch, and gets `missing` for one that is not planned yet', async () => {
    const { stage, lost } = await forgotten(tile, 4)
    const heir = await stage.hold(tile)
    await heir.outcome(code.accepted, 0, 1, 2, 3).close()
    expect(await mergeOutcomes(lost)).toEqual({ kind: 'closed' })
    await stage.bench.redis.del(stage.bench.keys.batch(stage.app, stage.ref().campaign, 0))
    expect(await lost.checkpoint()).toEqual({ kind: 'fenced', rolledBack: true })
    expect(await mergeOutcomes(lost)).toEqual({ kind: 'missing' })
    expect(await stage.totals()).toEqual({ accepted: 4 })
  })
})

describe('an owner that vouches for its outcomes', () => {
  test('merges them although takeovers on another primary raised the fence', async () => {
    const stage = new Stage()
    await stage.sending(upTo(6), { terms: { ...toast, window: 2 } })
    const lost = await stage.hold({ ...toast, window: 2 })
    // The other primary never had the credit of 2 and 3, nor their outcomes.
    const heir = await stage.hold({ ...toast, window: 1 })
    expect(heir.opened.fence).toBeGreaterThan(lost.opened.fence)
    expect(heir.credited).toEqual([2])
    const outcomes = lost.outcome(code.accepted, 0, 1, 2, 3)
    expect(await mergeOutcomes(outcomes)).toEqual({ kind: 'refused' })
    expect(await mergeOutcomes(outcomes, true)).toEqual({ kind: 'ok', settled: [{ class: 'accepted', count: 1 }] })
    expect(await stage.codes()).toEqual([code.inDoubt, code.inDoubt, code.credited, code.accepted, 0, 0])
    expect(await heir.outcome(code.accepted, 2).checkpoint()).toMatchObject({ kind: 'ok' })
    expect(await stage.totals()).toEqual({ in_doubt: 2, accepted: 2, pending: 2 })
  })

  test('and has ended settles its own credit, gives the rest back, and leaves posts without an answer uncertain', async () => {
    const stage = new Stage()
    await stage.sending(upTo(6), { terms: toast })
    const hand = await stage.hold({ ...toast, window: 4 })
    expect(hand.credited).toEqual([0, 1, 2, 3])
    hand.outcome(code.accepted, 0)
    hand.vector[1] = byteOf(pendingCode(1), 1)
    hand.vector[3] = code.pending
    expect(await mergeOutcomes(hand)).toEqual({ kind: 'refused' })
    expect(await mergeOutcomes(hand, true)).toEqual({ kind: 'ok', settled: [{ class: 'accepted', count: 1 }] })
    expect((await stage.codes()).map((is) => (is === code.credited ? 'credited' : is)).slice(2)).toEqual([
      'credited',
      code.pending,
      code.pending,
      code.pending,
    ])
    expect(await mergeOutcomes(hand, true)).toEqual({ kind: 'ok', settled: [] })
    const heir = await stage.hold(toast)
    expect(heir.opened.uncertain).toBe(1)
    expect(await stage.totals()).toEqual({ accepted: 1, in_doubt: 1, pending: 4 })
    expect((await stage.vector()).map(postsOf)).toEqual([1, 1, 1, 0, 0, 0])
    expect(await stage.bench.redis.hget(stage.bench.keys.campaign(stage.app, 'c1'), 'posts')).toBe('3')
  })
})

describe('a merge is refused and changes nothing', () => {
  test('from an owner whose batch was taken over without a rollback', async () => {
    const stage = new Stage()
    await stage.sending(upTo(6), { terms: toast })
    const lost = await stage.hold(toast)
    await stage.hold(toast)
    const before = await dumpOf(stage.bench)
    expect(await mergeOutcomes(lost.outcome(code.accepted, 4, 5))).toEqual({ kind: 'refused' })
    expect(await dumpOf(stage.bench)).toBe(before)
  })

  test('from the current owner, and from one that has parked', async () => {
    const stage = new Stage()
    await stage.sending(upTo(6), { terms: toast })
    const hand = await stage.hold(toast)
    expect(await mergeOutcomes(hand)).toEqual({ kind: 'refused' })
    await hand.outcome(code.accepted, 0).park()
    expect(await mergeOutcomes(hand.outcome(code.accepted, 4))).toEqual({ kind: 'refused' })
    expect(await stage.totals()).toEqual({ accepted: 1, pending: 5 })
  })

  test('if the batch was planned again with another size', async () => {
    const { lost } = await forgotten()
    expect(await lost.stage.ledger.mergeOutcomes(lost.ref, lost.owner, 1, toast, lost.vector.slice(1))).toEqual({
      kind: 'refused',
    })
  })
})

async function inherited() {
  const { stage, lost } = await forgotten({ ...toast, window: 6 })
  const heir = await stage.hold({ ...toast, window: 1 })
  await mergeOutcomes(lost)
  // 0 has credit, 1 and 2 were accepted before, 3 is in doubt like 4 and 5, whose credit was never returned.
  expect(await stage.codes()).toEqual([1, 7, 7, 27, 27, 27, 0, 0])
  return { stage, heir }
}

describe('an owner of a batch with merged outcomes', () => {
  test('gets the outcomes of recipients that it takes for pending, and continues after them', async () => {
    const { stage, heir } = await inherited()
    const answer = await heir.outcome(code.accepted, 0).want(1).checkpoint()
    expect(answer).toMatchObject({
      kind: 'ok',
      settled: [{ class: 'accepted', count: 1 }],
      adjusted: [1, 2, 3, 4, 5].map((position) => ({
        position,
        byte: byteOf(position < 3 ? code.accepted : code.inDoubt, 1),
      })),
    })
    const before = await dumpOf(stage.bench)
    expect(await heir.again()).toMatchObject({ adjusted: (answer as { readonly adjusted: unknown }).adjusted })
    expect(await dumpOf(stage.bench)).toBe(before)
    await heir.want(6).checkpoint()
    await heir.outcome(code.accepted, 6).want(7).checkpoint()
    expect(await heir.outcome(code.accepted, 7).close()).toMatchObject({ batchClosed: true, campaignFinished: true })
    expect(await stage.totals()).toEqual({ accepted: 5, in_doubt: 3 })
  })

  test('parks the batch with the merged outcomes', async () => {
    const { stage, heir } = await inherited()
    await heir.outcome(code.accepted, 0).park({ clearStamps: true })
    expect(await stage.codes()).toEqual([7, 7, 7, 27, 27, 27, 0, 0])
    expect((await stage.hold(toast)).credited).toEqual([6, 7])
  })

  test('cannot change a merged outcome, not even to dead', async () => {
    const { stage, heir } = await inherited()
    expect(await heir.bury(code.deadExpired, 1)).toMatchObject({
      kind: 'ok',
      settled: [],
      adjusted: expect.arrayContaining([{ position: 1, byte: byteOf(code.accepted, 1) }]),
    })
    expect((await stage.codes())[1]).toBe(code.accepted)
    expect(await stage.uriAt(1)).not.toBe('')
    expect(await stage.totals()).toEqual({ accepted: 2, in_doubt: 3, pending: 3 })
  })
})
