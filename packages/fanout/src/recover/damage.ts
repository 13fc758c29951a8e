import type { AppId, CampaignId, FanoutEvent, Totals } from '@wns-fanout/domain'
import { byteOf, classOf, code, codeOf, codeTable, emptyTotals, isSettled, postsOf } from '@wns-fanout/domain'
import type { BatchSalvage, CampaignRecord, CampaignStore, Ledger, RepairedBatch } from '@wns-fanout/state'
import { LEDGER_VERSION, LedgerDamaged, LedgerVersion } from '@wns-fanout/state'
import { PAGE_BYTES, cutBatches, popcount } from '../plan/cut.ts'
import type { Queues } from '../worker/queues.ts'

export interface DamageDeps {
  readonly campaigns: CampaignStore
  readonly ledger: Ledger
  readonly queues: Queues
  readonly emit: (event: FanoutEvent) => void
}

/**
 * A ledger that is damaged says neither who was posted to nor who was not, so its campaign halts: at once, and whatever is
 * left of it. Other campaigns are not concerned. Then everybody gets a class: see `mend`.
 */
export async function haltDamaged(
  deps: DamageDeps,
  app: AppId,
  campaign: CampaignId,
  { message: found }: LedgerDamaged,
  seq?: number,
): Promise<void> {
  const halted = await deps.ledger.halt({ app, campaign }, found, seq)
  if (halted) deps.emit({ type: 'ledger.damaged', app, campaign, ...(seq === undefined ? {} : { seq }), found })
  if (halted || seq !== undefined) await deps.queues.enqueue('sweep', { app, campaign }, seq ?? 'damaged')
}

/** What is wrong with a campaign is told before anything is done about it. One of another version is left alone. */
export function assertIntact({ version, damage, redisNowMs, expiresAtMs }: CampaignRecord): void {
  if (version !== LEDGER_VERSION) {
    const found = `the schema version of the campaign is ${version ?? 'missing'}, this process writes ${LEDGER_VERSION}`
    // Without any, nobody is there to carry it on once its time is up.
    if (version === undefined && redisNowMs >= expiresAtMs) throw new LedgerDamaged(found)
    throw new LedgerVersion(found)
  }
  if (damage !== undefined) throw new LedgerDamaged(damage)
}

const BATCHES_AT_ONCE = 64
const STRETCH_BYTES = 1 << 20

/**
 * Close what is damaged in a halted campaign of which everything else is closed, count all vectors again, and set the
 * totals. Of whom nothing can be known any more is `in_doubt`; whoever was certainly not posted to is `cancelled`. The
 * campaign stands still meanwhile, so two that mend at once write the same, and dying in between only means to do it again.
 */
export async function repair(deps: DamageDeps, app: AppId, id: CampaignId): Promise<void> {
  const record = await deps.campaigns.get(app, id)
  if (record === null || record.finishedAtMs !== undefined || record.halting === undefined) return
  const bits = await frozenAudience(deps.campaigns, app, id)
  const pages = Math.ceil(bits.length / PAGE_BYTES)
  const atMost = pages > 0 ? pages : (record.audienceSize ?? 0)
  const planned = await deps.campaigns.batchCount(app, id, record.planned, atMost)
  const stopCode = stopCodeOf(record)
  const isIntact = bits.length > 0 && popcount(bits) === record.audienceSize
  const count = new Count()
  const known: Page[] = []
  const torn: BatchSalvage[] = []
  for (let seq = 0; seq < planned; seq += BATCHES_AT_ONCE) {
    const seqs = Array.from({ length: Math.min(BATCHES_AT_ONCE, planned - seq) }, (_, at) => seq + at)
    for (const found of await deps.campaigns.salvage(app, id, seqs)) {
      const batch = isIntact ? counted(found, bits) : found
      const bytes = isWhole(batch, bits) ? (batch.vector ?? batch.all) : undefined
      if (batch.range !== undefined) known.push({ seq: batch.seq, ...batch.range })
      if (bytes === undefined || batch.range === undefined) torn.push(batch)
      else count.add(bytes, batch.range.recipients)
    }
  }
  const repaired = repairBatches(torn, known, bits, { ...record, stopCode })
  for (const batch of repaired) count.add(batch.bytes, batch.recipients)
  for (let at = 0; at < repaired.length; at += BATCHES_AT_ONCE)
    await deps.ledger.repair({ app, campaign: id }, repaired.slice(at, at + BATCHES_AT_ONCE))
  const inBatches = count.recipients
  const audienceSize = Math.max(record.audienceSize ?? popcount(bits), inBatches)
  count.totals[classOf(stopCode)] += audienceSize - inBatches
  await deps.ledger.finishRepair(
    { app, campaign: id },
    { audienceSize, planned, plannedRecipients: inBatches, posts: count.posts, totals: count.totals },
  )
}

interface Page {
  readonly seq: number
  readonly fromPage: number
  readonly toPage: number
  readonly recipients: number
}

function stopCodeOf(record: CampaignRecord): number {
  return record.state === 'expired' ? code.lapsed : code.cancelled
}

async function frozenAudience(campaigns: CampaignStore, app: AppId, id: CampaignId): Promise<Uint8Array> {
  const stretches: Uint8Array[] = []
  for (let from = 0; ; from += STRETCH_BYTES) {
    const stretch = await campaigns.targets(app, id, from, from + STRETCH_BYTES - 1)
    stretches.push(stretch)
    if (stretch.length < STRETCH_BYTES) return Buffer.concat(stretches)
  }
}

