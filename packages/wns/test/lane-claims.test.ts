import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import type { SenderClaim } from '../src/lane-claims.ts'
import { Claimant, fewestLanes, LaneClaims } from '../src/lane-claims.ts'

function setup(limit: number) {
  const claims = new LaneClaims(limit)
  const origin = new Claimant()
  claims.addOrigin(origin)
  const take = (sender: SenderClaim, count: number, from = origin): void => {
    for (let post = 0; post < count; post += 1) claims.take(from, sender)
  }
  return { claims, origin, take }
}

test('a sender alone may have every lane', () => {
  const { claims, origin, take } = setup(4)
  const sender = claims.join('news')
  take(sender, 3)
  expect(claims.mustYield(origin, sender)).toBe(false)
  expect(claims.busy).toBe(3)
})

test('a group alone may have every lane, and its share of them once another one has senders', () => {
  const { claims, take } = setup(6)
  const news = claims.join('news')
  take(news, 3)
  expect(claims.isGroupFull(news)).toBe(false)
  const mail = claims.join('mail')
  expect([claims.isGroupFull(news), claims.isGroupFull(mail)]).toEqual([true, false])
  const chat = claims.join('chat')
  take(chat, 2)
  expect(claims.isGroupFull(chat)).toBe(true)
  claims.leave(mail)
  expect([claims.isGroupFull(news), claims.isGroupFull(chat)]).toEqual([true, false])
})

test('a group with many senders gets no more than a group with one', () => {
  const { claims, take } = setup(4)
  const [first, second, third] = [claims.join('news'), claims.join('news'), claims.join('news')]
  const one = claims.join('mail')
  take(first, 1)
  take(second, 1)
  take(one, 1)
  // The third sender has no lane yet, but its group has its share.
  expect([claims.isGroupFull(third), claims.isGroupFull(one)]).toEqual([true, false])
})

test('each group may have one lane, also with more groups than lanes', () => {
  const { claims, take } = setup(2)
  const senders = ['news', 'mail', 'chat'].map((name) => claims.join(name))
  for (const sender of senders) expect(claims.isGroupFull(sender)).toBe(false)
  for (const sender of senders) take(sender, 1)
  for (const sender of senders) expect(claims.isGroupFull(sender)).toBe(true)
})

test('a sender with its share yields to a sender of its group that waits with less', () => {
  const { claims, origin, take } = setup(4)
  const [first, second] = [claims.join('news'), claims.join('news')]
  take(first, 3)
  claims.wait(origin, second)
  expect(claims.mustYield(origin, first)).toBe(true)
  expect(claims.mustYield(origin, second)).toBe(false)
})

test('a sender does not yield to a sender of another group', () => {
  const { claims, origin, take } = setup(6)
  const [news, mail] = [claims.join('news'), claims.join('mail')]
  take(news, 3)
  take(mail, 2)
  claims.wait(origin, mail)
  expect(claims.mustYield(origin, news)).toBe(false)
})

test('an origin with its share yields to an origin that waits with less', () => {
  const { claims, origin, take } = setup(4)
  const other = new Claimant()
  claims.addOrigin(other)
  const sender = claims.join('news')
  take(sender, 3)
  expect(claims.isOtherWanted(origin)).toBe(false)
  claims.wait(other, sender)
  expect([claims.isOtherWanted(origin), claims.isOtherWanted(other)]).toEqual([true, false])
  expect(claims.mustYield(origin, claims.join('mail'))).toBe(true)
  expect(claims.mustYield(other, claims.join('mail'))).toBe(false)
})

test('no sender yields while there are free lanes for all that wait', () => {
  const { claims, origin, take } = setup(10)
  const [first, second] = [claims.join('news'), claims.join('news')]
  take(first, 8)
  claims.wait(origin, second)
  expect(claims.mustYield(origin, first)).toBe(false)
  take(first, 1)
  expect(claims.mustYield(origin, first)).toBe(true)
})

test.each([
  ['took a lane', (claims: LaneClaims, origin: Claimant, sender: SenderClaim) => claims.take(origin, sender)],
  ['tried again', (claims: LaneClaims, _: Claimant, sender: SenderClaim) => claims.stopWaiting(sender)],
  ['left', (claims: LaneClaims, _: Claimant, sender: SenderClaim) => claims.leave(sender)],
])('others do not yield to a sender that %s', (_name, end) => {
  const { claims, origin, take } = setup(2)
  const [first, second] = [claims.join('news'), claims.join('news')]
  take(first, 1)
  claims.wait(origin, second)
  expect(claims.mustYield(origin, first)).toBe(true)
  end(claims, origin, second)
  expect(claims.mustYield(origin, first)).toBe(false)
})

test('waiting twice counts once', () => {
  const { claims, origin } = setup(2)
  const sender = claims.join('news')
  claims.wait(origin, sender)
  claims.wait(origin, sender)
  claims.stopWaiting(sender)
  claims.stopWaiting(sender)
  expect([origin.waiting, sender.waiting]).toEqual([0, 0])
})

test('posts of a group whose last sender left still count for a sender that joins again', () => {
  const { claims, origin, take } = setup(4)
  const [news, mail] = [claims.join('news'), claims.join('mail')]
  take(news, 2)
  take(mail, 1)
  claims.leave(news)
  const again = claims.join('news')
  expect([again.group === news.group, claims.isGroupFull(again)]).toEqual([true, true])
  claims.leave(again)
  claims.giveBack(origin, news)
  claims.giveBack(origin, news)
  expect(claims.join('news').group).not.toBe(news.group)
})

function lanesOf(senders: readonly SenderClaim[]): number {
  return senders.reduce((sum, { busy }) => sum + busy, 0)
}

/** Use the lanes for posts of equal length: in each round the oldest one ends, and every sender wants more. */
function useLanes(limit: number, senders: readonly SenderClaim[], claims: LaneClaims): void {
  const origin = new Claimant()
  claims.addOrigin(origin)
  const underWay: SenderClaim[] = []
  for (let round = 0; round < 10 * limit; round += 1) {
    const ended = underWay.shift()
    if (ended !== undefined) claims.giveBack(origin, ended)
    for (const sender of senders.toSorted(fewestLanes)) {
      claims.stopWaiting(sender)
      while (claims.busy < limit && !claims.isGroupFull(sender) && !claims.mustYield(origin, sender)) {
        claims.take(origin, sender)
        underWay.push(sender)
      }
      claims.wait(origin, sender)
    }
  }
}

property.prop([fc.integer({ min: 6, max: 64 }), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 })])(
  'two groups that want lanes get equally many, however many senders each has',
  (limit, sendersOfNews, sendersOfMail) => {
    const claims = new LaneClaims(limit)
    const join = (group: string, count: number) => Array.from({ length: count }, () => claims.join(group))
    const [news, mail] = [join('news', sendersOfNews), join('mail', sendersOfMail)]
    useLanes(limit, [...news, ...mail], claims)
    expect(claims.busy).toBeGreaterThanOrEqual(limit - 1)
    expect(Math.abs(lanesOf(news) - lanesOf(mail))).toBeLessThanOrEqual(1)
    for (const group of [news, mail]) {
      const busy = group.map((sender) => sender.busy)
      expect(Math.max(...busy) - Math.min(...busy)).toBeLessThanOrEqual(1)
    }
  },
)
