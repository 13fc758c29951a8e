/** A recipient that crashes its owner does so within this time. After it, a suspect batch no longer blocks others. */
const ALONE_MS = 10_000

export interface Suspect {
  /** Another suspect batch is in hand. */
  readonly isTaken: boolean
  /** The batch is no longer in hand. */
  release(): void
}

/**
 * At most one suspect batch is in hand at a time. All batches of a process lose their owner together, so with two
 * suspect ones it would not show which of them killed it.
 */
export class SuspectSlot {
  readonly #nowMs: () => number
  #holder: { readonly sinceMs: number } | undefined

  /** @param nowMs a clock that only goes forward */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
  }

  take(): Suspect {
    const nowMs = this.#nowMs()
    if (this.#holder !== undefined && nowMs - this.#holder.sinceMs < ALONE_MS)
      return { isTaken: true, release: () => {} }
    const holder = { sinceMs: nowMs }
    this.#holder = holder
    return {
      isTaken: false,
      release: () => {
        if (this.#holder === holder) this.#holder = undefined
      },
    }
  }
}
