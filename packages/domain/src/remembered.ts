/** Different texts that are remembered; what callers make up must not fill the memory. */
const MAX_REMEMBERED = 1000

/**
 * A reader that remembers its results: worth it for a slow one, of which millions of lines have few different texts.
 *
 * @param longest texts with more characters are read each time
 */
export function remembered<T>(read: (text: string) => T, longest: number): (text: string) => T {
  const results = new Map<string, T>()
  return (text) => {
    const known = results.get(text)
    if (known !== undefined) return known
    const result = read(text)
    if (results.size >= MAX_REMEMBERED) results.clear()
    if (text.length <= longest) results.set(text, result)
    return result
  }
}
