import type { AppId, CampaignId } from '@wns-fanout/domain'
import { PAGE_BYTES, pagesFor, popcount } from '@wns-fanout/domain'
import type { CampaignRecord, CampaignStore, Ledger, PlannedBatch } from '@wns-fanout/state'
import { assertIntact } from '@wns-fanout/state'
import type { CrashPoints } from '../crash-points.ts'
import type { Queues } from '../worker/queues.ts'
import { checkCanary } from './canary.ts'
import { cutBatches } from './cut.ts'

/** Batches planned and not closed: enough to keep every worker busy, few enough that Redis stays small. */
export const LOOK_AHEAD = 256
/** The planner continues when fewer batches than this are left. */
export const WAKE_AT = 128
/** Pages of the audience that are read at a time. */
const STRETCH_PAGES = 4096
/** Most batches that are planned in one step. */
const STEP_BATCHES = 128

export interface PlanDeps extends CrashPoints {
  readonly campaigns: CampaignStore
  readonly ledger: Ledger
  readonly queues: Pick<Queues, 'addBatches' | 'enqueue'>
}

/**
 * Plan a campaign up to the look-ahead: cut the frozen audience into batches, write them to the ledger and add them to
 * the app's queue. A process may die between the last two: `reconcile` finds planned batches without a job. A campaign
 * with a canary is planned up to the canary's size, and no further until all outcomes of the canary are known.
 */
export async function plan(deps: PlanDeps, app: AppId, campaign: CampaignId, lookAhead = LOOK_AHEAD): Promise<void> {
  for (;;) {
    const record = await deps.campaigns.get(app, campaign)
    if (record === null || record.audienceSize === null || record.planComplete || record.state !== 'sending') return
    assertIntact(record)
    const canary = await checkCanary(deps, app, record)
    if (canary === 'undecided' || canary === 'halted') return
    const room = canary === 'unplanned' ? 1 : lookAhead - (record.planned - record.closed)
    if (room <= 0) return
    const from = record.cursor * PAGE_BYTES
    const bits = await deps.ledger.targets({ app, campaign }, from, from + STRETCH_PAGES * PAGE_BYTES - 1)
    const last = bits.length < STRETCH_PAGES * PAGE_BYTES
    const { batches, nextPage } = cutBatches(bits, record.cursor, Math.min(room, STEP_BATCHES), last, {
      before: await plannedOnPage(deps, app, record),
      ...(canary === 'unplanned' ? { limit: canarySize(record) - record.plannedRecipients } : {}),
    })
    const ends = last && nextPage >= record.cursor + pagesFor(bits.length * 8)
    const timed = spreadOut(batches, record)
    const step = await deps.ledger.plan(
      { app, campaign },
      { cursor: record.cursor, planned: record.planned, nextCursor: nextPage, ends, batches: timed },
    )
    if (step.kind === 'stopped') return
    // Another planner was faster, and also adds the jobs of its batches.
    if (step.kind === 'moved') continue
    const jobs = timed.map(({ dueAtMs }, at) => ({
      campaign,
      seq: step.firstSeq + at,
      delayMs: Math.max(0, (dueAtMs ?? 0) - record.redisNowMs),
    }))
    deps.reached?.('batches-planned')
    const adding = deps.queues.addBatches(app, jobs, record.definition.priority)
    deps.reached?.('jobs-adding')
    await adding
    deps.reached?.('jobs-added')
    if (ends) return
  }
}

function canarySize(record: CampaignRecord): number {
  return record.definition.request.canary?.size ?? 0
}

/** Recipients of the page at the cursor that are planned already: a canary of any size can end within a page. */
async function plannedOnPage(deps: PlanDeps, app: AppId, record: CampaignRecord): Promise<number> {
  if (record.plannedRecipients === 0 || record.plannedRecipients !== canarySize(record)) return 0
  const of = { app, campaign: record.definition.id }
  const end = record.cursor * PAGE_BYTES
  let before = 0
  for (let from = 0; from < end; from += STRETCH_PAGES * PAGE_BYTES)
    before += popcount(await deps.ledger.targets(of, from, Math.min(end, from + STRETCH_PAGES * PAGE_BYTES) - 1))
  return record.plannedRecipients - before
}

/** The batches of a campaign with a pace are due evenly over its time. */
function spreadOut(batches: readonly PlannedBatch[], record: CampaignRecord): PlannedBatch[] {
  const { pace } = record.definition.request
  if (pace === undefined) return [...batches]
  let before = record.plannedRecipients
  return batches.map((batch) => {
    const share = before / Math.max(1, record.audienceSize ?? 0)
    before += batch.recipients
    return {
      ...batch,
      dueAtMs: Math.round((record.startedAtMs ?? record.redisNowMs) + share * pace.overSeconds * 1000),
    }
  })
}
