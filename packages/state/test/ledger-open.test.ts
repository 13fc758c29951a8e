import { code, codeOf, postsOf } from '@wns-fanout/domain'
import { describe, expect, test } from 'vitest'
import { LedgerRefused, unpackUri } from '@wns-fanout/state'
import { openedBatch, PAGE, Stage, tile, toast, upTo } from './ledger-support.ts'
import { keysOf, uriOf } from './support.ts'

describe('opening a batch', () => {
  test('a new batch grants credit from the front, up to the window', async () => {
    const stage = new Stage()
    await stage.sending([3, 5, 7, 8, 511, 512, 1030])
    const opened = (await stage.hold()).opened
    expect(opened).toMatchObject({ fence: 1, takeover: false, uncertain: 0, window: 4, settled: [] })
    expect([...opened.ordinals]).toEqual([3, 5, 7, 8, 511, 512, 1030])
    expect(opened.uris.map(unpackUri)).toEqual([3, 5, 7, 8, 511, 512, 1030].map((ordinal) => uriOf(`u${ordinal}`)))
    expect([...opened.before]).toEqual([0, 0, 0, 0, 0, 0, 0])
    expect([...opened.vector]).toEqual([1, 1, 1, 1, 0, 0, 0])
    expect(await stage.vector()).toEqual([1, 1, 1, 1, 0, 0, 0])
    expect(await stage.totals()).toEqual({ pending: 7 })
  })

  test('a recipient that opts out of the topic after the freeze gets no post', async () => {
    const stage = new Stage()
    await stage.sending(upTo(3))
    const { redis, keys } = stage.bench
    await redis.setbit(keys.topicOptOut(stage.app, 'default'), 1, 1)
    await redis.setbit(keys.topicOptOut(stage.app, 'other'), 2, 1)
    const { opened } = await stage.hold()
    expect([...opened.vector].map(codeOf)).toEqual([code.credited, code.suppressedOptOut, code.credited])
  })

  test('a probe goes to the recipient with the fewest posts', async () => {
    const stage = new Stage()
    await stage.sending(upTo(4))
    await (await stage.hold()).park()
    await stage.bench.redis.set(
      stage.bench.keys.vector(stage.app, stage.ref().campaign, 0),
      Buffer.from([64, 64, 32, 64]),
    )
    const { opened } = await stage.hold({ ...tile, window: 1, isProbe: true })
    expect([...opened.vector].map(codeOf)).toEqual([code.pending, code.pending, code.credited, code.pending])
    expect([...opened.vector].map(postsOf)).toEqual([2, 2, 1, 2])
  })

  test('a dense page and a sparse page give the same result', async () => {
    const stage = new Stage()
    const ordinals = [...upTo(100), ...upTo(3, PAGE + 500)]
    await stage.sending(ordinals)
    const { opened } = await stage.hold()
    expect([...opened.ordinals]).toEqual(ordinals)
    expect(opened.uris.map(unpackUri)).toEqual(ordinals.map((ordinal) => uriOf(`u${ordinal}`)))
  })

  test('the ordinals of a page are exact whatever bytes they have', async () => {
    const stage = new Stage()
    // 0x25 is the escape character of the patterns that the script uses.
    const ordinals = [PAGE * 18 + 255, PAGE * 18 + 256, PAGE * 18 + 293, PAGE * 18 + 511]
    await stage.sending(ordinals)
    expect([...(await stage.hold()).opened.ordinals]).toEqual(ordinals)
  })

  test('a repeated call of the owner gets the same answer and changes nothing', async () => {
    const stage = new Stage()
    await stage.sending(upTo(6))
    const first = await stage.open(tile, 'me')
    const stored = await stage.vector()
    const again = await stage.open(tile, 'me')
    expect(again).toMatchObject({ kind: 'open', fence: 1, takeover: false, uncertain: 0 })
    expect(openedBatch(again).vector).toEqual(openedBatch(first).vector)
    expect(await stage.vector()).toEqual(stored)
    expect(await stage.record()).toMatchObject({ takeovers: 0 })
  })

  test('a repeated call of the owner changes nothing even if a hold has ended or the campaign was stopped', async () => {
    const stage = new Stage()
    await stage.sending(upTo(6), { terms: { ...tile, guardSeconds: 60 } })
    const terms = { ...tile, guardSeconds: 60 }
    await stage.open(terms, 'me')
    const stored = await stage.vector()
    await stage.bench.redis.setbit(stage.bench.keys.optOut(stage.app), 5, 1)
    await stage.bench.redis.hset(stage.bench.keys.uri(stage.app, 0), '4', 'ch-4\0\u00000;;')
    for (const act of ['pause', 'cancel'] as const) {
      await stage.campaigns.steer(stage.app, stage.ref().campaign, act)
      const again = await stage.open(terms, 'me')
      expect(again).toMatchObject({ kind: 'open', fence: 1, settled: [] })
      expect(openedBatch(again).uris.slice(4)).toEqual(['', ''])
      expect(await stage.vector()).toEqual(stored)
    }
  })

  test('credit for a channel that left before the answer is not reported as granted', async () => {
    const stage = new Stage()
    await stage.sending(upTo(3))
    await stage.open(tile, 'me')
    await stage.bench.redis.hset(stage.bench.keys.uri(stage.app, 0), '1', 'ch-1\0\u00000;;')
    const again = await stage.open(tile, 'me')
    if (again.kind !== 'open') throw new Error(again.kind)
    expect([...again.vector].map(codeOf)).toEqual([code.credited, code.pending, code.credited])
    expect(again.uris[1]).toBe('')
    const vector = again.vector.map((byte) => (codeOf(byte) === code.credited ? code.accepted : byte))
    const answer = await stage.ledger.checkpoint(stage.ref(), 'me', again, tile, {
      number: 1,
      vector,
      changed: [],
      dead: [],
      gates: [],
      samples: [],
      end: { parkUntilMs: 0, clearStamps: false },
    })
    expect(answer).toMatchObject({ kind: 'ok', batchClosed: false })
    expect((await stage.hold()).opened.settled).toEqual([{ class: 'unregistered', count: 1 }])
  })

  test('a repeated answer has no URI before the last credit for recipients without credit', async () => {
    const stage = new Stage()
    await stage.sending(upTo(6))
    await stage.holdChannel(1, (await stage.second()) + 3600)
    const first = await stage.open(tile, 'me')
    await stage.holdChannel(1, 0)
    const again = await stage.open(tile, 'me')
    if (first.kind !== 'open' || again.kind !== 'open') throw new Error('the batch did not open')
    expect(first.uris.map((uri) => uri !== '')).toEqual([true, false, true, true, true, true])
    expect(again.uris).toEqual(first.uris)
    expect(again.vector).toEqual(first.vector)
    // The owner posts in order, so recipients with credit must be first.
    expect([...again.vector].map(codeOf)).toEqual([1, 0, 1, 1, 1, 0])
  })

  test('a parked batch that is due is resumed with a new fence, no takeover and no uncertain recipient', async () => {
    const stage = new Stage()
    await stage.sending(upTo(6), { terms: toast })
    const first = await stage.hold(toast)
    await first.outcome(code.accepted, 0).park()
    const { opened } = await stage.hold(toast)
    expect(opened).toMatchObject({ fence: 2, takeover: false, uncertain: 0 })
    expect([...opened.vector].map(codeOf)).toEqual([7, 1, 1, 1, 1, 0])
    expect(opened.uris[0]).toBe('')
    expect(await stage.record()).toMatchObject({ takeovers: 0 })
  })

  test('a parked batch that is not due returns its due time in Redis time', async () => {
    const stage = new Stage()
    await stage.sending(upTo(2))
    const dueAtMs = (await stage.campaigns.redisNowMs()) + 60_000
    await (await stage.hold()).park({ untilMs: dueAtMs })
    expect(await stage.open()).toEqual({ kind: 'not-due', dueAtMs })
  })

  test('a late open of an owner that has parked since does not take the batch', async () => {
    const stage = new Stage()
    await stage.sending(upTo(2))
    const hand = await stage.hold()
    await hand.park()
    expect(await stage.open(tile, hand.owner)).toMatchObject({ kind: 'not-due' })
    expect(await stage.hold()).toMatchObject({ opened: { takeover: false, uncertain: 0 } })
  })

  test('a closed batch stays closed', async () => {
    const stage = new Stage()
    await stage.sending(upTo(1))
    await (await stage.hold()).outcome(code.accepted, 0).close()
    expect(await stage.open()).toEqual({ kind: 'closed' })
    expect(await stage.record()).toMatchObject({ closed: 1, state: 'completed' })
  })

  test('a batch or campaign that does not exist is missing', async () => {
    const stage = new Stage()
    expect(await stage.open()).toEqual({ kind: 'missing' })
    await stage.sending(upTo(1))
    expect(await stage.open(tile, 'me', stage.ref('c1', 1))).toEqual({ kind: 'missing' })
  })

  test.each(['new', 'parked'])('a %s batch of a paused campaign stays as it is', async (state) => {
    const stage = new Stage()
    await stage.sending(upTo(2))
    if (state === 'parked') await (await stage.hold()).park()
    await stage.campaigns.steer(stage.app, stage.ref().campaign, 'pause')
    expect(await stage.open()).toEqual({ kind: 'paused' })
    await stage.campaigns.steer(stage.app, stage.ref().campaign, 'resume')
    expect(await stage.open()).toMatchObject({ kind: 'open', takeover: false })
  })

  test('the batch of a lost owner in a paused campaign is parked, and its credited recipients are uncertain', async () => {
    const stage = new Stage()
    await stage.sending(upTo(6), { terms: toast })
    await stage.hold(toast)
    await stage.campaigns.steer(stage.app, stage.ref().campaign, 'pause')
    expect(await stage.open(toast, 'next')).toEqual({ kind: 'paused' })
    expect(await stage.open(toast, 'next')).toEqual({ kind: 'paused' })
    expect(await stage.batch('state')).toBe('parked')
    expect(await stage.totals()).toEqual({ pending: 2, in_doubt: 4 })
    expect(await stage.record()).toMatchObject({ takeovers: 1 })
  })

  test('a batch whose vector does not match its range is damaged', async () => {
    const stage = new Stage()
    await stage.sending(upTo(2))
    await stage.bench.redis.set(stage.bench.keys.vector(stage.app, 'c1', 0), 'abc')
    await expect(stage.open()).rejects.toThrow(/its vector is missing|fence is missing|3 bytes for 2/)
  })

  test('a batch whose pages hold another number of recipients is damaged, and nothing is written', async () => {
    const stage = new Stage()
    await stage.sending(upTo(3))
    await stage.bench.redis.setbit(stage.bench.keys.targets(stage.app, 'c1'), 9, 1)
    const before = await keysOf(stage.bench)
    await expect(stage.open()).rejects.toThrow(/batch 0 names 3 recipients, its pages hold 4/)
    expect(await keysOf(stage.bench)).toEqual(before)
    expect(await stage.batch('state')).toBeNull()
  })
})

