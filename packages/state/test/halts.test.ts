import { unpackUri } from '@wns-fanout/state'
import type { CampaignId, HaltCause } from '@wns-fanout/domain'
import { code, haltCauses } from '@wns-fanout/domain'
import { describe, expect, test } from 'vitest'
import { openedBatch, Stage, tile, upTo } from './ledger-support.ts'
import { uriOf } from './support.ts'

const C1 = 'c1' as CampaignId
const terms = { ...tile, window: 900, guardSeconds: 1860 }

/** A campaign to 500 recipients of which the first `accepted` were accepted, and its owner. */
async function sending(options: { readonly accepted?: number; readonly maxFailureShare?: number } = {}) {
  const stage = new Stage()
  await stage.sending(upTo(500), { terms, maxFailureShare: options.maxFailureShare })
  const hand = await stage.hold(terms)
  if (options.accepted !== undefined) await hand.outcome(code.accepted, ...upTo(options.accepted)).checkpoint()
  return { stage, hand }
}

function accept(stage: Stage, cause: HaltCause) {
  return stage.campaigns.steer(stage.app, C1, 'accept', cause)
}

describe('a halt that can be resumed', () => {
  test.each(haltCauses)('by %s keeps the recipients pending until its cause is accepted', async (cause) => {
    const stage = new Stage()
    await stage.sending(upTo(2))
    expect(await stage.campaigns.steer(stage.app, C1, 'hold', cause)).toEqual({ ok: true, state: 'halted' })
    expect(await stage.record()).toMatchObject({
      state: 'halted',
      reason: cause,
      heldBy: cause,
      totals: { pending: 2 },
    })
    expect(await stage.open()).toEqual({ kind: 'paused' })
    expect(await stage.ledger.sweep(stage.ref(), 9)).toMatchObject({ closed: 0 })
    for (const act of ['pause', 'resume'] as const)
      expect(await stage.campaigns.steer(stage.app, C1, act)).toEqual({ ok: false, state: 'halted' })
    const other = cause === 'canary' ? 'breaker' : 'canary'
    expect(await accept(stage, other)).toEqual({ ok: false, state: 'halted' })
    expect(await accept(stage, cause)).toEqual({ ok: true, state: 'sending' })
    expect(await accept(stage, cause)).toEqual({ ok: true, state: 'sending' })
    const record = await stage.record()
    expect(record).toMatchObject({ state: 'sending', accepted: [cause] })
    expect([record.reason, record.heldBy]).toEqual([undefined, undefined])
    expect(await stage.open()).toMatchObject({ kind: 'open' })
  })

  test('ends when it is cancelled, with the cause as its reason', async () => {
    const stage = new Stage()
    await stage.sending(upTo(2))
    await stage.campaigns.steer(stage.app, C1, 'hold', 'canary')
    expect(await stage.campaigns.steer(stage.app, C1, 'cancel')).toEqual({ ok: true, state: 'cancelled' })
    await stage.ledger.sweep(stage.ref(), 9)
    expect(await stage.record()).toMatchObject({ state: 'cancelled', reason: 'canary', totals: { cancelled: 2 } })
    expect((await stage.record()).finishedAtMs).toBeDefined()
    expect(await accept(stage, 'canary')).toEqual({ ok: false, state: 'cancelled' })
  })

  test('is final once nothing is pending', async () => {
    const { stage, hand } = await sending({ maxFailureShare: 0.1 })
    await hand
      .outcome(code.accepted, ...upTo(400))
      .outcome(code.failedServerError, ...upTo(100, 400))
      .close()
    const record = await stage.record()
    expect(record).toMatchObject({ state: 'halted', reason: 'failure-share', totals: { pending: 0 } })
    expect([record.heldBy, record.finishedAtMs === undefined]).toEqual([undefined, false])
  })

  test('keeps its first cause, also where it was paused before', async () => {
    const { stage, hand } = await sending({ maxFailureShare: 0.1 })
    await stage.campaigns.steer(stage.app, C1, 'pause')
    await hand.outcome(code.failedServerError, ...upTo(60)).checkpoint()
    await hand.outcome(code.rejectedBadRequest, ...upTo(200, 60)).checkpoint()
    expect(await stage.record()).toMatchObject({ state: 'halted', heldBy: 'failure-share' })
  })
})

