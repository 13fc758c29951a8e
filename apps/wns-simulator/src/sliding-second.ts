const BUCKETS = 1000

/** The number of events within the last second, in steps of one millisecond, and its maximum. */
export class SlidingSecond {
  readonly #buckets = new Uint32Array(BUCKETS)
  #count = 0
  #newestMs = 0
  /** The maximum number of events within any 1,000 ms so far. */
  peak = 0

  /** Events within the 1,000 ms that end with this millisecond. */
  count(nowMs: number): number {
    this.#advance(nowMs)
    return this.#count
  }

  add(nowMs: number): void {
    this.#advance(nowMs)
    const bucket = this.#newestMs % BUCKETS
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1
    this.#count += 1
    if (this.#count > this.peak) this.peak = this.#count
  }

  #advance(nowMs: number): void {
    const target = Math.max(this.#newestMs, Math.floor(nowMs))
    if (target - this.#newestMs >= BUCKETS) {
      this.#buckets.fill(0)
      this.#count = 0
      this.#newestMs = target
    }
    while (this.#newestMs < target) {
      this.#newestMs += 1
      const bucket = this.#newestMs % BUCKETS
      this.#count -= this.#buckets[bucket] ?? 0
      this.#buckets[bucket] = 0
    }
  }
}
