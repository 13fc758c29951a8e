import type { TokenTrust } from './token-trust.ts'

/** The next step for the recipients that are set aside. */
export type AsideStep =
  /** Post to it once more. */
  | { readonly kind: 'post'; readonly position: number }
  /** WNS refuses the channel: settle it without another post. */
  | { readonly kind: 'reject'; readonly position: number }
  /** Renew the token first. */
  | { readonly kind: 'renew'; readonly token: string }

interface Refusal {
  readonly position: number
  readonly token: string
  readonly refusedMs: number
}

/**
 * The recipients of a batch that WNS answered 401 to once. They wait, without credit, until another recipient shows
 * whether WNS refuses the token or the channel, and are then posted to once more. If all recipients get a 401, none of
 * them is posted to twice before the app's breaker opens.
 */
export class SetAside {
  readonly #trust: TokenTrust
  /** Posts written for a recipient so far. */
  readonly #posts: (position: number) => number
  #waiting: Refusal[] = []
  readonly #ever = new Set<number>()

  constructor(trust: TokenTrust, posts: (position: number) => number) {
    this.#trust = trust
    this.#posts = posts
  }

  get size(): number {
    return this.#waiting.length
  }

  /** Has WNS answered 401 to the recipient since the batch was opened? */
  wasRefused(position: number): boolean {
    return this.#ever.has(position)
  }

  add(position: number, token: string, refusedMs: number): void {
    this.#ever.add(position)
    this.#waiting.push({ position, token, refusedMs })
  }

  /**
   * The next step that is due; undefined when the recipients have to wait.
   *
   * @param current the token that a post would carry
   * @param isLast nothing else can be posted, so no other recipient can show whether the token is good
   */
  next(current: string, nowMs: number, isLast: boolean): AsideStep | undefined {
    const trust = this.#trust
    for (const refusal of this.#waiting) {
      const { token, refusedMs, position } = refusal
      if (trust.isProven(token, refusedMs)) return this.#take(refusal, this.#posts(position) > 1 ? 'reject' : 'post')
      if (token !== current && trust.isProven(current, refusedMs)) return this.#take(refusal, 'post')
    }
    const [first] = this.#waiting
    if (first === undefined || !isLast) return undefined
    // Nothing proves the token, so one recipient at a time tries the newest one.
    if (first.token !== current) return this.#take(first, 'post')
    if (!trust.isNewest(current, nowMs)) return { kind: 'renew', token: current }
    return this.#take(first, this.#posts(first.position) > 1 ? 'reject' : 'post')
  }

  #take(refusal: Refusal, kind: 'post' | 'reject'): AsideStep {
    this.#waiting = this.#waiting.filter((each) => each !== refusal)
    return { kind, position: refusal.position }
  }
}
