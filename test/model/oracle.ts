import type { Batch, Merge, CheckpointReply, OpenReply } from './ledger.ts'
import { codes, codeOf, CODES, isSettled, Ledger, takesMerge } from './ledger.ts'

/** Thrown when the model breaks a promise of the protocol. */
export class Violation extends Error {
  readonly invariant: string

  constructor(invariant: string, detail: string) {
    super(`${invariant}: ${detail}`)
    this.invariant = invariant
  }
}

interface BatchRecord {
  /** The vector at the last check. */
  readonly seen: Uint8Array
  readonly posts: Uint16Array
  readonly accepted: Uint16Array
  /** Posts that were accepted or may have been. */
  readonly possible: Uint16Array
  /** Recipients whose outcome was merged while they had no credit from another owner. */
  readonly merged: Uint8Array
  fence: number
  mark: number
  opens: number
  /** Outcomes that were ambiguous to their owner. */
  ambiguous: number
}

/**
 * Sees every post of every owner and every state of Redis, and checks the invariants. It uses nothing of fences and
 * credit but what it checks.
 */
export class Oracle {
  readonly #ledger: Ledger
  readonly #window: number
  readonly #atMostOnce: boolean
  readonly #audience: number
  readonly #batches: BatchRecord[] = []
  /** Owner → recipients for which Redis has acknowledged credit to it. */
  readonly #granted = new Map<number, Uint8Array>()
  readonly #fenced = new Set<number>()
  #wasRolledBack = false
  duplicates = 0
  takeovers = 0
  ambiguous = 0

  constructor(ledger: Ledger) {
    this.#ledger = ledger
    this.#window = ledger.options.window
    this.#atMostOnce = ledger.options.atMostOnce
    this.#audience = ledger.options.sizes.reduce((sum, size) => sum + size, 0)
  }

  /** An open is about to run. Repeated while its owner still holds the batch, it must not count twice. */
  opening(at: number, owner: number): void {
    const batch = this.#ledger.batches[at]
    if (batch === undefined) return
    if (batch.state !== 'open' || batch.owner !== owner) this.#record(at).opens += 1
  }

  acknowledged(owner: number, reply: OpenReply | CheckpointReply): void {
    if (reply.kind === 'fenced') this.#fenced.add(owner)
    if (reply.kind !== 'ok' && reply.kind !== 'opened') return
    const granted = this.#granted.get(owner) ?? new Uint8Array(reply.vector.length)
    for (let i = 0; i < granted.length; i += 1) if (codeOf(reply.vector[i]!) === codes.credited) granted[i] = 1
    this.#granted.set(owner, granted)
  }

  posting(owner: number, batch: number, recipient: number): void {
    if (this.#fenced.has(owner)) throw new Violation('I7', 'a post of an owner after it was fenced')
    if (this.#granted.get(owner)?.[recipient] !== 1) throw new Violation('I7', 'a post without acknowledged credit')
    this.#record(batch).posts[recipient]! += 1
  }

  /**
   * Redis went back in time. Recipients posted to since may be posted to again, so the limits no longer hold. But no
   * recipient is lost, totals match the vectors, and merged outcomes count.
   */
  rolledBack(): void {
    this.#wasRolledBack = true
    this.#batches.forEach((record, at) => {
      const batch = this.#ledger.batches[at]
      record.seen.fill(0)
      // Merges are forgotten like everything else.
      record.merged.fill(0)
      if (batch !== undefined) record.seen.set(batch.vector)
      record.fence = batch?.fence ?? 0
      record.mark = batch?.mark ?? 0
    })
  }

