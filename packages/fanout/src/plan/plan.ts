import type { AppId, CampaignId } from '@wns-fanout/domain'
import { PAGE_BYTES, pagesFor } from '@wns-fanout/domain'
import type { CampaignRecord, CampaignStore, Ledger, PlannedBatch, StoredWave } from '@wns-fanout/state'
import { LedgerDamaged, assertIntact } from '@wns-fanout/state'
import { nextOpening, waitsForWave, waveAt } from '../campaign/local-waves.ts'
import type { AppCondition } from '../campaign/view.ts'
import type { CrashPoints } from '../crash-points.ts'
import type { Queues } from '../worker/queues.ts'
import { canarySize, checkCanary } from './canary.ts'
import { cutBatches } from './cut.ts'
import { MAX_LIVE_BATCHES, batchRecipients, lookAhead } from './look-ahead.ts'
import type { Competitor } from './turns.ts'
import { nextTurns } from './turns.ts'

/** Pages of the audience that are read at a time. */
const STRETCH_PAGES = 4096
/** Most batches that are planned in one step. */
const STEP_BATCHES = 128

export interface PlanDeps extends CrashPoints {
  readonly campaigns: CampaignStore
  readonly ledger: Ledger
  readonly queues: Pick<Queues, 'addBatches' | 'enqueue'>
  readonly condition: (app: AppId) => Promise<Pick<AppCondition, 'effectiveRatePerSecond'>>
  /** Batches that keep the lanes of one worker busy. */
  readonly busyBatches: number
}

/**
 * Plan a campaign up to its look-ahead: cut the frozen audience into batches, write them to the ledger and add them to
 * the app's queue. A process may die between the last two: `reconcile` finds planned batches without a job. A campaign
 * with a canary is planned up to the canary's size, and no further until all outcomes of the canary are known.
 */
export async function plan(deps: PlanDeps, app: AppId, campaign: CampaignId): Promise<void> {
  let room: number | undefined
  for (;;) {
    const record = await deps.campaigns.get(app, campaign)
    if (record === null || record.audienceSize === null || record.planComplete || record.state !== 'sending') return
    assertIntact(record)
    const canary = await checkCanary(deps, app, record)
    if (canary !== 'passed' && canary !== 'unplanned') return
    const others = await othersSending(deps, app, campaign)
    const ratePerSecond = (await deps.condition(app)).effectiveRatePerSecond
    const ahead = lookAhead({ ratePerSecond, definition: record.definition, others, busyBatches: deps.busyBatches })
    room ??= ahead - (await deps.ledger.activeBatches({ app, campaign }))
    const wakeAt = Math.ceil(ahead / 2)
    const atMost = Math.min(canary === 'unplanned' ? 1 : room, STEP_BATCHES, roomFor(record))
    if (atMost <= 0) return deps.ledger.wakeAt({ app, campaign }, wakeAt)
    // No batch has recipients of two waves, since these are due at different times.
    const found = waveAt(record, record.cursor)
    const pages = Math.min(STRETCH_PAGES, (found?.endPage ?? Infinity) - record.cursor)
    const from = record.cursor * PAGE_BYTES
    const bits = await deps.ledger.targets({ app, campaign }, from, from + pages * PAGE_BYTES - 1)
    const isEnd = bits.length < pages * PAGE_BYTES
    const last = isEnd || record.cursor + pages === found?.endPage
    const { batches, nextPage, nextBefore } = cutBatches(bits, record.cursor, atMost, last, {
      before: record.cursorBefore,
      size: batchRecipients(ratePerSecond),
      ...(canary === 'unplanned' ? { limit: leftOfCanary(record) } : {}),
    })
    const ends = last && found?.isLast !== false && nextPage >= record.cursor + pagesFor(bits.length * 8)
    const timed = inWave(spreadOut(batches, record), found?.wave, record)
    const { turns, next } = nextTurns(record, others, timed.length)
    const step = await deps.ledger.plan(
      { app, campaign },
      {
        cursor: record.cursor,
        planned: record.planned,
        nextCursor: nextPage,
        nextBefore,
        nextTurn: next,
        wakeAt,
        ends,
        batches: timed,
      },
    )
    if (step.kind === 'stopped') return
    // Another planner was faster, and also adds the jobs of its batches.
    room = undefined
    if (step.kind === 'moved') continue
    const jobs = timed.map(({ dueAtMs }, at) => ({
      campaign,
      seq: step.firstSeq + at,
      delayMs: Math.max(0, (dueAtMs ?? 0) - record.redisNowMs),
      turn: turns[at] ?? next,
    }))
    deps.reached?.('batches-planned')
    const adding = deps.queues.addBatches(app, jobs)
    deps.reached?.('jobs-adding')
    await adding
    deps.reached?.('jobs-added')
    if (ends) return
    room = ahead - step.active
  }
}

/** Batches that may be planned before there are too many that are not closed. */
function roomFor({ planned, closed }: CampaignRecord): number {
  return MAX_LIVE_BATCHES - (planned - closed)
}

/** A campaign whose ledger is damaged does not count, and must not halt this one. */
async function othersSending(deps: PlanDeps, app: AppId, campaign: CampaignId): Promise<readonly Competitor[]> {
  const ids = (await deps.campaigns.active(app)).filter((id) => id !== campaign)
  const found = await Promise.all(ids.map((id) => competitorOf(deps, app, id).catch(undefinedIfDamaged)))
  return found.filter((competitor) => competitor !== undefined)
}

async function competitorOf(deps: PlanDeps, app: AppId, campaign: CampaignId): Promise<Competitor | undefined> {
  const record = await deps.campaigns.get(app, campaign)
  if (record?.state !== 'sending' || waitsForWave(record)) return undefined
  return { ...record, active: await deps.ledger.activeBatches({ app, campaign }) }
}

function undefinedIfDamaged(error: unknown): undefined {
  if (!(error instanceof LedgerDamaged)) throw error
}

function leftOfCanary({ definition, audienceSize, plannedRecipients }: CampaignRecord): number {
  const { canary } = definition.request
  return canary === undefined ? 0 : canarySize(canary, audienceSize ?? 0) - plannedRecipients
}

/** No batch of a wave is due before the wave. Those that are due have no time of their own, as most batches. */
function inWave(
  batches: readonly PlannedBatch[],
  wave: StoredWave | undefined,
  { definition, redisNowMs }: CampaignRecord,
): readonly PlannedBatch[] {
  if (wave === undefined) return batches
  const opensAtMs = nextOpening(definition, wave, redisNowMs)
  if (opensAtMs <= redisNowMs) return batches
  return batches.map((batch) => ({ ...batch, dueAtMs: Math.max(opensAtMs, batch.dueAtMs ?? 0) }))
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
