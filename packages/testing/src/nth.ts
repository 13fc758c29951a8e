/** The item at `index`, counted from 0. Throws when there is none. */
export function nth<T>(items: ArrayLike<T>, index: number): T {
  const item = items[index]
  if (item === undefined) throw new RangeError(`wanted an item at ${index}; found ${items.length} items`)
  return item
}
