import { isIPv6 } from 'node:net'

export interface TokenBucketsOptions {
  /** Takes of one name at once. */
  readonly burst: number
  /** Takes of one name in the long run. */
  readonly perSecond: number
  /** Names remembered; the one that has been quiet longest is forgotten first. */
  readonly maxNames?: number
  /** A monotonic clock in milliseconds. */
  readonly nowMs?: () => number
}

/** What a take found. */
export interface Take {
  /** Seconds until the next take can succeed; 0 for one that succeeded. */
  readonly waitSeconds: number
  /** Whole takes that are left at once. */
  readonly left: number
}

/** A token bucket for each name, in this process. Memory is bounded. */
export class TokenBuckets {
  readonly burst: number
  readonly perSecond: number
  readonly #maxNames: number
  readonly #nowMs: () => number
  // In the order of the last take: the first is the quietest.
  readonly #buckets = new Map<string, { left: number; atMs: number }>()

  constructor({ burst, perSecond, maxNames = 10_000, nowMs = () => performance.now() }: TokenBucketsOptions) {
    this.burst = burst
    this.perSecond = perSecond
    this.#maxNames = maxNames
    this.#nowMs = nowMs
  }

  take(name: string): Take {
    const nowMs = this.#nowMs()
    const known = this.#buckets.get(name)
    const left =
      known === undefined
        ? this.burst
        : Math.min(this.burst, known.left + ((nowMs - known.atMs) / 1000) * this.perSecond)
    const isAllowed = left >= 1
    const rest = isAllowed ? left - 1 : left
    this.#buckets.delete(name)
    this.#buckets.set(name, { left: rest, atMs: nowMs })
    if (this.#buckets.size > this.#maxNames) this.#forgetOne()
    return {
      waitSeconds: isAllowed ? 0 : Math.max(1, Math.ceil((1 - left) / this.perSecond)),
      left: Math.floor(rest),
    }
  }

  /** Undo a take that should not count. */
  give(name: string): void {
    const known = this.#buckets.get(name)
    if (known !== undefined) known.left = Math.min(this.burst, known.left + 1)
  }

  #forgetOne(): void {
    for (const name of this.#buckets.keys()) {
      this.#buckets.delete(name)
      return
    }
  }
}

/** The name of an address: a client with one IPv6 address has the 2^64 addresses of its /64 network. */
export function sourceOf(address: string): string {
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
