import type { AppId, CampaignId, FanoutEvent, Totals } from '@wns-fanout/domain'
import { classOf, code, codeOf, emptyTotals, postsOf, PAGE_BYTES, popcount } from '@wns-fanout/domain'
import type { BatchSalvage, CampaignStore, Ledger, LedgerDamaged } from '@wns-fanout/state'
import type { Queues } from '../worker/queues.ts'
import { isWhole, recounted, repairedBatches } from './repaired-batches.ts'

export interface RepairDeps {
  readonly campaigns: CampaignStore
  readonly ledger: Ledger
  readonly queues: Queues
  readonly emit: (event: FanoutEvent) => void
}

/**
 * A damaged ledger does not show which recipients were posted to, so its campaign halts at once, whatever is left of
 * it. Other campaigns are not affected. The sweep and `repair` then settle every recipient.
 */
export async function haltDamaged(
  deps: RepairDeps,
  app: AppId,
  campaign: CampaignId,
  { message: found }: LedgerDamaged,
  seq?: number,
): Promise<void> {
  const halted = await deps.ledger.repair.markDamaged({ app, campaign }, found, seq)
  if (halted) deps.emit({ type: 'ledger.damaged', app, campaign, ...(seq === undefined ? {} : { seq }), found })
  if (halted || seq !== undefined) await deps.queues.enqueue('sweep', { app, campaign }, seq ?? 'damaged')
}

const BATCHES_AT_ONCE = 64
const STRETCH_BYTES = 1 << 20

/**
 * Close the damaged batches of a halted campaign whose other batches are closed, count all vectors again, and set the
 * totals. A recipient that was certainly not posted to is `cancelled`; one whose outcome is lost is `in_doubt`. Nothing
 * else writes to the campaign meanwhile, so two repairs at once write the same, and an interrupted repair is repeated.
 */
export async function repair(deps: RepairDeps, app: AppId, id: CampaignId): Promise<void> {
  const of = { app, campaign: id }
  const record = await deps.campaigns.get(app, id)
  if (record === null || record.finishedAtMs !== undefined || record.damaged === undefined) return
  const bits = await frozenAudience(deps.ledger, app, id)
  const pages = Math.ceil(bits.length / PAGE_BYTES)
  const planned = await deps.ledger.repair.batchCount(
    of,
    record.planned,
    pages > 0 ? pages : (record.audienceSize ?? 0),
  )
  const stopCode = record.state === 'expired' ? code.lapsed : code.cancelled
  const isAudienceWhole = bits.length > 0 && popcount(bits) === record.audienceSize
  const recount = new Recounter()
  const damaged: BatchSalvage[] = []
  const whole: BatchSalvage[] = []
  for (let seq = 0; seq < planned; seq += BATCHES_AT_ONCE) {
    const seqs = Array.from({ length: Math.min(BATCHES_AT_ONCE, planned - seq) }, (_, at) => seq + at)
    for (const found of await deps.ledger.repair.salvage(of, seqs)) {
      const batch = isAudienceWhole ? recounted(found, bits) : found
      const bytes = isWhole(batch, bits) ? (batch.vector ?? batch.closedAs) : undefined
      if (bytes === undefined || batch.range === undefined) damaged.push(batch)
      else {
        recount.add(bytes, batch.range.recipients)
        // Only its range is needed from here on.
        whole.push({ ...batch, vector: null })
      }
    }
  }
  const repaired = repairedBatches(damaged, whole, bits, { ...record, stopCode })
  for (const batch of repaired) recount.add(batch.bytes, batch.recipients)
  for (let at = 0; at < repaired.length; at += BATCHES_AT_ONCE)
    await deps.ledger.repair.repair(of, repaired.slice(at, at + BATCHES_AT_ONCE))
  const inBatches = recount.recipients
  const audienceSize = Math.max(record.audienceSize ?? popcount(bits), inBatches)
  recount.totals[classOf(stopCode)] += audienceSize - inBatches
  await deps.ledger.repair.finishRepair(of, {
    audienceSize,
    planned,
    plannedRecipients: inBatches,
    posts: recount.posts,
    totals: recount.totals,
  })
}

async function frozenAudience(ledger: Ledger, app: AppId, campaign: CampaignId): Promise<Uint8Array> {
  const stretches: Uint8Array[] = []
  for (let from = 0; ; from += STRETCH_BYTES) {
    const stretch = await ledger.targets({ app, campaign }, from, from + STRETCH_BYTES - 1)
    stretches.push(stretch)
    if (stretch.length < STRETCH_BYTES) return Buffer.concat(stretches)
  }
}

/** Counts recipients by class, and the posts written to them. */
class Recounter {
  readonly totals: Totals = emptyTotals()
  recipients = 0
  posts = 0

  /** @param bytes a vector, or the code of all recipients */
  add(bytes: Uint8Array | number, recipients: number): void {
    this.recipients += recipients
    if (typeof bytes === 'number') {
      this.totals[classOf(bytes)] += recipients
      return
    }
    for (const byte of bytes) {
      this.totals[classOf(codeOf(byte))] += 1
      this.posts += postsOf(byte)
    }
  }
}