describe('a takeover', () => {
  test('at-most-once puts exactly the credited recipients in doubt', async () => {
    const stage = new Stage()
    await stage.sending(upTo(10), { terms: toast })
    const lost = await stage.hold(toast)
    await lost.outcome(code.accepted, 0, 1).want(4, 5).checkpoint()
    const { opened } = await stage.hold(toast)
    expect(opened).toMatchObject({ fence: 2, takeover: true, uncertain: 4 })
    expect(opened.settled).toEqual([{ class: 'in_doubt', count: 4 }])
    expect([...opened.vector].map(codeOf)).toEqual([7, 7, 27, 27, 27, 27, 1, 1, 1, 1])
    expect(await stage.totals()).toEqual({ accepted: 2, in_doubt: 4, pending: 4 })
    expect(await lost.outcome(code.accepted, 2).checkpoint()).toEqual({ kind: 'fenced', rolledBack: false })
  })

  test('at-least-once makes them eligible again and counts the uncertain post', async () => {
    const stage = new Stage()
    await stage.sending(upTo(6))
    const lost = await stage.hold()
    const { opened } = await stage.hold()
    expect(opened).toMatchObject({ fence: 2, takeover: true, uncertain: 4, settled: [] })
    expect([...opened.vector].map(codeOf)).toEqual([1, 1, 1, 1, 0, 0])
    expect([...opened.vector].map(postsOf)).toEqual([1, 1, 1, 1, 0, 0])
    expect(await stage.totals()).toEqual({ pending: 6 })
    expect(await lost.checkpoint()).toEqual({ kind: 'fenced', rolledBack: false })
  })

  test('counts, each time', async () => {
    const stage = new Stage()
    await stage.sending(upTo(6))
    for (let at = 0; at < 4; at += 1) await stage.hold()
    expect(await stage.record()).toMatchObject({ takeovers: 3 })
    expect(await stage.batch('takeovers')).toBe('3')
  })

  test('in a stopped campaign settles uncertain recipients first and closes the batch', async () => {
    const stage = new Stage()
    await stage.sending(upTo(6), { terms: toast })
    const lost = await stage.hold(toast)
    await stage.campaigns.steer(stage.app, stage.ref().campaign, 'cancel')
    expect(await stage.record()).toMatchObject({ finishedAtMs: undefined })
    expect(await stage.open(toast)).toEqual({ kind: 'closed' })
    expect(await stage.totals()).toEqual({ in_doubt: 4, cancelled: 2 })
    expect((await stage.record()).finishedAtMs).toBeTypeOf('number')
    expect(await lost.checkpoint()).toEqual({ kind: 'closed' })
  })

  test('three without progress start the window at one', async () => {
    const stage = new Stage()
    await stage.sending(upTo(6))
    const windows: number[] = []
    for (let at = 0; at < 4; at += 1) windows.push((await stage.hold()).opened.window)
    expect(windows).toEqual([4, 4, 4, 1])
    const hand = await stage.hold()
    await expect(hand.want(1, 2).checkpoint()).rejects.toThrow(new LedgerRefused('3 credits exceed the window of 1'))
  })

  test('a slow start adds one credit for each settled recipient, up to the window of the terms', async () => {
    const stage = new Stage()
    await stage.sending(upTo(12))
    for (let at = 0; at < 3; at += 1) await stage.hold()
    const hand = await stage.hold()
    const answers: unknown[] = [await hand.outcome(code.accepted, 0).want(1, 2).checkpoint()]
    expect(hand.credited).toEqual([1, 2])
    await expect(hand.want(3).checkpoint()).rejects.toThrow(new LedgerRefused('3 credits exceed the window of 2'))
    hand.vector[3] = code.pending
    // Neither an unanswered post nor a repeated call adds credit.
    answers.push(await hand.checkpoint(), await hand.again())
    answers.push(await hand.outcome(code.accepted, 1, 2).want(3, 4, 5, 6).checkpoint())
    answers.push(await hand.outcome(code.accepted, 3, 4, 5, 6).want(7, 8, 9, 10).checkpoint())
    expect(answers.map((answer) => (answer as { readonly window: number }).window)).toEqual([2, 2, 2, 4, 4])
  })

  test('an open that settles half a window clears the suspicion, less does not', async () => {
    const stage = new Stage()
    await stage.sending(upTo(12))
    for (let at = 0; at < 3; at += 1) await stage.hold()
    await (await stage.hold()).outcome(code.accepted, 0).checkpoint()
    const hand = await stage.hold()
    expect(hand.opened.window).toBe(1)
    await hand.outcome(code.accepted, 1).want(2).checkpoint()
    await hand.outcome(code.accepted, 2).park()
    expect((await stage.hold()).opened.window).toBe(4)
  })

  test('a slow start that Redis has lost is the same after the next checkpoint', async () => {
    const stage = new Stage()
    await stage.sending(upTo(12))
    for (let at = 0; at < 3; at += 1) await stage.hold()
    const hand = await stage.hold()
    const forget = await stage.remember()
    await hand.outcome(code.accepted, 0).want(1, 2).checkpoint()
    await forget()
    expect(await hand.outcome(code.accepted, 1).want(3, 4).checkpoint()).toMatchObject({ rolledBack: true, window: 3 })
  })

  test('a recipient alone under credit at two in a row is failed as poison, and the next get credit one by one', async () => {
    const stage = new Stage()
    await stage.sending(upTo(6))
    for (let at = 0; at < 5; at += 1) await stage.hold()
    expect(await stage.totals()).toEqual({ pending: 6 })
    const { opened } = await stage.hold()
    expect([...opened.vector].map(codeOf)).toEqual([code.failedPoison, code.credited, 3, 3, 0, 0])
    expect(opened.window).toBe(1)
    expect(opened.settled).toEqual([{ class: 'failed', count: 1 }])
    expect(await stage.totals()).toEqual({ failed: 1, pending: 5 })
  })

  test('the recipient of a batch of one is not poison after two lost owners', async () => {
    const stage = new Stage()
    await stage.sending([9])
    for (let at = 0; at < 5; at += 1) await stage.hold()
    expect(await stage.totals()).toEqual({ pending: 1 })
    await stage.hold()
    expect(await stage.totals()).toEqual({ failed: 1 })
  })
})

