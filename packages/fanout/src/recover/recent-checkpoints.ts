import type { NotificationType } from '@wns-fanout/domain'
import type { BatchRef, BatchTerms, Checkpoint, OpenBatch } from '@wns-fanout/state'

/** A batch and one of its owners. */
export interface OwnedBatch {
  readonly ref: BatchRef
  readonly owner: string
  readonly opened: Pick<OpenBatch, 'fence' | 'ordinals'>
  readonly terms: BatchTerms
  readonly notificationType: NotificationType
}

/** The last checkpoint of a batch that this process parked or closed. */
export interface LastCheckpoint extends OwnedBatch {
  readonly change: Checkpoint
}

/** Batches to remember, 3 to 8 KB each: a million recipients. */
const MAX_BATCHES = 2048
/**
 * Redis forgets about a second of what it acknowledged. But a worker that is cut off together with the old primary
 * works with it until it reaches the new one, and the new one lacks all of that.
 */
const REMEMBERED_MS = 600_000

/** The last checkpoints of the last ten minutes, 2048 at most. */
export class RecentCheckpoints {
  #recent: { readonly last: LastCheckpoint; readonly atMs: number }[] = []

  add(last: LastCheckpoint, atMs: number): void {
    this.#recent.push({ last, atMs })
    if (this.#recent.length > MAX_BATCHES) this.#recent.shift()
  }

  /** All of the last ten minutes, newest first; they are removed. */
  drain(nowMs: number): LastCheckpoint[] {
    const recent = this.#recent.splice(0)
    return recent.flatMap(({ last, atMs }) => (nowMs - atMs < REMEMBERED_MS ? [last] : [])).toReversed()
  }

  clear(): void {
    this.#recent = []
  }
}
