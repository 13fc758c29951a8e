import { code } from '@wns-fanout/domain'
import { describe, expect, test } from 'vitest'
import { Stage, tile, upTo } from './ledger-support.ts'

const guardedTile = { ...tile, window: 8, guardSeconds: 1860 }

async function guarded(count: number): Promise<Stage> {
  const stage = new Stage()
  await stage.sending(upTo(count), { terms: guardedTile })
  return stage
}

describe('the guard of each channel', () => {
  test('a stamp within the interval suppresses, an older one does not', async () => {
    const stage = await guarded(3)
    const now = await stage.second()
    await stage.setStamp(0, now - 1800)
    await stage.setStamp(1, now - 1861)
    expect((await stage.hold(guardedTile)).credited).toEqual([1, 2])
    expect(await stage.totals()).toEqual({ suppressed: 1, pending: 2 })
    expect(await stage.codes()).toEqual([code.suppressedGuard, 1, 1])
    expect(await stage.stampAt(0)).toBe(now - 1800)
    expect(await stage.stampAt(1)).toBeGreaterThanOrEqual(now)
  })

  test('stamps of other slots of the page stay as they are', async () => {
    const stage = new Stage()
    const ordinals = [2, 5, 300, 511]
    for (const ordinal of [0, 3, 299, 510]) await stage.setStamp(ordinal, 1000 + ordinal)
    await stage.sending(ordinals, { terms: guardedTile })
    const hand = await stage.hold(guardedTile)
    const now = await stage.second()
    for (const ordinal of ordinals) expect(now - (await stage.stampAt(ordinal))).toBeLessThanOrEqual(1)
    await hand.outcome(code.rejectedForbidden, 1, 3).outcome(code.accepted, 0).checkpoint()
    expect(await Promise.all([1, 4, 5, 301, 511].map((ordinal) => stage.stampAt(ordinal)))).toEqual([0, 0, 0, 0, 0])
    for (const ordinal of [0, 3, 299, 510]) expect(await stage.stampAt(ordinal)).toBe(1000 + ordinal)
    for (const ordinal of [2, 300]) expect(await stage.stampAt(ordinal)).toBeGreaterThan(now - 5)
  })

  test('a stamp from the future suppresses too, so that a clock that went back admits no recipient', async () => {
    const stage = await guarded(1)
    await stage.setStamp(0, (await stage.second()) + 500)
    await stage.hold(guardedTile)
    expect(await stage.totals()).toEqual({ suppressed: 1 })
  })

  test('our own stamp is renewed at later opens and takeovers', async () => {
    const stage = await guarded(2)
    await (await stage.hold(guardedTile)).park()
    // As if that open was ten minutes ago.
    const past = (await stage.second()) - 600
    for (const ordinal of [0, 1]) await stage.setStamp(ordinal, past)
    await stage.bench.redis.hset(stage.bench.keys.batch(stage.app, 'c1', 0), 'stampedAt', past)
    const hand = await stage.hold(guardedTile)
    expect(hand.credited).toEqual([0, 1])
    expect(await stage.stampAt(0)).toBeGreaterThan(past)
    expect((await stage.hold(guardedTile)).credited).toEqual([0, 1])
    expect(await stage.totals()).toEqual({ pending: 2 })
  })

  test('a later stamp of another campaign suppresses', async () => {
    const stage = await guarded(2)
    await (await stage.hold(guardedTile)).park()
    await stage.setStamp(1, (await stage.second()) - 60)
    await stage.hold(guardedTile)
    expect(await stage.totals()).toEqual({ suppressed: 1, pending: 1 })
  })

  test('accepted, in doubt and unanswered posts renew the stamp, rejected ones clear it', async () => {
    const stage = await guarded(8)
    const hand = await stage.hold(guardedTile)
    const past = (await stage.second()) - 30
    for (const ordinal of upTo(8)) await stage.setStamp(ordinal, past)
    await stage.bench.redis.hset(stage.bench.keys.batch(stage.app, 'c1', 0), 'stampedAt', past)
    hand
      .outcome(code.accepted, 0)
      .outcome(code.inDoubt, 1)
      .outcome(code.failedNoAnswer, 2)
      .outcome(code.rejectedForbidden, 3)
      .outcome(code.failedServerError, 4)
      .outcome(code.dropped, 5)
      .outcome(code.retry1, 6)
    await hand.bury(code.deadExpired, 7)
    const stamps = await Promise.all(upTo(8).map((ordinal) => stage.stampAt(ordinal)))
    for (const stamp of stamps.slice(0, 3)) expect(stamp).toBeGreaterThan(past)
    expect(stamps.slice(3)).toEqual([0, 0, 0, past, 0])
  })

  test('our clear keeps the stamp of another campaign', async () => {
    const stage = await guarded(1)
    const hand = await stage.hold(guardedTile)
    await stage.setStamp(0, 12_345)
    await hand.outcome(code.rejectedForbidden, 0).checkpoint()
    expect(await stage.stampAt(0)).toBe(12_345)
  })

  test('a park that clears stamps admits another campaign, whose stamps then suppress ours', async () => {
    const stage = await guarded(3)
    const hand = await stage.hold(guardedTile)
    await hand.outcome(code.accepted, 0).park({ clearStamps: true })
    await stage.sending(upTo(3), { id: 'c2', terms: guardedTile })
    const other = await stage.hold(guardedTile, stage.ref('c2'))
    expect(other.credited).toEqual([1, 2])
    await other.outcome(code.accepted, 1, 2).close()
    // Usually both are within one Redis second, and the other's stamps must not be taken for ours.
    await stage.hold(guardedTile)
    expect(await stage.totals()).toEqual({ accepted: 1, suppressed: 2 })
    expect(await stage.totals('c2')).toEqual({ suppressed: 1, accepted: 2 })
  })

  test('a park that clears stamps keeps those of recipients that may have been reached', async () => {
    const stage = await guarded(2)
    const hand = await stage.hold(guardedTile)
    await hand.outcome(code.retry1, 0).park({ clearStamps: true })
    expect(await stage.stampAt(0)).toBeGreaterThan(0)
    expect(await stage.stampAt(1)).toBe(0)
    await stage.sending(upTo(2), { id: 'c2', terms: guardedTile })
    expect((await stage.hold(guardedTile, stage.ref('c2'))).credited).toEqual([1])
    // The kept stamp is still ours; the cleared one is not.
    expect((await stage.hold(guardedTile)).credited).toEqual([0])
  })

  test('a park for a retry keeps all stamps', async () => {
    const stage = await guarded(2)
    await (await stage.hold(guardedTile)).park()
    expect(await stage.stampAt(1)).toBeGreaterThan(0)
  })

  test.each(['a sweep', 'its owner'])(
    'a cancel clears the stamps of recipients without a post, by %s',
    async (closer) => {
      const stage = await guarded(4)
      const hand = await stage.hold(guardedTile)
      hand.outcome(code.accepted, 0).outcome(code.retry1, 1)
      if (closer === 'a sweep') {
        await hand.park()
        await stage.campaigns.steer(stage.app, stage.ref().campaign, 'cancel')
        await stage.ledger.sweep(stage.ref(), 10)
      } else {
        await hand.checkpoint()
        await stage.campaigns.steer(stage.app, stage.ref().campaign, 'cancel')
        await hand.giveBack().close()
      }
      expect(await stage.totals()).toEqual({ accepted: 1, cancelled: 3 })
      const stamps = await Promise.all(upTo(4).map((ordinal) => stage.stampAt(ordinal)))
      expect(stamps.map((stamp) => stamp > 0)).toEqual([true, true, false, false])
    },
  )

  test('a personalized campaign is exempt and leaves no stamp', async () => {
    const stage = new Stage()
    await stage.channels([0])
    await stage.setStamp(0, await stage.second())
    await stage.sending([0])
    expect((await stage.hold()).credited).toEqual([0])
    await stage.sending([1], { id: 'c2' })
    await (await stage.hold(tile, stage.ref('c2'))).outcome(code.accepted, 0).close()
    expect(await stage.stampAt(1)).toBe(0)
  })

  test('another type of notification is not blocked', async () => {
    const stage = await guarded(1)
    await (await stage.hold(guardedTile)).outcome(code.accepted, 0).close()
    const badge = { ...guardedTile, type: 'badge' }
    await stage.sending([0], { id: 'c2', terms: badge })
    expect((await stage.hold(badge, stage.ref('c2'))).credited).toEqual([0])
  })

  test('two campaigns at the same time never both reach a channel', async () => {
    const stage = await guarded(6)
    await stage.sending(upTo(6, 3), { id: 'c2', terms: guardedTile })
    const narrow = { ...guardedTile, window: 2 }
    const [one, two] = [await stage.hold(narrow), await stage.hold(narrow, stage.ref('c2'))]
    expect(one.opened.uris.filter((uri) => two.opened.uris.includes(uri) && uri !== '')).toEqual([])
    expect(await stage.totals()).toEqual({ pending: 6 })
    expect(await stage.totals('c2')).toEqual({ suppressed: 3, pending: 3 })
  })
})