describe('a recipient that is not posted to', () => {
  test('is unregistered if its channel left after the freeze', async () => {
    const stage = new Stage()
    await stage.sending(upTo(3))
    await stage.bench.redis.hset(stage.bench.keys.uri(stage.app, 0), '0', 'ch-0\0\u00000;;')
    await stage.bench.redis.hdel(stage.bench.keys.uri(stage.app, 0), '2')
    const { opened } = await stage.hold()
    expect(opened.uris.map(unpackUri)).toEqual(['', uriOf('u1'), ''])
    expect(await stage.totals()).toEqual({ unregistered: 2, pending: 1 })
  })

  test('is suppressed if it opted out after the freeze', async () => {
    const stage = new Stage()
    await stage.sending([0, 1, 600])
    await stage.bench.redis.setbit(stage.bench.keys.optOut(stage.app), 600, 1)
    expect((await stage.hold()).opened.uris[2]).toBe('')
    expect(await stage.codes()).toEqual([1, 1, code.suppressedOptOut])
    expect(await stage.totals()).toEqual({ suppressed: 1, pending: 2 })
  })

  test('is gated for raw notifications only, if its raw gate is closed', async () => {
    const stage = new Stage()
    const raw = { ...tile, type: 'raw' }
    await stage.sending(upTo(2), { terms: raw })
    await stage.bench.redis.setbit(stage.bench.keys.gated(stage.app), 1, 1)
    await stage.hold(raw)
    expect(await stage.totals()).toEqual({ gated: 1, pending: 1 })
    await stage.sending(upTo(2), { id: 'c2' })
    expect((await stage.hold(tile, stage.ref('c2'))).credited).toEqual([0, 1])
    await stage.sending(upTo(2), { id: 'c3', terms: raw })
    const hand = await stage.hold({ ...raw, ignoresGates: true }, stage.ref('c3'))
    expect(hand.credited).toEqual([0, 1])
  })

  test('waits while its channel is held, and the answer contains the end of the hold', async () => {
    const stage = new Stage()
    await stage.sending(upTo(3))
    const until = (await stage.second()) + 90
    await stage.holdChannel(0, until + 60)
    await stage.holdChannel(2, until)
    const hand = await stage.hold()
    expect(hand.credited).toEqual([1])
    expect(hand.opened.heldUntilSecond).toBe(until)
    expect(await stage.totals()).toEqual({ pending: 3 })
    await hand.outcome(code.accepted, 1).park()
    await stage.holdChannel(2, (await stage.second()) - 1)
    expect((await stage.hold()).credited).toEqual([2])
  })

  test('can be every recipient of a batch, which then closes with an outcome for each', async () => {
    const stage = new Stage()
    await stage.frozen(upTo(2))
    await stage.ledger.plan(stage.ref(), {
      cursor: 0,
      nextCursor: 1,
      ends: true,
      batches: [{ fromPage: 0, toPage: 0, recipients: 2 }],
    })
    const hand = await stage.hold()
    expect(hand.credited).toEqual([])
    expect(await hand.close()).toMatchObject({ batchClosed: true, campaignFinished: true })
    expect(await stage.totals()).toEqual({ unregistered: 2 })
  })
})
