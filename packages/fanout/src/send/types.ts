import type { PreparedMessage, RetryReason } from '@wns-fanout/domain'
import type { BatchRef, BatchTerms, CheckpointAnswer } from '@wns-fanout/state'

/** The token of one app. */
import type { PlanState } from './planner-wake.ts'

export interface TokenSource {
  /** The token to post with now. */
  current(): string | undefined
  /** Get a token. Rejects when the token service refuses. */
  fetch(): Promise<void>
  /**
   * Replace a token that WNS refused, at most once a minute for the app. Afterwards `current` is another token, or the
   * same one where the minute is not over.
   *
   * @returns milliseconds until the token that is then current may be replaced; rejects when the token service refuses
   */
  renew(refused: string): Promise<number>
}

/** The answer of the ledger to a checkpoint that it took. */
export type Acknowledged = CheckpointAnswer & { readonly kind: 'ok' }

/** The end of one open of a batch. */
export type BatchEnd =
  | {
      readonly kind: 'closed'
      /** The campaign was cancelled, halted or has expired, and batches without an owner are to be swept. */
      readonly leavesOthers: boolean
      readonly plan: PlanState
    }
  /** The batch is due `delayMs` from now on; `reason` names what it waits for. */
  | {
      readonly kind: 'parked'
      readonly delayMs: number
      readonly reason: ParkReason
      readonly plan: PlanState
    }
  /** `forgotten`: Redis went back in time, so the batch may have lost its job too. */
  | { readonly kind: 'fenced'; readonly forgotten: boolean }

export type ParkReason =
  | RetryReason
  | 'breaker'
  | 'paused'
  | 'stopping'
  | 'in-hand'
  | 'no-token'
  | 'no-replica'
  | 'suspected'
  | 'held'
  | 'send-window'

export interface BatchSpec {
  readonly ref: BatchRef
  readonly terms: BatchTerms
  readonly message: PreparedMessage
  /** Posts a second at most, for a campaign that is spread over a time. */
  readonly paceRatePerSecond?: number | undefined
  /** Its answers close no raw gate. */
  readonly keepRawGates?: boolean | undefined
  /** Post one notification to find out whether the app's breaker may close. */
  readonly isProbe?: boolean | undefined
  /** Give the batch back at once: it is suspect, and another suspect batch is in hand. */
  readonly anotherSuspectOpen?: boolean | undefined
}
