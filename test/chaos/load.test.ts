import { expect, test } from 'vitest'
import { finishedCampaign, insist, settledCount } from './load.ts'
import type { AnySystem } from './system.ts'

/** A system that is away for good, until it stops. */
function unreachable() {
  const stopping = new AbortController()
  const api = { campaign: () => Promise.reject(new Error('away')) }
  return { system: { api, stopping: stopping.signal } as unknown as AnySystem, stopping }
}

test('whatever waits for a system ends when the system stops', async () => {
  const { system, stopping } = unreachable()
  const waits = [
    insist(system, 'reaching it', () => Promise.reject(new Error('away'))),
    finishedCampaign(system, 'c1', 3_600_000),
    settledCount(system, 'c1', 1, 3_600_000),
  ]
  stopping.abort(new Error('it stops'))
  const ends = await Promise.allSettled(waits)
  expect(ends.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
})
