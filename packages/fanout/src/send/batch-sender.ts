import { randomUUID } from 'node:crypto'
import type { AppId, FanoutEvent } from '@wns-fanout/domain'
import { campaignWeight, isTerminal } from '@wns-fanout/domain'
import type { BatchRef, BatchTerms, CampaignStore, Keys, Ledger, OpenBatch, RedisConnection } from '@wns-fanout/state'
import { LedgerDamaged } from '@wns-fanout/state'
import type { LanePool } from '@wns-fanout/wns'
import type { CrashPoints } from '../crash-points.ts'
import type { RollbackRecovery } from '../recover/rollback.ts'
import type { Queues } from '../worker/queues.ts'
import type { AppBreaker } from './app-breaker.ts'
import type { AppPermits } from './app-permits.ts'
import { PROBE_EVERY_MS } from './app-breaker.ts'
import { BatchLedger } from './batch-ledger.ts'
import { BatchRun } from './batch-run.ts'
import { HostBreakers } from './host-breakers.ts'
import { NO_REPLICA_MS } from './park.ts'
import type { PlanState } from './planner-wake.ts'
import { PlannerWake } from './planner-wake.ts'
import type { PreparedCampaign } from './prepared-campaign.ts'
import { PreparedCampaigns } from './prepared-campaign.ts'
import type { BatchRunDeps } from './run-parts.ts'
import { putOffIfClosed } from './send-window.ts'
import { SuspectSlot } from './suspect-slot.ts'
import type { BatchEnd, ParkReason, TokenSource } from './types.ts'

export interface BatchSenderDeps extends CrashPoints {
  readonly redis: RedisConnection
  readonly keys: Keys
  readonly campaigns: CampaignStore
  readonly ledger: Ledger
  readonly queues: Queues
  readonly lanes: Pick<LanePool, 'join'>
  /** Lanes of the process; decides how many batches it has in hand. */
  readonly laneCount: number
  readonly permits: (app: AppId) => Pick<AppPermits, 'of'>
  readonly token: (app: AppId) => TokenSource
  readonly emit: (event: FanoutEvent) => void
  readonly lockMs: number
  /** False while others may take this process for dead: then no post starts. */
  readonly isRegistered: () => boolean
}

/** A batch that this process has just opened. */
interface Open {
  readonly ref: BatchRef
  readonly owner: string
  readonly campaign: PreparedCampaign
  readonly terms: BatchTerms
  readonly opened: OpenBatch
  readonly breaker: AppBreaker
}

/** Opens the batches of a process, and runs each until it is closed, parked or lost. */
export class BatchSender {
  readonly #deps: BatchSenderDeps
  readonly #rollback: RollbackRecovery
  readonly #hosts = new Map<AppId, HostBreakers>()
  readonly #suspects = new SuspectSlot()
  readonly #planner: PlannerWake
  #prepared: PreparedCampaigns

  constructor(deps: BatchSenderDeps, rollback: RollbackRecovery) {
    this.#deps = deps
    this.#rollback = rollback
    this.#planner = new PlannerWake(deps.queues)
    this.#prepared = new PreparedCampaigns(deps.campaigns)
  }

  /** Forget the campaigns of another data set: a campaign of the same name is another one here. */
  forget(): void {
    this.#prepared = new PreparedCampaigns(this.#deps.campaigns)
    this.#planner.forget()
  }

