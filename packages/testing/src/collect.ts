/** All items of an iterable, in order. */
export async function collect<T>(items: AsyncIterable<T> | Iterable<T>): Promise<T[]> {
  return await Array.fromAsync(items)
}
