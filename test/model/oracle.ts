import type { Batch, Merge, CheckpointReply, OpenReply } from './ledger.ts'
import { codes, codeOf, CODES, isSettled, Ledger } from './ledger.ts'

/** Thrown where the model breaks what the protocol promises. */
export class Violation extends Error {
  readonly invariant: string

  constructor(invariant: string, detail: string) {
    super(`${invariant}: ${detail}`)
    this.invariant = invariant
  }
}

interface BatchRecord {
  /** The vector when it was last looked at. */
  readonly seen: Uint8Array
  readonly posts: Uint16Array
  readonly accepted: Uint16Array
  /** Posts that were accepted or of which nobody can say that they were not. */
  readonly possible: Uint16Array
  /** Whose outcome a forgotten owner has told, when nobody else had begun to find it out. */
  readonly spokenFor: Uint8Array
  fence: number
  mark: number
  opens: number
  /** Outcomes that an owner knew to be ambiguous. */
  ambiguous: number
}

/**
 * Sees what really happens: every post, whoever writes it, and every state of Redis. It knows nothing of fences and
 * credit except what it checks about them.
 */
export class Oracle {
  readonly #ledger: Ledger
  readonly #window: number
  readonly #atMostOnce: boolean
  readonly #audience: number
  readonly #batches: BatchRecord[] = []
  /** Owner → recipients for whom Redis has acknowledged credit to it. */
  readonly #granted = new Map<number, Uint8Array>()
  readonly #fenced = new Set<number>()
  readonly #testators = new Set<number>()
  #hasForgotten = false
  duplicates = 0
  takeovers = 0
  ambiguous = 0

  constructor(ledger: Ledger) {
    this.#ledger = ledger
    this.#window = ledger.options.window
    this.#atMostOnce = ledger.options.atMostOnce
    this.#audience = ledger.options.sizes.reduce((sum, size) => sum + size, 0)
  }

  /** An open is about to be carried out; sent again while its owner still holds the batch it may not count twice. */
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
    if (this.#fenced.has(owner)) throw new Violation('I7', 'a post after the owner was told that it is fenced')
    if (this.#granted.get(owner)?.[recipient] !== 1) throw new Violation('I7', 'a post without acknowledged credit')
    this.#record(batch).posts[recipient]! += 1
  }

  /**
   * Redis went back in time. Who was posted to since may be posted to again and bounds no longer hold; but nobody is
   * lost, totals are the vectors, and what lives on to be bequeathed counts.
   */
  forgotten(): void {
    this.#hasForgotten = true
    this.#batches.forEach((record, at) => {
      const batch = this.#ledger.batches[at]
      record.seen.fill(0)
      if (batch !== undefined) record.seen.set(batch.vector)
      record.fence = batch?.fence ?? 0
      record.mark = batch?.mark ?? 0
    })
  }

  /** A forgotten owner is about to hand over what it knows. */
  merging({ batch: at, owner, fence, vector }: Merge): void {
    const batch = this.#ledger.batches[at]
    if (batch === undefined || batch.state === 'closed' || batch.owner === owner) return
    if (batch.fence > fence && !this.#testators.has(owner)) return
    this.#testators.add(owner)
    batch.vector.forEach((byte, i) => {
      const known = vector[i]!
      const mayBeReached = isSettled(known) || (this.#atMostOnce && codeOf(known) === codes.credited)
      if (!isSettled(byte) && codeOf(byte) !== codes.credited && mayBeReached) this.#record(at).spokenFor[i] = 1
    })
  }

  /** What became of the post; `known` when its sender holds a definite answer. */
  posted(batch: number, recipient: number, fate: { readonly accepted: boolean; readonly known: boolean }): void {
    const record = this.#record(batch)
    if (fate.accepted) record.accepted[recipient]! += 1
    if (fate.accepted || !fate.known) record.possible[recipient]! += 1
    if (this.#atMostOnce && !this.#hasForgotten && record.possible[recipient]! > 1)
      throw new Violation('I3', 'a recipient with two posts that were accepted or may have been')
  }

  /** An owner decides on an outcome of which it knows that it is ambiguous. */
  ambiguity(batch: number): void {
    this.#record(batch).ambiguous += 1
  }

  /** Everything that has to hold at every instant. */
  look(): void {
    const ledger = this.#ledger
    const sums = new Int32Array(CODES)
    let planned = 0
    let closed = 0
    for (let at = 0; at < ledger.batches.length; at += 1) {
      const batch = ledger.batches[at]!
      this.#lookAt(at, batch)
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
        throw new Violation('I4', `total ${ledger.totals[code]} of code ${code}, vectors say ${sums[code]}`)
    }
    if (total !== this.#audience) throw new Violation('I1', `totals sum to ${total} of ${this.#audience}`)
    if (closed !== ledger.closed) throw new Violation('I5', `${ledger.closed} closed, ${closed} batches are`)
    const complete = ledger.sealed && closed === ledger.batches.length ? 1 : 0
    if (complete === 1 && planned + ledger.unplannedSettled !== this.#audience)
      throw new Violation('I1', `complete with ${planned} of ${this.#audience} planned`)
    if (ledger.completions !== complete)
      throw new Violation('I5', `${ledger.completions} completions where ${complete} is right`)
  }

  /** Everything that has to hold when nothing runs any more. */
  end(): void {
    const ledger = this.#ledger
    this.look()
    if (ledger.completions !== 1) throw new Violation('I8', 'the campaign did not complete')
    for (let at = 0; at < ledger.batches.length; at += 1) this.#endOf(at, ledger.batches[at]!)
  }

  #lookAt(at: number, batch: Batch): void {
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
      if (record.spokenFor[i] === 1) throw new Violation('G8', 'somebody whose outcome was bequeathed is pending')
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

  #endOf(at: number, batch: Batch): void {
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
    if (this.#hasForgotten) return
    const what = `window ${this.#window}, ${batch.takeovers} takeovers, ${record.ambiguous} ambiguous`
    if (duplicates > atTakeovers + record.ambiguous) throw new Violation('I2', `${duplicates} duplicates: ${what}`)
    if (doubts > atTakeovers + record.ambiguous) throw new Violation('I2', `${doubts} in doubt: ${what}`)
    if (hidden > (this.#atMostOnce ? 0 : atTakeovers + record.ambiguous))
      throw new Violation('I1', `${hidden} reached whose class says otherwise: ${what}`)
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
      spokenFor: new Uint8Array(size),
      fence: 0,
      mark: 0,
      opens: 0,
      ambiguous: 0,
    }
    this.#batches[at] = made
    return made
  }
}
