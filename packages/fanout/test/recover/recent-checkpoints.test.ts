import type { AppId, CampaignId } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import type { LastWords } from '../../src/recover/recent-checkpoints.ts'
import { LastWordsKept } from '../../src/recover/recent-checkpoints.ts'

function words(seq: number): LastWords {
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
function seqs(said: readonly LastWords[]): number[] {
  return said.map(({ ref }) => ref.seq)
}

test('the last words of a minute are kept, and told once', () => {
  const kept = new LastWordsKept()
  kept.keep(words(1), 0)
  kept.keep(words(2), 30_000)
  kept.keep(words(3), 59_000)
  expect(seqs(kept.take(70_000))).toEqual([3, 2])
  expect(kept.take(70_000)).toEqual([])
})

test('no more than 256 of them are kept', () => {
  const kept = new LastWordsKept()
  for (let seq = 0; seq < 300; seq += 1) kept.keep(words(seq), 0)
  const said = seqs(kept.take(1))
  expect(said).toHaveLength(256)
  expect(said[0]).toBe(299)
})
