import type { FanoutEvent } from '@wns-fanout/domain'
import type { BatchRef, Keys, Ledger, MergeAnswer, PrimaryWatch, RedisConnection } from '@wns-fanout/state'
import pLimit from 'p-limit'
import { isFinal, resend } from '../send/resend.ts'
import { sleep } from '../sleep.ts'
import type { Queues } from '../worker/queues.ts'
import { LAST_ANSWERS_MS } from './outcome-merge.ts'
import type { LastCheckpoint, OwnedBatch } from './recent-checkpoints.ts'
import { RecentCheckpoints } from './recent-checkpoints.ts'

/** A batch in hand that can ask the ledger whether it still has its owner. */
interface OpenRun {
  check(): void
}

/** What the owner of a batch knows whose run ended by an error. It may still learn more. */
export interface LeftOutcomes {
  /** The outcomes, with credit only for posts without an answer. */
  vector(): Uint8Array
  /** Posts under way. */
  inFlight(): number
}

export interface MergeOptions {
  /** The data set in which the outcomes are true; default the present one. */
  readonly dataSetId: string | undefined
  /** See `Ledger.mergeOutcomes`. */
  readonly isVouched: boolean
}

export interface RollbackDeps {
  readonly redis: RedisConnection
  readonly keys: Keys
  readonly ledger: Pick<Ledger, 'checkpoint' | 'mergeOutcomes'>
  readonly queues: Pick<Queues, 'enqueue'>
  readonly primary: Pick<PrimaryWatch, 'changes' | 'confirmed' | 'look'>
  readonly emit: (event: FanoutEvent) => void
}

/** Time that a forgotten batch may take to be planned again. */
const PLANNED_AGAIN_MS = 10_000
const POLL_MS = 200
const REPLAYS_AT_ONCE = 16
/** Outcomes that the ledger does not take are dropped after this time. */
const LEFT_MS = 600_000
const LEFT_EVERY_MS = 1000

/**
 * Recovery from a Redis that went back in time: it lost power, or a replica that lagged took its place. Such a Redis
 * has likely forgotten more than the one write that shows it, so the other batches in hand are checked, and the last
 * checkpoints of batches that were released recently are replayed. The same happens whenever another primary answers,
 * since a worker without a batch in hand would not notice anything else.
 */
export class RollbackRecovery {
  readonly #deps: RollbackDeps
  readonly #stopping: AbortSignal
  readonly #runs = new Set<OpenRun>()
  readonly #recent = new RecentCheckpoints()
  /** Batches whose outcomes are being replayed or merged. */
  readonly #underWay = new Map<string, Promise<void>>()
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

