import type { FanoutEvent } from '@wns-fanout/domain'
import { LedgerDamaged, LedgerRefused, LedgerVersion } from '@wns-fanout/state'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { resend } from '../../src/send/resend.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** Calls the ledger, which fails `failures` times before it answers. */
async function call(failures: number, error: Error) {
  const events: FanoutEvent[] = []
  let calls = 0
  const send = async (): Promise<string> => {
    calls += 1
    if (calls <= failures) throw error
    return 'answered'
  }
  const ended = resend('checkpoint 7', (event) => events.push(event), send).catch((failure: unknown) => failure)
  await vi.runAllTimersAsync()
  return { answer: await ended, calls, events }
}

test('a call that Redis fails is sent again, and each failure is reported', async () => {
  const error = new Error('no Redis')
  const { answer, calls, events } = await call(2, error)
  expect([answer, calls]).toEqual(['answered', 3])
  expect(events).toEqual([1, 2].map(() => ({ type: 'operation.failed', operation: 'checkpoint 7', error })))
})

test('the fifth failure is final', async () => {
  const error = new Error('no Redis')
  expect(await call(5, error)).toMatchObject({ answer: error, calls: 5 })
})

test.each([new LedgerDamaged('x'), new LedgerVersion('x'), new LedgerRefused('x')])(
  'an answer of the ledger itself is final: $name',
  async (error) => {
    expect(await call(1, error)).toMatchObject({ answer: error, calls: 1, events: [] })
  },
)
