import { attemptsSpent, byteOf, code, codeOf, isSettled, pendingCode, postsOf } from '@wns-fanout/domain'
import type { OpenBatch } from '@wns-fanout/state'

/**
 * The recipients of an opened batch, by their positions in its vector: what is known of each, and whose turn it is.
 *
 * Turns are taken in order, whoever has credit first, and credit is granted from the front: of those to post to, the first `credited` have
 * credit, the first `started` of these are under way or done. Who is to be posted to once more comes first.
 */
export class Recipients {
  /** As it is now; what the ledger gets is a copy with the credit wanted. */
  readonly #vector: Uint8Array
  /** Attempts spent by each before its credit, and whose URI had changed once. */
  readonly #spent: Uint8Array
  readonly #rotated = new Set<number>()
  #todo: Int32Array
  readonly #again: number[] = []
  #credited = 0
  #started = 0

  constructor(opened: OpenBatch, maxAttempts: number) {
    this.#vector = opened.vector
    this.#spent = opened.before.map((byte) => spentBefore(byte, maxAttempts))
    const todo: number[] = []
    opened.uris.forEach((uri, position) => {
      if (codeOf(opened.before[position] ?? 0) === code.rotated) this.#rotated.add(position)
      if (uri !== '') todo.push(position)
    })
    // A probe has its credit anywhere in the batch.
    const hasCredit = (position: number): number => (codeOf(this.#byte(position)) === code.credited ? 0 : 1)
    this.#todo = Int32Array.from(todo.toSorted((a, b) => hasCredit(a) - hasCredit(b)))
    while (this.#isCredited(this.#credited)) this.#credited += 1
  }

  /** Whose turn it is; -1 while nobody who is left has credit. */
  get next(): number {
    if (this.#again.length > 0) return this.#again[0] ?? -1
    return this.#started < this.#credited ? (this.#todo[this.#started] ?? -1) : -1
  }

  /** The turn of `next` is over. */
  pass(): void {
    if (this.#again.length > 0) this.#again.shift()
    else this.#started += 1
  }

  /** How many had their turn, repetitions not counted. */
  get started(): number {
    return this.#started
  }

  /** Is anybody left whose turn has not come? */
  get areLeft(): boolean {
    return this.#again.length > 0 || this.#started < this.#todo.length
  }

  /** Is all credit used up, and more wanted? */
  get lackCredit(): boolean {
    return this.#started === this.#credited && this.#credited < this.#todo.length
  }

  /** Is there anybody who has no credit yet? */
  get awaitCredit(): boolean {
    return this.#credited < this.#todo.length
  }

  /** Posts written so far; 7 means seven or more. */
  posts(position: number): number {
    return postsOf(this.#byte(position))
  }

  /** Attempts spent before the credit in force. */
  spent(position: number): number {
    return this.#spent[position] ?? 0
  }

  settle(position: number, settled: number, posts = this.posts(position)): void {
    this.#vector[position] = byteOf(settled, posts)
  }

  /** Nobody is at the address: settled, unless its URI changes for the first time, which the ledger finds out. */
  bury(position: number, dead: number, posts: number): void {
    this.settle(position, this.#rotated.has(position) ? code.failedRotated : dead, posts)
  }

  /** To be posted to in another open of the batch. */
  putOff(position: number, spent = this.spent(position), posts = this.posts(position)): void {
    this.#vector[position] = byteOf(this.#rotated.has(position) ? code.rotated : pendingCode(spent), posts)
  }

  /** To be posted to once more, with the credit it has. */
  repeat(position: number, posts: number): void {
    this.#vector[position] = byteOf(code.credited, posts)
    this.#again.push(position)
  }

  /** How far credit may reach with `window` uncertain at most, of whom `inFlight` are under way. */
  creditWanted(window: number, inFlight: number): number {
    const uncertain = inFlight + this.#again.length + (this.#credited - this.#started)
    return Math.min(this.#todo.length, this.#credited + Math.max(0, window - uncertain))
  }

  get credited(): number {
    return this.#credited
  }

  /** The vector as it would be if credit reached as far as that. */
  withCredit(credit: number): Uint8Array {
    const vector = this.#vector.slice()
    this.#creditIn(vector, credit)
    return vector
  }

  /**
   * The ledger has agreed to `withCredit(credit)`, except where `adjusted` says otherwise. Refused credit is the tail of
   * what was wanted, and it is found in the bytes alone: when a reply was lost, the state told with the next one may be
   * that of a campaign that was resumed in between. Whoever is settled without a post of ours has its outcome from another owner.
   */
  grant(credit: number, adjusted: readonly { readonly position: number; readonly byte: number }[]): void {
    this.#creditIn(this.#vector, credit)
    for (const { position, byte } of adjusted) this.#vector[position] = byte
    if (adjusted.some(({ byte }) => isSettled(codeOf(byte)))) this.#passSettled()
    while (this.#credited < credit && this.#isCredited(this.#credited)) this.#credited += 1
  }

  /** Credit that was not used goes back. A post to be repeated was refused, so that it is not uncertain either. */
  giveBackCredit(): void {
    for (let at = this.#started; at < this.#credited; at += 1) this.putOff(this.#todo[at] ?? 0)
    for (const position of this.#again.splice(0)) this.putOff(position)
  }

  /** The vector with everybody taken for pending who is under way. */
  withoutCredit(): Uint8Array {
    return this.#vector.map((byte) => (codeOf(byte) === code.credited ? byteOf(code.pending, postsOf(byte)) : byte))
  }

  /** Positions that are not settled. */
  pending(): number[] {
    const pending: number[] = []
    this.#vector.forEach((byte, position) => {
      if (!isSettled(codeOf(byte))) pending.push(position)
    })
    return pending
  }

  /**
   * Takes those out of the line who were settled while they waited for their turn. Some may have had credit, where Redis
   * forgot that it granted it: those behind them do not get it.
   */
  #passSettled(): void {
    const waits = (position: number): boolean => !isSettled(codeOf(this.#byte(position)))
    const past = this.#todo.subarray(0, this.#started)
    const credited = this.#todo.subarray(this.#started, this.#credited).filter(waits)
    const others = this.#todo.subarray(this.#credited).filter(waits)
    this.#todo = Int32Array.of(...past, ...credited, ...others)
    this.#credited = past.length + credited.length
    this.#again.splice(0, this.#again.length, ...this.#again.filter(waits))
  }

  #creditIn(vector: Uint8Array, credit: number): void {
    for (let at = this.#credited; at < credit; at += 1) {
      const position = this.#todo[at] ?? 0
      vector[position] = byteOf(code.credited, postsOf(vector[position] ?? 0))
    }
  }

  #isCredited(at: number): boolean {
    return codeOf(this.#byte(this.#todo[at] ?? -1)) === code.credited
  }

  #byte(position: number): number {
    return this.#vector[position] ?? 0
  }
}

/** A credit that was resumed hides how many attempts were spent; its posts are the safe guess, one attempt is left. */
function spentBefore(byte: number, maxAttempts: number): number {
  return codeOf(byte) === code.credited ? Math.min(postsOf(byte), maxAttempts - 1) : attemptsSpent(codeOf(byte))
}