  /** Times that another primary was noticed. */
  get primaryChanges(): number {
    return this.#deps.primary.changes
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

  /** `noticedBy` found that Redis forgot one of its writes; without it, another primary answers. */
  noticed(noticedBy?: OpenRun): void {
    for (const run of this.#runs) if (run !== noticedBy) run.check()
    const dataSetId = this.#dataSetId
    const limit = pLimit(REPLAYS_AT_ONCE)
    for (const last of this.#recent.drain(performance.now()))
      this.#start(last.ref, 'replay of a checkpoint', () => limit(() => this.#replay(last, dataSetId)))
  }

  /** Resolves once the batch may be opened: the ledger has what this process knows of it, or took too long. */
  async caughtUp(ref: BatchRef): Promise<void> {
    await this.#deps.primary.confirmed()
    const underWay = this.#underWay.get(nameOf(ref))
    if (underWay !== undefined) await Promise.race([underWay, sleep(LAST_ANSWERS_MS, this.#stopping)])
  }

  /** Has another primary been noticed since `primaryChanges` was `since`? Asks Redis. */
  async hasOtherPrimary(since: number): Promise<boolean> {
    return (await this.#deps.primary.look()) !== since
  }

  /** Merge what an owner knew at its end, as soon as Redis takes it, and again when its last posts have answers. */
  leave(batch: OwnedBatch, left: LeftOutcomes, dataSetId: string | undefined): void {
    this.#start(batch.ref, 'merge of outcomes', () => this.#mergeLeft(batch, left, dataSetId))
  }

  /**
   * Merge outcomes into a batch that Redis has forgotten, once the planner has written it down again. `refused` in
   * another data set than `dataSetId`: a batch of the same name is another one there, whatever its fence.
   */
  async merge(
    { ref, owner, opened, terms }: Omit<OwnedBatch, 'notificationType'>,
    vector: Uint8Array,
    { dataSetId, isVouched }: MergeOptions,
  ): Promise<MergeAnswer> {
    const { redis, keys, ledger, emit } = this.#deps
    if ((await redis.get(keys.dataSetId)) !== dataSetId) return { kind: 'refused' }
    const deadlineMs = performance.now() + PLANNED_AGAIN_MS
    for (;;) {
      const answer = await resend('merge of outcomes', emit, () =>
        ledger.mergeOutcomes(ref, owner, opened.fence, terms, vector, isVouched),
      )
      if (answer.kind !== 'missing' || performance.now() > deadlineMs || this.#stopping.aborted) return answer
      await sleep(POLL_MS, this.#stopping)
    }
  }

  #start(ref: BatchRef, operation: string, work: () => Promise<void>): void {
    const name = nameOf(ref)
    const before = this.#underWay.get(name) ?? Promise.resolve()
    const done = before
      .then(work)
      .catch((error: unknown) => this.#deps.emit({ type: 'operation.failed', operation, error }))
      .finally(() => {
        if (this.#underWay.get(name) === done) this.#underWay.delete(name)
      })
    this.#underWay.set(name, done)
  }

  /** Send a last checkpoint again. It changes nothing where Redis remembers it. */
  async #replay(last: LastCheckpoint, dataSetId: string | undefined): Promise<void> {
    const { ledger, emit, queues } = this.#deps
    const { ref, owner, opened, terms, notificationType, change } = last
    const answer = await resend('replay of a checkpoint', emit, () =>
      ledger.checkpoint(ref, owner, opened, terms, change),
    )
    if (answer.kind === 'closed') return
    // A fence that is higher than ours proves nothing, but the outcomes of this owner are true whatever happened since.
    const merged = answer.kind === 'ok' ? answer : await this.merge(last, change.vector, { dataSetId, isVouched: true })
    const settled = merged.kind === 'ok' ? merged.settled : []
    if (!answer.rolledBack && settled.length === 0) return
    emit({ type: 'ledger.rolled-back', ...ref })
    emit({ type: 'batch.outcomes-merged', ...ref, notificationType, settled })
    await queues.enqueue('reconcile', { app: ref.app, campaign: ref.campaign })
  }

  async #mergeLeft(batch: OwnedBatch, left: LeftOutcomes, dataSetId: string | undefined): Promise<void> {
    const { emit, queues } = this.#deps
    const { ref, notificationType } = batch
    const sinceMs = performance.now()
    for (;;) {
      const forMs = performance.now() - sinceMs
      const isLast = left.inFlight() === 0 || forMs > LAST_ANSWERS_MS
      try {
        const answer = await this.merge(batch, left.vector(), { dataSetId, isVouched: true })
        const settled = answer.kind === 'ok' ? answer.settled : []
        if (settled.length > 0) emit({ type: 'batch.outcomes-merged', ...ref, notificationType, settled })
        if (isLast || answer.kind !== 'ok')
          return await queues.enqueue('reconcile', { app: ref.app, campaign: ref.campaign })
      } catch (error) {
        if (isFinal(error) || forMs > LEFT_MS || this.#stopping.aborted) throw error
      }
      await sleep(LEFT_EVERY_MS, this.#stopping)
    }
  }
}

function nameOf({ app, campaign, seq }: BatchRef): string {
  return `${app} ${campaign} ${seq}`
}