function popcountOf(bits: Uint8Array, { fromPage, toPage }: Pick<Page, 'fromPage' | 'toPage'>): number {
  return popcount(bits, Math.min(bits.length, fromPage * PAGE_BYTES), Math.min(bits.length, (toPage + 1) * PAGE_BYTES))
}

/** An audience that is whole knows better than a batch how many are on its pages. */
function counted(batch: BatchSalvage, bits: Uint8Array): BatchSalvage {
  if (batch.range === undefined) return batch
  const recipients = popcountOf(bits, batch.range)
  return { ...batch, range: recipients === 0 ? undefined : { ...batch.range, recipients } }
}

/** Is a batch closed, and does everything it says fit together? */
function isWhole({ range, closed, vector, all }: BatchSalvage, bits: Uint8Array): boolean {
  if (range === undefined || !closed) return false
  if (hasOthers(range, bits)) return false
  if (vector === null) return all !== undefined
  return vector.length === range.recipients && vector.every((byte) => isKnown(byte) && isSettled(codeOf(byte)))
}

/** Does the audience name others than the batch counts? Then no byte says who it is of. One that is gone names nobody. */
function hasOthers(range: Omit<Page, 'seq'>, bits: Uint8Array): boolean {
  const named = popcountOf(bits, range)
  return named > 0 && named !== range.recipients
}

function isKnown(byte: number): boolean {
  return codeTable[codeOf(byte)] !== undefined
}

interface Terms {
  readonly cursor: number
  readonly plannedRecipients: number
  readonly stopCode: number
}

/**
 * What becomes of batches of which something is lost.
 *
 * @param known the batches whose range is known, damaged or not, by their number
 * @param bits the frozen audience; empty where it is gone
 */
export function repairBatches(
  torn: readonly BatchSalvage[],
  known: readonly Page[],
  bits: Uint8Array,
  terms: Terms,
): RepairedBatch[] {
  const ranges = new Map(known.map((batch) => [batch.seq, batch]))
  for (const range of rangesOfLost(torn, known, bits, terms)) ranges.set(range.seq, range)
  return torn.map((batch) => {
    const range = ranges.get(batch.seq)
    if (range === undefined) throw new Error(`batch ${batch.seq} was given no range`)
    return { ...range, bytes: bytesOf(batch, range, bits, terms.stopCode) }
  })
}

function bytesOf(batch: BatchSalvage, range: Page, bits: Uint8Array, stopCode: number): Uint8Array | number {
  const { vector, all, closed } = batch
  const isReadable = !hasOthers(range, bits)
  if (isReadable && vector !== null && vector.length === range.recipients)
    return vector.map((byte) => settle(byte, stopCode))
  if (vector === null && isReadable && closed && all !== undefined) return all
  if (vector === null && !closed && batch.wasOpened === false) return stopCode
  return code.inDoubt
}

/** The byte of a recipient whose batch is closed as it was found. */
function settle(byte: number, stopCode: number): number {
  if (!isKnown(byte)) return byteOf(code.inDoubt, postsOf(byte))
  if (codeOf(byte) === code.credited) return byteOf(code.inDoubt, postsOf(byte) + 1)
  return isSettled(codeOf(byte)) ? byte : byteOf(stopCode, postsOf(byte))
}

/** Batches follow each other, so what lies between two that are known belongs to those in between. */
function rangesOfLost(
  torn: readonly BatchSalvage[],
  known: readonly Page[],
  bits: Uint8Array,
  { cursor, plannedRecipients }: Terms,
): Page[] {
  const lost = torn.filter(({ range }) => range === undefined)
  const pages = Math.ceil(bits.length / PAGE_BYTES)
  const told = [...known.map(({ recipients }) => recipients), ...lost.map(({ vector }) => vector?.length ?? 0)]
  let untold = Math.max(0, plannedRecipients - told.reduce((sum, recipients) => sum + recipients, 0))
  const found: Page[] = []
  for (let at = 0; at < lost.length;) {
    const first = lost[at]?.seq ?? 0
    let behind = at + 1
    while (lost[behind]?.seq === first + behind - at) behind += 1
    const group = lost.slice(at, behind)
    at = behind
    const fromPage = (known.findLast(({ seq }) => seq < first)?.toPage ?? -1) + 1
    const next = known.find(({ seq }) => seq > first)?.fromPage ?? (cursor > fromPage ? cursor : pages)
    const toPage = Math.max(fromPage, next) - 1
    if (pages === 0) {
      // Nobody can be named, but they still count.
      for (const { seq, vector } of group) {
        const recipients = vector?.length ?? untold
        if (vector === null) untold = 0
        found.push({ seq, fromPage, toPage: Math.max(fromPage, toPage), recipients })
      }
      continue
    }
    const stretch = bits.subarray(fromPage * PAGE_BYTES, (toPage + 1) * PAGE_BYTES)
    const { batches } = cutBatches(stretch, fromPage, group.length, true)
    for (const [nth, { seq }] of group.entries()) {
      const cut = batches[nth]
      if (cut === undefined) found.push({ seq, fromPage: toPage + 1, toPage, recipients: 0 })
      else {
        const range = { fromPage: cut.fromPage, toPage: nth === group.length - 1 ? toPage : cut.toPage }
        found.push({ seq, ...range, recipients: popcountOf(bits, range) })
      }
    }
  }
  return found
}

/** Counts recipients by class, and the posts written to them. */
class Count {
  readonly totals: Totals = emptyTotals()
  recipients = 0
  posts = 0

  /** A vector, or the code of so many recipients. */
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
