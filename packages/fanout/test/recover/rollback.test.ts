import { randomBytes } from 'node:crypto'
import type { AppId, CampaignId, FanoutEvent } from '@wns-fanout/domain'
import type { Checkpoint, CheckpointAnswer, MergeAnswer, RedisConnection } from '@wns-fanout/state'
import { Keys, LedgerDamaged, closeRedis, connectRedis } from '@wns-fanout/state'
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import type { LastCheckpoint } from '../../src/recover/recent-checkpoints.ts'
import { RollbackRecovery } from '../../src/recover/rollback.ts'

let redis: RedisConnection

beforeAll(() => {
  redis = connectRedis(inject('redisUrl'), { role: 'worker' })
})
afterAll(async () => {
  await closeRedis(redis)
})

const terms = {
  window: 4,
  delivery: 'at-most-once',
  type: 'toast',
  guardSeconds: 0,
  maxAttempts: 5,
  wantsVariables: false,
  wantsLocales: false,
} as const

function lastOf(seq: number): LastCheckpoint {
  const change: Checkpoint = {
    number: 3,
    vector: Uint8Array.of(7),
    changed: [],
    dead: [],
    gates: [],
    samples: [],
    end: 'close',
  }
  return {
    ref: { app: 'news' as AppId, campaign: 'c1' as CampaignId, seq },
    owner: `owner-${seq}`,
    opened: { fence: 1, ordinals: new Uint32Array(0) },
    terms,
    notificationType: 'toast',
    change,
  }
}

const here = { dataSetId: 'one', isVouched: false }
const accepted = [{ class: 'accepted', count: 1 }] as const

const ok = { kind: 'ok', settled: [], rolledBack: false } as unknown as CheckpointAnswer

/** A recovery of the data set `one`, in front of a ledger that answers as given. */
async function setup(answers: { checkpoint?: CheckpointAnswer; merges?: (MergeAnswer | Error)[] } = {}) {
  const keys = new Keys(`rb${randomBytes(6).toString('hex')}:`)
  await redis.set(keys.dataSetId, 'one', 'EX', 60)
  const state = {
    events: [] as FanoutEvent[],
    enqueued: [] as unknown[][],
    replayed: [] as number[],
    merges: 0,
    vouched: [] as boolean[],
    changes: 0,
    confirmed: 0,
    vectors: [] as number[][],
  }
  const merges = answers.merges ?? [{ kind: 'ok', settled: accepted }]
  const stopping = new AbortController()
  const recovery = new RollbackRecovery(
    {
      redis,
      keys,
      ledger: {
        checkpoint: async ({ seq }) => {
          state.replayed.push(seq)
          return answers.checkpoint ?? ok
        },
        mergeOutcomes: async (_ref, _owner, _fence, _terms, vector, isVouched) => {
          state.merges += 1
          state.vouched.push(isVouched === true)
          state.vectors.push([...vector])
          const answer = merges[Math.min(state.merges, merges.length) - 1] ?? { kind: 'missing' }
          if (answer instanceof Error) throw answer
          return answer
        },
      },
      queues: {
        enqueue: async (...job) => {
          state.enqueued.push(job)
        },
      },
      primary: {
        get changes() {
          return state.changes
        },
        look: async () => state.changes,
        confirmed: async () => void (state.confirmed += 1),
      },
      emit: (event) => state.events.push(event),
    },
    stopping.signal,
  )
  recovery.beginOn('one')
  return { recovery, state, keys, stopping }
}

const someRun = { check: () => {} }

test('a rollback that one batch notices makes all others in hand ask the ledger', async () => {
  const { recovery } = await setup()
  const checked: string[] = []
  const runs = ['a', 'b', 'c'].map((name) => ({ check: () => void checked.push(name) }))
  for (const run of runs) recovery.add(run)
  if (runs[2] !== undefined) recovery.remove(runs[2])
  if (runs[0] !== undefined) recovery.noticed(runs[0])
  expect(checked).toEqual(['b'])
})

test('the last checkpoints are replayed once, newest first', async () => {
  const { recovery, state } = await setup()
  for (const seq of [1, 2, 3]) recovery.remember(lastOf(seq))
  recovery.noticed(someRun)
  recovery.noticed(someRun)
  await vi.waitFor(() => {
    expect(state.replayed).toEqual([3, 2, 1])
  })
  expect([state.merges, state.events, state.enqueued]).toEqual([0, [], []])
})

test('a checkpoint that Redis had forgotten is settled by its replay, and the campaign is reconciled', async () => {
  const settled = [{ class: 'accepted', count: 4 }] as const
  const { recovery, state } = await setup({ checkpoint: { ...ok, settled } as CheckpointAnswer })
  recovery.remember(lastOf(7))
  recovery.noticed(someRun)
  await vi.waitFor(() => {
    expect(state.enqueued).toEqual([['reconcile', { app: 'news', campaign: 'c1' }]])
  })
  expect(state.events).toMatchObject([
    { type: 'ledger.rolled-back', seq: 7 },
    { type: 'batch.outcomes-merged', seq: 7, settled },
  ])
  expect(state.merges).toBe(0)
})

