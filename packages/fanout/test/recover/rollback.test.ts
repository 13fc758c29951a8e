import { randomBytes } from 'node:crypto'
import type { AppId, CampaignId, FanoutEvent } from '@wns-fanout/domain'
import type { Checkpoint, CheckpointAnswer, MergeAnswer, RedisConnection } from '@wns-fanout/state'
import { Keys, closeRedis, connectRedis } from '@wns-fanout/state'
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest'
import type { LastCheckpoint } from '../../src/recover/rollback.ts'
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

const ok = { kind: 'ok', settled: [], rolledBack: false } as unknown as CheckpointAnswer

/** A recovery of the data set `one`, in front of a ledger that answers as given. */
async function setup(answers: { checkpoint?: CheckpointAnswer; merges?: MergeAnswer[] } = {}) {
  const keys = new Keys(`rb${randomBytes(6).toString('hex')}:`)
  await redis.set(keys.dataSetId, 'one', 'EX', 60)
  const state = { events: [] as FanoutEvent[], enqueued: [] as unknown[][], replayed: [] as number[], merges: 0 }
  const merges = answers.merges ?? [{ kind: 'ok', settled: [{ class: 'accepted', count: 1 }] }]
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
        mergeOutcomes: async () => {
          state.merges += 1
          return merges[Math.min(state.merges, merges.length) - 1] ?? { kind: 'missing' }
        },
      },
      queues: {
        enqueue: async (...job) => {
          state.enqueued.push(job)
        },
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
  expect(state.events).toMatchObject([{ type: 'batch.outcomes-merged', seq: 7, settled }])
  expect(state.merges).toBe(0)
})

test('an open that Redis had forgotten is merged', async () => {
  const { recovery, state } = await setup({ checkpoint: { kind: 'fenced', rolledBack: true } })
  recovery.remember(lastOf(7))
  recovery.noticed(someRun)
  await vi.waitFor(() => {
    expect(state.events).toMatchObject([{ type: 'batch.outcomes-merged', settled: [{ count: 1 }] }])
  })
  expect(state.merges).toBe(1)
})

test.each<CheckpointAnswer>([{ kind: 'closed' }, { kind: 'fenced', rolledBack: false }])(
  'a batch that another owner took since is left alone: %j',
  async (checkpoint) => {
    const { recovery, state } = await setup({ checkpoint })
    recovery.remember(lastOf(7))
    recovery.noticed(someRun)
    await vi.waitFor(() => {
      expect(state.replayed).toEqual([7])
    })
    expect([state.merges, state.enqueued]).toEqual([0, []])
  },
)

test('a batch that Redis has forgotten is merged once it is planned again', async () => {
  const { recovery, state } = await setup({ merges: [{ kind: 'missing' }, { kind: 'ok', settled: [] }] })
  expect(await recovery.merge(lastOf(1), Uint8Array.of(7))).toEqual({ kind: 'ok', settled: [] })
  expect(state.merges).toBe(2)
})

test('a stop ends the wait for a batch that is not planned again', async () => {
  const { recovery, stopping } = await setup({ merges: [{ kind: 'missing' }] })
  stopping.abort()
  expect(await recovery.merge(lastOf(1), Uint8Array.of(7))).toEqual({ kind: 'missing' })
})

test('nothing is merged into another data set, and nothing of another one is replayed', async () => {
  const { recovery, state, keys } = await setup()
  recovery.remember(lastOf(1))
  await redis.set(keys.dataSetId, 'two', 'EX', 60)
  expect(await recovery.merge(lastOf(1), Uint8Array.of(7))).toEqual({ kind: 'refused' })
  recovery.beginOn('two')
  expect(recovery.dataSetId).toBe('two')
  recovery.noticed(someRun)
  await new Promise(setImmediate)
  expect([state.merges, state.replayed]).toEqual([0, []])
})
