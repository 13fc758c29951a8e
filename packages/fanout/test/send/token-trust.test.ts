import { expect, test } from 'vitest'
import { TokenTrust } from '../../src/send/token-trust.ts'

test('the first 401 puts a token in doubt, the second one is reason to renew it', () => {
  const trust = new TokenTrust()
  expect([trust.refused('a', 10), trust.refused('a', 11), trust.refused('a', 12)]).toEqual([false, true, true])
})

test('a post that started after the 401 and was taken ends the doubt', () => {
  const trust = new TokenTrust()
  trust.refused('a', 10)
  trust.taken('a', 11)
  expect(trust.refused('a', 12)).toBe(false)
})

test('a post that started before the 401 proves nothing, whenever its answer arrives', () => {
  const trust = new TokenTrust()
  trust.refused('a', 10)
  trust.taken('a', 9)
  expect(trust.isProven('a', 10)).toBe(false)
  expect(trust.refused('a', 12)).toBe(true)
})

test('each token is judged by its own answers', () => {
  const trust = new TokenTrust()
  trust.refused('old', 10)
  trust.taken('new', 20)
  expect([trust.isProven('new', 10), trust.isProven('old', 10), trust.isProven('unused', 0)]).toEqual([
    true,
    false,
    false,
  ])
  expect(trust.refused('old', 30)).toBe(true)
})

test('the latest start of a taken post counts, in whatever order the answers arrive', () => {
  const trust = new TokenTrust()
  trust.taken('a', 20)
  trust.taken('a', 5)
  expect(trust.isProven('a', 19)).toBe(true)
  expect(trust.isProven('a', 20)).toBe(false)
})

test('a token is the newest one until its minute has passed', () => {
  const trust = new TokenTrust()
  expect(trust.isNewest('a', 0)).toBe(false)
  trust.newest('a', 60)
  expect([trust.isNewest('a', 59), trust.isNewest('a', 60)]).toEqual([true, false])
})

test('only the last few tokens are remembered', () => {
  const trust = new TokenTrust()
  for (const token of ['a', 'b', 'c', 'd', 'e']) trust.taken(token, 5)
  expect([trust.isProven('a', 0), trust.isProven('b', 0), trust.isProven('e', 0)]).toEqual([false, true, true])
})
