import type { CampaignState, Checkpoint, CheckpointReply, OpenReply } from './ledger.ts'
import { Ledger } from './ledger.ts'
import { Oracle, Violation } from './oracle.ts'
import type { Answer } from './owner.ts'
import { Owner } from './owner.ts'
import { PoisonHunt } from './poison-hunt.ts'
import { mulberry32 } from './random.ts'
import type { Rules } from './rules.ts'

export interface InterleavingResult {
  readonly steps: number
  readonly violation?: Violation
  readonly duplicates: number
  readonly takeovers: number
  readonly ambiguous: number
}

const HUNT_EVERY = 10
/** In one of this many interleavings Redis goes back in time once, by a few steps. */
const ROLLBACK_EVERY = 5
const STEPS_LOST = 40

/** Runs one interleaving: the seed determines every random choice. */
export function runInterleaving(seed: number, rules: Rules): InterleavingResult {
  const world = seed % HUNT_EVERY === 0 ? new PoisonHunt(seed, rules) : new World(seed, rules)
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

/** A call in a socket: Redis may run it after its sender has died. */
type LateCall =
  | { readonly kind: 'open'; readonly batch: number; readonly owner: number }
  | { readonly kind: 'checkpoint'; readonly call: Checkpoint }
  | { readonly kind: 'plan'; readonly cursor: number }

const LATE_CALLS = 6
const OWNERS_AT_ONCE = 4

/**
 * Owners, a planner and a sweeper on one campaign. The network loses replies and runs calls twice or late; processes
 * die, or are taken for dead and continue.
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
  #isFinishing = false
  /** The step to which Redis goes back at `#rollbackAt`. */
  readonly #snapshotAt: number
  readonly #rollbackAt: number
  steps = 0

  constructor(seed: number, rules: Rules) {
    const random = mulberry32(seed)
    this.#random = random
    this.#rules = rules
    const rollsBack = seed % ROLLBACK_EVERY === 1
    const parts = Array.from(
      { length: random() < 0.03 ? 0 : 1 + Math.floor(random() * 3) },
      () => 1 + Math.floor(random() * 12),
    )
    const sizes = rollsBack ? [8 + Math.floor(random() * 16)] : parts
    this.ledger = new Ledger({ sizes, window: 1 + Math.floor(random() * 5), atMostOnce: random() < 0.5, rules })
    this.oracle = new Oracle(this.ledger)
    this.#snapshotAt = rollsBack ? 10 + Math.floor(random() * 120) : Number.POSITIVE_INFINITY
    this.#rollbackAt = this.#snapshotAt + 1 + Math.floor(random() * STEPS_LOST)
  }

  run(): void {
    const wanted = 40 + Math.floor(this.#random() * 160)
    let rollBack: (() => void) | undefined
    while (this.steps < wanted) {
      this.#step()
      if (this.steps === this.#snapshotAt) rollBack = this.ledger.snapshot()
      if (this.steps !== this.#rollbackAt) continue
      rollBack?.()
      // Another Redis process answers from now on: calls in sockets are lost, unless a waiting sender repeats them.
      this.#late.splice(0)
      this.oracle.rolledBack()
      // The queue has gone back too, and gives its job to another owner.
      this.#newOwner(0)
      this.oracle.checkInvariants()
    }
    this.#finishAll()
    this.oracle.end()
  }

  #step(): void {
    this.steps += 1
    const random = this.#random()
    if (random < 0.05) this.#newOwner(this.#index(this.ledger.batches.length))
    else if (random < 0.07) this.#crash(this.#owners[this.#index(this.#owners.length)])
    else if (random < 0.1) this.#plan()
    else if (random < 0.13) this.#lateCall()
    else if (random < 0.14) this.#steer()
    else if (random < 0.15) this.#sweep()
    else if (random < 0.16) this.#owners[this.#index(this.#owners.length)]?.wrapUp()
    else if (random < 0.17) this.#fail(this.#owners[this.#index(this.#owners.length)])
    else this.#stepOf(this.#owners[this.#index(this.#owners.length)])
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
    if (owner.life === 'merging') {
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

  /** Runs a call, loses its reply so that it is repeated, or delivers the reply. */
  #talk(owner: Owner): void {
    const reply = this.#replies.get(owner)
    if (reply === undefined) {
      if (owner.life === 'opening') {
        this.#remember({ kind: 'open', batch: owner.batch, owner: owner.id })
        this.oracle.opening(owner.batch, owner.id)
        this.#replies.set(owner, this.ledger.open(owner.batch, owner.id))
      } else if (owner.call !== undefined) this.#replies.set(owner, this.ledger.checkpoint(owner.call))
      else return
      this.oracle.checkInvariants()
      return
    }
    this.#replies.delete(owner)
    if (!this.#isFinishing && this.#random() < 0.25) return
    if (reply.kind === 'refused') throw new Violation('refused', reply.why)
    this.oracle.acknowledged(owner.id, reply)
    if (owner.life === 'opening') owner.receiveOpen(reply as OpenReply)
    else owner.receiveCheckpoint(reply as CheckpointReply)
    if (owner.life === 'done') this.#abandon(owner)
  }

  /** At once, and again when the posts under way have their answers or take too long. Replies may be lost. */
  #mergeOutcomes(owner: Owner): void {
    if (owner.inFlight.length > 0 && this.#random() < 0.6) {
      this.#answer(owner)
      return
    }
    const late = owner.inFlight.length === 0 || this.#random() < 0.3
    const merge = owner.merge(late)
    this.oracle.merging(merge)
    this.ledger.mergeOutcomes(merge)
    this.oracle.checkInvariants()
    if (late && (this.#isFinishing || this.#random() < 0.75)) this.#abandon(owner)
  }

  #post(owner: Owner): void {
    const recipient = owner.next()
    if (recipient < 0) return
    this.oracle.posting(owner.id, owner.batch, recipient)
    owner.post(recipient)
  }

  #answer(owner: Owner): void {
    if (owner.inFlight.length === 0) return
    const [recipient] = owner.inFlight.splice(this.#index(owner.inFlight.length), 1)
    const random = this.#random()
    const answer: Answer =
      random < 0.7
        ? 'accepted'
        : random < 0.76
          ? 'refused'
          : random < 0.88 || this.#isFinishing
            ? 'try-again'
            : 'ambiguous'
    const accepted = answer === 'accepted' || (answer === 'ambiguous' && this.#random() < 0.6)
    this.oracle.posted(owner.batch, recipient!, { accepted, known: answer !== 'ambiguous' })
    if (answer === 'ambiguous') this.oracle.ambiguity(owner.batch)
    owner.settle(recipient!, answer)
  }

  /** Its reply, if there is one, is lost with the call. */
  #fail(owner: Owner | undefined): void {
    if (owner?.life !== 'working') return
    this.#replies.delete(owner)
    owner.fail()
  }

  #crash(owner: Owner | undefined): void {
    if (owner !== undefined) this.#abandon(owner)
  }

  /** The answers to the posts under way are lost, but the posts may have arrived. */
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
    this.oracle.checkInvariants()
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
    this.oracle.checkInvariants()
  }

  #sweep(): void {
    this.ledger.sweep(this.#index(this.ledger.batches.length))
    this.oracle.checkInvariants()
  }

  #remember(call: LateCall): void {
    if (this.#late.length < LATE_CALLS) this.#late.push(call)
    else this.#late[this.#index(LATE_CALLS)] = call
  }

  #lateCall(): void {
    const late = this.#late[this.#index(this.#late.length)]
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
    this.oracle.checkInvariants()
  }

  /** Completes the plan and gives each batch one good owner; owners taken for dead use up their credit meanwhile. */
  #finishAll(): void {
    this.#isFinishing = true
    const { ledger } = this
    if (ledger.state === 'paused') ledger.steer('sending')
    while (!ledger.planComplete && ledger.state === 'sending') this.#plan()
    for (let batch = 0; batch < Math.max(1, ledger.batches.length); batch += 1) {
      ledger.sweep(batch)
      this.oracle.checkInvariants()
    }
    for (let batch = 0; batch < ledger.batches.length; batch += 1) this.#finish(batch)
    for (let i = 0; i < 200 && this.#owners.length > 0; i += 1) this.#stepAny()
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
        if (this.#random() < 0.2) this.#stepAny(owner)
        this.steps += 1
      }
    }
  }

  #stepAny(except?: Owner): void {
    const owner = this.#owners[this.#index(this.#owners.length)]
    if (owner !== except && owner?.life !== 'opening') this.#stepOf(owner)
  }

  #index(count: number): number {
    return Math.floor(this.#random() * count)
  }
}
