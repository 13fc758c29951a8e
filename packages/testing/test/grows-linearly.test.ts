import { expect, test } from 'vitest'
import { growsLinearly } from '../src/grows-linearly.ts'

function steps(count: number): number {
  let sum = 0
  for (let step = 0; step < count; step += 1) sum = (sum + step) % 1021
  return sum
}

test('a pass over the input grows linearly', () => {
  expect(growsLinearly(20_000, steps)).toBe(true)
})

test('a pass over the input for each of its elements does not', () => {
  expect(growsLinearly(300, (size) => steps(size * size))).toBe(false)
})
