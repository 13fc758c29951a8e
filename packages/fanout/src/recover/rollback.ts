import type { FanoutEvent, NotificationType } from '@wns-fanout/domain'
import type {
  BatchRef,
  BatchTerms,
  Checkpoint,
  Keys,
  Ledger,
  MergeAnswer,
  OpenBatch,
  RedisConnection,
} from '@wns-fanout/state'
import pLimit from 'p-limit'
import { resend } from '../send/resend.ts'
import { sleep } from '../sleep.ts'
import type { Queues } from '../worker/queues.ts'

/** The last checkpoint of a batch that this process parked or closed. */
export interface LastCheckpoint {
  readonly ref: BatchRef
  readonly owner: string
  readonly opened: Pick<OpenBatch, 'fence' | 'ordinals'>
  readonly terms: BatchTerms
  readonly notificationType: NotificationType
  readonly change: Checkpoint
}

/** A batch in hand that can ask the ledger whether it still has its owner. */
interface OpenRun {
  check(): void
}

export interface RollbackDeps {
  readonly redis: RedisConnection
  readonly keys: Keys
  readonly ledger: Pick<Ledger, 'checkpoint' | 'mergeOutcomes'>
  readonly queues: Pick<Queues, 'enqueue'>
  readonly emit: (event: FanoutEvent) => void
}

/** Batches to remember, some kilobytes each. */
const MAX_REMEMBERED = 256
/** Redis forgets about a second of what it acknowledged, but may be away for a while before that is noticed. */
const REMEMBERED_MS = 60_000
/** Time that a forgotten batch may take to be planned again. */
const PLANNED_AGAIN_MS = 10_000
const POLL_MS = 200
const REPLAYS_AT_ONCE = 16

/**
 * Recovery from a Redis that went back in time: it lost power, or a replica that lagged took its place. Such a Redis
 * has likely forgotten more than the one write that shows it, so the other batches in hand are checked, and the last
 * checkpoints of batches that were released recently are replayed.
 */
export class RollbackRecovery {
  readonly #deps: RollbackDeps
  readonly #stopping: AbortSignal
  readonly #runs = new Set<OpenRun>()
  readonly #recent = new RecentCheckpoints()
  #dataSetId: string | undefined

  /** @param stopping aborted when the process stops */
  constructor(deps: RollbackDeps, stopping: AbortSignal) {
    this.#deps = deps
    this.#stopping = stopping
  }

  /** Id of the data set that this process works on. */
  get dataSetId(): string | undefined {
    return this.#dataSetId
  }

  /** Forget the batches of another data set: a batch of the same name is another one here. */
  beginOn(dataSetId: string): void {
    this.#recent.clear()
    this.#dataSetId = dataSetId
  }

  add(run: OpenRun): void {
    this.#runs.add(run)
  }

  remove(run: OpenRun): void {
    this.#runs.delete(run)
  }

  remember(last: LastCheckpoint): void {
    this.#recent.add(last, performance.now())
  }

  /** `noticedBy` found that Redis forgot one of its writes. */
  noticed(noticedBy: OpenRun): void {
    for (const run of this.#runs) if (run !== noticedBy) run.check()
    const dataSetId = this.#dataSetId
    const limit = pLimit(REPLAYS_AT_ONCE)
    for (const last of this.#recent.drain(performance.now()))
      limit(() => this.#replay(last, dataSetId)).catch((error: unknown) =>
        this.#deps.emit({ type: 'operation.failed', operation: 'replay of a checkpoint', error }),
      )
  }

  /**
   * Merge outcomes into a batch that Redis has forgotten, once the planner has written it down again. `refused` in
   * another data set than `dataSetId`: a batch of the same name is another one there, whatever its fence.
   */
  async merge(
    { ref, owner, opened, terms }: Omit<LastCheckpoint, 'notificationType' | 'change'>,
    vector: Uint8Array,
    dataSetId = this.#dataSetId,
  ): Promise<MergeAnswer> {
    const { redis, keys, ledger, emit } = this.#deps
    if ((await redis.get(keys.dataSetId)) !== dataSetId) return { kind: 'refused' }
    const deadlineMs = performance.now() + PLANNED_AGAIN_MS
    for (;;) {
      const answer = await resend('merge of outcomes', emit, () =>
        ledger.mergeOutcomes(ref, owner, opened.fence, terms, vector),
      )
      if (answer.kind !== 'missing' || performance.now() > deadlineMs || this.#stopping.aborted) return answer
      await sleep(POLL_MS, this.#stopping)
    }
  }

  /** Send a last checkpoint again. It changes nothing where Redis remembers it. */
  async #replay(last: LastCheckpoint, dataSetId: string | undefined): Promise<void> {
    const { ledger, emit, queues } = this.#deps
    const { ref, owner, opened, terms, notificationType, change } = last
    const answer = await resend('replay of a checkpoint', emit, () =>
      ledger.checkpoint(ref, owner, opened, terms, change),
    )
    if (answer.kind === 'closed') return
    if (!answer.rolledBack && (answer.kind === 'fenced' || answer.settled.length === 0)) return
    const merged = answer.kind === 'ok' ? answer : await this.merge(last, change.vector, dataSetId)
    const settled = merged.kind === 'ok' ? merged.settled : []
    emit({ type: 'batch.outcomes-merged', ...ref, notificationType, settled })
    await queues.enqueue('reconcile', { app: ref.app, campaign: ref.campaign })
  }
}

/** The last checkpoints of the last minute, 256 at most. */
export class RecentCheckpoints {
  #recent: { readonly last: LastCheckpoint; readonly atMs: number }[] = []

  add(last: LastCheckpoint, atMs: number): void {
    this.#recent.push({ last, atMs })
    if (this.#recent.length > MAX_REMEMBERED) this.#recent.shift()
  }

  /** All of the last minute, newest first; they are removed. */
  drain(nowMs: number): LastCheckpoint[] {
    const recent = this.#recent.splice(0)
    return recent.flatMap(({ last, atMs }) => (nowMs - atMs < REMEMBERED_MS ? [last] : [])).toReversed()
  }

  clear(): void {
    this.#recent = []
  }
}
