import type { AppId, CampaignId, FanoutEvent } from '@wns-fanout/domain'
import { code, codeOf } from '@wns-fanout/domain'
import type { MergeAnswer, OpenBatch } from '@wns-fanout/state'
import { expect, test } from 'vitest'
import { OutcomeMerge } from '../../src/recover/outcome-merge.ts'
import { OutcomeBuffer } from '../../src/send/outcome-buffer.ts'
import { Recipients } from '../../src/send/recipients.ts'

/** A run with three credited recipients that Redis has forgotten. */
function setup(answer: MergeAnswer = { kind: 'ok', settled: [] }) {
  const opened = {
    before: new Uint8Array(3),
    vector: Uint8Array.of(code.credited, code.credited, code.credited),
    uris: ['a', 'b', 'c'],
  } as unknown as OpenBatch
  const recipients = new Recipients(opened, 5, new OutcomeBuffer())
  const state = {
    inFlight: 0,
    vectors: [] as number[][],
    events: [] as FanoutEvent[],
    done: 0,
    errors: [] as unknown[],
  }
  const merge = new OutcomeMerge({
    ledger: {
      leave: () => {},
      mergeOutcomes: async (vector) => {
        state.vectors.push([...vector].map(codeOf))
        return answer
      },
    },
    recipients,
    inFlight: () => state.inFlight,
    batch: { app: 'news' as AppId, campaign: 'c1' as CampaignId, seq: 2, notificationType: 'toast' },
    emit: (event) => state.events.push(event),
    onDone: () => (state.done += 1),
    onError: (error) => state.errors.push(error),
  })
  return { merge, recipients, state, turn: () => new Promise(setImmediate) }
}

test('a run that Redis has not forgotten merges nothing', async () => {
  const { merge, state, turn } = setup()
  merge.advance()
  await turn()
  expect([merge.isStarted, state.vectors]).toEqual([false, []])
})

test('a run without posts under way merges once, and unused credit goes back', async () => {
  const { merge, recipients, state, turn } = setup()
  recipients.pass()
  recipients.settle(0, code.accepted, 1)
  merge.start()
  await turn()
  merge.advance()
  await turn()
  expect(state.vectors).toEqual([[code.accepted, code.pending, code.pending]])
  expect(state.done).toBe(1)
  expect(state.events).toMatchObject([{ type: 'batch.outcomes-merged', seq: 2, settled: [] }])
})

test('a run with posts under way merges now and again after their answers', async () => {
  const { merge, recipients, state, turn } = setup()
  recipients.pass()
  state.inFlight = 1
  merge.start()
  await turn()
  merge.advance()
  await turn()
  expect(state.vectors).toEqual([[code.pending, code.pending, code.pending]])
  expect([state.done, state.events]).toEqual([0, []])
  recipients.settle(0, code.accepted, 1)
  state.inFlight = 0
  merge.advance()
  await turn()
  expect(state.vectors[1]).toEqual([code.accepted, code.pending, code.pending])
  expect(state.done).toBe(1)
})

test.each(['missing', 'closed', 'refused'] as const)('a batch that is %s settles nothing', async (kind) => {
  const { merge, state, turn } = setup({ kind })
  merge.start()
  await turn()
  expect(state.events).toMatchObject([{ settled: [] }])
  expect(state.done).toBe(1)
})
