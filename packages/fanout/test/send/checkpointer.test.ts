import { code } from '@wns-fanout/domain'
import type { CheckpointAnswer, OpenBatch } from '@wns-fanout/state'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Checkpointer } from '../../src/send/checkpointer.ts'
import { OutcomeBuffer } from '../../src/send/outcome-buffer.ts'
import { Recipients } from '../../src/send/recipients.ts'

const LEASE_MS = 3000

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** The checkpoints of a batch with eight recipients, of which two have credit. */
function start() {
  const buffer = new OutcomeBuffer()
  const opened = {
    before: new Uint8Array(8).fill(code.pending),
    vector: Uint8Array.from({ length: 8 }, (_, position) => (position < 2 ? code.credited : code.pending)),
    uris: Array.from({ length: 8 }, (_, position) => `https://db5p.notify.windows.com/?token=${position}`),
  }
  const recipients = new Recipients(opened as unknown as OpenBatch, 5, buffer)
  const checkpointer = new Checkpointer({ recipients, buffer, leaseMs: LEASE_MS, firstWindow: 4 })
  return { recipients, buffer, checkpointer }
}

function okay(change: Partial<CheckpointAnswer & { kind: 'ok' }> = {}): CheckpointAnswer {
  return { kind: 'ok', replicated: true, window: 4, adjusted: [], settled: [], ...change } as CheckpointAnswer
}

test('checkpoints are numbered from 1, and one is under way until it is acknowledged', () => {
  const { checkpointer } = start()
  const numbers: number[] = []
  for (let count = 0; count < 3; count += 1) {
    expect(checkpointer.isUnderWay).toBe(false)
    const proposal = checkpointer.propose(0)
    numbers.push(proposal.change.number)
    expect(checkpointer.isUnderWay).toBe(true)
    checkpointer.acknowledged(proposal, okay())
  }
  expect(numbers).toEqual([1, 2, 3])
})

describe('the lease', () => {
  test('lasts from the open, and from the time at which an acknowledged checkpoint was sent', () => {
    const { checkpointer } = start()
    const openedMs = performance.now()
    expect([checkpointer.hasLease(openedMs + LEASE_MS), checkpointer.hasLease(openedMs + LEASE_MS + 1)]).toEqual([
      true,
      false,
    ])
    vi.advanceTimersByTime(1000)
    const proposal = checkpointer.propose(0)
    vi.advanceTimersByTime(500)
    checkpointer.acknowledged(proposal, okay())
    expect(checkpointer.hasLease(openedMs + 1000 + LEASE_MS)).toBe(true)
    expect(checkpointer.hasLease(openedMs + 1000 + LEASE_MS + 1)).toBe(false)
  })

  test.each<readonly [string, CheckpointAnswer]>([
    ['that the replicas do not have', okay({ replicated: false })],
    ['of a fenced owner', { kind: 'fenced', rolledBack: false }],
    ['of a closed batch', { kind: 'closed' }],
  ])('is not renewed by a checkpoint %s', (_, answer) => {
    const { checkpointer } = start()
    const openedMs = performance.now()
    vi.advanceTimersByTime(1000)
    checkpointer.acknowledged(checkpointer.propose(0), answer)
    expect(checkpointer.hasLease(openedMs + LEASE_MS + 1)).toBe(false)
    expect(checkpointer.isUnderWay).toBe(false)
  })
})

describe('credit', () => {
  test('reaches as far as the window, once the ledger has granted it', () => {
    const { checkpointer, recipients } = start()
    const proposal = checkpointer.propose(0)
    expect([proposal.credit, recipients.credited]).toEqual([4, 2])
    expect([...proposal.change.vector]).toEqual([
      ...(Array(4).fill(code.credited) as number[]),
      ...(Array(4).fill(code.pending) as number[]),
    ])
    checkpointer.acknowledged(proposal, okay({ window: 6 }))
    expect(recipients.credited).toBe(4)
    expect(checkpointer.propose(0).credit).toBe(6)
  })

  test('that the replicas do not have is not used', () => {
    const { checkpointer, recipients } = start()
    checkpointer.acknowledged(checkpointer.propose(0), okay({ replicated: false }))
    expect(recipients.credited).toBe(2)
  })

  test('is not asked for where no more is wanted', () => {
    const { checkpointer } = start()
    expect(checkpointer.propose(undefined).credit).toBe(2)
  })

  test('is given back by the last checkpoint, which carries the end of the batch', () => {
    const { checkpointer, recipients } = start()
    recipients.pass()
    recipients.settle(0, code.accepted, 1)
    const { change } = checkpointer.propose(undefined, (changed) => ({ end: 'close', changed: [...changed, 7] }))
    expect([change.end, change.changed]).toEqual(['close', [0, 7]])
    expect([...change.vector].slice(1)).toEqual(Array(7).fill(code.pending))
  })
})

describe('a checkpoint is due', () => {
  test('when an outcome waits, which the checkpoint takes along', () => {
    const { checkpointer, recipients } = start()
    expect(checkpointer.isDue(performance.now())).toBe(false)
    recipients.pass()
    recipients.settle(0, code.accepted, 1)
    expect(checkpointer.isDue(performance.now())).toBe(true)
    expect(checkpointer.propose(0).change.changed).toEqual([0])
    expect(checkpointer.isDue(performance.now())).toBe(false)
  })

  test('when the owner has been silent for two seconds', () => {
    const { checkpointer } = start()
    const openedMs = performance.now()
    expect([checkpointer.isDue(openedMs + 2000), checkpointer.isDue(openedMs + 2001)]).toEqual([false, true])
  })

  test('early, when half a window of outcomes waits and recipients lack credit', () => {
    const { checkpointer, recipients } = start()
    for (const position of [0, 1]) {
      expect(checkpointer.isHalfWindowDone).toBe(false)
      recipients.pass()
      recipients.settle(position, code.accepted, 1)
    }
    expect(checkpointer.isHalfWindowDone).toBe(true)
  })
})

test('the tick comes 250 ms after the last proposal', () => {
  const { checkpointer } = start()
  let ticks = 0
  checkpointer.start(() => void (ticks += 1))
  vi.advanceTimersByTime(200)
  checkpointer.propose(0)
  vi.advanceTimersByTime(249)
  expect(ticks).toBe(0)
  vi.advanceTimersByTime(1)
  expect(ticks).toBe(1)
  checkpointer.stop()
  vi.advanceTimersByTime(5000)
  expect(ticks).toBe(1)
})
