import { codes, codeOf, Ledger } from './ledger.ts'
import { Oracle, Violation } from './oracle.ts'
import { Owner } from './owner.ts'
import { mulberry32 } from './random.ts'
import type { Rules } from './rules.ts'

/**
 * A batch in which one recipient crashes every owner that posts to it, sooner or later. Some owners crash for other
 * reasons.
 */
export class PoisonHunt {
  readonly ledger: Ledger
  readonly oracle: Oracle
  readonly #rules: Rules
  readonly #random: () => number
  readonly #poisonous: number
  readonly #window: number
  /** Steps between the fatal post and the crash of the owner. */
  readonly #fuse: number
  readonly #checkpointShare: number
  steps = 0

  constructor(seed: number, rules: Rules) {
    this.#random = mulberry32(seed)
    this.#rules = rules
    const size = 1 + this.#index(90)
    this.#poisonous = this.#index(size)
    this.#window = 8 + this.#index(33)
    this.#fuse = this.#random() < 0.3 ? 1 : 2 + this.#index(16)
    this.#checkpointShare = 0.05 + this.#random() * 0.5
    this.ledger = new Ledger({ sizes: [size], window: this.#window, atMostOnce: false, rules })
    this.oracle = new Oracle(this.ledger)
  }

  run(): void {
    this.ledger.plan(0)
    this.ledger.plan(1)
    const batch = this.ledger.batches[0]!
    const most = this.#mostLost(batch.vector.length)
    let lost = 0
    let strays = 0
    let wasStray = false
    for (let opens = 1; batch.state !== 'closed'; opens += 1) {
      if (opens > 500) throw new Violation('I8', 'the batch does not close')
      // Never two in a row, since a recipient alone under credit would then look like the poisonous one.
      const stray = !wasStray && this.#random() < 0.1
      const end = this.#live(opens, stray)
      wasStray = end === 'stray'
      if (wasStray) strays += 1
      if (end === 'killed') lost += 1
      if (lost > most + strays) throw new Violation('I10', `${lost} owners of a batch were lost to one recipient`)
    }
    batch.vector.forEach((byte, at) => {
      if ((codeOf(byte) === codes.poison) !== (at === this.#poisonous))
        throw new Violation('I10', `recipient ${at} has code ${codeOf(byte)}, the poisonous one is ${this.#poisonous}`)
    })
    this.oracle.end()
  }

  /**
   * Three owners until the batch is suspected, one for each halving of the recipients before the poisonous one, two
   * with it alone, and three more for each open that settled half a window and so cleared the suspicion.
   */
  #mostLost(size: number): number {
    return 3 + Math.ceil(Math.log2(this.#window)) + 2 + 3 * Math.floor(size / (this.#window / 2))
  }

  /** One owner from its open to its end. */
  #live(id: number, stray: boolean): 'killed' | 'stray' | 'orderly' {
    const owner = new Owner(id, 0, false, this.#rules)
    this.oracle.opening(0, id)
    const opened = this.ledger.open(0, id)
    this.oracle.checkInvariants()
    this.oracle.acknowledged(id, opened)
    owner.receiveOpen(opened)
    let end: 'killed' | 'stray' = 'stray'
    let fuse = stray ? 1 + this.#index(6) : Number.POSITIVE_INFINITY
    for (; owner.life === 'working'; this.steps += 1) {
      fuse -= 1
      const waits = owner.next() < 0 && owner.inFlight.every((recipient) => recipient === this.#poisonous)
      if (fuse <= 0 || (fuse < Number.POSITIVE_INFINITY && waits && this.#random() < 0.3)) {
        for (const recipient of owner.inFlight)
          this.oracle.posted(0, recipient, { accepted: this.#random() < 0.6, known: false })
        return end
      }
      const random = this.#random()
      if (waits || random < this.#checkpointShare) this.#checkpoint(owner)
      else if (random < this.#checkpointShare + (1 - this.#checkpointShare) / 2) {
        if (!this.#post(owner)) continue
        fuse = Math.min(fuse, this.#fuse)
        end = 'killed'
      } else this.#answer(owner)
    }
    return 'orderly'
  }

  /** @returns whether this post is the fatal one */
  #post(owner: Owner): boolean {
    const recipient = owner.next()
    if (recipient < 0) return false
    this.oracle.posting(owner.id, 0, recipient)
    owner.post(recipient)
    return recipient === this.#poisonous
  }

  #answer(owner: Owner): void {
    const at = owner.inFlight.findIndex((recipient) => recipient !== this.#poisonous)
    if (at < 0) return
    const [recipient] = owner.inFlight.splice(at, 1)
    this.oracle.posted(0, recipient!, { accepted: true, known: true })
    owner.settle(recipient!, 'accepted')
  }

  #checkpoint(owner: Owner): void {
    const call = owner.checkpoint()
    if (call === undefined) return
    const times = this.#random() < 0.2 ? 2 : 1
    for (let i = 0; i < times; i += 1) {
      const reply = this.ledger.checkpoint(call)
      this.oracle.checkInvariants()
      if (reply.kind === 'refused') throw new Violation('refused', reply.why)
      if (i < times - 1) continue
      this.oracle.acknowledged(owner.id, reply)
      owner.receiveCheckpoint(reply)
    }
  }

  #index(count: number): number {
    return Math.floor(this.#random() * count)
  }
}
