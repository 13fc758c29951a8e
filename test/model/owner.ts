import type { Merge, Checkpoint, CheckpointReply, OpenReply } from './ledger.ts'
import { byteOf, codes, codeOf, CODES, isSettled, postsOf } from './ledger.ts'
import type { Rules } from './rules.ts'

/** The result of one post as its sender sees it. */
export type Answer = 'accepted' | 'refused' | 'try-again' | 'ambiguous'

export const MAX_POSTS = 5

/**
 * One process with one batch. It has at most one call to Redis under way, posts on its credit, and cannot see other
 * owners until a reply is `fenced`.
 */
export class Owner {
  readonly id: number
  readonly batch: number
  readonly rules: Rules
  readonly atMostOnce: boolean
  /** `opening` → `working` → `done`: ended, fenced or crashed; `merging` before that if it still has outcomes. */
  life: 'opening' | 'working' | 'merging' | 'done' = 'opening'
  /** It has seen another primary, or ended by an error. */
  #isVouched = false
  /** It ended by an error, maybe as the owner of the batch. */
  #hasFailed = false
  fence = 0
  number = 0
  vector: Uint8Array = new Uint8Array(0)
  /** Posts under way. */
  readonly inFlight: number[] = []
  /** Posted under the credit of this open. */
  #posted: Uint8Array = new Uint8Array(0)
  #reported: Int32Array = new Int32Array(CODES)
  #wrapUp = false
  call: Checkpoint | undefined

  constructor(id: number, batch: number, atMostOnce: boolean, rules: Rules) {
    this.id = id
    this.batch = batch
    this.atMostOnce = atMostOnce
    this.rules = rules
  }

  receiveOpen(reply: OpenReply): void {
    if (reply.kind !== 'opened') {
      this.life = 'done'
      return
    }
    this.life = 'working'
    this.fence = reply.fence
    this.vector = reply.vector
    this.#posted = new Uint8Array(reply.vector.length)
    this.#reported = tally(this.vector)
  }

  /** The next recipient to post to, or -1. */
  next(): number {
    if (this.life !== 'working' || this.#wrapUp) return -1
    for (let i = 0; i < this.vector.length; i += 1) {
      if (this.#posted[i] !== 0) continue
      const code = codeOf(this.vector[i]!)
      if (code === codes.credited || (!this.rules.creditFirst && code === codes.pending)) return i
    }
    return -1
  }

  post(recipient: number): void {
    this.#posted[recipient] = 1
    this.inFlight.push(recipient)
  }

  settle(recipient: number, answer: Answer): void {
    const posts = postsOf(this.vector[recipient]!) + 1
    this.vector[recipient] = byteOf(this.#decide(answer, posts), posts)
  }

  /** The next checkpoint; undefined while a call is under way or nothing has changed. */
  checkpoint(): Checkpoint | undefined {
    if (this.life !== 'working' || this.call !== undefined) return undefined
    const idle = this.inFlight.length === 0 || (this.#wrapUp && !this.rules.parkWithoutCredit)
    const over = this.#wrapUp || this.next() === -1
    let end: Checkpoint['end'] = 'none'
    if (idle && over && (this.#wrapUp || this.#hasUsedAllCredit())) {
      this.#giveBack()
      end = this.vector.every(isSettled) || this.#ended ? 'close' : 'park'
    }
    const counts = tally(this.vector)
    const change = counts.map((count, code) => count - this.#reported[code]!)
    this.#reported = counts
    this.number += 1
    this.call = {
      batch: this.batch,
      owner: this.id,
      fence: this.fence,
      number: this.number,
      vector: this.vector.slice(),
      end,
      change,
    }
    return this.call
  }

  /** The reply to the call under way. */
  receiveCheckpoint(reply: CheckpointReply): void {
    const call = this.call!
    this.call = undefined
    if (reply.kind !== 'ok' || call.end !== 'none') {
      // Another owner took over on a new primary: it merges in any case, since its outcomes are true.
      this.#isVouched = reply.kind === 'fenced' && !reply.rolledBack
      this.life = reply.kind === 'fenced' ? 'merging' : 'done'
      return
    }
    let granted = 0
    for (let i = 0; i < this.vector.length; i += 1) {
      if (reply.vector[i] === call.vector[i]) continue
      this.vector[i] = reply.vector[i]!
      granted += 1
    }
    this.#nothingMore = granted === 0
    if (reply.state !== 'sending') this.#wrapUp = true
    this.#ended = reply.state === 'cancelled' || reply.state === 'expired'
  }

  /** Its outcomes. Posts without an answer count as pending, unless it waits no longer for them (`late`). */
  merge(late: boolean): Merge {
    this.#giveBack()
    const vector = this.vector.slice()
    if (!late && !(this.#hasFailed && this.rules.failedKeepsCredit))
      for (const recipient of this.inFlight) vector[recipient] = codes.pending
    return { batch: this.batch, owner: this.id, fence: this.fence, vector, isVouched: this.#isVouched }
  }

  /** A call failed for good. It posts no more, and merges what it knows. */
  fail(): void {
    this.call = undefined
    this.#isVouched = true
    this.#hasFailed = true
    this.life = 'merging'
  }

  /** Stop posting and park: a long throttle, a shutdown, or a minute of holding the batch. */
  wrapUp(): void {
    this.#wrapUp = true
  }

  #nothingMore = false
  #ended = false

  /** Is all credit used, and did the last reply grant none? */
  #hasUsedAllCredit(): boolean {
    return this.#nothingMore && !this.vector.some((byte, i) => codeOf(byte) === codes.credited && this.#posted[i] === 0)
  }

  /** Return unused credit. Posts without an answer stay uncertain and prevent an end. */
  #giveBack(): void {
    for (let i = 0; i < this.vector.length; i += 1)
      if (codeOf(this.vector[i]!) === codes.credited)
        if (this.#posted[i] === 0 || !this.rules.parkWithoutCredit)
          this.vector[i] = byteOf(codes.pending, postsOf(this.vector[i]!))
  }

  #decide(answer: Answer, posts: number): number {
    switch (answer) {
      case 'accepted':
        return codes.accepted
      case 'refused':
        return codes.refused
      case 'ambiguous':
        if (this.atMostOnce && this.rules.ambiguousIsDoubt) return codes.inDoubt
        return posts >= MAX_POSTS ? codes.failed : codes.retry
      case 'try-again':
        return posts >= MAX_POSTS ? codes.failed : codes.retry
      default:
        return answer satisfies never
    }
  }
}

function tally(vector: Uint8Array): Int32Array {
  const counts = new Int32Array(CODES)
  for (const byte of vector) counts[codeOf(byte)]! += 1
  return counts
}
