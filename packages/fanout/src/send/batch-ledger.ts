import type { FanoutEvent } from '@wns-fanout/domain'
import type { Checkpoint, CheckpointAnswer, Ledger, MergeAnswer, OpenBatch } from '@wns-fanout/state'
import type { OwnedBatch } from '../recover/recent-checkpoints.ts'
import type { LeftOutcomes, RollbackRecovery } from '../recover/rollback.ts'
import { resend } from './resend.ts'

export interface BatchLedgerDeps {
  readonly ledger: Pick<Ledger, 'checkpoint'>
  readonly rollback: Pick<
    RollbackRecovery,
    'remember' | 'merge' | 'leave' | 'hasOtherPrimary' | 'primaryChanges' | 'dataSetId'
  >
  readonly emit: (event: FanoutEvent) => void
}

export type OwnerAnswer =
  | Exclude<CheckpointAnswer, { kind: 'fenced' }>
  /** `isForgotten`: another primary has answered since the open, and may lack what the previous one acknowledged. */
  | (Extract<CheckpointAnswer, { kind: 'fenced' }> & { readonly isForgotten?: boolean })

/** The ledger as one owner of one batch uses it. A call that Redis fails is sent again. */
export class BatchLedger {
  readonly #deps: BatchLedgerDeps
  readonly #batch: OwnedBatch
  readonly #opened: OpenBatch
  readonly #dataSetId: string | undefined
  readonly #primaryChanges: number
  #isForgotten = false

  constructor(deps: BatchLedgerDeps, batch: Omit<OwnedBatch, 'opened'>, opened: OpenBatch) {
    this.#deps = deps
    // What is remembered of it for a minute is small.
    this.#batch = { ...batch, opened: { fence: opened.fence, ordinals: opened.ordinals } }
    this.#opened = opened
    this.#dataSetId = deps.rollback.dataSetId
    this.#primaryChanges = deps.rollback.primaryChanges
  }

  async checkpoint(change: Checkpoint): Promise<OwnerAnswer> {
    const { ledger, rollback, emit } = this.#deps
    const { ref, owner, terms } = this.#batch
    const send = () => ledger.checkpoint(ref, owner, this.#opened, terms, change)
    const answer = await resend(`checkpoint ${change.number}`, emit, send)
    if (change.end !== undefined && answer.kind === 'ok') rollback.remember({ ...this.#batch, change })
    if (answer.kind !== 'fenced' || answer.rolledBack) return answer
    // A takeover on the new primary raises the fence, which then proves nothing.
    this.#isForgotten = await rollback.hasOtherPrimary(this.#primaryChanges)
    return { ...answer, isForgotten: this.#isForgotten }
  }

  /** Merge the outcomes of the batch into it, after Redis has forgotten that this owner opened it. */
  async mergeOutcomes(vector: Uint8Array): Promise<MergeAnswer> {
    const { rollback, emit } = this.#deps
    const options = { dataSetId: this.#dataSetId, isVouched: this.#isForgotten }
    const answer = await rollback.merge(this.#batch, vector, options)
    // Only now is it certain that this primary lacked something.
    if (this.#isForgotten && answer.kind === 'ok' && answer.settled.length > 0)
      emit({ type: 'ledger.rolled-back', ...this.#batch.ref })
    return answer
  }

  /** The run has ended by an error: what it knows is merged as soon as Redis takes it. */
  leave(left: LeftOutcomes): void {
    this.#deps.rollback.leave(this.#batch, left, this.#dataSetId)
  }
}
