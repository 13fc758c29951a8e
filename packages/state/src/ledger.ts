import type { AppId, CampaignId, CampaignState, Delivery, RecipientClass, Totals } from '@wns-fanout/domain'
import type { Keys } from './keys.ts'
import { ledgerAnswer } from './ledger-errors.ts'
import type { RedisConnection } from './redis.ts'
import type { ReplicatedReply, ReplicatedScripts } from './replicated-scripts.ts'
import type { Script, ScriptArgument } from './scripts.ts'
import { loadScript } from './scripts.ts'

/** A batch: a run of pages of one campaign's frozen audience that is sent, checkpointed and closed as one. */
export interface BatchRef {
  readonly app: AppId
  readonly campaign: CampaignId
  readonly seq: number
}

/** What the scripts must know of a campaign to open and checkpoint its batches. */
export interface BatchTerms {
  /** Credit at most: how many recipients may be uncertain when the owner dies. */
  readonly window: number
  readonly delivery: Delivery
  readonly type: string
  /** Seconds within which a channel gets no second generic update of the type; 0 where the guard does not apply. */
  readonly guardSeconds: number
  readonly maxAttempts: number
  readonly wantsVariables: boolean
  readonly wantsLocales: boolean
  /** One post finds out whether the app is still refused: it goes to whoever was posted to the least. */
  readonly isProbe?: boolean
}

export interface OpenBatch {
  readonly kind: 'open'
  readonly fence: number
  /** Did another owner hold the batch when it was opened? */
  readonly takeover: boolean
  readonly redisNowMs: number
  readonly expiresAtMs: number
  /** The vector before this call granted credit: tells how many attempts a credited recipient has spent. */
  readonly before: Uint8Array
  readonly vector: Uint8Array
  readonly ordinals: Uint32Array
  /** By position; empty where nothing is to be posted now. */
  readonly uris: readonly string[]
  readonly variables: readonly string[]
  readonly locales: readonly string[]
  /** Redis second at which the first held channel may be posted to again, or 0. */
  readonly heldUntilSecond: number
  /** Recipients whose post nobody can vouch for, because their owner was lost. */
  readonly uncertain: number
  /**
   * The window in force at the beginning: 1 for a batch that keeps losing its owners, and one more with each recipient
   * that this open settles, up to that of the terms.
   */
  readonly window: number
  /** Credit at most until the first checkpoint tells otherwise. */
  readonly firstWindow: number
  /** False where replicas are to have the credit before it is used, and do not: nothing may be posted on it. */
  readonly replicated: boolean
  readonly settled: readonly SettledCount[]
}

export interface SettledCount {
  readonly class: RecipientClass
  readonly count: number
}

export type OpenAnswer =
  | { readonly kind: 'missing' | 'closed' | 'paused' }
  | { readonly kind: 'not-due'; readonly dueAtMs: number }
  | OpenBatch

export interface DeadChannel {
  readonly position: number
  readonly ordinal: number
  readonly uri: string
}

export interface GateChange {
  readonly ordinal: number
  readonly closeRawGate: boolean
  /** Redis second until which nothing is posted to the channel; 0 for no hold. */
  readonly holdUntilSecond: number
}

export interface Checkpoint {
  /** From 1, one more each time; the same number again changes nothing. */
  readonly number: number
  /** The vector as it should be, credit wanted included. */
  readonly vector: Uint8Array
  /** Positions whose stamp has to follow their outcome: newly settled, or pending when a park clears stamps. */
  readonly changed: readonly number[]
  readonly dead: readonly DeadChannel[]
  readonly gates: readonly GateChange[]
  readonly samples: readonly string[]
  readonly end?: 'close' | { readonly parkUntilMs: number; readonly clearStamps: boolean }
}

export type CheckpointAnswer =
  | { readonly kind: 'closed' }
  /** `rolledBack`: Redis has forgotten that this owner opened the batch; what it knows can be bequeathed. */
  | { readonly kind: 'fenced'; readonly rolledBack: boolean }
  | {
      readonly kind: 'ok'
      readonly state: CampaignState
      readonly redisNowMs: number
      /** Where the ledger decided otherwise: refused credit, rotated or halted channels, outcomes that were bequeathed. */
      readonly adjusted: readonly { readonly position: number; readonly byte: number }[]
      /** Batches planned and not closed; a small number wakes the planner. */
      readonly live: number
      /** Where the planner goes on, or -1 when the plan is sealed. */
      readonly planCursor: number
      readonly campaignFinished: boolean
      readonly batchClosed: boolean
      readonly settled: readonly SettledCount[]
      /** Credit at most from now on. */
      readonly window: number
      /** Redis had forgotten a checkpoint that it acknowledged; by this one the ledger is right again. */
      readonly rolledBack: boolean
      /** False where replicas are to have the credit before it is used, and do not: nothing may be posted on it. */
      readonly replicated: boolean
    }

