import { expect, test } from 'vitest'
import { SuspectSlot } from '../../src/send/suspect-slot.ts'

test('one suspect batch is in hand at a time', () => {
  const slot = new SuspectSlot()
  const first = slot.take()
  expect([first.isTaken, slot.take().isTaken]).toEqual([false, true])
  first.release()
  expect(slot.take().isTaken).toBe(false)
})

test('a batch that was sent away does not free the slot of the one in hand', () => {
  const slot = new SuspectSlot()
  slot.take()
  slot.take().release()
  expect(slot.take().isTaken).toBe(true)
})

test('a suspect batch blocks another one for ten seconds', () => {
  let nowMs = 0
  const slot = new SuspectSlot(() => nowMs)
  const first = slot.take()
  nowMs = 9999
  expect(slot.take().isTaken).toBe(true)
  nowMs = 10_000
  expect(slot.take().isTaken).toBe(false)
  first.release()
  expect(slot.take().isTaken).toBe(true)
})
