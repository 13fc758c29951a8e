import { byteOf, code, codeOf, pendingCode } from '@wns-fanout/domain'
import type { OpenBatch } from '@wns-fanout/state'
import { expect, test } from 'vitest'
import { Recipients } from '../../src/send/recipients.ts'

/** A batch whose recipients have these bytes before it was opened, `credited` of them, from `first` on, with credit now. */
function recipientsOf(before: readonly number[], credited: number, first = 0): Recipients {
  return new Recipients(
    {
      kind: 'open',
      fence: 1,
      takeover: false,
      redisNowMs: 0,
      expiresAtMs: 0,
      before: Uint8Array.from(before),
      vector: Uint8Array.from(before, (byte, at) =>
        at >= first && at < first + credited ? byteOf(code.credited, byte >> 5) : byte,
      ),
      ordinals: Uint32Array.from(before.keys()),
      uris: before.map((_, at) => `https://db5p.notify.windows.com/?token=${at}`),
      variables: [],
      locales: [],
      heldUntilSecond: 0,
      uncertain: 0,
      window: 4,
      firstWindow: 4,
      replicated: true,
      settled: [],
    } satisfies OpenBatch,
    5,
  )
}

function codes(vector: Uint8Array): number[] {
  return [...vector].map(codeOf)
}
function fresh(count: number): number[] {
  return Array.from({ length: count }, () => code.pending)
}

test('turns are taken in order, as far as credit reaches', () => {
  const recipients = recipientsOf(fresh(4), 2)
  const turns: number[] = []
  for (; recipients.next >= 0; recipients.pass()) turns.push(recipients.next)
  expect(turns).toEqual([0, 1])
  expect(recipients).toMatchObject({ started: 2, lackCredit: true, areLeft: true })
  recipients.grant(4, [])
  expect(recipients.next).toBe(2)
})

test('a probe has its credit anywhere in the batch', () => {
  const recipients = recipientsOf(fresh(4), 1, 2)
  expect(recipients.next).toBe(2)
  recipients.pass()
  expect(recipients).toMatchObject({ next: -1, lackCredit: true })
})

test('who is repeated comes first, with the credit it has', () => {
  const recipients = recipientsOf(fresh(3), 3)
  recipients.pass()
  recipients.repeat(0, 1)
  expect(recipients.next).toBe(0)
  recipients.pass()
  expect(recipients.next).toBe(1)
  expect(recipients.posts(0)).toBe(1)
})

test('no more credit is wanted than the window leaves beside what is uncertain', () => {
  const recipients = recipientsOf(fresh(20), 4)
  recipients.pass()
  recipients.pass()
  expect(recipients.creditWanted(4, 2)).toBe(4)
  recipients.settle(0, code.accepted, 1)
  expect(recipients.creditWanted(4, 1)).toBe(5)
  expect(recipients.creditWanted(2, 1)).toBe(4)
  expect(recipients.creditWanted(256, 1)).toBe(20)
})

test('credit that the ledger refused is not used, whatever became of the campaign since', () => {
  const recipients = recipientsOf(fresh(4), 1)
  recipients.grant(3, [
    { position: 1, byte: code.pending },
    { position: 2, byte: code.pending },
  ])
  expect(recipients.credited).toBe(1)
  recipients.pass()
  expect(recipients.next).toBe(-1)
  expect(codes(recipients.withCredit(recipients.credited)).slice(1)).toEqual(fresh(3))
})

test('what is given back keeps the attempts it had spent and the posts it had', () => {
  const before = [byteOf(pendingCode(2), 3), byteOf(code.rotated, 1), code.pending]
  const recipients = recipientsOf(before, 3)
  recipients.giveBackCredit()
  expect([...recipients.withCredit(recipients.credited)]).toEqual(before)
  expect(recipients.pending()).toEqual([0, 1, 2])
})

test('a second dead address of the same recipient is told as such', () => {
  const recipients = recipientsOf([code.pending, byteOf(code.rotated, 1)], 2)
  recipients.bury(0, code.deadExpired, 1)
  recipients.bury(1, code.deadExpired, 2)
  expect(codes(recipients.withCredit(2))).toEqual([code.deadExpired, code.failedRotated])
})

test('whoever was settled by another owner has no turn, and those behind keep the credit they got', () => {
  const recipients = recipientsOf(fresh(6), 2)
  recipients.pass()
  recipients.grant(5, [
    { position: 2, byte: byteOf(code.accepted, 1) },
    { position: 3, byte: byteOf(code.inDoubt, 1) },
  ])
  expect(codes(recipients.withCredit(recipients.credited))).toEqual([
    code.credited,
    code.credited,
    code.accepted,
    code.inDoubt,
    code.credited,
    code.pending,
  ])
  const turns: number[] = []
  for (; recipients.next >= 0; recipients.pass()) turns.push(recipients.next)
  expect(turns).toEqual([1, 4])
  expect(recipients.creditWanted(4, 0)).toBe(recipients.credited + 1)
  expect(recipients.pending()).toEqual([0, 1, 4, 5])
})

test('nobody is left when the last in line was settled by another owner', () => {
  const recipients = recipientsOf(fresh(2), 1)
  recipients.pass()
  recipients.grant(1, [{ position: 1, byte: byteOf(code.accepted, 1) }])
  expect(recipients).toMatchObject({ areLeft: false, lackCredit: false, next: -1 })
})

test('credit of whoever was settled by another owner passes to nobody', () => {
  const recipients = recipientsOf(fresh(5), 3)
  recipients.pass()
  recipients.repeat(0, 1)
  recipients.grant(3, [
    { position: 0, byte: byteOf(code.accepted, 1) },
    { position: 1, byte: byteOf(code.accepted, 1) },
  ])
  const turns: number[] = []
  for (; recipients.next >= 0; recipients.pass()) turns.push(recipients.next)
  expect(turns).toEqual([2])
  expect(recipients).toMatchObject({ lackCredit: true, areLeft: true })
  recipients.grant(recipients.creditWanted(3, 1), [])
  expect(recipients.next).toBe(3)
})