test('an open that Redis had forgotten is merged', async () => {
  const { recovery, state } = await setup({ checkpoint: { kind: 'fenced', rolledBack: true } })
  recovery.remember(lastOf(7))
  recovery.noticed(someRun)
  await vi.waitFor(() => {
    expect(state.events).toMatchObject([
      { type: 'ledger.rolled-back', seq: 7 },
      { type: 'batch.outcomes-merged', settled: [{ count: 1 }] },
    ])
  })
  expect(state.merges).toBe(1)
})

test('a batch that is closed by now is left alone', async () => {
  const { recovery, state } = await setup({ checkpoint: { kind: 'closed' } })
  recovery.remember(lastOf(7))
  recovery.noticed(someRun)
  await recovery.caughtUp(lastOf(7).ref)
  expect([state.replayed, state.merges, state.events, state.enqueued]).toEqual([[7], 0, [], []])
})

test('a batch that others took over gets the outcomes too, and a rollback counts only if they were missing', async () => {
  const fenced = { kind: 'fenced', rolledBack: false } as const
  const missing = await setup({ checkpoint: fenced, merges: [{ kind: 'ok', settled: accepted }] })
  const known = await setup({ checkpoint: fenced, merges: [{ kind: 'ok', settled: [] }] })
  for (const { recovery, state } of [missing, known]) {
    recovery.remember(lastOf(7))
    recovery.noticed()
    await recovery.caughtUp(lastOf(7).ref)
    expect(state.vouched).toEqual([true])
  }
  expect(missing.state.events.map(({ type }) => type)).toEqual(['ledger.rolled-back', 'batch.outcomes-merged'])
  expect([known.state.events, known.state.enqueued]).toEqual([[], []])
})

test('a batch is opened only after its replay, and once it is known which primary answers', async () => {
  const { recovery, state } = await setup()
  recovery.remember(lastOf(7))
  recovery.noticed()
  await recovery.caughtUp(lastOf(7).ref)
  expect([state.replayed, state.confirmed]).toEqual([[7], 1])
  state.changes = 1
  expect([await recovery.hasOtherPrimary(0), await recovery.hasOtherPrimary(1)]).toEqual([true, false])
})

describe('outcomes that a failed run left', () => {
  test('are merged again until Redis takes them, and once more with the last answers', async () => {
    const { recovery, state } = await setup({ merges: [new Error('no such right'), { kind: 'ok', settled: accepted }] })
    const words = { count: 2, vector: () => Uint8Array.of(words.count), inFlight: () => words.count }
    recovery.leave(lastOf(7), words, 'one')
    await vi.waitFor(() => expect(state.merges).toBe(2), 5000)
    words.count = 0
    await recovery.caughtUp(lastOf(7).ref)
    expect(state.enqueued).toHaveLength(1)
    expect(state.vectors.at(-2)).toEqual([2])
    expect(state.vectors.at(-1)).toEqual([0])
    expect(state.vouched.every(Boolean)).toBe(true)
    expect(state.events.filter(({ type }) => type === 'batch.outcomes-merged')).toHaveLength(2)
    // Redis has lost nothing here.
    expect(state.events.filter(({ type }) => type === 'ledger.rolled-back')).toEqual([])
  })

  test('end with an error of the ledger itself', async () => {
    const { recovery, state } = await setup({ merges: [new LedgerDamaged('batch 7')] })
    recovery.leave(lastOf(7), { vector: () => Uint8Array.of(1), inFlight: () => 0 }, 'one')
    await recovery.caughtUp(lastOf(7).ref)
    expect(state.events).toMatchObject([{ type: 'operation.failed', operation: 'merge of outcomes' }])
    expect(state.merges).toBe(1)
  })
})

test('a batch that Redis has forgotten is merged once it is planned again', async () => {
  const { recovery, state } = await setup({ merges: [{ kind: 'missing' }, { kind: 'ok', settled: [] }] })
  expect(await recovery.merge(lastOf(1), Uint8Array.of(7), here)).toEqual({ kind: 'ok', settled: [] })
  expect(state.merges).toBe(2)
})

test('a stop ends the wait for a batch that is not planned again', async () => {
  const { recovery, stopping } = await setup({ merges: [{ kind: 'missing' }] })
  stopping.abort()
  expect(await recovery.merge(lastOf(1), Uint8Array.of(7), here)).toEqual({ kind: 'missing' })
})

test('nothing is merged into another data set, and nothing of another one is replayed', async () => {
  const { recovery, state, keys } = await setup()
  recovery.remember(lastOf(1))
  await redis.set(keys.dataSetId, 'two', 'EX', 60)
  expect(await recovery.merge(lastOf(1), Uint8Array.of(7), here)).toEqual({ kind: 'refused' })
  recovery.beginOn('two')
  expect(recovery.dataSetId).toBe('two')
  recovery.noticed(someRun)
  await new Promise(setImmediate)
  expect([state.merges, state.replayed]).toEqual([0, []])
})
