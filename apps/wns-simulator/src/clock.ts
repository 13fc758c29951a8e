/** Monotonic milliseconds since the simulator started; never jumps with the wall clock. */
export class Clock {
  readonly #startedAtMs = performance.now()
  /** Wall time of the start: add it to `nowMs()` for an instant in epoch milliseconds. */
  readonly epochMs = performance.timeOrigin + this.#startedAtMs
  #second = -1
  #dateLine = ''

  nowMs(): number {
    return performance.now() - this.#startedAtMs
  }

  /** `Date: …` with its line end, computed once per second. */
  dateLine(nowMs: number): string {
    const second = Math.floor((this.epochMs + nowMs) / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#dateLine = `Date: ${httpDate(second * 1000)}\r\n`
    }
    return this.#dateLine
  }
}

export function httpDate(epochMs: number): string {
  return new Date(epochMs).toUTCString()
}
