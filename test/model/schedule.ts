import type { CampaignState, Checkpoint, CheckpointReply, OpenReply } from './ledger.ts'
import { Ledger } from './ledger.ts'
import { Oracle, Violation } from './oracle.ts'
import type { Answer } from './owner.ts'
import { Owner } from './owner.ts'
import { Hunt } from './hunt.ts'
import { mulberry32 } from './random.ts'
import type { Rules } from './rules.ts'

export interface ScheduleResult {
  readonly steps: number
  readonly violation?: Violation
  readonly duplicates: number
  readonly takeovers: number
  readonly ambiguous: number
}

const HUNT_EVERY = 10
/** In as many schedules Redis once goes back in time, by a few steps. */
const FORGETS_EVERY = 5
const STEPS_FORGOTTEN = 40

/** Runs one schedule: everything that chance decides comes from the seed. */
export function runSchedule(seed: number, rules: Rules): ScheduleResult {
  const world = seed % HUNT_EVERY === 0 ? new Hunt(seed, rules) : new World(seed, rules)
  let violation: Violation | undefined
  try {
    world.run()
  } catch (error) {
    if (!(error instanceof Violation)) throw error
    violation = error
  }
  const { duplicates, takeovers, ambiguous } = world.oracle
  return { steps: world.steps, duplicates, takeovers, ambiguous, ...(violation && { violation }) }
}

/** A call as it lies in some socket: Redis may still carry it out when its sender is long gone. */
type LateCall =
  | { readonly kind: 'open'; readonly batch: number; readonly owner: number }
  | { readonly kind: 'checkpoint'; readonly call: Checkpoint }
  | { readonly kind: 'plan'; readonly cursor: number }

const LATE_CALLS = 6
const OWNERS_AT_ONCE = 4

/**
 * Owners, a planner and a sweeper on one campaign, with a network that loses replies, carries calls out twice or late,
 * and with processes that die or, taken for dead, go on.
 */
class World {
  readonly ledger: Ledger
  readonly oracle: Oracle
  readonly #rules: Rules
  readonly #random: () => number
  readonly #owners: Owner[] = []
  /** Replies that are on their way to an owner. */
  readonly #replies = new Map<Owner, OpenReply | CheckpointReply>()
  readonly #late: LateCall[] = []
  #ownerIds = 0
  #healing = false
  /** The step after which Redis will not remember what comes, until it goes back to it. */
  readonly #forgetsFrom: number
  readonly #forgetsAt: number
  steps = 0

  constructor(seed: number, rules: Rules) {
    const random = mulberry32(seed)
    this.#random = random
    this.#rules = rules
    const forgets = seed % FORGETS_EVERY === 1
    const parts = Array.from(
      { length: random() < 0.03 ? 0 : 1 + Math.floor(random() * 3) },
      () => 1 + Math.floor(random() * 12),
    )
    const sizes = forgets ? [8 + Math.floor(random() * 16)] : parts
    this.ledger = new Ledger({ sizes, window: 1 + Math.floor(random() * 5), atMostOnce: random() < 0.5, rules })
    this.oracle = new Oracle(this.ledger)
    this.#forgetsFrom = forgets ? 10 + Math.floor(random() * 120) : Number.POSITIVE_INFINITY
    this.#forgetsAt = this.#forgetsFrom + 1 + Math.floor(random() * STEPS_FORGOTTEN)
  }

