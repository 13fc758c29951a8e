import { crashPoints } from '@wns-fanout/fanout'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { catalogue, choose } from './catalogue.ts'
import { crashCases, crashOnce } from './crash.ts'
import { chaosRun } from './run.ts'
import type { ChaosSystem } from './system.ts'
import { startChaosSystem } from './system.ts'

// A minute of what `pnpm test:chaos` does for as long as you like.

test('under faults no recipient is lost, totals are exact, and duplicates stay within their bound', async () => {
  const run = await chaosRun({
    seed: 20_251,
    deliveries: ['at-least-once', 'at-most-once'],
    forMs: 8000,
    workers: 2,
    lockMs: 2000,
    recipients: [2000, 4000],
    atLeastTakeovers: 1,
    say: () => {},
  })
  expect(run.broken).toEqual([])
  expect(run).toMatchObject({ lost: 0, counterError: 0, sentTwice: 0 })
  expect(run.takeovers).toBeGreaterThan(0)
})

test('every crash point has its row in the catalogue', () => {
  const rows = new Set(catalogue.map(({ id }) => id))
  expect(crashPoints.filter((point) => !rows.has(`P2-${point}`))).toEqual([])
})

test('rows of the catalogue are chosen by id, and one that does not exist is refused', () => {
  expect(choose([])).toEqual(catalogue)
  expect(choose(['P1', 'N4']).map(({ id }) => id)).toEqual(['P1', 'N4'])
  expect(new Set(choose(['R']).map(({ id }) => id[0]))).toEqual(new Set(['R']))
  expect(() => choose(['P5', 'R99'])).toThrow('the catalogue has no row R99; --list shows all rows')
})

let system: ChaosSystem

beforeAll(async () => {
  system = await startChaosSystem({ workers: 1, lockMs: 1200 })
})
afterAll(async () => {
  await system.stop()
})

test.each(crashCases.filter(({ point }) => ['post-written', 'checkpoint-executed'].includes(point)))(
  'a worker that dies at $point leaves nothing that the next one cannot finish',
  async (crash) => {
    const verdict = await crashOnce(system, `crash-${crash.point}`, crash, 'at-most-once')
    expect(verdict.broken).toEqual([])
  },
)
