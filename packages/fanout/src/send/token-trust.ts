/** What one process has seen of a token in the answers of WNS; all instants are of a clock that only goes forward. */
interface Evidence {
  /** Start of the latest post that WNS took with the token. */
  takenMs: number
  /** First 401 since WNS last took a post with the token. */
  doubtedMs: number | undefined
  /** Until then there is no newer token to get: this one was renewed within the last minute. */
  newestUntilMs: number
}

/** Tokens to remember: the current one, and those of posts that are still under way. */
const REMEMBERED = 4

/**
 * Judges the 401 answers of one app in one process: does WNS refuse the token, or only a channel?
 *
 * A 401 puts its token in doubt. The doubt ends when WNS takes a post that started after that 401: the token is good,
 * so WNS refuses the channel. A second 401 in doubt is reason to renew the token.
 */
export class TokenTrust {
  readonly #tokens = new Map<string, Evidence>()

  /** WNS took a post with the token. */
  taken(token: string, postedAtMs: number): void {
    const evidence = this.#of(token)
    evidence.takenMs = Math.max(evidence.takenMs, postedAtMs)
    if (evidence.doubtedMs !== undefined && postedAtMs > evidence.doubtedMs) evidence.doubtedMs = undefined
  }

  /** WNS answered 401 to a post with the token; true when the token was in doubt already. */
  refused(token: string, nowMs: number): boolean {
    const evidence = this.#of(token)
    const wasDoubted = evidence.doubtedMs !== undefined
    evidence.doubtedMs ??= nowMs
    return wasDoubted
  }

  /** Has WNS taken a post with the token that started after `sinceMs`? */
  isProven(token: string, sinceMs: number): boolean {
    return (this.#tokens.get(token)?.takenMs ?? Number.NEGATIVE_INFINITY) > sinceMs
  }

  /** The app has no newer token than this one until `untilMs`. */
  newest(token: string, untilMs: number): void {
    this.#of(token).newestUntilMs = untilMs
  }

  isNewest(token: string, nowMs: number): boolean {
    return nowMs < (this.#tokens.get(token)?.newestUntilMs ?? 0)
  }

  #of(token: string): Evidence {
    const known = this.#tokens.get(token)
    if (known !== undefined) return known
    const evidence = { takenMs: Number.NEGATIVE_INFINITY, doubtedMs: undefined, newestUntilMs: 0 }
    this.#tokens.set(token, evidence)
    if (this.#tokens.size > REMEMBERED) this.#tokens.delete(this.#tokens.keys().next().value ?? token)
    return evidence
  }
}
