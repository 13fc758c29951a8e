import type { Totals } from '@wns-fanout/domain'
import { emptyTotals } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import { classOfLastAnswer, Comparison } from '../src/demo/comparison.ts'

const received = { posts: 1, lastStatus: 200, lastWnsStatus: 'received' }
const gone = { posts: 1, lastStatus: 410, lastWnsStatus: 'dropped' }
function totals(some: Partial<Totals>): Totals {
  return { ...emptyTotals(), ...some }
}

test.each([
  [200, 'received', 'accepted'],
  [200, 'dropped', 'dropped'],
  [200, 'channelthrottled', 'failed'],
  [404, 'dropped', 'dead'],
  [410, 'dropped', 'dead'],
  [400, 'dropped', 'rejected'],
  [403, 'dropped', 'rejected'],
  [413, 'dropped', 'rejected'],
  [500, 'dropped', 'failed'],
  [0, null, 'failed'],
])('%i %s means %s', (lastStatus, lastWnsStatus, expected) => {
  expect(classOfLastAnswer({ posts: 1, lastStatus, lastWnsStatus })).toBe(expected)
})

test('sides that agree on every recipient are equal', () => {
  const comparison = new Comparison(2)
  comparison.addOurs(0, 'accepted', 1)
  comparison.addOurs(1, 'dead', 1)
  comparison.addTheirs(1, gone)
  comparison.addTheirs(0, received)
  expect(comparison.verdict(totals({ accepted: 1, dead: 1 }))).toMatchObject({
    equal: true,
    differing: 0,
    differingPosts: 0,
  })
})

test('equal counts of different recipients are not equal', () => {
  const comparison = new Comparison(2)
  comparison.addOurs(0, 'accepted', 1)
  comparison.addOurs(1, 'dead', 1)
  comparison.addTheirs(0, gone)
  comparison.addTheirs(1, received)
  expect(comparison.verdict(totals({ accepted: 1, dead: 1 }))).toMatchObject({ equal: false, differing: 2 })
})

test('a recipient without a result makes the sides differ', () => {
  const comparison = new Comparison(2)
  comparison.addOurs(0, 'accepted', 1)
  comparison.addTheirs(0, received)
  expect(comparison.verdict(totals({ accepted: 1 })).equal).toBe(false)
})

test('totals that differ from the results make the sides differ', () => {
  const comparison = new Comparison(1)
  comparison.addOurs(0, 'accepted', 1)
  comparison.addTheirs(0, received)
  expect(comparison.verdict(totals({ pending: 1 })).equal).toBe(false)
})

test('a second line about the same recipient, or one about an unknown recipient, is counted', () => {
  const comparison = new Comparison(1)
  comparison.addOurs(0, 'accepted', 1)
  comparison.addOurs(0, 'accepted', 1)
  comparison.addTheirs(0, received)
  comparison.addTheirs(undefined, received)
  expect(comparison.verdict(totals({ accepted: 1 }))).toMatchObject({ equal: false, strangers: 2 })
})

test('a different number of posts is reported and is no difference of outcomes', () => {
  const comparison = new Comparison(1)
  comparison.addOurs(0, 'accepted', 1)
  comparison.addTheirs(0, { ...received, posts: 2 })
  expect(comparison.verdict(totals({ accepted: 1 }))).toMatchObject({ equal: true, differingPosts: 1 })
})
