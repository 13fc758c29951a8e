import type { AppId, CampaignId, Totals } from '@wns-fanout/domain'
import { pagesFor } from '@wns-fanout/domain'
import type { CampaignRecord, CampaignStore, Ledger, PlannedBatch } from '@wns-fanout/state'
import { assertIntact } from '@wns-fanout/state'
import type { CrashPoints } from '../crash-points.ts'
import { PAGE_BYTES, cutBatches } from './cut.ts'
import type { Queues } from '../worker/queues.ts'

/** Batches planned and not closed: enough to keep every worker busy, few enough that Redis stays small. */
export const LOOK_AHEAD = 256
/** So few are left that the planner goes on. */
export const WAKE_AT = 128
const STRETCH_PAGES = 4096
const STEP = 128

export interface PlanDeps extends CrashPoints {
  readonly campaigns: CampaignStore
  readonly ledger: Ledger
  readonly queues: Queues
}

/**
 * Plan a campaign up to the look-ahead: cut the frozen audience into batches, write them down, put them into the
 * app's queue. Dying between the last two is harmless: what is written down and has no job is found by `reconcile`.
 * A campaign with a canary is planned that far and no further until the outcome of all of those is known.
 */
export async function plan(deps: PlanDeps, app: AppId, campaign: CampaignId, lookAhead = LOOK_AHEAD): Promise<void> {
  for (;;) {
    const record = await deps.campaigns.get(app, campaign)
    if (record === null || record.audienceSize === null || record.planComplete || record.state !== 'sending') return
    assertIntact(record)
    const canary = await checkCanary(deps, app, record)
    if (canary === 'wait' || canary === 'halted') return
    const room = canary === 'plan' ? 1 : lookAhead - (record.planned - record.closed)
    if (room <= 0) return
    const from = record.cursor * PAGE_BYTES
    const bits = await deps.ledger.targets({ app, campaign }, from, from + STRETCH_PAGES * PAGE_BYTES - 1)
    const last = bits.length < STRETCH_PAGES * PAGE_BYTES
    const { batches, nextPage } = cutBatches(bits, record.cursor, Math.min(room, STEP), last)
    const ends = last && nextPage >= record.cursor + pagesFor(bits.length * 8)
    const timed = spreadOut(batches, record)
    const step = await deps.ledger.plan(
      { app, campaign },
      { cursor: record.cursor, nextCursor: nextPage, ends, batches: timed },
    )
    if (step.kind === 'stopped') return
    // Another planner was faster; what it wrote down it also puts into the queue.
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

/** A campaign that is spread over a time opens each batch when its turn comes. */
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

type CanaryStep = 'free' | 'plan' | 'wait' | 'halted'

async function checkCanary(deps: PlanDeps, app: AppId, record: CampaignRecord): Promise<CanaryStep> {
  const { canary } = record.definition.request
  if (canary === undefined || record.canaryPassed) return 'free'
  if (record.plannedRecipients < canary.size) return 'plan'
  if (record.closed < record.planned) return 'wait'
  const id = record.definition.id
  if (failureShare(record.totals, record.plannedRecipients) > canary.maxFailureShare) {
    await deps.campaigns.steer(app, id, 'halt', 'canary')
    await deps.queues.enqueue('sweep', { app, campaign: id })
    return 'halted'
  }
  await deps.campaigns.passCanary(app, id)
  return 'free'
}

/** The share of recipients that were posted to in vain: refused, failed, dead or in doubt. */
export function failureShare(totals: Totals, of: number): number {
  return of === 0 ? 0 : (totals.rejected + totals.failed + totals.dead + totals.in_doubt) / of
}
