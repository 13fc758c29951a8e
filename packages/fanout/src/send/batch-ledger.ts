import type { FanoutEvent } from '@wns-fanout/domain'
import type { Checkpoint, CheckpointAnswer, Ledger, MergeAnswer, OpenBatch } from '@wns-fanout/state'
import type { LastCheckpoint, RollbackRecovery } from '../recover/rollback.ts'
import { resend } from './resend.ts'

export interface BatchLedgerDeps {
  readonly ledger: Pick<Ledger, 'checkpoint'>
  readonly rollback: Pick<RollbackRecovery, 'remember' | 'merge' | 'dataSetId'>
  readonly emit: (event: FanoutEvent) => void
}

/** The ledger as one owner of one batch uses it. A call that Redis fails is sent again. */
export class BatchLedger {
  readonly #deps: BatchLedgerDeps
  readonly #batch: Omit<LastCheckpoint, 'change'>
  readonly #opened: OpenBatch
  readonly #dataSetId: string | undefined

  constructor(deps: BatchLedgerDeps, batch: Omit<LastCheckpoint, 'change' | 'opened'>, opened: OpenBatch) {
    this.#deps = deps
    // What is remembered of it for a minute is small.
    this.#batch = { ...batch, opened: { fence: opened.fence, ordinals: opened.ordinals } }
    this.#opened = opened
    this.#dataSetId = deps.rollback.dataSetId
  }

  async checkpoint(change: Checkpoint): Promise<CheckpointAnswer> {
    const { ledger, rollback, emit } = this.#deps
    const { ref, owner, terms } = this.#batch
    const send = () => ledger.checkpoint(ref, owner, this.#opened, terms, change)
    const answer = await resend(`checkpoint ${change.number}`, emit, send)
    if (change.end !== undefined && answer.kind === 'ok') rollback.remember({ ...this.#batch, change })
    return answer
  }

  /** Merge the outcomes of the batch into it, after Redis has forgotten that this owner opened it. */
  mergeOutcomes(vector: Uint8Array): Promise<MergeAnswer> {
    return this.#deps.rollback.merge(this.#batch, vector, this.#dataSetId)
  }
}
