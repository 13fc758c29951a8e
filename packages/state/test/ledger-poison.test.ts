import { code, codeOf, isSettled, postsOf } from '@wns-fanout/domain'
import { nth } from '@wns-fanout/testing'
import { describe, expect, test } from 'vitest'
import type { Hand } from './ledger-support.ts'
import { Stage, tile, upTo } from './ledger-support.ts'

const RECIPIENTS = 240
const poisonTerms = { ...tile, window: 64, maxAttempts: 5 }

/**
 * The maximum number of owners that a batch loses to one recipient: three until it is suspected, one for each halving
 * of the recipients before the poisonous one, two with it alone, and three more for each open that settled half a
 * window and so cleared the suspicion.
 */
function mostLost(recipients: number, window: number): number {
  return 3 + Math.ceil(Math.log2(window)) + 2 + 3 * Math.floor(recipients / (window / 2))
}

/** How an owner works until the recipient crashes it. */
interface Way {
  /** Posts to other recipients that still start after the fatal one, and get their answers and checkpoints. */
  readonly after: number
  /** Maximum number of posts between two checkpoints. */
  readonly every: number
}

/**
 * One owner: posts in order, checkpoints, and dies a little after its post to the poisonous recipient. True: it lived.
 */
async function live(hand: Hand, killer: number, { after, every }: Way): Promise<boolean> {
  let { window } = hand.opened
  let left = Number.POSITIVE_INFINITY
  for (;;) {
    let recorded = 0
    for (const position of hand.credited) {
      if (recorded === every || left === 0) break
      if (left < Number.POSITIVE_INFINITY) left -= 1
      if (position === killer) {
        if (left === Number.POSITIVE_INFINITY) left = after
        continue
      }
      hand.outcome(code.accepted, position)
      recorded += 1
    }
    if (left === 0) return false
    const uncertain = hand.credited.length
    const rest = [...hand.vector.keys()].filter((position) => {
      const value = codeOf(nth(hand.vector, position))
      return !isSettled(value) && value !== code.credited
    })
    if (uncertain === 0 && rest.length === 0) {
      await hand.close()
      return true
    }
    // Only the poisonous recipient is left, and its post has no answer.
    if (recorded === 0 && uncertain === 1 && rest.length === 0) return false
    const answer = await hand.want(...rest.slice(0, Math.max(0, window - uncertain))).checkpoint()
    if (answer.kind !== 'ok') throw new Error(answer.kind)
    ;({ window } = answer)
  }
}

describe('a recipient that crashes its owners', () => {
  test.each([
    ['the first, at once', 0, { after: 0, every: 64 }],
    ['in the middle, at once', 117, { after: 0, every: 64 }],
    ['in the middle, at once, of owners that checkpoint each post', 117, { after: 0, every: 1 }],
    ['in the middle, at once, of owners that checkpoint every few posts', 120, { after: 0, every: 5 }],
    ['the last, at once', RECIPIENTS - 1, { after: 0, every: 64 }],
    ['in the middle, after a while', 90, { after: 7, every: 3 }],
    ['near the end, after a while', 200, { after: 30, every: 16 }],
    ['the first, after all others were posted to', 0, { after: 1000, every: 32 }],
  ])('is found after few lost owners, and no other recipient fails: %s', async (_, killer, way) => {
    const stage = new Stage()
    await stage.sending(upTo(RECIPIENTS), { terms: poisonTerms })
    let lost = 0
    while (!(await live(await stage.hold(poisonTerms), killer, way))) {
      lost += 1
      expect(lost).toBeLessThanOrEqual(mostLost(RECIPIENTS, poisonTerms.window))
    }
    expect(await stage.totals()).toEqual({ accepted: RECIPIENTS - 1, failed: 1 })
    expect((await stage.codes())[killer]).toBe(code.failedPoison)
    expect(postsOf(nth(await stage.vector(), killer))).toBe(Math.min(lost, 7))
    expect(lost).toBeGreaterThanOrEqual(5)
  })

  test('a batch without a poisonous recipient is complete after a few checkpoints', async () => {
    const stage = new Stage()
    await stage.sending(upTo(RECIPIENTS), { terms: poisonTerms })
    for (let at = 0; at < 3; at += 1) await stage.hold(poisonTerms)
    const hand = await stage.hold(poisonTerms)
    expect(await live(hand, -1, { after: 0, every: 64 })).toBe(true)
    // 1, 2, 4 … 32, and then 32 at a time, the maximum for a campaign with few answers.
    expect(hand.number).toBeLessThanOrEqual(14)
    expect(await stage.totals()).toEqual({ accepted: RECIPIENTS })
  })
})
