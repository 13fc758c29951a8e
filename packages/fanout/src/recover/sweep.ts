import type { AppId, CampaignId } from '@wns-fanout/domain'
import { isTerminal } from '@wns-fanout/domain'
import type { SweepAnswer } from '@wns-fanout/state'
import { LedgerDamaged } from '@wns-fanout/state'
import type { RepairDeps } from './repair.ts'
import { haltDamaged, repair } from './repair.ts'

const SWEEP_AT_ONCE = 256

/**
 * Close the batches of a stopped campaign, and repair its ledger if it is damaged. Batches with a live owner are left
 * to that owner.
 */
export async function sweep(deps: RepairDeps, app: AppId, id: CampaignId): Promise<void> {
  const swept = await sweepWhole(deps, app, id)
  if (swept !== 'damaged') {
    if (swept.campaignFinished || !isStopped(swept.state)) return
    if (swept.live > swept.damaged) return wakeOwners(deps, app, id)
  }
  const record = await deps.campaigns.get(app, id)
  if (record === null || record.finishedAtMs !== undefined) return
  if (record.damaged === undefined)
    return haltDamaged(
      deps,
      app,
      id,
      new LedgerDamaged('the campaign: batches without an owner are left that cannot be closed'),
    )
  await repair(deps, app, id)
}

function isStopped(state: SweepAnswer['state']): boolean {
  return state !== 'missing' && isTerminal(state)
}

/** Close the intact batches without an owner; `damaged` when a campaign marked as damaged does not allow it. */
async function sweepWhole(deps: RepairDeps, app: AppId, id: CampaignId): Promise<SweepAnswer | 'damaged'> {
  for (;;) {
    try {
      const swept = await deps.ledger.sweep({ app, campaign: id }, SWEEP_AT_ONCE)
      if (swept.closed < SWEEP_AT_ONCE) return swept
    } catch (error) {
      if (!(error instanceof LedgerDamaged)) throw error
      const record = await deps.campaigns.get(app, id)
      if (record?.damaged === undefined) throw error
      return 'damaged'
    }
  }
}

/**
 * The batches that are left are open. A live owner closes its own batch; the batch of a dead owner needs a job to be
 * taken over.
 */
async function wakeOwners(deps: RepairDeps, app: AppId, id: CampaignId): Promise<void> {
  const live = await deps.ledger.liveBatches({ app, campaign: id })
  await deps.queues.restoreBatches(
    app,
    live.map((seq) => ({ campaign: id, seq, turn: 1, delayMs: 0 })),
  )
}
