import type { NotificationType } from '@wns-fanout/domain'
import type { BatchRef, BatchTerms, Checkpoint, OpenBatch } from '@wns-fanout/state'

/** What an owner said last of a batch that it parked or closed, to be said again should Redis forget it. */
export interface LastWords {
  readonly ref: BatchRef
  readonly owner: string
  readonly opened: Pick<OpenBatch, 'fence' | 'ordinals'>
  readonly terms: BatchTerms
  readonly notificationType: NotificationType
  readonly change: Checkpoint
}

const KEPT = 256
const KEPT_MS = 60_000

/**
 * The last words of a process, of the last minute and of 256 batches at the most: some kilobytes each. Redis forgets a
 * second of what it acknowledged, but may be away for a while before it is known to have.
 */
export class LastWordsKept {
  #said: { readonly words: LastWords; readonly atMs: number }[] = []

  keep(words: LastWords, atMs: number): void {
    this.#said.push({ words, atMs })
    if (this.#said.length > KEPT) this.#said.shift()
  }

  /** All of the last minute, the newest first; from now on they are forgotten here. */
  take(nowMs: number): LastWords[] {
    const said = this.#said.splice(0)
    return said.flatMap(({ words, atMs }) => (nowMs - atMs < KEPT_MS ? [words] : [])).toReversed()
  }
}
