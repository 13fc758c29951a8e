import { randomUUID } from 'node:crypto'
import type { AppId, CampaignId, FanoutEvent } from '@wns-fanout/domain'
import { isTerminal } from '@wns-fanout/domain'
import type { BatchRef, MergeAnswer, CampaignStore, Keys, Ledger, RedisConnection } from '@wns-fanout/state'
import { LedgerDamaged, LedgerRefused, LedgerVersion } from '@wns-fanout/state'
import type { LanePool } from '@wns-fanout/wns'
import pLimit from 'p-limit'
import type { AppBreaker } from './app-breaker.ts'
import { PROBE_EVERY_MS } from './app-breaker.ts'
import type { PermitSource } from './local-permits.ts'
import type { BatchEnd, ParkReason, TokenSource } from './batch-run.ts'
import { BatchRun, NO_REPLICA_MS } from './batch-run.ts'
import { HostBreakers } from './host-breakers.ts'
import type { CrashPoints } from '../crash-points.ts'
import type { LastWords } from '../recover/recent-checkpoints.ts'
import { LastWordsKept } from '../recover/recent-checkpoints.ts'
import { sleep } from '../sleep.ts'
import { WAKE_AT } from '../plan/plan.ts'
import { PreparedCampaigns } from './prepared-campaign.ts'
import type { Queues } from '../worker/queues.ts'

export interface BatchSenderDeps extends CrashPoints {
  readonly redis: RedisConnection
  readonly keys: Keys
  readonly campaigns: CampaignStore
  readonly ledger: Ledger
  readonly queues: Queues
  readonly lanes: Pick<LanePool, 'join'>
  /** Lanes of the process; decides how many batches it has in hand. */
  readonly laneCount: number
  readonly permits: (app: AppId) => PermitSource
  readonly token: (app: AppId) => TokenSource
  readonly emit: (event: FanoutEvent) => void
  readonly lockMs: number
}

const CHECKPOINT_TRIES = 5
/** How long a batch that Redis has forgotten may take to be planned again, so that it can be bequeathed to. */
const PLANNED_AGAIN_MS = 10_000
/** Who kills its owner does so sooner than this, in general; a suspected batch that takes longer keeps no other one waiting. */
const SUSPECT_ALONE_MS = 10_000
const REMINDED_AT_ONCE = 16

/**
 * Opens the batches of a process and sees each through to closed, parked or lost; and what concerns several of them: what
 * one of them learns of Redis, the others are told.
 */
export class BatchSender {
  readonly #deps: BatchSenderDeps
  readonly #stopping: AbortSignal
  readonly #hosts = new HostBreakers()
  readonly #asked = new Map<CampaignId, string>()
  readonly #runs = new Set<BatchRun>()
  /** The suspected batch that was begun last, while it is in hand. */
  #suspect: { readonly sinceMs: number } | undefined
  #prepared: PreparedCampaigns
  #lastWords = new LastWordsKept()
  #dataSetId: string | undefined

  /** @param stopping aborted when the process stops */
  constructor(deps: BatchSenderDeps, stopping: AbortSignal) {
    this.#deps = deps
    this.#stopping = stopping
    this.#prepared = new PreparedCampaigns(deps.campaigns)
  }

  /** Of the data set that was begun on. */
  get dataSetId(): string | undefined {
    return this.#dataSetId
  }

  /** Forget what is known of the batches of another data set: one of the same name is another one here. */
  beginOn(dataSetId: string): void {
    this.#prepared = new PreparedCampaigns(this.#deps.campaigns)
    this.#lastWords = new LastWordsKept()
    this.#asked.clear()
    this.#dataSetId = dataSetId
  }

