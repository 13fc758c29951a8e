import { WorkersWanted } from '@wns-fanout/fanout'
import { expect, test } from 'vitest'
import { scalingCases, simulateScaling } from './scaling.ts'

// Scaling on seconds of backlog took 12, 4, 20, 2 and 2 workers, and 840 and 510 seconds for the last two.
const bounds = new Map([
  ['1 M at 300/s', { peakPods: 2, seconds: 3400 }],
  ['1 M at 1,000/s', { peakPods: 2, seconds: 1020 }],
  ['1 M at 1,000/s, throttled', { peakPods: 2, seconds: 1800 }],
  ['5 M at 20,000/s', { peakPods: 10, seconds: 300 }],
  ['1 M at 5,000/s, slow WNS', { peakPods: 7, seconds: 250 }],
])

test.each(scalingCases)('$name takes no more workers than help, and no longer than they need', (scalingCase) => {
  const { peakPods, seconds } = simulateScaling(scalingCase)
  const bound = bounds.get(scalingCase.name)
  expect(peakPods).toBeLessThanOrEqual(bound?.peakPods ?? 0)
  expect(seconds).toBeLessThanOrEqual(bound?.seconds ?? 0)
})

test('one worker is wanted without any demand', () => {
  expect(new WorkersWanted(() => 0).count({ demand: 0, settled: 0, workers: 3 })).toBe(1)
})

test('workers are not added while WNS is away', () => {
  let nowMs = 0
  const wanted = new WorkersWanted(() => nowMs)
  for (; nowMs < 120_000; nowMs += 15_000) expect(wanted.count({ demand: 3000, settled: 20, workers: 2 })).toBe(2)
})

test('a low rate is learned only after it lasts, and is forgotten after ten minutes', () => {
  let nowMs = 0
  const wanted = new WorkersWanted(() => nowMs)
  const limited = { demand: 4000, settled: 2000, workers: 2 }
  expect(wanted.count(limited)).toBe(3)
  nowMs += 15_000
  expect(wanted.count(limited)).toBe(5)
  const reached = { demand: 4000, settled: 4000, workers: 5 }
  nowMs += 599_000
  expect(wanted.count(reached)).toBe(5)
  nowMs += 1000
  expect(wanted.count(reached)).toBe(3)
})
