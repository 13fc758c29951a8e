import { byteOf, code, codeOf, pendingCode } from '@wns-fanout/domain'
import type { OpenBatch } from '@wns-fanout/state'
import { expect, test } from 'vitest'
import { OutcomeBuffer } from '../../src/send/outcome-buffer.ts'
import { Recipients } from '../../src/send/recipients.ts'

/** A batch whose recipients had these bytes before it was opened; `credited` of them, from `first` on, have credit. */
function recipientsOf(
  before: readonly number[],
  credited: number,
  first = 0,
  buffer = new OutcomeBuffer(),
): Recipients {
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
    buffer,
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
  expect(recipients).toMatchObject({ started: 2, isOutOfCredit: true, hasNext: true })
  recipients.grant(4, [])
  expect(recipients.next).toBe(2)
})

test('a probe has its credit anywhere in the batch', () => {
  const recipients = recipientsOf(fresh(4), 1, 2)
  expect(recipients.next).toBe(2)
  recipients.pass()
  expect(recipients).toMatchObject({ next: -1, isOutOfCredit: true })
})

test('a recipient that lines up again gets its turn before those without credit', () => {
  const recipients = recipientsOf(fresh(4), 2)
  recipients.pass()
  recipients.lineUpAgain(0)
  expect(recipients.next).toBe(1)
  recipients.pass()
  expect(recipients).toMatchObject({ next: -1, isOutOfCredit: true })
  recipients.grant(recipients.creditWanted(2, 0), [])
  const turns: number[] = []
  for (; recipients.next >= 0; recipients.pass()) turns.push(recipients.next)
  expect(turns).toEqual([0, 2])
})

test('a recipient that lines up again while a checkpoint asks for credit does not take that credit', () => {
  const recipients = recipientsOf(fresh(4), 1)
  recipients.pass()
  const credit = recipients.creditWanted(2, 0)
  expect(codes(recipients.withCredit(credit))).toEqual([code.credited, code.credited, code.credited, code.pending])
  recipients.retryLater(0, 'unauthorized', 0, 1)
  recipients.lineUpAgain(0)
  recipients.grant(credit, [])
  const turns: number[] = []
  for (; recipients.next >= 0; recipients.pass()) turns.push(recipients.next)
  expect(turns).toEqual([1, 2])
  recipients.grant(recipients.creditWanted(1, 0), [])
  expect(recipients.next).toBe(0)
})

test('the buffer takes what is settled and what waits, not what the ledger settles', () => {
  const buffer = new OutcomeBuffer()
  const recipients = recipientsOf(fresh(4), 4, 0, buffer)
  recipients.settle(0, code.accepted, 1)
  recipients.bury(1, code.deadExpired, 1)
  recipients.retryLater(2, 'server-error', 1, 1)
  recipients.grant(4, [{ position: 3, byte: byteOf(code.accepted, 1) }])
  const { changed, retries } = buffer.drain()
  expect(changed).toEqual([0, 1])
  expect([...retries]).toEqual([['server-error', 1]])
})

test('no more credit is wanted than the window leaves beside uncertain recipients', () => {
  const recipients = recipientsOf(fresh(20), 4)
  recipients.pass()
  recipients.pass()
  expect(recipients.creditWanted(4, 2)).toBe(4)
  recipients.settle(0, code.accepted, 1)
  expect(recipients.creditWanted(4, 1)).toBe(5)
  expect(recipients.creditWanted(2, 1)).toBe(4)
  expect(recipients.creditWanted(256, 1)).toBe(20)
})

test('credit that the ledger refused is not used, whatever the state of the campaign', () => {
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

test('a recipient whose credit is given back keeps its spent attempts and its posts', () => {
  const before = [byteOf(pendingCode(2), 3), byteOf(code.rotated, 1), code.pending]
  const recipients = recipientsOf(before, 3)
  recipients.giveBackCredit()
  expect([...recipients.withCredit(recipients.credited)]).toEqual(before)
  expect(recipients.pending()).toEqual([0, 1, 2])
})

test('a second dead URI of the same recipient has a code of its own', () => {
  const recipients = recipientsOf([code.pending, byteOf(code.rotated, 1)], 2)
  recipients.bury(0, code.deadExpired, 1)
  recipients.bury(1, code.deadExpired, 2)
  expect(codes(recipients.withCredit(2))).toEqual([code.deadExpired, code.failedRotated])
})

test('a recipient that another owner settled has no turn, and those behind it keep their credit', () => {
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

test('no recipient is left when another owner settled the last one in line', () => {
  const recipients = recipientsOf(fresh(2), 1)
  recipients.pass()
  recipients.grant(1, [{ position: 1, byte: byteOf(code.accepted, 1) }])
  expect(recipients).toMatchObject({ hasNext: false, isOutOfCredit: false, next: -1 })
})

test('credit of a recipient that another owner settled passes to no other recipient', () => {
  const recipients = recipientsOf(fresh(5), 3)
  recipients.pass()
  recipients.grant(3, [
    { position: 0, byte: byteOf(code.accepted, 1) },
    { position: 1, byte: byteOf(code.accepted, 1) },
  ])
  const turns: number[] = []
  for (; recipients.next >= 0; recipients.pass()) turns.push(recipients.next)
  expect(turns).toEqual([2])
  expect(recipients).toMatchObject({ isOutOfCredit: true, hasNext: true })
  recipients.grant(recipients.creditWanted(3, 1), [])
  expect(recipients.next).toBe(3)
})

test('a recipient that another owner settles while it lines up again has no further turn', () => {
  const recipients = recipientsOf(fresh(2), 2)
  recipients.pass()
  recipients.pass()
  recipients.retryLater(0, 'unauthorized', 0, 1)
  recipients.lineUpAgain(0)
  expect(recipients.hasNext).toBe(true)
  recipients.grant(recipients.credited, [{ position: 0, byte: byteOf(code.accepted, 1) }])
  expect(recipients.hasNext).toBe(false)
})