describe('a cause that was accepted', () => {
  test('does not halt the campaign again, and the others still do', async () => {
    const { stage, hand } = await sending({ accepted: 40, maxFailureShare: 0.1 })
    await hand.outcome(code.failedServerError, ...upTo(20, 40)).checkpoint()
    expect(await stage.record()).toMatchObject({ state: 'halted', heldBy: 'failure-share' })
    await accept(stage, 'failure-share')
    await hand.outcome(code.failedServerError, ...upTo(20, 60)).checkpoint()
    expect(await stage.record()).toMatchObject({ state: 'sending' })
    await hand.outcome(code.rejectedBadRequest, ...upTo(200, 80)).checkpoint()
    expect(await stage.record()).toMatchObject({ state: 'halted', heldBy: 'breaker' })
    await accept(stage, 'breaker')
    await hand.outcome(code.rejectedTooLarge, ...upTo(200, 280)).checkpoint()
    expect(await stage.record()).toMatchObject({ state: 'sending', accepted: ['failure-share', 'breaker'] })
  })
})

/** A campaign to 512 recipients, 110 of the 500 answers dead, after which five more are reported as dead. */
async function removing(before: (stage: Stage) => Promise<unknown> = async () => {}) {
  const stage = new Stage()
  await stage.sending(upTo(512), { terms })
  const hand = await stage.hold(terms)
  await hand.outcome(code.accepted, ...upTo(380)).checkpoint()
  await hand.bury(code.deadExpired, ...upTo(110, 380))
  await hand.outcome(code.accepted, ...upTo(10, 490)).checkpoint()
  await before(stage)
  await hand.bury(code.deadUnknown, ...upTo(5, 500))
  return { stage, hand }
}

const notRemoved = new Map(upTo(5, 500).map((position) => [position, code.deadUnknown]))

async function storedNotRemoved(stage: Stage): Promise<ReadonlyMap<number, number> | undefined> {
  return (await stage.ledger.batches(stage.ref(), [0]))[0]?.notRemoved
}

describe('a channel that is dead by its answer and is not removed', () => {
  test('keeps its URI, and its recipient is posted to again after the campaign is resumed', async () => {
    const { stage, hand } = await removing()
    expect(await stage.record()).toMatchObject({ heldBy: 'mass-removal', totals: { dead: 110, pending: 12 } })
    expect(await storedNotRemoved(stage)).toEqual(notRemoved)
    expect(await stage.uriAt(500)).toBe(uriOf('u500'))
    await hand.park({ clearStamps: true })
    await accept(stage, 'mass-removal')
    const next = await stage.hold(terms)
    expect(next.opened.uris.map(unpackUri)[500]).toBe(uriOf('u500'))
    await next.bury(code.deadUnknown, ...upTo(5, 500))
    expect(await stage.uriAt(500)).toBe('')
    expect(await stage.record()).toMatchObject({ state: 'sending', totals: { dead: 115 } })
  })

  test('is free for another campaign at once, since WNS accepted nothing', async () => {
    const { stage } = await removing()
    await stage.sending(upTo(512), { id: 'c2', terms, topic: 'other' })
    const other = openedBatch(await stage.open(terms, 'o2', stage.ref('c2')))
    expect([other.uris[500], other.uris[0]].map((uri) => unpackUri(uri ?? ''))).toEqual([uriOf('u500'), ''])
  })

  test.each([
    ['cancelled', (stage: Stage) => stage.campaigns.steer(stage.app, C1, 'cancel'), 'cancelled'],
    ['halted by another cause', (stage: Stage) => stage.campaigns.steer(stage.app, C1, 'hold', 'breaker'), 'pending'],
    ['paused', (stage: Stage) => stage.campaigns.steer(stage.app, C1, 'pause'), 'pending'],
  ] as const)('is protected too while the campaign is %s', async (_, before, name) => {
    const { stage, hand } = await removing(before)
    expect(await stage.uriAt(500)).toBe(uriOf('u500'))
    expect(await storedNotRemoved(stage)).toEqual(notRemoved)
    await (name === 'cancelled' ? hand.giveBack().close() : hand.park())
    expect(await stage.totals()).toEqual({ accepted: 390, dead: 110, [name]: 12 })
  })
})
