import { attemptsSpent, byteOf, code, codeOf, isSettled, pendingCode, postsOf } from '@wns-fanout/domain'
import type { RetryReason } from '@wns-fanout/domain'
import type { OpenBatch } from '@wns-fanout/state'
import type { OutcomeBuffer } from './outcome-buffer.ts'

/**
 * The recipients of an opened batch, by their positions in its vector: the state of each, and the order of their turns.
 *
 * Turns follow the order of the positions, those with credit first. Of the line, the first `credited` recipients have
 * credit, and the first `started` of these have had their turn. A recipient that is posted to once more lines up again,
 * before those that have no credit yet.
 */
export class Recipients {
  /** The present state; the ledger gets a copy with the credit wanted. */
  readonly #vector: Uint8Array
  /** Attempts that each recipient had spent before its credit. */
  readonly #spent: Uint8Array
  /** Recipients whose URI has changed once. */
  readonly #rotated = new Set<number>()
  readonly #buffer: OutcomeBuffer
  #line: number[]
  #credited = 0
  #started = 0
  /** Credit that a checkpoint under way asks for. */
  #proposed = 0

  /** @param buffer takes what changes here; not what the ledger changes */
  constructor(opened: OpenBatch, maxAttempts: number, buffer: OutcomeBuffer) {
    this.#vector = opened.vector
    this.#buffer = buffer
    this.#spent = opened.before.map((byte) => spentBefore(byte, maxAttempts))
    const line: number[] = []
    opened.uris.forEach((uri, position) => {
      if (codeOf(opened.before[position] ?? 0) === code.rotated) this.#rotated.add(position)
      if (uri !== '') line.push(position)
    })
    // The credit of a probe is anywhere in the batch.
    const hasCredit = (position: number): number => (codeOf(this.#byte(position)) === code.credited ? 0 : 1)
    this.#line = line.toSorted((a, b) => hasCredit(a) - hasCredit(b))
    while (this.#isCredited(this.#credited)) this.#credited += 1
  }

  /** Position of the next recipient; -1 while none that is left has credit. */
  get next(): number {
    return this.#started < this.#credited ? (this.#line[this.#started] ?? -1) : -1
  }

  /** End the turn of `next`. */
  pass(): void {
    this.#started += 1
  }

  /** Turns so far. */
  get started(): number {
    return this.#started
  }

  /** Is any recipient left that has not had its turn? */
  get hasNext(): boolean {
    return this.#started < this.#line.length
  }

  /** Is all credit used up, and more wanted? */
  get isOutOfCredit(): boolean {
    return this.#started === this.#credited && this.#credited < this.#line.length
  }

  /** Is there any recipient without credit yet? */
  get hasUncredited(): boolean {
    return this.#credited < this.#line.length
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
    this.#buffer.settled(position)
  }

  /** The URI is dead: settle the recipient. The ledger retries it if its URI has changed since, for the first time. */
  bury(position: number, dead: number, posts: number): void {
    this.settle(position, this.#rotated.has(position) ? code.failedRotated : dead, posts)
  }

  /** Leave the recipient to a later open of the batch, or to a later turn in this one. */
  retryLater(position: number, reason: RetryReason, spent = this.spent(position), posts = this.posts(position)): void {
    this.putOff(position, spent, posts)
    this.#buffer.waits(reason)
  }

  /** Leave the recipient to a later turn, and do not count that as a retry. */
  putOff(position: number, spent = this.spent(position), posts = this.posts(position)): void {
    this.#vector[position] = byteOf(this.#rotated.has(position) ? code.rotated : pendingCode(spent), posts)
  }

  /** Leave some of the recipients without credit to a later open of the batch. */
  leaveUncredited(isLeft: (position: number) => boolean): void {
    const from = Math.max(this.#credited, this.#proposed)
    const others = this.#line.slice(from).filter((position) => !isLeft(position))
    this.#line = [...this.#line.slice(0, from), ...others]
  }

  /** Line the recipient up once more, as the next one to get credit. */
  lineUpAgain(position: number): void {
    this.#line.splice(Math.max(this.#credited, this.#proposed), 0, position)
  }

  /** How far credit may reach with at most `window` uncertain recipients, `inFlight` of them under way. */
  creditWanted(window: number, inFlight: number): number {
    const uncertain = inFlight + (this.#credited - this.#started)
    return Math.min(this.#line.length, this.#credited + Math.max(0, window - uncertain))
  }

  get credited(): number {
    return this.#credited
  }

  /** The vector to propose: with credit as far as `credit`. */
  withCredit(credit: number): Uint8Array {
    this.#proposed = credit
    const vector = this.#vector.slice()
    this.#creditIn(vector, credit)
    return vector
  }

  /**
   * The ledger has agreed to `withCredit(credit)`, except where `adjusted` differs. Refused credit is the tail of the
   * proposal, and only the bytes show it: when a reply was lost, the state in the next one may be that of a campaign
   * that was resumed in between. A recipient that is settled without a post of this run has its outcome from another
   * owner.
   */
  grant(credit: number, adjusted: readonly { readonly position: number; readonly byte: number }[]): void {
    this.#creditIn(this.#vector, credit)
    for (const { position, byte } of adjusted) this.#vector[position] = byte
    if (adjusted.some(({ byte }) => isSettled(codeOf(byte)))) this.#passSettled()
    while (this.#credited < credit && this.#isCredited(this.#credited)) this.#credited += 1
    this.#proposed = 0
  }

  /** Give unused credit back. */
  giveBackCredit(): void {
    for (let at = this.#started; at < this.#credited; at += 1) this.putOff(this.#line[at] ?? 0)
  }

  /** The vector with all recipients that are under way as pending. */
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
   * Remove the recipients from the line that were settled while they waited for their turn. Some may have had credit,
   * where Redis forgot that it granted it; those behind them do not inherit it.
   */
  #passSettled(): void {
    const waits = (position: number): boolean => !isSettled(codeOf(this.#byte(position)))
    const past = this.#line.slice(0, this.#started)
    const credited = this.#line.slice(this.#started, this.#credited).filter(waits)
    const others = this.#line.slice(this.#credited).filter(waits)
    this.#line = [...past, ...credited, ...others]
    this.#credited = past.length + credited.length
  }

  #creditIn(vector: Uint8Array, credit: number): void {
    for (let at = this.#credited; at < credit; at += 1) {
      const position = this.#line[at] ?? 0
      vector[position] = byteOf(code.credited, postsOf(vector[position] ?? 0))
    }
  }

  #isCredited(at: number): boolean {
    return codeOf(this.#byte(this.#line[at] ?? -1)) === code.credited
  }

  #byte(position: number): number {
    return this.#vector[position] ?? 0
  }
}

/** Resumed credit hides the attempts that were spent; the posts are a safe guess, and one attempt is left. */
function spentBefore(byte: number, maxAttempts: number): number {
  return codeOf(byte) === code.credited ? Math.min(postsOf(byte), maxAttempts - 1) : attemptsSpent(codeOf(byte))
}