  run(): void {
    const wanted = 40 + Math.floor(this.#random() * 160)
    let goBack: (() => void) | undefined
    while (this.steps < wanted) {
      this.#step()
      if (this.steps === this.#forgetsFrom) goBack = this.ledger.snapshot()
      if (this.steps !== this.#forgetsAt) continue
      goBack?.()
      // Another process answers from now on: what lay in a socket is gone, unless its sender still waits and sends it again.
      this.#late.splice(0)
      this.oracle.forgotten()
      // The queue has gone back too, and gives what it had given before to whoever asks first.
      this.#newOwner(0)
      this.oracle.look()
    }
    this.#heal()
    this.oracle.end()
  }

  #step(): void {
    this.steps += 1
    const random = this.#random()
    if (random < 0.05) this.#newOwner(this.#some(this.ledger.batches.length))
    else if (random < 0.07) this.#crash(this.#owners[this.#some(this.#owners.length)])
    else if (random < 0.1) this.#plan()
    else if (random < 0.13) this.#lateCall()
    else if (random < 0.14) this.#steer()
    else if (random < 0.15) this.#sweep()
    else if (random < 0.16) this.#owners[this.#some(this.#owners.length)]?.wrapUp()
    else this.#stepOf(this.#owners[this.#some(this.#owners.length)])
  }

  #newOwner(batch: number): Owner | undefined {
    if (batch >= this.ledger.batches.length || this.#owners.length >= OWNERS_AT_ONCE) return undefined
    this.#ownerIds += 1
    const owner = new Owner(this.#ownerIds, batch, this.ledger.options.atMostOnce, this.#rules)
    this.#owners.push(owner)
    return owner
  }

  #stepOf(owner: Owner | undefined): void {
    if (owner === undefined) return
    if (owner.life === 'done') {
      this.#abandon(owner)
      return
    }
    if (owner.life === 'forgotten') {
      this.#mergeOutcomes(owner)
      return
    }
    const random = this.#random()
    if (owner.life === 'opening' || random < 0.25) this.#talk(owner)
    else if (random < 0.4) {
      if (owner.checkpoint() !== undefined) this.#remember({ kind: 'checkpoint', call: owner.call! })
    } else if (random < 0.7) this.#post(owner)
    else this.#answer(owner)
  }

  /** Carries a call out, loses its reply so that it is sent again, or delivers the reply. */
  #talk(owner: Owner): void {
    const reply = this.#replies.get(owner)
    if (reply === undefined) {
      if (owner.life === 'opening') {
        this.#remember({ kind: 'open', batch: owner.batch, owner: owner.id })
        this.oracle.opening(owner.batch, owner.id)
        this.#replies.set(owner, this.ledger.open(owner.batch, owner.id))
      } else if (owner.call !== undefined) this.#replies.set(owner, this.ledger.checkpoint(owner.call))
      else return
      this.oracle.look()
      return
    }
    this.#replies.delete(owner)
    if (!this.#healing && this.#random() < 0.25) return
    if (reply.kind === 'refused') throw new Violation('refused', reply.why)
    this.oracle.acknowledged(owner.id, reply)
    if (owner.life === 'opening') owner.hear(reply as OpenReply)
    else owner.hearCheckpoint(reply as CheckpointReply)
    if (owner.life === 'done') this.#abandon(owner)
  }

  /** At once, and again when the posts under way have their answers or take too long for it. Replies may be lost. */
  #mergeOutcomes(owner: Owner): void {
    if (owner.inFlight.length > 0 && this.#random() < 0.6) {
      this.#answer(owner)
      return
    }
    const late = owner.inFlight.length === 0 || this.#random() < 0.3
    const merge = owner.merge(late)
    this.oracle.merging(merge)
    this.ledger.mergeOutcomes(merge)
    this.oracle.look()
    if (late && (this.#healing || this.#random() < 0.75)) this.#abandon(owner)
  }

  #post(owner: Owner): void {
    const recipient = owner.next()
    if (recipient < 0) return
    this.oracle.posting(owner.id, owner.batch, recipient)
    owner.post(recipient)
  }

  #answer(owner: Owner): void {
    if (owner.inFlight.length === 0) return
    const [recipient] = owner.inFlight.splice(this.#some(owner.inFlight.length), 1)
    const random = this.#random()
    const answer: Answer =
      random < 0.7 ? 'accepted' : random < 0.76 ? 'refused' : random < 0.88 || this.#healing ? 'try-again' : 'ambiguous'
    const accepted = answer === 'accepted' || (answer === 'ambiguous' && this.#random() < 0.6)
    this.oracle.posted(owner.batch, recipient!, { accepted, known: answer !== 'ambiguous' })
    if (answer === 'ambiguous') this.oracle.ambiguity(owner.batch)
    owner.settle(recipient!, answer)
  }

  #crash(owner: Owner | undefined): void {
    if (owner !== undefined) this.#abandon(owner)
  }

  /** Nobody will ever see the answers to the posts under way, but they may have arrived. */
  #abandon(owner: Owner): void {
    owner.life = 'done'
    this.#replies.delete(owner)
    for (const recipient of owner.inFlight)
      this.oracle.posted(owner.batch, recipient, { accepted: this.#random() < 0.6, known: false })
    this.#owners.splice(this.#owners.indexOf(owner), 1)
  }

  #plan(): void {
    this.#remember({ kind: 'plan', cursor: this.ledger.cursor })
    this.ledger.plan(this.ledger.cursor)
    this.oracle.look()
  }

  #steer(): void {
    const random = this.#random()
    const to: CampaignState =
      this.ledger.state === 'paused' && random < 0.6
        ? 'sending'
        : random < 0.6
          ? 'paused'
          : random < 0.8
            ? 'sending'
            : random < 0.95
              ? 'cancelled'
              : 'expired'
    this.ledger.steer(to)
    this.oracle.look()
  }

  #sweep(): void {
    this.ledger.sweep(this.#some(this.ledger.batches.length))
    this.oracle.look()
  }

  #remember(call: LateCall): void {
    if (this.#late.length < LATE_CALLS) this.#late.push(call)
    else this.#late[this.#some(LATE_CALLS)] = call
  }

  #lateCall(): void {
    const late = this.#late[this.#some(this.#late.length)]
    if (late === undefined) return
    switch (late.kind) {
      case 'open':
        this.oracle.opening(late.batch, late.owner)
        this.ledger.open(late.batch, late.owner)
        break
      case 'checkpoint':
        this.ledger.checkpoint(late.call)
        break
      case 'plan':
        this.ledger.plan(late.cursor)
        break
      default:
        late satisfies never
    }
    this.oracle.look()
  }

