import type { FanoutEvent, NotificationType } from '@wns-fanout/domain'
import type { BatchRef } from '@wns-fanout/state'
import type { BatchLedger } from '../send/batch-ledger.ts'
import type { Recipients } from '../send/recipients.ts'

/** A lane gives up a post before this; posts without an answer by then are merged as uncertain. */
export const LAST_ANSWERS_MS = 15_000

export interface OutcomeMergeOptions {
  readonly ledger: Pick<BatchLedger, 'mergeOutcomes' | 'leave'>
  readonly recipients: Recipients
  /** Posts under way. */
  readonly inFlight: () => number
  readonly batch: BatchRef & { readonly notificationType: NotificationType }
  readonly emit: (event: FanoutEvent) => void
  /** Called when everything that this owner knows is merged. */
  readonly onDone: () => void
  readonly onError: (error: unknown) => void
}

/**
 * Merges the outcomes of a run into its batch after Redis lost the open: once immediately, and again when all posts
 * under way have an answer or have timed out. The current owner then need not post again.
 */
export class OutcomeMerge {
  readonly #options: OutcomeMergeOptions
  #sinceMs: number | undefined
  #isUnderWay = false
  #hasMerged = false
  #isDone = false
  #isLeft = false

  constructor(options: OutcomeMergeOptions) {
    this.#options = options
  }

  /** Has Redis forgotten this run? */
  get isStarted(): boolean {
    return this.#sinceMs !== undefined
  }

  /** Has the run ended by an error? Later answers still count. */
  get isLeft(): boolean {
    return this.#isLeft
  }

  /** The run ended by an error: others merge what it knows, and what it learns from the posts under way. */
  leave(): void {
    if (this.#isLeft) return
    this.#isLeft = true
    this.#isDone = true
    const { ledger, recipients, inFlight } = this.#options
    ledger.leave({
      inFlight,
      vector() {
        recipients.giveBackCredit()
        return recipients.withCredit(recipients.credited)
      },
    })
  }

  start(): void {
    this.#sinceMs = performance.now()
    this.advance()
  }

  /** Merge what there is to merge by now. */
  advance(): void {
    if (this.#sinceMs === undefined || this.#isUnderWay || this.#isDone) return
    const isLast = this.#options.inFlight() === 0 || performance.now() - this.#sinceMs > LAST_ANSWERS_MS
    if (!isLast && this.#hasMerged) return
    this.#isUnderWay = true
    this.#hasMerged = true
    this.#send(isLast).catch((error: unknown) => this.#options.onError(error))
  }

  async #send(isLast: boolean): Promise<void> {
    const { ledger, recipients, batch, emit, onDone } = this.#options
    recipients.giveBackCredit()
    const answer = await ledger.mergeOutcomes(
      isLast ? recipients.withCredit(recipients.credited) : recipients.withoutCredit(),
    )
    this.#isUnderWay = false
    this.#isDone = isLast
    const settled = answer.kind === 'ok' ? answer.settled : []
    if (isLast || settled.length > 0) emit({ type: 'batch.outcomes-merged', ...batch, settled })
    if (isLast) onDone()
    else this.advance()
  }
}
