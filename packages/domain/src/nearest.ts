import { closest, distance } from 'fastest-levenshtein'

/** The longest edit distance at which a name is still likely to be the one that was meant. */
const MAX_DISTANCE = 3

/** The one of `known` that was probably meant by `name`; undefined if none is near. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined
  const found = closest(name, known)
  return distance(name, found) <= Math.min(MAX_DISTANCE, Math.ceil(name.length / 2)) ? found : undefined
}