  /** An owner whose open was lost is about to merge its outcomes. */
  merging(merge: Merge): void {
    const { batch: at, owner, vector } = merge
    const batch = this.#ledger.batches[at]
    if (batch === undefined || !takesMerge(batch, merge)) return
    batch.vector.forEach((byte, i) => {
      const known = vector[i]!
      const isCredited = codeOf(byte) === codes.credited
      const mayBeReached = isSettled(known) || (this.#atMostOnce && codeOf(known) === codes.credited && !isCredited)
      if (!isSettled(byte) && (!isCredited || batch.owner === owner) && mayBeReached) this.#record(at).merged[i] = 1
    })
  }

  /** The result of a post; `known` if its sender has a definite answer. */
  posted(batch: number, recipient: number, fate: { readonly accepted: boolean; readonly known: boolean }): void {
    const record = this.#record(batch)
    if (fate.accepted) record.accepted[recipient]! += 1
    if (fate.accepted || !fate.known) record.possible[recipient]! += 1
    if (this.#atMostOnce && !this.#wasRolledBack && record.possible[recipient]! > 1)
      throw new Violation('I3', 'a recipient with two posts that were accepted or may have been')
  }

  /** An owner decides on an ambiguous outcome. */
  ambiguity(batch: number): void {
    this.#record(batch).ambiguous += 1
  }

  /** The invariants that hold at every instant. */
  checkInvariants(): void {
    const ledger = this.#ledger
    const sums = new Int32Array(CODES)
    let planned = 0
    let closed = 0
    for (let at = 0; at < ledger.batches.length; at += 1) {
      const batch = ledger.batches[at]!
      this.#checkBatch(at, batch)
      if (batch.part !== at) throw new Violation('I1', `part ${batch.part} of the audience is in batch ${at} too`)
      planned += batch.vector.length
      if (batch.state === 'closed') closed += 1
      for (const byte of batch.vector) {
        const code = codeOf(byte)
        sums[code <= codes.retry ? codes.pending : code]! += 1
      }
    }
    sums[ledger.state === 'expired' ? codes.lapsed : codes.cancelled]! += ledger.unplannedSettled
    sums[codes.pending]! += this.#audience - planned - ledger.unplannedSettled
    let total = 0
    for (let code = 0; code < CODES; code += 1) {
      total += ledger.totals[code]!
      if (ledger.totals[code] !== sums[code])
        throw new Violation('I4', `total ${ledger.totals[code]} of code ${code}, ${sums[code]} in the vectors`)
    }
    if (total !== this.#audience) throw new Violation('I1', `totals sum to ${total} of ${this.#audience}`)
    if (closed !== ledger.closed) throw new Violation('I5', `${ledger.closed} counted as closed, ${closed} batches are`)
    const complete = ledger.planComplete && closed === ledger.batches.length ? 1 : 0
    if (complete === 1 && planned + ledger.unplannedSettled !== this.#audience)
      throw new Violation('I1', `complete with ${planned} of ${this.#audience} planned`)
    if (ledger.completions !== complete)
      throw new Violation('I5', `${ledger.completions} completions instead of ${complete}`)
  }

  /** The invariants that hold when nothing runs any more. */
  end(): void {
    const ledger = this.#ledger
    this.checkInvariants()
    if (ledger.completions !== 1) throw new Violation('I8', 'the campaign did not complete')
    for (let at = 0; at < ledger.batches.length; at += 1) this.#checkEnd(at, ledger.batches[at]!)
  }

  #checkBatch(at: number, batch: Batch): void {
    const record = this.#record(at)
    let credited = 0
    let pending = 0
    for (let i = 0; i < batch.vector.length; i += 1) {
      const before = record.seen[i]!
      const byte = batch.vector[i]!
      if (before !== byte) {
        if (isSettled(before)) throw new Violation('I6', `a settled byte ${before} became ${byte}`)
        record.seen[i] = byte
      }
      if (codeOf(byte) === codes.credited) credited += 1
      if (isSettled(byte)) continue
      pending += 1
      if (record.merged[i] === 1) throw new Violation('G8', 'a recipient whose outcome was merged is pending')
    }
    if (credited > this.#window) throw new Violation('I9', `${credited} credited, the window is ${this.#window}`)
    if (batch.state !== 'open' && credited > 0) throw new Violation('I9', `${batch.state} with ${credited} credited`)
    if (batch.state === 'closed' && pending > 0) throw new Violation('I1', `closed with ${pending} pending`)
    if (batch.fence < record.fence) throw new Violation('I6', 'the fence went back')
    if (batch.fence === record.fence && batch.mark < record.mark) throw new Violation('I6', 'the mark went back')
    if (batch.fence > record.opens) throw new Violation('I6', `${batch.fence} owners, ${record.opens} opened it`)
    record.fence = batch.fence
    record.mark = batch.mark
  }

  #checkEnd(at: number, batch: Batch): void {
    const record = this.#record(at)
    const atTakeovers = this.#window * batch.takeovers
    let duplicates = 0
    let doubts = 0
    let hidden = 0
    for (let i = 0; i < batch.vector.length; i += 1) {
      const code = codeOf(batch.vector[i]!)
      const accepted = record.accepted[i]!
      duplicates += Math.max(0, accepted - 1)
      if (code === codes.inDoubt) doubts += 1
      else if (code !== codes.accepted && accepted > 0) hidden += 1
      if (code === codes.accepted && accepted === 0) throw new Violation('I1', 'accepted without a post')
      if ((code === codes.refused || code === codes.failed) && record.posts[i] === 0)
        throw new Violation('I1', 'refused or failed without a post')
    }
    this.duplicates += duplicates
    this.takeovers += batch.takeovers
    this.ambiguous += record.ambiguous
    if (!this.#atMostOnce && doubts > 0) throw new Violation('I1', 'in doubt at-least-once')
    if (this.#wasRolledBack) return
    const what = `window ${this.#window}, ${batch.takeovers} takeovers, ${record.ambiguous} ambiguous`
    if (duplicates > atTakeovers + record.ambiguous) throw new Violation('I2', `${duplicates} duplicates: ${what}`)
    if (doubts > atTakeovers + record.ambiguous) throw new Violation('I2', `${doubts} in doubt: ${what}`)
    if (hidden > (this.#atMostOnce ? 0 : atTakeovers + record.ambiguous))
      throw new Violation('I1', `${hidden} reached with another class: ${what}`)
  }

  #record(at: number): BatchRecord {
    const known = this.#batches[at]
    if (known !== undefined) return known
    const size = this.#ledger.batches[at]!.vector.length
    const made = {
      seen: new Uint8Array(size),
      posts: new Uint16Array(size),
      accepted: new Uint16Array(size),
      possible: new Uint16Array(size),
      merged: new Uint8Array(size),
      fence: 0,
      mark: 0,
      opens: 0,
      ambiguous: 0,
    }
    this.#batches[at] = made
    return made
  }
}
