import { isIPv6 } from 'node:net'

export interface FailureLimitOptions {
  /** Failures that a source may make at once. */
  readonly burst: number
  /** Failures that it may make in the long run. */
  readonly perSecond: number
  /** Sources remembered; the one that has been quiet longest is forgotten first. */
  readonly maxSources?: number
  /** A monotonic clock in milliseconds. */
  readonly nowMs?: () => number
}

/** Counts failed attempts by source; a client that guesses keys must wait. Memory is bounded. */
export class FailureLimit {
  readonly #burst: number
  readonly #perSecond: number
  readonly #maxSources: number
  readonly #nowMs: () => number
  // In the order of the last failure: the first is the quietest.
  readonly #sources = new Map<string, { left: number; atMs: number }>()

  constructor({ burst, perSecond, maxSources = 10_000, nowMs = () => performance.now() }: FailureLimitOptions) {
    this.#burst = burst
    this.#perSecond = perSecond
    this.#maxSources = maxSources
    this.#nowMs = nowMs
  }

  /** Note a failure of `address`; answers the seconds to wait when there were too many, else 0. */
  fail(address: string): number {
    const source = sourceOf(address)
    const nowMs = this.#nowMs()
    const known = this.#sources.get(source)
    const left =
      known === undefined
        ? this.#burst
        : Math.min(this.#burst, known.left + ((nowMs - known.atMs) / 1000) * this.#perSecond)
    const allowed = left >= 1
    this.#sources.delete(source)
    this.#sources.set(source, { left: allowed ? left - 1 : left, atMs: nowMs })
    if (this.#sources.size > this.#maxSources) this.#forgetOne()
    return allowed ? 0 : Math.max(1, Math.ceil((1 - left) / this.#perSecond))
  }

  #forgetOne(): void {
    for (const source of this.#sources.keys()) {
      this.#sources.delete(source)
      return
    }
  }
}

// A client with one IPv6 address has the 2^64 addresses of its /64 network.
function sourceOf(address: string): string {
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  return isIPv6(address) ? prefix64(address) : address
}

function prefix64(address: string): string {
  const [head = '', tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const after = tail === '' ? 0 : tail.split(':').length
    while (groups.length + after < 8) groups.push('0')
  }
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')
}
