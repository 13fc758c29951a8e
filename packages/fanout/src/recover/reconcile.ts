import type { AppId, CampaignId, FanoutEvent } from '@wns-fanout/domain'
import { isTerminal } from '@wns-fanout/domain'
import type { CampaignRecord, CampaignStore, Ledger } from '@wns-fanout/state'
import { LedgerDamaged, LedgerVersion, assertIntact } from '@wns-fanout/state'
import type { CrashPoints } from '../crash-points.ts'
import { haltDamaged } from './repair.ts'
import { turnOf } from '../plan/turns.ts'
import { sweep } from './sweep.ts'
import type { Queues } from '../worker/queues.ts'

export interface ReconcileDeps extends CrashPoints {
  readonly campaigns: CampaignStore
  readonly ledger: Ledger
  readonly queues: Queues
  readonly emit: (event: FanoutEvent) => void
  /** Is the app's breaker open, so that its jobs wait for a probe and not for a clock? */
  readonly isBarred: (app: AppId) => boolean
  /** Called with each campaign of another ledger version, every time that one is found. */
  readonly leaveAlone: (app: AppId, campaign: CampaignId, why: LedgerVersion) => void
}

/**
 * Make the queue agree with the ledger for one campaign. The queue only wakes workers; the ledger is the source of
 * truth: every batch that is planned and not closed gets its job back, an interrupted plan continues, a missed launch
 * runs, and the batches of a stopped campaign are closed. Adding a job that exists changes nothing.
 */
export async function reconcile(deps: ReconcileDeps, app: AppId, id: CampaignId): Promise<void> {
  const record = await deps.campaigns.get(app, id)
  if (record === null) throw new LedgerDamaged('the campaign: its hash is missing')
  if (record.finishedAtMs !== undefined) return
  if (record.damaged === undefined) assertIntact(record)
  if (record.heldBy !== undefined) return
  if (isTerminal(record.state)) return sweep(deps, app, id)
  if (record.state === 'scheduled') {
    const delayMs = record.startAtMs - record.redisNowMs
    if (delayMs > 0) await deps.queues.enqueue('launch', { app, campaign: id }, '', delayMs)
    else await deps.queues.launchNow({ app, campaign: id })
    return
  }
  if (record.state !== 'sending') return
  if (!record.planComplete) await deps.queues.enqueue('plan', { app, campaign: id }, record.planned)
  const live = await deps.ledger.liveBatches({ app, campaign: id })
  await mustAddUp(deps, app, record, live)
  const batches = await deps.ledger.batches({ app, campaign: id }, live)
  const stuck = batches.find((batch) => batch?.closed === true)
  // Closing a batch removes it from the live ones in the same step.
  if (stuck != null && (await deps.ledger.liveBatches({ app, campaign: id })).includes(stuck.seq))
    throw new LedgerDamaged(`batch ${stuck.seq}: it is closed and live at once`)
  const isBarred = deps.isBarred(app)
  const missing = batches.flatMap((batch, at) => {
    if (batch === null) throw new LedgerDamaged(`batch ${live[at]}: its range is missing`)
    if (batch.closed) return []
    const delayMs = batch.state === 'parked' ? batch.dueAtMs - record.redisNowMs : 0
    return [
      {
        campaign: id,
        seq: batch.seq,
        turn: turnOf(record, batch.seq),
        delayMs: isBarred ? Math.max(0, delayMs) : delayMs,
      },
    ]
  })
  const { lost, overdue } = await deps.queues.restoreBatches(app, missing)
  if (lost > 0) deps.emit({ type: 'reconciled', app, reason: 'no-job', count: lost })
  if (overdue > 0) deps.emit({ type: 'reconciled', app, reason: 'overdue', count: overdue })
}

/**
 * A campaign whose batches do not add up would never finish. A difference that changes between two reads is not damage.
 */
async function mustAddUp(
  deps: ReconcileDeps,
  app: AppId,
  before: CampaignRecord,
  live: readonly number[],
): Promise<void> {
  const isOver = before.planComplete && before.planned === before.closed
  if (live.length === before.planned - before.closed && !isOver) return
  const now = await deps.campaigns.get(app, before.definition.id)
  if (now === null || now.planned !== before.planned || now.closed !== before.closed) return
  if (now.planComplete !== before.planComplete || now.state !== 'sending') return
  const found = isOver
    ? `every batch is closed, ${now.totals.pending} recipients are pending, and not all outcomes are there`
    : `${live.length} batches are live, ${now.planned} planned and ${now.closed} closed`
  throw new LedgerDamaged(`the campaign: ${found}`)
}

/**
 * The periodic work of the leader, for all apps. Finished campaigns are reported and retired. A campaign or an app that
 * fails here does not block the others; a campaign whose ledger is damaged halts.
 */
export async function reconcileAll(deps: ReconcileDeps, apps: readonly AppId[], signal: AbortSignal): Promise<void> {
  for (const app of await deps.campaigns.appsWithAny(apps)) {
    try {
      await reconcileApp(deps, app, signal)
    } catch (error) {
      deps.emit({ type: 'operation.failed', operation: `reconciliation of ${app}`, error })
    }
  }
}

async function reconcileApp(deps: ReconcileDeps, app: AppId, signal: AbortSignal): Promise<void> {
  for (const id of await deps.campaigns.active(app)) {
    if (signal.aborted) return
    await isolated(deps, app, id, () => reconcile(deps, app, id))
  }
  for (const id of await deps.campaigns.finished(app)) {
    if (signal.aborted) return
    await isolated(deps, app, id, () => retireFinished(deps, app, id))
  }
}

/** A leader that dies before it retires the campaign reports it again, but counts no recipient twice. */
async function retireFinished(deps: ReconcileDeps, app: AppId, id: CampaignId): Promise<void> {
  const record = await deps.campaigns.get(app, id)
  if (record === null) return
  deps.emit(finished(app, record))
  deps.reached?.('finish-reported')
  const settled = await deps.campaigns.takeUncounted(app, id)
  if (settled.length > 0) {
    const notificationType = record.definition.request.notification.type
    deps.emit({ type: 'recipients.settled', app, campaign: id, notificationType, settled })
  }
  await deps.campaigns.retire(app, record)
}

function finished(app: AppId, record: CampaignRecord): FanoutEvent {
  const { definition, state, reason, totals, startedAtMs, finishedAtMs } = record
  return {
    type: 'campaign.finished',
    app,
    campaign: definition.id,
    state,
    totals,
    ...(reason === undefined ? {} : { reason }),
    ...(startedAtMs === undefined || finishedAtMs === undefined ? {} : { durationMs: finishedAtMs - startedAtMs }),
  }
}

async function isolated(deps: ReconcileDeps, app: AppId, id: CampaignId, work: () => Promise<void>): Promise<void> {
  try {
    try {
      await work()
    } catch (error) {
      if (error instanceof LedgerVersion) deps.leaveAlone(app, id, error)
      else if (error instanceof LedgerDamaged) await haltDamaged(deps, app, id, error)
      else throw error
    }
  } catch (error) {
    deps.emit({ type: 'operation.failed', operation: `campaign ${id}`, error })
  }
}
