import type { AppId, Outcome } from '@wns-fanout/domain'

/** The lanes of a process, whoever uses them. */
export interface Lanes {
  /** False when no lane is free; the listeners of `onFree` then hear when to try again. */
  tryPost(
    origin: string,
    path: string,
    headers: string[],
    body: Buffer,
    done: (context: number, outcome: Outcome, durationMs: number) => void,
    context: number,
  ): boolean
  onFree(listener: () => void): () => void
}

/** The lanes of a process as one app may use them. */
export interface AppLanes extends Lanes {
  /** To be called once for every post that was answered. */
  ended(): void
}

interface Share {
  readonly lanes: AppLanes
  inFlight: number
  /** Batches of the app that are being sent. */
  batches: number
  readonly listeners: Set<() => void>
}

/**
 * Divides the lanes of a process among the apps that are sending: an app alone has them all, two have half of them
 * each. So an app with a huge campaign does not keep another one waiting for longer than its posts under way take.
 */
export class LaneShares {
  readonly #lanes: Lanes
  readonly #total: number
  readonly #shares = new Map<AppId, Share>()
  #active = 0

  constructor(lanes: Lanes, total: number) {
    this.#lanes = lanes
    this.#total = total
  }

  /** The lanes as one app may use them. */
  of(app: AppId): AppLanes {
    const known = this.#shares.get(app)
    if (known !== undefined) return known.lanes
    const share: Share = { inFlight: 0, batches: 0, listeners: new Set(), lanes: this.#lanesOf(() => share) }
    this.#shares.set(app, share)
    return share.lanes
  }

  #lanesOf(own: () => Share): AppLanes {
    return {
      tryPost: (origin, path, headers, body, done, context) => {
        const share = own()
        if (share.inFlight >= this.#mine()) return false
        if (!this.#lanes.tryPost(origin, path, headers, body, done, context)) return false
        share.inFlight += 1
        return true
      },
      ended: () => {
        own().inFlight -= 1
      },
      onFree: (listener) => {
        const share = own()
        const off = this.#lanes.onFree(listener)
        share.listeners.add(listener)
        share.batches += 1
        if (share.batches === 1) this.#active += 1
        return () => {
          off()
          share.listeners.delete(listener)
          share.batches -= 1
          if (share.batches > 0) return
          this.#active -= 1
          // Whoever is left has more now.
          for (const other of this.#shares.values()) for (const tell of other.listeners) tell()
        }
      },
    }
  }

  #mine(): number {
    return this.#active <= 1 ? this.#total : Math.max(1, Math.floor(this.#total / this.#active))
  }
}
