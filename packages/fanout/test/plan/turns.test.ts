import { describe, expect, test } from 'vitest'
import type { Competitor } from '../../src/plan/turns.ts'
import { MAX_TURN, nextTurns, turnOf } from '../../src/plan/turns.ts'

type Record = Parameters<typeof nextTurns>[0]

function campaign(priority: 'normal' | 'urgent', turn = 0, planned = 0): Record {
  return { definition: { priority } as Record['definition'], turn, planned }
}

function competitor(priority: 'normal' | 'urgent', turn: number, active: number): Competitor {
  return { definition: { priority } as Record['definition'], turn, active }
}

test('the turns of an urgent campaign grow an eighth as fast', () => {
  expect(nextTurns(campaign('normal'), [], 3)).toEqual({ turns: [1, 9, 17], next: 25 })
  expect(nextTurns(campaign('urgent'), [], 3)).toEqual({ turns: [1, 2, 3], next: 4 })
})

test('a newcomer starts at the lowest turn that waits, however far the others are', () => {
  const others = [competitor('normal', 8001, 100), competitor('urgent', 9000, 10)]
  expect(nextTurns(campaign('normal'), others, 1).turns).toEqual([7201])
})

test('a campaign without a batch that waits is not behind, and another one that has none waiting does not count', () => {
  expect(nextTurns(campaign('normal', 801), [competitor('normal', 17, 1)], 1).turns).toEqual([801])
  expect(nextTurns(campaign('normal', 1), [competitor('normal', 8001, 0)], 1).turns).toEqual([1])
})

test('a campaign that was paused does not catch up on the turns that it missed', () => {
  expect(nextTurns(campaign('normal', 9), [competitor('normal', 4001, 50)], 1).turns).toEqual([3601])
})

test('the turn of a batch that lost its job follows from its number', () => {
  const { turns, next } = nextTurns(campaign('normal'), [], 4)
  const record = campaign('normal', next, 4)
  expect([0, 1, 2, 3].map((seq) => turnOf(record, seq))).toEqual(turns)
})

test('a turn is never above what the queue allows', () => {
  expect(nextTurns(campaign('normal', MAX_TURN - 4), [], 3)).toEqual({
    turns: [MAX_TURN - 4, MAX_TURN, MAX_TURN],
    next: MAX_TURN,
  })
})

/** Campaigns that always have batches waiting: the queue takes the batch with the lowest turn, the older of equals. */
function served(priorities: readonly ('normal' | 'urgent')[], taken: number, newestAt: number): number[] {
  const all = priorities.map((priority) => ({ ...campaign(priority), waiting: [] as number[], served: 0 }))
  for (let step = 0; step < taken; step += 1) {
    const present = all.slice(0, step < newestAt ? -1 : undefined)
    for (const each of present) {
      if (each.waiting.length >= 4) continue
      const others = present.filter((other) => other !== each)
      const { turns, next } = nextTurns(
        each,
        others.map((other) => ({ ...other, active: other.waiting.length })),
        8,
      )
      each.waiting.push(...turns)
      each.turn = next
    }
    const first = present.toSorted((a, b) => (a.waiting[0] ?? 0) - (b.waiting[0] ?? 0))[0]
    first?.waiting.shift()
    if (first !== undefined && step >= newestAt) first.served += 1
  }
  return all.map((each) => each.served)
}

describe('from the first batch of the newest', () => {
  test.each([2, 3, 5])('%i equal campaigns are served alike', (count) => {
    const shares = served(Array(count).fill('normal'), 500, 200)
    for (const share of shares) expect(Math.abs(share - 300 / count)).toBeLessThanOrEqual(2)
  })

  test('an urgent campaign gets eight times the turns of a normal one, which does not starve', () => {
    const [normal = 0, urgent = 0] = served(['normal', 'urgent'], 1100, 200)
    expect(normal).toBeGreaterThanOrEqual(99)
    expect(urgent).toBeGreaterThanOrEqual(799)
  })
})
