import type { CampaignRecord } from '@wns-fanout/state'
import { expect, test } from 'vitest'
import { demandOf, WorkersWanted } from '../../src/campaign/workers-wanted.ts'

function sending(pending: number, overSeconds?: number): CampaignRecord {
  const pace = overSeconds === undefined ? {} : { pace: { overSeconds } }
  return {
    definition: { request: { ...pace }, priority: 'normal' },
    totals: { pending },
    audienceSize: pending,
  } as unknown as CampaignRecord
}

test('the demand of an app is its rate while its backlog lasts for minutes', () => {
  expect(demandOf([sending(1_000_000)], 300)).toBe(300)
  expect(demandOf([sending(600_000), sending(600_000)], 50_000)).toBe(20_000)
})

test('a short backlog, a pace and no campaign need less', () => {
  expect(demandOf([sending(6000)], 300)).toBe(100)
  expect(demandOf([sending(1_000_000, 10_000)], 300)).toBe(100)
  expect(demandOf([], 300)).toBe(0)
})

/** Counts with a clock of its own; `work` happens `afterMs` later. */
function counting() {
  let nowMs = 0
  const wanted = new WorkersWanted(() => nowMs)
  return (demand: number, settled: number, workers: number, afterMs = 0): number => {
    nowMs += afterMs
    return wanted.count({ demand, settled, workers })
  }
}

test('a worker is taken to send 2,000 a second at four fifths of its time, and there is always one', () => {
  const count = counting()
  expect(count(0, 0, 0)).toBe(1)
  expect(count(1600, 1600, 1)).toBe(1)
  expect(count(1601, 1601, 1)).toBe(2)
  expect(count(20_000, 20_000, 10)).toBe(13)
})

test('workers that do not reach the demand for 15 s show what one of them can do, for ten minutes', () => {
  const count = counting()
  expect(count(5000, 2000, 2)).toBe(4)
  expect(count(5000, 2000, 2, 14_999)).toBe(4)
  expect(count(5000, 2000, 2, 1)).toBe(7)
  expect(count(5000, 5000, 7, 599_999)).toBe(7)
  expect(count(5000, 5000, 7, 1)).toBe(4)
})

test('nothing is learned while the number of workers changes, or while WNS is away', () => {
  const count = counting()
  expect(count(5000, 2000, 2)).toBe(4)
  expect(count(5000, 2000, 3, 15_000)).toBe(4)
  expect(count(5000, 400, 3, 15_000)).toBe(4)
  expect(count(5000, 400, 3, 15_000)).toBe(4)
})

test('a worker that seems very slow waits for something that more workers would not speed up', () => {
  const count = counting()
  count(5000, 1000, 10)
  expect(count(5000, 1000, 10, 15_000)).toBe(13)
})
