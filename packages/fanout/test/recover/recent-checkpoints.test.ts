import type { AppId, CampaignId } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import type { LastCheckpoint } from '../../src/recover/recent-checkpoints.ts'
import { RecentCheckpoints } from '../../src/recover/recent-checkpoints.ts'

function lastOf(seq: number): LastCheckpoint {
  return {
    ref: { app: 'news' as AppId, campaign: 'c1' as CampaignId, seq },
    owner: `owner-${seq}`,
    opened: { fence: 1, ordinals: new Uint32Array(0) },
    terms: {
      window: 4,
      delivery: 'at-most-once',
      type: 'toast',
      guardSeconds: 0,
      maxAttempts: 5,
      wantsVariables: false,
      wantsLocales: false,
    },
    notificationType: 'toast',
    change: { number: 1, vector: new Uint8Array(0), changed: [], dead: [], gates: [], samples: [], end: 'close' },
  }
}
function seqs(found: readonly LastCheckpoint[]): number[] {
  return found.map(({ ref }) => ref.seq)
}

test('the checkpoints of the last ten minutes come back once, newest first', () => {
  const recent = new RecentCheckpoints()
  recent.add(lastOf(1), 0)
  recent.add(lastOf(2), 300_000)
  recent.add(lastOf(3), 590_000)
  expect(seqs(recent.drain(700_000))).toEqual([3, 2])
  expect(recent.drain(700_000)).toEqual([])
})

test('no more than 2048 checkpoints are remembered, the oldest ones are dropped', () => {
  const recent = new RecentCheckpoints()
  for (let seq = 0; seq < 2100; seq += 1) recent.add(lastOf(seq), 0)
  const found = seqs(recent.drain(1))
  expect(found).toHaveLength(2048)
  expect([found[0], found.at(-1)]).toEqual([2099, 52])
})

test('no checkpoint of another data set comes back', () => {
  const recent = new RecentCheckpoints()
  recent.add(lastOf(1), 0)
  recent.clear()
  expect(recent.drain(1)).toEqual([])
})
