import type { Rules } from './rules.ts'

/** A vector byte: five bits hold the outcome of the recipient, three count its posts. */
export const codes = {
  pending: 0,
  credited: 1,
  retry: 2,
  accepted: 3,
  refused: 4,
  failed: 5,
  poison: 6,
  cancelled: 7,
  lapsed: 8,
  inDoubt: 9,
} as const
export const CODES = 10

/** The number of owners lost early after which a batch is suspected of holding a poisonous recipient. */
const SUSPECTED = 3

export function codeOf(byte: number): number {
  return byte & 31
}
export function postsOf(byte: number): number {
  return byte >> 5
}
export function byteOf(code: number, posts: number): number {
  return (Math.min(posts, 7) << 5) | code
}
export function isSettled(byte: number): boolean {
  return codeOf(byte) > codes.retry
}

export interface Batch {
  /** The part of the audience that it holds. */
  readonly part: number
  state: 'new' | 'open' | 'parked' | 'closed'
  owner: number
  fence: number
  /** The last checkpoint of this fence that counted. */
  number: number
  takeovers: number
  /** Recipients below it have had credit in this open, or were passed over. */
  mark: number
  /** Owners lost in a row, each after settling little in its open. */
  losses: number
  /** Settled in this open. */
  settled: number
  /** The recipient that was alone under credit at the last takeover, or -1. */
  suspect: number
  /** Owners whose opens Redis has lost and whose outcomes were merged. */
  readonly recoveredOwners: Set<number>
  readonly vector: Uint8Array
}

export interface Checkpoint {
  readonly batch: number
  readonly owner: number
  readonly fence: number
  readonly number: number
  readonly vector: Uint8Array
  readonly end: 'none' | 'park' | 'close'
  /** The changes since the last checkpoint by the owner's view; only the mutant that counts increments uses it. */
  readonly change: Int32Array
}

export type CheckpointReply =
  | { readonly kind: 'ok'; readonly vector: Uint8Array; readonly state: CampaignState; readonly closed: boolean }
  | { readonly kind: 'fenced'; readonly rolledBack: boolean }
  | { readonly kind: 'refused'; readonly why: string }

/** The outcomes of an owner whose open Redis has lost, or that vouches for them. */
export interface Merge {
  readonly batch: number
  readonly owner: number
  readonly fence: number
  readonly vector: Uint8Array
  /** It saw another primary, or its run ended by an error: the fence need not prove anything. */
  readonly isVouched: boolean
}

export type OpenReply =
  | { readonly kind: 'opened'; readonly fence: number; readonly vector: Uint8Array }
  | { readonly kind: 'closed' }
  | { readonly kind: 'paused' }
  | { readonly kind: 'missing' }

export type CampaignState = 'sending' | 'paused' | 'cancelled' | 'expired'

export interface LedgerOptions {
  readonly sizes: readonly number[]
  readonly window: number
  readonly atMostOnce: boolean
  readonly rules: Rules
}

/** Does the ledger take these outcomes? */
export function takesMerge(batch: Batch, { owner, fence, isVouched }: Merge): boolean {
  if (batch.state === 'closed') return false
  if (isVouched) return true
  // Once proved, the rollback stays proved: others may open the batch while the owner waits for posts under way.
  return batch.owner !== owner && (batch.fence <= fence || batch.recoveredOwners.has(owner))
}

/** One campaign in Redis and its scripts. Each method is one script: it runs as a whole, or not at all. */
export class Ledger {
  readonly batches: Batch[] = []
  readonly totals = new Int32Array(CODES)
  readonly options: LedgerOptions
  state: CampaignState = 'sending'
  cursor = 0
  planComplete = false
  closed = 0
  completions = 0
  /** Recipients that the sweeper settled before they were in any batch. */
  unplannedSettled = 0

  constructor(options: LedgerOptions) {
    this.options = options
    for (const size of options.sizes) this.totals[codes.pending]! += size
  }

  /** Adds the batch at the cursor, or completes the plan if nothing is left. */
  plan(cursor: number): void {
    const { sizes, rules } = this.options
    if (this.planComplete || this.state === 'cancelled' || this.state === 'expired') return
    if (rules.planPosition && cursor !== this.cursor) return
    const size = sizes[cursor]
    if (size === undefined) {
      this.planComplete = true
      if (rules.planEndTestsCompletion) this.#complete()
      return
    }
    this.batches.push({
      part: cursor,
      state: 'new',
      owner: 0,
      fence: 0,
      number: 0,
      takeovers: 0,
      mark: 0,
      losses: 0,
      settled: 0,
      suspect: -1,
      recoveredOwners: new Set(),
      vector: new Uint8Array(size),
    })
    this.cursor = cursor + 1
  }

