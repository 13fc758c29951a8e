import type { PermitSource } from './app-permits.ts'

/** The permit for the next post of a batch. One that was taken and found no lane is kept until it lapses. */
export class PermitInHand {
  readonly #permits: PermitSource
  readonly #onWaited: (waitMs: number) => void
  #lapsesAtMs = 0
  #grantedAtMs = 0
  /** Since when one is wanted and there is none; 0 while nobody waits. */
  #wantedSinceMs = 0

  /** @param onWaited told for how long the batch had to wait, each time it did */
  constructor(permits: PermitSource, onWaited: (waitMs: number) => void) {
    this.#permits = permits
    this.#onWaited = onWaited
  }

  /** Take one, unless there is one in hand; false when none is to be had now. */
  take(): boolean {
    if (this.#lapsesAtMs > 0 && performance.now() < this.#lapsesAtMs) return true
    const permits = this.#permits
    if (!permits.tryTake()) {
      if (this.#wantedSinceMs === 0) this.#wantedSinceMs = performance.now()
      return false
    }
    if (this.#wantedSinceMs > 0) {
      this.#onWaited(performance.now() - this.#wantedSinceMs)
      this.#wantedSinceMs = 0
    }
    this.#lapsesAtMs = permits.lapsesAtMs
    this.#grantedAtMs = permits.grantedAtMs
    return true
  }

  /** It was posted with. @returns when it was granted, in Redis time */
  use(): number {
    this.#lapsesAtMs = 0
    return this.#grantedAtMs
  }
}
