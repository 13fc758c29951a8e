import { codeTable, PAGE_SIZE } from '@wns-fanout/domain'
import type { Keys } from '../keys.ts'
import type { BatchField } from './fields.ts'
import type { RedisConnection } from '../redis.ts'
import type { Script, ScriptArgument } from '../scripts.ts'
import { loadScript } from '../scripts.ts'
import { bufferOf, named, rangeText, textOf } from './codec.ts'
import type { Reply } from './codec.ts'
import { askLedger } from './errors.ts'
import type { BatchRange, BatchSalvage, CampaignRef, Recount, RepairedBatch } from './types.ts'

const damageScript = loadScript('ledger-damage')
const repairScript = loadScript('ledger-repair')
const finishRepairScript = loadScript('ledger-finish-repair')

const SALVAGED_FIELDS = ['range', 'owner', 'fence', 'closed', 'closedAs', 'state'] as const satisfies BatchField[]
const PROBED_AT_ONCE = 256
const MAX_BATCHES = 2 ** 23

/**
 * The steps that bring a campaign with a damaged ledger to its end. The campaign is marked damaged and so halted; its
 * batches are read, whatever is left of them; each is closed; the recounted totals are set and the campaign is
 * finished.
 */
export class LedgerRepair {
  readonly #redis: RedisConnection
  readonly #keys: Keys

  constructor(redis: RedisConnection, keys: Keys) {
    this.#redis = redis
    this.#keys = keys
  }

  /**
   * Halt a campaign because its ledger is damaged, whatever is left of it; `found` is stored until it is repaired. A
   * campaign that is cancelled or expired keeps that state.
   *
   * @returns false if the campaign is marked damaged already, is finished or does not exist
   */
  async markDamaged(of: CampaignRef, found: string, seq?: number): Promise<boolean> {
    const reply = await this.#ask(damageScript, of, [of.campaign, found, seq ?? ''])
    return textOf(reply[0]) === 'halted'
  }

  /** The readable rest of batches. */
  async salvage({ app, campaign }: CampaignRef, seqs: readonly number[]): Promise<BatchSalvage[]> {
    const pipeline = this.#redis.pipeline()
    for (const seq of seqs) {
      pipeline.hmget(this.#keys.batch(app, campaign, seq), ...SALVAGED_FIELDS)
      pipeline.getBuffer(this.#keys.vector(app, campaign, seq))
    }
    const replies = (await pipeline.exec()) ?? []
    return seqs.map((seq, at) => {
      const fields = (readable(replies[at * 2]) ?? []) as (string | null)[]
      return salvageOf(seq, fields, (readable(replies[at * 2 + 1]) ?? null) as Buffer | null)
    })
  }

  /**
   * The number of batches of a damaged campaign: the stored number if it is plausible, or more if more batches exist.
   *
   * @param stored the field `planned`
   * @param atMost the pages of the audience, since each batch has at least one; 0 if unknown
   */
  async batchCount({ app, campaign }: CampaignRef, stored: number, atMost: number): Promise<number> {
    const members = await askLedger(() => this.#redis.smembers(this.#keys.live(app, campaign)))
    const limit = atMost > 0 ? atMost : MAX_BATCHES
    const live = members.map(Number).filter((seq) => Number.isSafeInteger(seq) && seq >= 0 && seq < limit)
    let count = Math.max(stored <= atMost ? stored : 0, ...live.map((seq) => seq + 1))
    for (;;) {
      const pipeline = this.#redis.pipeline()
      for (let seq = count; seq < count + PROBED_AT_ONCE; seq += 1)
        pipeline.exists(this.#keys.batch(app, campaign, seq), this.#keys.vector(app, campaign, seq))
      const last = ((await pipeline.exec()) ?? []).map(valueOf).findLastIndex((found) => found !== 0)
      if (last < 0) return count
      count += last + 1
    }
  }

  /** Close batches of a damaged campaign as given. Idempotent. */
  async repair(of: CampaignRef, batches: readonly RepairedBatch[]): Promise<void> {
    const args = batches.flatMap(({ seq, bytes, ...range }) => [
      seq,
      rangeText(range),
      typeof bytes === 'number' ? bytes : '',
      typeof bytes === 'number' ? '' : bufferOf(bytes),
    ])
    await this.#ask(repairScript, of, args)
  }

  /**
   * Set the recounted totals of a damaged campaign whose batches are all closed, and finish it.
   *
   * @returns false if a batch is not closed after all; true also for a campaign that was repaired already
   */
  async finishRepair(of: CampaignRef, counted: Recount): Promise<boolean> {
    const counts = Object.entries(counted.totals).filter(([name, count]) => name !== 'pending' && count > 0)
    const args = [counted.audienceSize, counted.planned, counted.plannedRecipients, counted.posts, ...counts.flat()]
    const reply = await this.#ask(finishRepairScript, of, args)
    return textOf(reply[0]) !== 'live'
  }

  async #ask(script: Script, { app, campaign }: CampaignRef, args: readonly ScriptArgument[]): Promise<Reply> {
    const keys = [this.#keys.base(app), this.#keys.campaign(app, campaign)]
    return (await askLedger(() => script.run(this.#redis, keys, args))) as Reply
  }
}

function salvageOf(seq: number, values: readonly (string | null)[], vector: Buffer | null): BatchSalvage {
  const { range, owner, fence, closed, closedAs } = named(values, SALVAGED_FIELDS)
  const exists = values.some((value) => value != null)
  const code = /^\d{1,2}$/.test(closedAs ?? '') ? Number(closedAs) : -1
  return {
    seq,
    range: rangeOf(range ?? ''),
    wasOpened: vector !== null || fence != null || owner != null ? true : exists ? false : undefined,
    closed: closed != null,
    closedAs: code >= 0 && codeTable[code] !== undefined && codeTable[code].class !== 'pending' ? code : undefined,
    vector: vector === null ? null : Uint8Array.from(vector),
  }
}

/** The range that a text holds, if it can be one. */
function rangeOf(text: string): BatchRange | undefined {
  const [, from, to, size, ...others] = /^(\d{1,8}),(\d{1,8}),(\d{1,5})(?:,(\d{1,3}),(\d{1,3}))?$/.exec(text) ?? []
  const [fromPage, toPage, recipients] = [Number(from), Number(to), Number(size)]
  const isRange = recipients > 0 && fromPage <= toPage && recipients <= (toPage - fromPage + 1) * PAGE_SIZE
  const [before, after] = others.map((count) => Number(count ?? 0))
  return isRange ? { fromPage, toPage, recipients, ...(before || after ? { before, after } : {}) } : undefined
}

type PipelineReply = [Error | null, unknown] | undefined

/** The reply to a command of a pipeline, or undefined if the key has another type. */
function readable(reply: PipelineReply): unknown {
  return reply?.[0]?.message.startsWith('WRONGTYPE') === true ? undefined : valueOf(reply)
}

function valueOf(reply: PipelineReply): unknown {
  if (reply === undefined) throw new Error('Redis answered fewer commands than were sent')
  if (reply[0] !== null) throw reply[0]
  return reply[1]
}
