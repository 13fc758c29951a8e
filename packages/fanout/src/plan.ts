import type { AppId, CampaignId } from '@wns-fanout/domain'
import { pagesFor } from '@wns-fanout/domain'
import type { CampaignStore, Ledger } from '@wns-fanout/state'
import { PAGE_BYTES, cutBatches } from './cut.ts'
import type { Queues } from './queues.ts'

/** Batches planned and not closed: enough to keep every worker busy, few enough that Redis stays small. */
export const LOOK_AHEAD = 256
/** So few are left that the planner goes on. */
export const WAKE_AT = 128
const STRETCH_PAGES = 4096
const STEP = 128

export interface PlanDeps {
  readonly campaigns: CampaignStore
  readonly ledger: Ledger
  readonly queues: Queues
}

/**
 * Plan a campaign up to the look-ahead: cut the frozen audience into batches, write them down, put them into the
 * app's queue. Dying between the last two is harmless: what is written down and has no job is found by `reconcile`.
 *
 * @returns whether the campaign is finished by this, which is so for an empty audience
 */
export const plan = async (
  deps: PlanDeps,
  app: AppId,
  campaign: CampaignId,
  lookAhead = LOOK_AHEAD,
): Promise<{ readonly campaignFinished: boolean }> => {
  for (;;) {
    const record = await deps.campaigns.get(app, campaign)
    if (record === null || record.audienceSize === null || record.sealed || record.state !== 'sending')
      return { campaignFinished: false }
    const room = lookAhead - (record.planned - record.closed)
    if (room <= 0) return { campaignFinished: false }
    const from = record.cursor * PAGE_BYTES
    const bits = await deps.campaigns.targets(app, campaign, from, from + STRETCH_PAGES * PAGE_BYTES - 1)
    const last = bits.length < STRETCH_PAGES * PAGE_BYTES
    const { batches, nextPage } = cutBatches(bits, record.cursor, Math.min(room, STEP), last)
    const ends = last && nextPage >= record.cursor + pagesFor(bits.length * 8)
    const step = await deps.ledger.plan(
      { app, campaign },
      { cursor: record.cursor, nextCursor: nextPage, ends, batches },
    )
    if (step.kind === 'stopped') return { campaignFinished: false }
    // Another planner was faster; what it wrote down it also puts into the queue.
    if (step.kind === 'moved') continue
    const jobs = batches.map((_, at) => ({ campaign, seq: step.firstSeq + at }))
    await deps.queues.addBatches(app, jobs, record.definition.priority)
    if (ends) return { campaignFinished: step.campaignFinished }
  }
}