  /**
   * Send a batch as far as it may be sent, until it is closed, parked or another owner's; `gone` where there is nothing
   * to do. Rejects when the ledger cannot be reached, is damaged or of another version.
   *
   * @param signal aborted when the app or the process stops: the batch is then handed back
   */
  async send(ref: BatchRef, breaker: AppBreaker, signal: AbortSignal): Promise<BatchEnd | { readonly kind: 'gone' }> {
    const { ledger, reached } = this.#deps
    if (signal.aborted) return parked(0, 'stopping')
    reached?.('job-taken')
    // An open grants credit, which may not be used until the replicas have it.
    if (ledger.problem !== undefined) return parked(NO_REPLICA_MS, 'no-replica')
    const isProbe = breaker.isOpen
    if (isProbe && !(await breaker.mayProbe())) return parked(PROBE_EVERY_MS, 'breaker')
    const campaign = await this.#campaign(ref)
    if (campaign === null) return { kind: 'gone' }
    const closedForMs = await putOffIfClosed(this.#deps, ref, campaign)
    if (closedForMs > 0) return parked(closedForMs, 'send-window')
    const terms = isProbe ? { ...campaign.terms, window: 1, isProbe } : campaign.terms
    const owner = randomUUID()
    await this.#rollback.caughtUp(ref)
    const opened = await ledger.open(ref, owner, terms)
    reached?.('batch-opened')
    switch (opened.kind) {
      case 'open':
        return this.#run({ ref, owner, campaign, terms, opened, breaker }, signal)
      case 'not-due':
        return parked(opened.dueAtMs - (await this.#deps.campaigns.redisNowMs()), 'held')
      case 'paused':
        return parked(0, 'paused')
      default:
        return { kind: 'gone' }
    }
  }

  async #campaign({ app, campaign: id }: BatchRef): Promise<PreparedCampaign | null> {
    const campaign = await this.#prepared.get(app, id)
    if (campaign?.isLost === true && !isTerminal((await this.#deps.campaigns.get(app, id))?.state ?? 'sending'))
      throw new LedgerDamaged('the campaign: its definition is lost')
    return campaign
  }

  async #run(open: Open, signal: AbortSignal): Promise<BatchEnd> {
    const { ref, campaign, terms, opened } = open
    this.#reportOpened(open)
    const suspect = opened.window < terms.window ? this.#suspects.take() : undefined
    const run: BatchRun = new BatchRun(
      this.#runDeps(open, () => this.#rollback.noticed(run)),
      {
        ref,
        terms,
        message: campaign.message,
        paceRatePerSecond: campaign.paceRatePerSecond,
        keepRawGates: campaign.definition.request.keepRawGates === true || !campaign.definition.rawGates,
        isProbe: terms.isProbe,
        anotherSuspectOpen: suspect?.isTaken,
      },
      opened,
    )
    this.#rollback.add(run)
    const end = await run.run(signal).finally(() => {
      this.#rollback.remove(run)
      suspect?.release()
    })
    if (end.kind === 'closed') this.#deps.reached?.('batch-closed')
    if (end.kind === 'parked') this.#deps.reached?.('batch-parked')
    await this.#reportEnd(ref, end)
    if (end.kind !== 'fenced') await this.#planner.wake(ref, end.plan)
    return end
  }

  #runDeps({ ref, owner, campaign, terms, opened, breaker }: Open, onRollback: () => void): BatchRunDeps {
    const { ledger, emit, lanes, permits, token, lockMs, isRegistered, reached } = this.#deps
    const batch = { ref, owner, terms, notificationType: campaign.message.type }
    return {
      lanes,
      hosts: this.#hostsOf(ref.app),
      breaker,
      permits: permits(ref.app).of(ref.campaign, campaignWeight[campaign.definition.priority]),
      token: token(ref.app),
      ledger: new BatchLedger({ ledger, rollback: this.#rollback, emit }, batch, opened),
      onRollback,
      emit,
      leaseMs: lockMs * 0.75,
      isRegistered,
      random: Math.random,
      reached,
    }
  }

  #hostsOf(app: AppId): HostBreakers {
    const hosts = this.#hosts.get(app) ?? new HostBreakers()
    this.#hosts.set(app, hosts)
    return hosts
  }

  #reportOpened({ ref, campaign, opened }: Open): void {
    const { takeover, uncertain, settled, uris } = opened
    this.#deps.emit({
      type: 'batch.opened',
      ...ref,
      notificationType: campaign.message.type,
      takeover,
      uncertain,
      settled,
      guardAdmitted: campaign.terms.guardSeconds > 0 ? uris.filter((uri) => uri !== '').length : 0,
    })
  }

  async #reportEnd(ref: BatchRef, end: BatchEnd): Promise<void> {
    const { emit, queues } = this.#deps
    if (end.kind === 'parked') emit({ type: 'batch.parked', ...ref, delayMs: end.delayMs, reason: end.reason })
    if (end.kind !== 'closed') return
    emit({ type: 'batch.closed', ...ref })
    if (end.leavesOthers) await queues.enqueue('sweep', { app: ref.app, campaign: ref.campaign })
  }
}

const unchangedPlan: PlanState = { live: 0, active: 0, wakeAt: 0, planPosition: -1 }

/** A batch that was not opened: it keeps its place, and the planner need not be woken. */
function parked(delayMs: number, reason: ParkReason): BatchEnd {
  return { kind: 'parked', delayMs: Math.max(0, delayMs), reason, plan: unchangedPlan }
}