  /**
   * Send what may be sent of a batch, until it is closed, parked or another owner's; `gone` where there is nothing to do.
   * Rejects when the ledger cannot be reached, is damaged or of another version.
   *
   * @param signal aborted when the app or the process stops: the batch is then handed back
   */
  async send(ref: BatchRef, breaker: AppBreaker, signal: AbortSignal): Promise<BatchEnd | { readonly kind: 'gone' }> {
    const { app, campaign: id, seq } = ref
    if (signal.aborted) return parked(0, 'stopping')
    this.#deps.reached?.('job-taken')
    // An open grants credit, and until replicas have it nobody may use it.
    if (this.#deps.ledger.problem !== undefined) return parked(NO_REPLICA_MS, 'no-replica')
    const isProbe = breaker.isOpen
    if (isProbe && !(await breaker.mayProbe())) return parked(PROBE_EVERY_MS, 'breaker')
    const campaign = await this.#prepared.get(app, id)
    if (campaign === null) return { kind: 'gone' }
    if (campaign.isLost && !isTerminal((await this.#deps.campaigns.get(app, id))?.state ?? 'sending'))
      throw new LedgerDamaged('the campaign: its definition is lost')
    const { ledger, emit } = this.#deps
    const dataSetId = this.#dataSetId
    const terms = isProbe ? { ...campaign.terms, window: 1, isProbe } : campaign.terms
    const owner = randomUUID()
    const opened = await ledger.open(ref, owner, terms)
    this.#deps.reached?.('batch-opened')
    if (opened.kind === 'not-due') return parked(opened.dueAtMs - (await this.#deps.campaigns.redisNowMs()), 'held')
    if (opened.kind === 'paused') return parked(0, 'paused')
    if (opened.kind !== 'open') return { kind: 'gone' }
    emit({
      type: 'batch.opened',
      app,
      campaign: id,
      seq,
      notificationType: campaign.message.type,
      takeover: opened.takeover,
      uncertain: opened.uncertain,
      settled: opened.settled,
      guardAdmitted: campaign.terms.guardSeconds > 0 ? opened.uris.filter((uri) => uri !== '').length : 0,
    })
    const suspect = opened.window < terms.window ? { sinceMs: performance.now() } : undefined
    const isTooMany = suspect !== undefined && this.#hasSuspect
    if (!isTooMany) this.#suspect = suspect ?? this.#suspect
    const run: BatchRun = new BatchRun(
      {
        lanes: this.#deps.lanes,
        hosts: this.#hosts,
        breaker: breaker,
        permits: this.#deps.permits(app),
        token: this.#deps.token(app),
        checkpoint: async (change) => {
          const send = () => ledger.checkpoint(ref, owner, opened, terms, change)
          const answer = await this.#again(`checkpoint ${change.number}`, send)
          if (change.end !== undefined && answer.kind === 'ok') {
            const { fence, ordinals } = opened
            const { type: notificationType } = campaign.message
            const words = { ref, owner, opened: { fence, ordinals }, terms, notificationType, change }
            this.#lastWords.keep(words, performance.now())
          }
          return answer
        },
        mergeOutcomes: (vector) =>
          this.#mergeOutcomes(dataSetId, () => ledger.mergeOutcomes(ref, owner, opened.fence, terms, vector)),
        emit: (event) => {
          emit(event)
          if (event.type === 'ledger.rolled-back') this.#remind(run)
        },
        leaseMs: this.#deps.lockMs * 0.75,
        random: Math.random,
        reached: this.#deps.reached,
      },
      { ref, terms, message: campaign.message, paceRatePerSecond: campaign.paceRatePerSecond, isProbe, isTooMany },
      opened,
    )
    this.#runs.add(run)
    const end = await run.run(signal).finally(() => {
      this.#runs.delete(run)
      if (this.#suspect === suspect) this.#suspect = undefined
    })
    if (end.kind === 'closed') this.#deps.reached?.('batch-closed')
    if (end.kind === 'parked') this.#deps.reached?.('batch-parked')
    await this.#told(ref, end)
    return end
  }

  /** The batches of a process lose their owner together: with two suspected ones nobody could tell who it was. */
  get #hasSuspect(): boolean {
    return this.#suspect !== undefined && performance.now() - this.#suspect.sinceMs < SUSPECT_ALONE_MS
  }

  /** What may be sent again as it is, so that a moment's trouble with Redis does not cost a batch its owner. */
  async #again<T>(what: string, send: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await send()
      } catch (error) {
        const isOurs =
          error instanceof LedgerDamaged || error instanceof LedgerVersion || error instanceof LedgerRefused
        if (isOurs || attempt === CHECKPOINT_TRIES) throw error
        this.#deps.emit({ type: 'operation.failed', operation: what, error })
        await sleep(200 * 2 ** attempt)
      }
    }
  }

  /** In other data than that of `dataSetId` a batch of this name is another one, whatever its fence says. */
  async #mergeOutcomes(dataSetId: string | undefined, send: () => Promise<MergeAnswer>): Promise<MergeAnswer> {
    const { redis, keys } = this.#deps
    if ((await redis.get(keys.dataSetId)) !== dataSetId) return { kind: 'refused' }
    const deadline = performance.now() + PLANNED_AGAIN_MS
    for (;;) {
      const answer = await this.#again('bequest', send)
      if (answer.kind !== 'missing' || performance.now() > deadline || this.#stopping.aborted) return answer
      await sleep(200, this.#stopping)
    }
  }

  /** What Redis has forgotten of one batch it has likely forgotten of others too: those in hand, and those let go lately. */
  #remind(noticedBy: BatchRun): void {
    for (const run of this.#runs) if (run !== noticedBy) run.check()
    const said = this.#lastWords.take(performance.now())
    const dataSetId = this.#dataSetId
    if (said.length === 0) return
    forEachLimited(said, REMINDED_AT_ONCE, (words) => this.#sayAgain(words, dataSetId)).catch((error: unknown) =>
      this.#deps.emit({ type: 'operation.failed', operation: 'recent checkpoints', error }),
    )
  }

  /** Changes nothing where it was not forgotten. */
  async #sayAgain(
    { ref, owner, opened, terms, notificationType, change }: LastWords,
    dataSetId: string | undefined,
  ): Promise<void> {
    const { ledger, emit, queues } = this.#deps
    const heard = await this.#again('last words', () => ledger.checkpoint(ref, owner, opened, terms, change))
    if (heard.kind === 'closed' || (!heard.rolledBack && (heard.kind === 'fenced' || heard.settled.length === 0)))
      return
    const answer =
      heard.kind === 'ok'
        ? heard
        : await this.#mergeOutcomes(dataSetId, () =>
            ledger.mergeOutcomes(ref, owner, opened.fence, terms, change.vector),
          )
    const settled = answer.kind === 'ok' ? answer.settled : []
    emit({ type: 'batch.outcomes-merged', ...ref, notificationType, settled })
    await queues.enqueue('reconcile', { app: ref.app, campaign: ref.campaign })
  }

  async #told({ app, campaign, seq }: BatchRef, end: BatchEnd): Promise<void> {
    const { emit, queues } = this.#deps
    if (end.kind === 'fenced') return
    if (end.kind === 'parked')
      emit({ type: 'batch.parked', app, campaign, seq, delayMs: end.delayMs, reason: end.reason })
    else {
      emit({ type: 'batch.closed', app, campaign, seq })
      if (end.leavesOthers) await queues.enqueue('sweep', { app, campaign })
    }
    if (end.planCursor < 0 || end.live >= WAKE_AT) return
    // Asked once for each place in the plan, and once more when all that is planned is done: a canary waits for that.
    const occasion = end.live === 0 ? `${end.planCursor}-done` : String(end.planCursor)
    if (this.#asked.get(campaign) === occasion) return
    await queues.enqueue('plan', { app, campaign }, occasion)
    if (this.#asked.size > 1000) this.#asked.clear()
    this.#asked.set(campaign, occasion)
  }
}

function parked(delayMs: number, reason: ParkReason): BatchEnd {
  return {
    kind: 'parked',
    delayMs: Math.max(0, delayMs),
    reason,
    live: Number.POSITIVE_INFINITY,
    planCursor: -1,
  }
}

async function forEachLimited<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const limit = pLimit(atOnce)
  await Promise.all(items.map((item) => limit(work, item)))
}