export type MergeAnswer =
  /** `missing`: Redis has forgotten the batch too, and the planner may write it down again. `refused`: Redis has not gone back. */
  | { readonly kind: 'missing' | 'closed' | 'refused' }
  | { readonly kind: 'ok'; readonly settled: readonly SettledCount[] }

const open = loadScript('ledger-open', 'ledger-lib')
const checkpoint = loadScript('ledger-checkpoint', 'ledger-lib')
const mergeOutcomes = loadScript('ledger-bequeath', 'ledger-lib')
const plan = loadScript('ledger-plan', 'ledger-lib')
const sweep = loadScript('ledger-sweep', 'ledger-lib')
const halt = loadScript('ledger-halt', 'ledger-lib')
const repair = loadScript('ledger-mend', 'ledger-lib')
const finishRepair = loadScript('ledger-mended', 'ledger-lib')

/**
 * What Redis remembers of the recipients of a campaign.
 *
 * A batch is `new → open(owner) → parked → open … → closed`. A post may start only for a recipient whose byte Redis has
 * acknowledged as credited, and at most `window` bytes are credited at once; so when an owner dies, at most that many
 * recipients are uncertain. Opening a batch that is open under another owner is a takeover: the fence rises, whatever
 * was credited becomes `in_doubt` (at-most-once) or eligible again (at-least-once), and the old owner's next
 * checkpoint is refused. Every call may be repeated with the same owner and number and then changes nothing.
 *
 * A failover may forget what Redis acknowledged a moment ago. With `ReplicatedScripts` an open and a checkpoint are
 * answered only when replicas have them too, or tell that they have not.
 */
export class Ledger {
  readonly #redis: RedisConnection
  readonly #keys: Keys
  readonly #replicated: ReplicatedScripts | undefined

  constructor(redis: RedisConnection, keys: Keys, replicated?: ReplicatedScripts) {
    this.#redis = redis
    this.#keys = keys
    this.#replicated = replicated
  }

  /** Why no credit that is granted now may be used, for people; undefined when all is well. */
  get problem(): string | undefined {
    return this.#replicated?.problem
  }