  open(at: number, owner: number): OpenReply {
    const { rules } = this.options
    const batch = this.batches[at]
    if (batch === undefined) return { kind: 'missing' }
    if (batch.state === 'closed' && rules.closedOnce) return { kind: 'closed' }
    if (rules.ownerRemembered && batch.owner === owner && batch.state === 'open')
      return { kind: 'opened', fence: batch.fence, vector: batch.vector.slice() }
    if (this.state === 'paused') return { kind: 'paused' }
    const suspected = batch.losses >= SUSPECTED
    if (batch.settled >= (rules.suspicionLasts ? this.options.window / 2 : 1)) batch.losses = 0
    if (batch.state === 'open') this.#takeOver(batch, suspected)
    batch.settled = 0
    batch.state = 'open'
    batch.owner = owner
    batch.fence += 1
    batch.number = 0
    batch.mark = 0
    if (this.state !== 'sending') {
      this.#settleRest(batch)
      this.#close(batch)
      return { kind: 'closed' }
    }
    this.#credit(batch)
    return { kind: 'opened', fence: batch.fence, vector: batch.vector.slice() }
  }

  checkpoint(call: Checkpoint): CheckpointReply {
    const { rules } = this.options
    const batch = this.batches[call.batch]
    if (batch === undefined) return { kind: 'fenced', rolledBack: true }
    const mine = batch.fence === call.fence && batch.owner === call.owner
    if (rules.fence && !mine) return { kind: 'fenced', rolledBack: batch.fence <= call.fence }
    if (rules.numberGuard && mine && call.number <= batch.number) return this.#answer(batch)
    if (batch.state !== 'open') {
      const again = batch.state === 'closed' && call.end === 'close' && !rules.closedOnce
      if (!again) return { kind: 'fenced', rolledBack: false }
    }
    let credited = 0
    let newlySettled = 0
    for (let i = 0; i < batch.vector.length; i += 1) {
      const old = batch.vector[i]!
      const next = call.vector[i]!
      if (isSettled(next) && !isSettled(old)) newlySettled += 1
      if (codeOf(next) === codes.credited) credited += 1
      // Without the fence or the number an old vector may meet a newer one; this rule would hide that fault.
      if (rules.fence && rules.numberGuard && isSettled(old) && old !== next && !this.#keeps(batch, next))
        return { kind: 'refused', why: 'a settled byte changes' }
    }
    if (rules.window && credited > this.#window(batch, newlySettled))
      return { kind: 'refused', why: 'more credit than the window' }
    if (call.end !== 'none' && credited > 0 && rules.parkWithoutCredit)
      return { kind: 'refused', why: 'an end with credit' }
    this.#write(batch, call)
    batch.number = call.number
    const hasEnded = this.state === 'cancelled' || this.state === 'expired'
    if (call.end === 'close' && (hasEnded || batch.vector.every(isSettled))) {
      if (hasEnded) this.#settleRest(batch)
      this.#close(batch)
    } else if (call.end !== 'none') {
      // The owner may have seen an end of the campaign that Redis has lost.
      batch.state = 'parked'
    } else if (this.state === 'sending') {
      this.#credit(batch)
    }
    return this.#answer(batch)
  }

  /** Outcomes of an owner whose open was lost settle pending recipients without credit from the current owner. */
  mergeOutcomes(merge: Merge): void {
    const { owner, vector } = merge
    const { atMostOnce, rules } = this.options
    const batch = this.batches[merge.batch]
    if (!rules.mergesOutcomes || batch === undefined || !takesMerge(batch, merge)) return
    batch.recoveredOwners.add(owner)
    for (let i = 0; i < batch.vector.length; i += 1) {
      const byte = batch.vector[i]!
      const known = vector[i]!
      if (isSettled(byte)) continue
      if (codeOf(byte) === codes.credited) {
        // Only an owner that has ended knows more of its credit; posts without an answer keep it.
        if (batch.owner !== owner || codeOf(known) === codes.credited) continue
        if (isSettled(known)) this.#settle(batch, i, codeOf(known))
        else batch.vector[i] = known
        continue
      }
      const code = codeOf(known) === codes.credited && atMostOnce ? codes.inDoubt : codeOf(known)
      if (isSettled(code)) this.#settle(batch, i, code)
    }
  }

  /** @returns a function that restores the present state */
  snapshot(): () => void {
    const batches = this.batches.map((batch) => ({
      ...batch,
      recoveredOwners: new Set(batch.recoveredOwners),
      vector: batch.vector.slice(),
    }))
    const totals = this.totals.slice()
    const { state, cursor, planComplete, closed, completions, unplannedSettled } = this
    return () => {
      this.batches.splice(0, this.batches.length, ...batches)
      this.totals.set(totals)
      Object.assign(this, { state, cursor, planComplete, closed, completions, unplannedSettled })
    }
  }

  steer(to: CampaignState): void {
    if (this.state === 'cancelled' || this.state === 'expired') return
    this.state = to
  }

  /** After the end: settles recipients in no batch, and one batch without an owner. */
  sweep(at: number): void {
    if (this.state !== 'cancelled' && this.state !== 'expired') return
    const { sizes, rules } = this.options
    if (!this.planComplete) {
      for (const size of sizes.slice(this.cursor)) {
        this.unplannedSettled += size
        this.#count(codes.pending, -size)
        this.#count(this.#endCode(), size)
      }
      this.planComplete = true
      this.#complete()
    }
    const batch = this.batches[at]
    if (batch === undefined || batch.state === 'closed') return
    if (batch.state === 'open' && rules.sweepSparesOpen) return
    this.#settleRest(batch)
    this.#close(batch)
  }

  #takeOver(batch: Batch, suspected: boolean): void {
    const { atMostOnce, rules } = this.options
    if (rules.takeoverCounted) batch.takeovers += 1
    batch.losses += 1
    let last = -1
    let credited = 0
    for (let i = 0; i < batch.vector.length; i += 1) {
      const byte = batch.vector[i]!
      if (codeOf(byte) !== codes.credited) continue
      credited += 1
      last = i
      if (atMostOnce && rules.takeoverDoubts) this.#settle(batch, i, codes.inDoubt)
      // At-least-once, a recipient that keeps its credit would use up the window.
      else if (rules.takeoverDoubts || atMostOnce) batch.vector[i] = byteOf(codes.pending, postsOf(byte))
    }
    const suspect = credited === 1 && suspected ? last : -1
    if (suspect >= 0 && (suspect === batch.suspect || !rules.aloneTwice) && !atMostOnce)
      this.#settle(batch, suspect, codes.poison)
    batch.suspect = suspect
  }

  #credit(batch: Batch): void {
    const most = this.#window(batch)
    let credited = 0
    for (const byte of batch.vector) if (codeOf(byte) === codes.credited) credited += 1
    while (credited < most && batch.mark < batch.vector.length) {
      const byte = batch.vector[batch.mark]!
      if (!isSettled(byte) && codeOf(byte) !== codes.credited) {
        batch.vector[batch.mark] = byteOf(codes.credited, postsOf(byte))
        credited += 1
      }
      batch.mark += 1
    }
  }

