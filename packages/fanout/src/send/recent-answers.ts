/** Minimum number of answers before a verdict. */
const ENOUGH = 50
/** Share of bad answers that opens the breaker. */
const BAD_SHARE = 0.5
/** Counts are halved at this number, so older answers weigh less. */
const REMEMBERED = 200

/** Counts recent answers, and reports when most of them are bad. It does not act on that. */
export class RecentAnswers {
  #answers = 0
  #bad = 0

  /** Count an answer; true when too many are bad. */
  record(isBad: boolean): boolean {
    this.#answers += 1
    if (isBad) this.#bad += 1
    if (this.#answers >= REMEMBERED) {
      this.#answers /= 2
      this.#bad /= 2
    }
    return isBad && this.#answers >= ENOUGH && this.#bad >= this.#answers * BAD_SHARE
  }

  reset(): void {
    this.#answers = 0
    this.#bad = 0
  }
}
