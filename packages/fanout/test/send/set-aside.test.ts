import { expect, test } from 'vitest'
import { SetAside } from '../../src/send/set-aside.ts'
import { TokenTrust } from '../../src/send/token-trust.ts'

/** Recipients that got a 401 with token `a` at 10 ms, each after the given number of posts. */
function setAside(...posts: readonly number[]): { readonly aside: SetAside; readonly trust: TokenTrust } {
  const trust = new TokenTrust()
  const aside = new SetAside(trust, (position) => posts[position] ?? 0)
  posts.forEach((_, position) => aside.add(position, 'a', 10))
  return { aside, trust }
}

test('a recipient waits while nothing shows whether the token or the channel is refused', () => {
  const { aside } = setAside(1)
  expect(aside.next('a', 20, false)).toBeUndefined()
  expect(aside.next('b', 20, false)).toBeUndefined()
  expect(aside.size).toBe(1)
})

test('once WNS takes the same token for another recipient, each is posted to once more', () => {
  const { aside, trust } = setAside(1, 1)
  trust.taken('a', 11)
  expect([aside.next('a', 20, false), aside.next('a', 20, false), aside.next('a', 20, false)]).toEqual([
    { kind: 'post', position: 0 },
    { kind: 'post', position: 1 },
    undefined,
  ])
  expect(aside.size).toBe(0)
  expect(aside.wasRefused(0)).toBe(true)
})

test('a recipient that had two posts is rejected as soon as its token is proven', () => {
  const { aside, trust } = setAside(2)
  trust.taken('a', 11)
  expect(aside.next('a', 20, false)).toEqual({ kind: 'reject', position: 0 })
})

test('a renewed token is tried once it is proven, however often the recipient was posted to', () => {
  const { aside, trust } = setAside(3)
  trust.taken('b', 11)
  expect(aside.next('b', 20, false)).toEqual({ kind: 'post', position: 0 })
})

test('where nothing else is left, the token is renewed before it is tried', () => {
  const { aside } = setAside(1)
  expect(aside.next('a', 20, true)).toEqual({ kind: 'renew', token: 'a' })
  expect(aside.size).toBe(1)
})

test('where nothing else is left, one recipient at a time tries the newest token', () => {
  const { aside, trust } = setAside(1, 1)
  trust.newest('a', 1000)
  expect(aside.next('a', 20, true)).toEqual({ kind: 'post', position: 0 })
  expect(aside.size).toBe(1)
  expect(aside.next('a', 20, false)).toBeUndefined()
})

test('where nothing else is left and the token is new, a recipient is posted to whatever it was refused with', () => {
  const { aside } = setAside(2)
  expect(aside.next('b', 20, true)).toEqual({ kind: 'post', position: 0 })
})

test('a recipient with two posts does not try the newest token a third time', () => {
  const { aside, trust } = setAside(2)
  trust.newest('a', 1000)
  expect(aside.next('a', 20, true)).toEqual({ kind: 'reject', position: 0 })
})

test('a recipient that was never refused is not known', () => {
  const { aside } = setAside()
  expect(aside.wasRefused(0)).toBe(false)
  expect(aside.next('a', 20, true)).toBeUndefined()
})
