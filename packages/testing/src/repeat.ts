/** `count` times the same value; by default channels of the simulator that accept every post. */
export function repeat(count: number): string[]
export function repeat<T>(count: number, value: T): T[]
export function repeat(count: number, value: unknown = 'ok'): unknown[] {
  return Array.from({ length: count }, () => value)
}
