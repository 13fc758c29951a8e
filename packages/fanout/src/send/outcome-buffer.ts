import type { Outcome, RetryReason } from '@wns-fanout/domain'
import type { DeadChannel, GateChange } from '@wns-fanout/state'

/** The outcomes that a checkpoint carries to the ledger, and to metrics. */
export interface OutcomeReport {
  readonly changed: readonly number[]
  readonly dead: readonly DeadChannel[]
  readonly gates: readonly GateChange[]
  readonly samples: readonly string[]
  /** Complete answers by HTTP status, and `none` for posts that got none. */
  readonly responses: ReadonlyMap<number | 'none', number>
  readonly retries: ReadonlyMap<RetryReason, number>
  readonly durationsMs: readonly number[]
}

/** A histogram of every post would cost a tenth of its CPU; one post in sixteen shows the same distribution. */
const DURATION_SAMPLE = 16
const SAMPLES_AT_ONCE = 20

/** The outcomes of a run since its last checkpoint. */
export class OutcomeBuffer {
  /** Recipients that are settled or wait for a retry. A checkpoint is worth sending when there are any. */
  count = 0
  #posts = 0
  #changed: number[] = []
  #dead: DeadChannel[] = []
  #gates: GateChange[] = []
  #samples: string[] = []
  #responses = new Map<number | 'none', number>()
  #retries = new Map<RetryReason, number>()
  #durationsMs: number[] = []

  settled(position: number): void {
    this.count += 1
    this.#changed.push(position)
  }

  waits(reason: RetryReason): void {
    this.count += 1
    this.retried(reason)
  }

  retried(reason: RetryReason): void {
    bump(this.#retries, reason)
  }

  answered(outcome: Outcome, durationMs: number): void {
    this.#posts += 1
    if (this.#posts % DURATION_SAMPLE === 1) this.#durationsMs.push(durationMs)
    if (outcome.kind !== 'not-sent') bump(this.#responses, outcome.status ?? 'none')
  }

  dead(channel: DeadChannel): void {
    this.#dead.push(channel)
  }

  gate(change: GateChange): void {
    this.#gates.push(change)
  }

  /** Keep the details of an answer. False when the buffer has enough samples. */
  sample(ordinal: number, outcome: Outcome, atMs: number): boolean {
    if (this.#samples.length >= SAMPLES_AT_ONCE) return false
    this.#samples.push(
      JSON.stringify({
        ordinal,
        status: 'status' in outcome ? (outcome.status ?? null) : null,
        ...('code' in outcome ? { description: outcome.code } : {}),
        ...('trace' in outcome ? outcome.trace : {}),
        at: new Date(atMs).toISOString(),
      }),
    )
    return true
  }

  /** Everything so far, once. */
  drain(): OutcomeReport {
    const report = {
      changed: this.#changed,
      dead: this.#dead,
      gates: this.#gates,
      samples: this.#samples,
      responses: this.#responses,
      retries: this.#retries,
      durationsMs: this.#durationsMs,
    }
    this.count = 0
    this.#changed = []
    this.#dead = []
    this.#gates = []
    this.#samples = []
    this.#responses = new Map()
    this.#retries = new Map()
    this.#durationsMs = []
    return report
  }
}

function bump<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