  /** The plan goes on, each batch gets one sound owner, and those taken for dead use up what credit they have left. */
  #heal(): void {
    this.#healing = true
    const { ledger } = this
    if (ledger.state === 'paused') ledger.steer('sending')
    while (!ledger.sealed && ledger.state === 'sending') this.#plan()
    for (let batch = 0; batch < Math.max(1, ledger.batches.length); batch += 1) {
      ledger.sweep(batch)
      this.oracle.look()
    }
    for (let batch = 0; batch < ledger.batches.length; batch += 1) this.#finish(batch)
    for (let i = 0; i < 200 && this.#owners.length > 0; i += 1) this.#twitch()
    while (this.#owners.length > 0) this.#abandon(this.#owners[0]!)
  }

  #finish(batch: number): void {
    for (let opens = 0; this.ledger.batches[batch]!.state !== 'closed'; opens += 1) {
      if (opens > 50) throw new Violation('I8', `batch ${batch} does not close`)
      if (this.#owners.length >= OWNERS_AT_ONCE) this.#crash(this.#owners[0])
      const owner = this.#newOwner(batch)!
      for (let i = 0; owner.life !== 'done'; i += 1) {
        if (i > 2_000) throw new Violation('I8', `the owner of batch ${batch} does not end`)
        this.#stepOf(owner)
        if (this.#random() < 0.2) this.#twitch(owner)
        this.steps += 1
      }
    }
  }

  #twitch(except?: Owner): void {
    const owner = this.#owners[this.#some(this.#owners.length)]
    if (owner !== except && owner?.life !== 'opening') this.#stepOf(owner)
  }

  #some(count: number): number {
    return Math.floor(this.#random() * count)
  }
}