  /** A settled byte stays if the owner has not seen it. Without fence or number this rule would hide their absence. */
  #keeps(batch: Batch, sent: number): boolean {
    const { rules } = this.options
    return rules.fence && rules.numberGuard && rules.mergedStays && (!isSettled(sent) || batch.recoveredOwners.size > 0)
  }

  /** Maximum credit. `newlySettled` recipients are settled by the current call. */
  #window(batch: Batch, newlySettled = 0): number {
    const { window, rules } = this.options
    if (batch.losses < SUSPECTED || !rules.slowStart) return rules.window ? window : window * 3
    const slowStart = rules.slowStartBySettled ? batch.settled + newlySettled + 1 : 2 ** batch.number
    return rules.slowStartWithinTerms ? Math.min(window, slowStart) : slowStart
  }

  #write(batch: Batch, call: Checkpoint): void {
    const { rules } = this.options
    for (let i = 0; i < batch.vector.length; i += 1) {
      const old = batch.vector[i]!
      const next = call.vector[i]!
      if (old === next) continue
      if (isSettled(old) && this.#keeps(batch, next)) continue
      if (isSettled(next) && !isSettled(old)) batch.settled += 1
      if (rules.totalsFromVector) {
        this.#count(codeOf(old), -1)
        this.#count(codeOf(next), 1)
      }
      batch.vector[i] = next
    }
    if (!rules.totalsFromVector) for (let code = 0; code < CODES; code += 1) this.#count(code, call.change[code]!)
  }

  #settle(batch: Batch, at: number, code: number): void {
    const byte = batch.vector[at]!
    this.#count(codeOf(byte), -1)
    this.#count(code, 1)
    batch.vector[at] = byteOf(code, postsOf(byte))
  }

  #settleRest(batch: Batch): void {
    for (let i = 0; i < batch.vector.length; i += 1)
      if (!isSettled(batch.vector[i]!)) this.#settle(batch, i, this.#endCode())
  }

  #close(batch: Batch): void {
    batch.state = 'closed'
    this.closed += 1
    this.#complete()
  }

  #complete(): void {
    if (this.planComplete && this.closed === this.batches.length) this.completions += 1
  }

  #answer(batch: Batch): CheckpointReply {
    return { kind: 'ok', vector: batch.vector.slice(), state: this.state, closed: batch.state === 'closed' }
  }

  #endCode(): number {
    return this.state === 'expired' ? codes.lapsed : codes.cancelled
  }

  /** Pending, credited and retry are one class. */
  #count(code: number, by: number): void {
    this.totals[code <= codes.retry ? codes.pending : code]! += by
  }
}