  async open(batch: BatchRef, owner: string, terms: BatchTerms): Promise<OpenAnswer> {
    const { reply, replicated } = await this.#run(open, batch, [
      batch.seq,
      owner,
      terms.window,
      terms.delivery,
      terms.type,
      terms.guardSeconds,
      terms.maxAttempts,
      terms.wantsVariables ? '1' : '0',
      terms.wantsLocales ? '1' : '0',
      terms.isProbe === true ? '1' : '0',
    ])
    const kind = text(reply[0])
    switch (kind) {
      case 'missing':
      case 'closed':
      case 'paused':
        return { kind }
      case 'not-due':
        return { kind, dueAtMs: Number(reply[1]) }
      case 'open':
        return {
          kind,
          fence: Number(reply[1]),
          takeover: reply[2] === 1,
          redisNowMs: Number(reply[3]),
          expiresAtMs: Number(reply[4]),
          before: bytesOf(reply[5]),
          vector: bytesOf(reply[6]),
          ordinals: uint32s(bytesOf(reply[7])),
          // URIs are ASCII by the policy that let them in.
          uris: (reply[8] as Buffer[]).map((uri) => uri.toString('latin1')),
          variables: (reply[9] as Buffer[]).map((vars) => vars.toString('utf8')),
          locales: (reply[10] as Buffer[]).map((locale) => locale.toString('latin1')),
          heldUntilSecond: Number(reply[11]),
          uncertain: Number(reply[12]),
          window: Number(reply[13]),
          settled: settledCounts(reply[14] as Reply),
          firstWindow: Number(reply[15]),
          replicated,
        }
      default:
        throw new Error(`the ledger answered ${kind} to an open`)
    }
  }

  async checkpoint(
    batch: BatchRef,
    owner: string,
    opened: Pick<OpenBatch, 'fence' | 'ordinals'>,
    terms: BatchTerms,
    change: Checkpoint,
  ): Promise<CheckpointAnswer> {
    const park = typeof change.end === 'object' ? change.end : undefined
    const args: (string | number | Buffer)[] = [
      batch.seq,
      owner,
      opened.fence,
      change.number,
      terms.window,
      terms.type,
      terms.guardSeconds,
      Buffer.from(change.vector.buffer, change.vector.byteOffset, change.vector.byteLength),
      change.end === undefined ? '' : park === undefined ? 'close' : 'park',
      park === undefined ? '' : Math.ceil(park.parkUntilMs),
      park?.clearStamps === true ? '1' : '0',
      terms.guardSeconds === 0
        ? ''
        : pairs(change.changed, (position) => [position + 1, opened.ordinals[position] ?? 0]),
      pairs(change.gates, (gate) => [gate.ordinal, (gate.closeRawGate ? 0x8000_0000 : 0) + gate.holdUntilSecond]),
      change.dead.length,
    ]
    for (const dead of change.dead) args.push(dead.position + 1, dead.ordinal, Buffer.from(dead.uri, 'latin1'))
    args.push(...change.samples)
    const { reply, replicated } = await this.#run(checkpoint, batch, args)
    const kind = text(reply[0])
    if (kind === 'closed') return { kind }
    if (kind === 'fenced') return { kind, rolledBack: reply[1] === 1 }
    const list = reply[3] as number[]
    return {
      kind: 'ok',
      state: text(reply[1]) as CampaignState,
      redisNowMs: Number(reply[2]),
      adjusted: Array.from({ length: list.length / 2 }, (_, at) => ({
        position: (list[at * 2] ?? 0) - 1,
        byte: list[at * 2 + 1] ?? 0,
      })),
      live: Number(reply[4]),
      planCursor: Number(reply[5]),
      campaignFinished: reply[6] === 1,
      batchClosed: reply[7] === 1,
      settled: settledCounts(reply[8] as Reply),
      window: Number(reply[9]),
      rolledBack: reply[10] === 1,
      replicated,
    }
  }

  /**
   * What an owner knows that was fenced because Redis went back in time: `vector` has its outcomes, and credit only
   * where a post never had an answer. The batch takes what nobody has found out or may be finding out since. To be called at
   * once, and again when the posts under way have their answers.
   */
  async mergeOutcomes(
    batch: BatchRef,
    owner: string,
    fence: number,
    terms: BatchTerms,
    vector: Uint8Array,
  ): Promise<MergeAnswer> {
    const args = [batch.seq, owner, fence, terms.delivery, terms.type, terms.guardSeconds, Buffer.from(vector)]
    const reply = (await ledgerAnswer(() => mergeOutcomes.run(this.#redis, this.#campaignKeys(batch), args))) as Reply
    const kind = text(reply[0]) as MergeAnswer['kind']
    return kind === 'ok' ? { kind, settled: settledCounts(reply[1] as Reply) } : { kind }
  }

  /** Write down the next batches; see `planBatches` for how they are cut. */
  async plan(
    campaign: Omit<BatchRef, 'seq'>,
    step: {
      readonly cursor: number
      readonly nextCursor: number
      readonly ends: boolean
      readonly batches: readonly PlannedBatch[]
    },
  ): Promise<PlanAnswer> {
    const args = [
      step.cursor,
      step.nextCursor,
      step.ends ? '1' : '0',
      ...step.batches.map((batch) => `${batch.fromPage},${batch.toPage},${batch.recipients},${batch.dueAtMs ?? ''}`),
    ]
    const reply = (await ledgerAnswer(() => plan.run(this.#redis, this.#campaignKeys(campaign), args))) as Reply
    const kind = text(reply[0])
    if (kind === 'ok')
      return { kind, firstSeq: Number(reply[1]), live: Number(reply[2]), campaignFinished: reply[3] === 1 }
    if (kind === 'moved') return { kind, cursor: Number(reply[1]), live: Number(reply[2]) }
    return { kind: 'stopped', state: text(reply[1]) }
  }

  /** Close up to `atMost` batches that nobody holds, of a campaign that was cancelled, halted or has expired. */
  async sweep(campaign: Omit<BatchRef, 'seq'>, atMost: number): Promise<SweepAnswer> {
    const keys = this.#campaignKeys(campaign)
    const reply = (await ledgerAnswer(() => sweep.run(this.#redis, keys, [atMost]))) as Reply
    return {
      state: text(reply[0]) as CampaignState | 'missing',
      closed: Number(reply[1]),
      live: Number(reply[2]),
      campaignFinished: reply[3] === 1,
      damaged: Number(reply[4]),
    }
  }

  async #run(
    script: Script,
    batch: BatchRef,
    args: readonly ScriptArgument[],
  ): Promise<{ readonly reply: Reply; readonly replicated: boolean }> {
    const keys = this.#campaignKeys(batch)
    const { reply, replicated }: ReplicatedReply = await ledgerAnswer(
      async () =>
        (await this.#replicated?.run(script, keys, args)) ?? {
          reply: await script.runBuffer(this.#redis, keys, args),
          replicated: true,
        },
    )
    return { reply: reply as Reply, replicated }
  }

  /**
   * Halt a campaign because its ledger is damaged, whatever is left of it; `found` is kept until it is mended. One that
   * somebody stopped before stays cancelled or expired.
   *
   * @returns whether this call did it; false for one that is halted for damage already, is finished or does not exist
   */
  async halt(campaign: Omit<BatchRef, 'seq'>, found: string, seq?: number): Promise<boolean> {
    const keys = this.#campaignKeys(campaign)
    const reply = (await ledgerAnswer(() =>
      halt.run(this.#redis, keys, [campaign.campaign, found, seq ?? '']),
    )) as Reply
    return text(reply[0]) === 'halted'
  }

  /** Close batches of a campaign that was halted for damage, as they are given. Repeating it changes nothing. */
  async repair(campaign: Omit<BatchRef, 'seq'>, batches: readonly RepairedBatch[]): Promise<void> {
    const args = batches.flatMap(({ seq, fromPage, toPage, recipients, bytes }) => [
      seq,
      `${fromPage},${toPage},${recipients}`,
      typeof bytes === 'number' ? bytes : '',
      typeof bytes === 'number' ? '' : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    ])
    await ledgerAnswer(() => repair.run(this.#redis, this.#campaignKeys(campaign), args))
  }

  /**
   * Set what was counted in all batches of a damaged campaign, each of which is closed, and finish it.
   *
   * @returns false when a batch is not closed after all; true also for one that was mended already
   */
  async finishRepair(campaign: Omit<BatchRef, 'seq'>, counted: Recount): Promise<boolean> {
    const counts = Object.entries(counted.totals).filter(([name, count]) => name !== 'pending' && count > 0)
    const args = [counted.audienceSize, counted.planned, counted.plannedRecipients, counted.posts, ...counts.flat()]
    const keys = this.#campaignKeys(campaign)
    const reply = (await ledgerAnswer(() => finishRepair.run(this.#redis, keys, args))) as Reply
    return text(reply[0]) !== 'live'
  }

  #campaignKeys(of: Omit<BatchRef, 'seq'>): string[] {
    return [this.#keys.base(of.app), this.#keys.campaign(of.app, of.campaign)]
  }
}

/** A run of pages, ends included, and how many recipients are in it. */
export interface PlannedBatch {
  readonly fromPage: number
  readonly toPage: number
  readonly recipients: number
  /** Redis time before which the batch is not to be opened. */
  readonly dueAtMs?: number | undefined
}

export type PlanAnswer =
  | { readonly kind: 'ok'; readonly firstSeq: number; readonly live: number; readonly campaignFinished: boolean }
  | { readonly kind: 'moved'; readonly cursor: number; readonly live: number }
  | { readonly kind: 'stopped'; readonly state: string }

export interface SweepAnswer {
  readonly state: CampaignState | 'missing'
  readonly closed: number
  readonly live: number
  readonly campaignFinished: boolean
  /** Batches that were passed over because they are damaged. */
  readonly damaged: number
}

/** A batch as it is closed where the ledger lost it: a vector, or the code of all its recipients. */
export interface RepairedBatch {
  readonly seq: number
  readonly fromPage: number
  readonly toPage: number
  readonly recipients: number
  readonly bytes: Uint8Array | number
}

/** What all batches of a campaign hold together. */
export interface Recount {
  readonly audienceSize: number
  readonly planned: number
  /** Recipients in the batches. */
  readonly plannedRecipients: number
  /** Posts written, as far as the vectors count them. */
  readonly posts: number
  readonly totals: Readonly<Totals>
}

type Reply = readonly unknown[]

function text(value: unknown): string {
  return Buffer.isBuffer(value) ? value.toString('utf8') : String(value)
}

function bytesOf(value: unknown): Uint8Array {
  return Uint8Array.from(value as Buffer)
}

function uint32s(packed: Uint8Array): Uint32Array {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength)
  return Uint32Array.from({ length: packed.byteLength / 4 }, (_, at) => view.getUint32(at * 4))
}

function pairs<T>(items: readonly T[], of: (item: T) => readonly [number, number]): Buffer {
  const packed = Buffer.allocUnsafe(items.length * 8)
  items.forEach((item, at) => {
    const [first, second] = of(item)
    packed.writeUInt32BE(first, at * 8)
    packed.writeUInt32BE(second, at * 8 + 4)
  })
  return packed
}

function settledCounts(list: Reply): SettledCount[] {
  return Array.from({ length: list.length / 2 }, (_, at) => ({
    class: text(list[at * 2]) as RecipientClass,
    count: Number(list[at * 2 + 1]),
  }))
}
