import type { AppId, CampaignId, FanoutEvent } from '@wns-fanout/domain'
import { isTerminal } from '@wns-fanout/domain'
import type { CampaignStore, Ledger } from '@wns-fanout/state'
import type { CrashPoints } from './crash-points.ts'
import type { Queues } from './queues.ts'

export interface ReconcileDeps extends CrashPoints {
  readonly campaigns: CampaignStore
  readonly ledger: Ledger
  readonly queues: Queues
  readonly emit: (event: FanoutEvent) => void
}

const SWEEP_AT_ONCE = 256

/**
 * Make the queue agree with the ledger for one campaign. The queue only wakes workers up, the ledger is the truth:
 * every batch that is planned and not closed gets its job back, a plan that stopped short goes on, a launch that was
 * forgotten happens, and what a stopped campaign left behind is closed. Adding a job that exists changes nothing.
 */
export const reconcile = async (deps: ReconcileDeps, app: AppId, id: CampaignId): Promise<void> => {
  const record = await deps.campaigns.get(app, id)
  if (record === null) return
  if (record.finishedAtMs !== undefined) return
  if (isTerminal(record.state)) return sweep(deps, app, id)
  if (record.state === 'scheduled') {
    const delayMs = record.startAtMs - record.redisNowMs
    if (delayMs > 0) await deps.queues.ask('launch', { app, campaign: id }, '', delayMs)
    else await deps.queues.launchNow({ app, campaign: id })
    return
  }
  if (record.state !== 'sending') return
  if (!record.sealed) await deps.queues.ask('plan', { app, campaign: id }, record.cursor)
  const live = await deps.campaigns.liveBatches(app, id)
  const batches = await deps.campaigns.batches(app, id, live)
  const missing = batches.flatMap((batch) => {
    if (batch === null || batch.closed) return []
    const delayMs = batch.state === 'parked' ? batch.dueAtMs - record.redisNowMs : 0
    return [{ campaign: id, seq: batch.seq, delayMs }]
  })
  const { lost, overdue } = await deps.queues.restoreBatches(app, missing, record.definition.priority)
  if (lost > 0) deps.emit({ type: 'reconciled', app, reason: 'no-job', count: lost })
  if (overdue > 0) deps.emit({ type: 'reconciled', app, reason: 'overdue', count: overdue })
}

/** Close what a stopped campaign left behind. What an owner still holds, the owner closes. */
export const sweep = async (deps: ReconcileDeps, app: AppId, id: CampaignId): Promise<void> => {
  for (;;) {
    const swept = await deps.ledger.sweep({ app, campaign: id }, SWEEP_AT_ONCE)
    if (swept.closed < SWEEP_AT_ONCE) {
      if (swept.live > 0) await wakeOwners(deps, app, id)
      return
    }
  }
}

/** The batches left are open: an owner that lives is closing its batch, for a dead one somebody has to come. */
const wakeOwners = async (deps: ReconcileDeps, app: AppId, id: CampaignId): Promise<void> => {
  const live = await deps.campaigns.liveBatches(app, id)
  await deps.queues.restoreBatches(
    app,
    live.map((seq) => ({ campaign: id, seq, delayMs: 0 })),
    'urgent',
  )
}

/**
 * What the leader does from time to time, for all apps. Finished campaigns are told of and retired. A campaign that
 * cannot be looked after, because its ledger is damaged, keeps no other one waiting.
 */
export const reconcileAll = async (deps: ReconcileDeps, apps: readonly AppId[], signal: AbortSignal): Promise<void> => {
  for (const app of apps) {
    for (const id of await deps.campaigns.active(app)) {
      if (signal.aborted) return
      await alone(deps, id, () => reconcile(deps, app, id))
    }
    for (const id of await deps.campaigns.finished(app)) {
      if (signal.aborted) return
      await alone(deps, id, () => tellFinished(deps, app, id))
    }
  }
}

/** Dying before it is retired, the leader tells of it again. */
const tellFinished = async (deps: ReconcileDeps, app: AppId, id: CampaignId): Promise<void> => {
  const record = await deps.campaigns.get(app, id)
  if (record === null) return
  deps.emit({ type: 'campaign.finished', app, campaign: id })
  deps.reached?.('finish-told')
  await deps.campaigns.retire(app, record)
}

const alone = async (deps: ReconcileDeps, id: CampaignId, work: () => Promise<void>): Promise<void> => {
  try {
    await work()
  } catch (error) {
    deps.emit({ type: 'queue.error', queue: `campaign ${id}`, error })
  }
}
