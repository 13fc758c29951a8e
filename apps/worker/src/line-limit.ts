/** Writes a log line; `suppressed` is the number of lines of its kind that were left out since. */
export type WriteLine = (suppressed?: { readonly suppressed: number }) => void

interface Kind {
  lines: number
  suppressed: number
  latest: WriteLine
}

const LINES = 10
const WINDOW_MS = 60_000

/**
 * Limits lines of the same kind to ten in a minute. Where more were left out, the latest of them is written at the end
 * of the minute with their number. A storm of errors would otherwise fill the disk that may have caused it.
 */
export class LineLimit {
  readonly #kinds = new Map<string, Kind>()

  write(kind: string, line: WriteLine): void {
    // The window begins with its first line, and a process that ends does not wait for it.
    if (this.#kinds.size === 0) setTimeout(() => this.#end(), WINDOW_MS).unref()
    const known = this.#kinds.get(kind) ?? { lines: 0, suppressed: 0, latest: line }
    this.#kinds.set(kind, known)
    if (known.lines < LINES) {
      known.lines += 1
      line()
    } else {
      known.suppressed += 1
      known.latest = line
    }
  }

  #end(): void {
    for (const { suppressed, latest } of this.#kinds.values()) if (suppressed > 0) latest({ suppressed })
    this.#kinds.clear()
  }
}
