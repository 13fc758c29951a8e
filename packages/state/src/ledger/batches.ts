import type { CampaignState } from '@wns-fanout/domain'
import type { Keys } from '../keys.ts'
import type { RedisConnection } from '../redis.ts'
import type { ReplicatedReply, ReplicatedScripts } from '../replicated-scripts.ts'
import type { Script, ScriptArgument } from '../scripts.ts'
import { loadScript } from '../scripts.ts'
import type { Reply } from './codec.ts'
import { gateRow, plannedText, storedBatch } from './batch-codec.ts'
import { adjustments, bufferOf, bytesOf, named, packRows, replies, settledCounts, textOf, uint32sOf } from './codec.ts'
import { askLedger } from './errors.ts'
import { recipientsOf } from './recipients.ts'
import { LedgerRepair } from './repair.ts'
import type {
  BatchRef,
  BatchTerms,
  CampaignRef,
  Checkpoint,
  CheckpointAnswer,
  MergeAnswer,
  OpenAnswer,
  OpenBatch,
  PlanAnswer,
  PlanStep,
  StoredBatch,
  SweepAnswer,
} from './types.ts'

const openScript = loadScript('ledger-open')
const checkpointScript = loadScript('ledger-checkpoint')
const mergeScript = loadScript('ledger-merge')
const planScript = loadScript('ledger-plan')
const putOffScript = loadScript('ledger-put-off')
const sweepScript = loadScript('ledger-sweep')
const batchesScript = loadScript('campaign-batches')

/**
 * The batches of all campaigns, and what Redis stores of their recipients.
 *
 * A batch is `new → open(owner) → parked → open … → closed`. A post may start only for a recipient whose byte Redis has
 * acknowledged as credited, and at most `window` bytes are credited at once. When an owner dies, at most that many
 * recipients are uncertain. Opening a batch that is open under another owner is a takeover: the fence rises, each
 * credited recipient becomes `in_doubt` (at-most-once) or eligible again (at-least-once), and the ledger rejects the
 * next checkpoint of the old owner. A call repeated with the same owner and number changes nothing.
 *
 * A failover may lose what Redis acknowledged a moment ago. With `ReplicatedScripts` the answer to an open or a
 * checkpoint waits for the replicas, and shows if they did not acknowledge it.
 */
export class Ledger {
  readonly repair: LedgerRepair
  readonly #redis: RedisConnection
  readonly #keys: Keys
  readonly #replicated: ReplicatedScripts | undefined

  constructor(redis: RedisConnection, keys: Keys, replicated?: ReplicatedScripts) {
    this.repair = new LedgerRepair(redis, keys)
    this.#redis = redis
    this.#keys = keys
    this.#replicated = replicated
  }

  /** Why no credit granted now may be used, for people; undefined if all is well. */
  get problem(): string | undefined {
    return this.#replicated?.problem
  }

