import type { Outcome } from '@wns-fanout/domain'
import type { SenderClaim } from './lane-claims.ts'
import { PostWriter } from './post-bytes.ts'

/** Called once for each post that started; `context` is the caller's own number for the post. */
export type PostDone = (context: number, outcome: Outcome, durationMs: number) => void

export interface LaneListener {
  readonly done: PostDone
  /** Called after a refused `tryPost`, once another try may succeed. */
  readonly onFree: () => void
}

/** A sender as the pool keeps it. */
export class Sender {
  readonly claim: SenderClaim
  readonly listener: LaneListener
  readonly writer = new PostWriter()
  hasLeft = false

  constructor(claim: SenderClaim, listener: LaneListener) {
    this.claim = claim
    this.listener = listener
  }

  done(context: number, outcome: Outcome, durationMs: number): void {
    try {
      this.listener.done(context, outcome, durationMs)
    } catch (error) {
      reportBroken(error)
    }
  }

  onFree(): void {
    try {
      this.listener.onFree()
    } catch (error) {
      reportBroken(error)
    }
  }
}

/** A listener that throws is broken: the process gets the error, after the other senders were called. */
function reportBroken(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
