import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { LineLimit } from '../src/line-limit.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

function limited() {
  const lines: string[] = []
  const limit = new LineLimit()
  const write = (kind: string, text: string, times: number): void => {
    for (let n = 1; n <= times; n += 1)
      limit.write(kind, (left) => void lines.push(`${text} ${n}${left === undefined ? '' : ` +${left.suppressed}`}`))
  }
  return { lines, write }
}

test('of fifty thousand lines of a kind, ten are written at once and one with the number of the others', () => {
  const { lines, write } = limited()
  write('disk', 'full', 50_000)
  expect(lines).toHaveLength(10)
  vi.advanceTimersByTime(60_000)
  expect(lines.slice(10)).toEqual(['full 50000 +49990'])
  vi.advanceTimersByTime(600_000)
  expect(lines).toHaveLength(11)
})

test('another kind and another minute have their own ten lines', () => {
  const { lines, write } = limited()
  write('a', 'a', 10)
  write('b', 'b', 10)
  expect(lines).toHaveLength(20)
  vi.advanceTimersByTime(60_000)
  expect(lines).toHaveLength(20)
  write('a', 'a', 10)
  expect(lines).toHaveLength(30)
})