  async open(batch: BatchRef, owner: string, terms: BatchTerms): Promise<OpenAnswer> {
    const { reply, replicated } = await this.#run(openScript, batch, [
      batch.seq,
      owner,
      terms.window,
      terms.delivery,
      terms.type,
      terms.guardSeconds,
      terms.maxAttempts,
      terms.wantsVariables ? '1' : '0',
      terms.isProbe === true ? '1' : '0',
      terms.ignoresGates === true ? '1' : '0',
    ])
    const kind = textOf(reply[0])
    switch (kind) {
      case 'missing':
      case 'closed':
      case 'paused':
        return { kind }
      case 'not-due':
        return { kind, dueAtMs: Number(named(reply, replies.notDue).dueAtMs) }
      case 'open': {
        const opened = named(reply, replies.open)
        return {
          kind,
          fence: Number(opened.fence),
          takeover: opened.takeover === 1,
          redisNowMs: Number(opened.nowMs),
          expiresAtMs: Number(opened.expiresAtMs),
          before: bytesOf(opened.before),
          vector: bytesOf(opened.vector),
          ordinals: uint32sOf(bytesOf(opened.ordinals)),
          ...recipientsOf(opened.channels as Buffer[], terms),
          variables: (opened.variables as Buffer[]).map((variables) => variables.toString('utf8')),
          heldUntilSecond: Number(opened.heldUntilSecond),
          uncertain: Number(opened.uncertain),
          window: Number(opened.window),
          firstWindow: Number(opened.firstWindow),
          settled: settledCounts(opened.settled),
          replicated,
        }
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
      bufferOf(change.vector),
      change.end === undefined ? '' : park === undefined ? 'close' : 'park',
      park === undefined ? '' : Math.ceil(park.parkUntilMs),
      park?.clearStamps === true ? '1' : '0',
      terms.guardSeconds === 0
        ? ''
        : packRows(change.changed, 2, (position) => [position + 1, opened.ordinals[position] ?? 0]),
      packRows(change.gates, 3, gateRow),
      change.dead.length,
    ]
    for (const dead of change.dead) args.push(dead.position + 1, dead.ordinal, Buffer.from(dead.uri, 'latin1'))
    args.push(...change.gates.map(({ uri }) => Buffer.from(uri, 'latin1')), ...change.samples)
    const { reply, replicated } = await this.#run(checkpointScript, batch, args)
    const kind = textOf(reply[0])
    if (kind === 'closed') return { kind }
    if (kind === 'fenced') return { kind, rolledBack: named(reply, replies.fenced).rolledBack === 1 }
    const answer = named(reply, replies.checkpoint)
    return {
      kind: 'ok',
      state: textOf(answer.state) as CampaignState,
      redisNowMs: Number(answer.nowMs),
      adjusted: adjustments(answer.adjusted),
      live: Number(answer.live),
      active: Number(answer.active),
      wakeAt: Number(answer.wakeAt),
      planPosition: Number(answer.planPosition),
      campaignFinished: answer.campaignFinished === 1,
      batchClosed: answer.batchClosed === 1,
      settled: settledCounts(answer.settled),
      window: Number(answer.window),
      rolledBack: answer.rolledBack === 1,
      replicated,
    }
  }

  /**
   * Merge the outcomes of an owner that was fenced because Redis went back in time. `vector` has its outcomes, and
   * credit only for posts that have no answer yet. Pending recipients without credit from the current owner take the
   * outcome. The owner calls this at once, and again when the posts under way have their answers.
   *
   * @param isVouched the caller knows that Redis lacks outcomes although the ledger cannot prove it: another primary
   *   took over since the open, or the run of the owner has ended without its last checkpoint
   */
  async mergeOutcomes(
    batch: BatchRef,
    owner: string,
    fence: number,
    terms: BatchTerms,
    vector: Uint8Array,
    isVouched = false,
  ): Promise<MergeAnswer> {
    const args = [
      batch.seq,
      owner,
      fence,
      terms.delivery,
      terms.type,
      terms.guardSeconds,
      Buffer.from(vector),
      isVouched ? '1' : '',
    ]
    const reply = await this.#ask(mergeScript, batch, args)
    const kind = textOf(reply[0]) as MergeAnswer['kind']
    return kind === 'ok' ? { kind, settled: settledCounts(named(reply, replies.merge).settled) } : { kind }
  }

  /** Write the next batches; `cutBatches` (fanout) cuts them. */
  async plan(campaign: CampaignRef, step: PlanStep): Promise<PlanAnswer> {
    const reply = await this.#ask(planScript, campaign, [
      step.planned === undefined ? step.cursor : `${step.cursor},${step.planned}`,
      [step.nextCursor, step.nextBefore ?? 0, step.nextTurn ?? 0, step.wakeAt ?? 0].join(','),
      step.ends ? '1' : '0',
      ...step.batches.map((batch) => plannedText(batch)),
    ])
    const kind = textOf(reply[0])
    if (kind === 'ok') {
      const { firstSeq, live, campaignFinished, active } = named(reply, replies.plan)
      return {
        kind,
        firstSeq: Number(firstSeq),
        live: Number(live),
        active: Number(active),
        campaignFinished: campaignFinished === 1,
      }
    }
    if (kind === 'moved') {
      const { cursor, live } = named(reply, replies.planMoved)
      return { kind, cursor: Number(cursor), live: Number(live) }
    }
    return { kind: 'stopped', state: textOf(named(reply, replies.planStopped).state) }
  }

  /** Close up to `atMost` batches without an owner, of a campaign that was cancelled, halted or has expired. */
  async sweep(campaign: CampaignRef, atMost: number): Promise<SweepAnswer> {
    const swept = named(await this.#ask(sweepScript, campaign, [atMost]), replies.sweep)
    return {
      state: textOf(swept.state) as SweepAnswer['state'],
      closed: Number(swept.closed),
      live: Number(swept.live),
      campaignFinished: swept.campaignFinished === 1,
      damaged: Number(swept.damaged),
    }
  }

  /** Sequence numbers of the batches that are planned and not closed. */
  async liveBatches({ app, campaign }: CampaignRef): Promise<number[]> {
    return (await askLedger(() => this.#redis.smembers(this.#keys.live(app, campaign)))).map(Number)
  }

  /**
   * Redis time in milliseconds from which the first of the live batches could be sent, since batches are planned in
   * the order of their numbers. Undefined without one, and for a batch of an older version.
   */
  async oldestReadyAtMs(ref: CampaignRef): Promise<number | undefined> {
    const live = await this.liveBatches(ref)
    if (live.length === 0) return undefined
    const first = live.reduce((one, other) => Math.min(one, other))
    const batch = this.#keys.batch(ref.app, ref.campaign, first)
    const readyAt = await askLedger(() => this.#redis.hget(batch, 'readyAt'))
    return readyAt === null ? undefined : Number(readyAt)
  }

  /** How many live batches are open or wait for a worker; the others are parked. */
  async activeBatches({ app, campaign }: CampaignRef): Promise<number> {
    const [live, parked] = await Promise.all([
      askLedger(() => this.#redis.scard(this.#keys.live(app, campaign))),
      askLedger(() => this.#redis.scard(this.#keys.parked(app, campaign))).catch(() => 0),
    ])
    return Math.max(0, live - parked)
  }

  /** The planner had nothing to plan: it is woken when fewer than `batches` are active. */
  async wakeAt({ app, campaign }: CampaignRef, batches: number): Promise<void> {
    await askLedger(() => this.#redis.hset(this.#keys.campaign(app, campaign), 'wakeAt', batches))
  }

  /** No worker opens a batch before then, unless one has it open now. */
  async putOff({ app, campaign, seq }: BatchRef, untilMs: number): Promise<void> {
    await askLedger(() =>
      putOffScript.run(this.#redis, [this.#keys.campaign(app, campaign)], [seq, Math.ceil(untilMs)]),
    )
  }

  /** Range, due time and vector of each batch; null for a batch that does not exist. */
  async batches({ app, campaign }: CampaignRef, seqs: readonly number[]): Promise<(StoredBatch | null)[]> {
    if (seqs.length === 0) return []
    const key = this.#keys.campaign(app, campaign)
    const found = await askLedger(() => batchesScript.runBuffer(this.#redis, [key], seqs))
    return seqs.map((seq, at) => storedBatch(seq, (found as (Buffer | null)[][])[at] ?? []))
  }

  /** Bytes `from` to `to` (inclusive) of the frozen audience. */
  async targets({ app, campaign }: CampaignRef, from: number, to: number): Promise<Uint8Array> {
    const key = this.#keys.targets(app, campaign)
    return Uint8Array.from(await askLedger(() => this.#redis.getrangeBuffer(key, from, to)))
  }

  async #ask(script: Script, of: CampaignRef, args: readonly ScriptArgument[]): Promise<Reply> {
    return (await askLedger(() => script.run(this.#redis, this.#campaignKeys(of), args))) as Reply
  }

  /** With the acknowledgement of the replicas, where they are asked for it. */
  async #run(
    script: Script,
    of: BatchRef,
    args: readonly ScriptArgument[],
  ): Promise<{ readonly reply: Reply; readonly replicated: boolean }> {
    const keys = this.#campaignKeys(of)
    const { reply, replicated }: ReplicatedReply = await askLedger(
      async () =>
        (await this.#replicated?.run(script, keys, args)) ?? {
          reply: await script.runBuffer(this.#redis, keys, args),
          replicated: true,
        },
    )
    return { reply: reply as Reply, replicated }
  }

  #campaignKeys({ app, campaign }: CampaignRef): string[] {
    return [this.#keys.base(app), this.#keys.campaign(app, campaign)]
  }
}
