import { mulberry32 } from '../model/random.ts'

/** The random source of a chaos run: a seed always gives the same faults in the same order. */
export interface Dice {
  /** 0 ≤ number < 1 */
  next(): number
  /** A whole number, both ends included. */
  between(from: number, to: number): number
  pick<T>(items: readonly T[]): T
}

export function diceOf(seed: number): Dice {
  const next = mulberry32(seed)
  const between = (from: number, to: number): number => from + Math.floor(next() * (to - from + 1))
  return {
    next,
    between,
    pick<T>(items: readonly T[]): T {
      const found = items[between(0, items.length - 1)]
      if (found === undefined) throw new Error('there is nothing to pick from')
      return found
    },
  }
}
