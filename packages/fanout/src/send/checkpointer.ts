import type { FanoutEvent } from '@wns-fanout/domain'
import type { Checkpoint, CheckpointAnswer } from '@wns-fanout/state'
import type { OutcomeBuffer, OutcomeReport } from './outcome-buffer.ts'
import type { Ending } from './park.ts'
import type { Recipients } from './recipients.ts'
import type { Acknowledged, BatchSpec } from './types.ts'

/** Longest time that an outcome waits for its checkpoint. */
const CHECKPOINT_MS = 250
/** Without outcomes, a checkpoint still asks for the state of the campaign and renews the lease. */
const HEARTBEAT_MS = 2000

export interface Proposal {
  readonly change: Checkpoint
  readonly report: OutcomeReport
  /** How far credit reaches once the ledger has agreed. */
  readonly credit: number
  readonly sentMs: number
}

export interface CheckpointerOptions {
  readonly recipients: Recipients
  readonly buffer: OutcomeBuffer
  /** Milliseconds after the last acknowledged checkpoint during which posts may start. */
  readonly leaseMs: number
  readonly firstWindow: number
}

/**
 * The checkpoints of one open: numbered from 1, at most one under way. It owns the lease and the window, which only an
 * acknowledged checkpoint renews.
 */
export class Checkpointer {
  readonly #options: CheckpointerOptions
  #number = 0
  #isUnderWay = false
  #acknowledgedMs = performance.now()
  /** Credit at most: small while the campaign has few answers, so that one that is refused by all stops early. */
  #window: number
  #timer: NodeJS.Timeout | undefined

  constructor(options: CheckpointerOptions) {
    this.#options = options
    this.#window = options.firstWindow
  }

  /** Call `tick` each time that nothing was proposed for 250 ms. */
  start(tick: () => void): void {
    this.#timer = setInterval(tick, CHECKPOINT_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  get isUnderWay(): boolean {
    return this.#isUnderWay
  }

  /** May posts start, or is the last acknowledged checkpoint too old? */
  hasLease(nowMs: number): boolean {
    return nowMs - this.#acknowledgedMs <= this.#options.leaseMs
  }

  /** Is there anything to send, or has the owner been silent for long? */
  isDue(nowMs: number): boolean {
    return this.#options.buffer.count > 0 || nowMs - this.#acknowledgedMs > HEARTBEAT_MS
  }

  /** Is half a window of outcomes worth more credit? When all recipients have credit, the next tick is soon enough. */
  get isHalfWindowDone(): boolean {
    return this.#options.buffer.count >= this.#window / 2 && this.#options.recipients.hasUncredited
  }

  /**
   * The next checkpoint to send; it is under way until `acknowledged`.
   *
   * @param inFlight posts under way, where more credit is wanted; else undefined
   * @param endOf the end of the batch, given the recipients that changed, where this is the last checkpoint
   */
  propose(inFlight: number | undefined, endOf?: (changed: readonly number[]) => Ending): Proposal {
    const { recipients, buffer } = this.#options
    const credit = inFlight === undefined ? recipients.credited : recipients.creditWanted(this.#window, inFlight)
    if (endOf !== undefined) recipients.giveBackCredit()
    this.#isUnderWay = true
    this.#timer?.refresh()
    this.#number += 1
    const report = buffer.drain()
    const ending = endOf === undefined ? {} : endOf(report.changed)
    const change = { ...report, number: this.#number, vector: recipients.withCredit(credit), ...ending }
    return { change, report, credit, sentMs: performance.now() }
  }

  /** Take over what the ledger answered. */
  acknowledged({ change, credit, sentMs }: Proposal, answer: CheckpointAnswer): void {
    this.#isUnderWay = false
    if (answer.kind !== 'ok') return
    // A Redis that takes the place of this one knows only what the replicas have.
    if (answer.replicated) this.#acknowledgedMs = sentMs
    this.#window = answer.window
    const { recipients } = this.#options
    if (change.end === undefined) recipients.grant(answer.replicated ? credit : recipients.credited, answer.adjusted)
  }
}

/** The event of a checkpoint that the ledger acknowledged. */
export function checkpointed(
  { ref: { app, campaign }, message }: BatchSpec,
  { report: { responses, retries, durationsMs }, sentMs }: Proposal,
  { settled }: Acknowledged,
): FanoutEvent {
  return {
    type: 'batch.checkpointed',
    app,
    campaign,
    notificationType: message.type,
    settled,
    responses,
    retries,
    durationsMs,
    checkpointMs: performance.now() - sentMs,
  }
}
