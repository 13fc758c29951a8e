import { expect, test } from 'vitest'
import { batchRecipients, lookAhead } from '../../src/plan/look-ahead.ts'

const normal = { definition: { priority: 'normal' } } as const
const urgent = { definition: { priority: 'urgent' } } as const

test.each([
  [1, 64],
  [32, 64],
  [100, 200],
  [256, 512],
  [100_000, 512],
])('at %i posts a second a batch has %i recipients', (ratePerSecond, recipients) => {
  expect(batchRecipients(ratePerSecond)).toBe(recipients)
})

test.each([
  { name: 'a slow app has a few batches ahead', ratePerSecond: 1, others: [], batches: 4 },
  { name: 'ten seconds of the rate are ahead', ratePerSecond: 300, others: [], batches: 6 },
  { name: 'an equal campaign takes half', ratePerSecond: 5000, others: [normal], batches: 49 },
  { name: 'an urgent campaign leaves a ninth', ratePerSecond: 5000, others: [urgent], batches: 11 },
  { name: 'a fast app has at most 256 ahead', ratePerSecond: 100_000, others: [], batches: 256 },
])('$name', ({ ratePerSecond, others, batches }) => {
  expect(lookAhead({ ratePerSecond, ...normal, others, busyBatches: 3 })).toBe(batches)
})

test('the lanes of a worker with many lanes are kept busy at a low rate too', () => {
  expect(lookAhead({ ratePerSecond: 300, ...normal, others: [], busyBatches: 32 })).toBe(32)
})
