import type { AppId } from '@wns-fanout/domain'
import { byteOf, classOf, code, codeOf, emptyTotals, isSettled, pendingCode, postsOf } from '@wns-fanout/domain'
import type { BatchRef, BatchTerms, Checkpoint, CheckpointAnswer, OpenAnswer, OpenBatch } from '@wns-fanout/state'
import { nth } from '@wns-fanout/testing'
import { describe, expect, test } from 'vitest'
import { PAGE, Stage, tile, upTo } from './ledger-support.ts'
import { setup, uriOf } from './support.ts'

/** Numbers in [0, 1), the same for the same seed in every run (mulberry32). */
function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const MAX_POSTS = 5

function countAt(counts: number[], position: number): void {
  counts[position] = nth(counts, position) + 1
}

/** The real result of all posts of one batch, by any owner. */
class BatchRecord {
  readonly ref: BatchRef
  readonly ordinals: readonly number[]
  readonly posts: number[]
  readonly accepted: number[]
  /** Posts that were accepted or may have been. */
  readonly possible: number[]
  /** Outcomes that were ambiguous to their owner. */
  ambiguous = 0
  seen: number[] = []
  fence = 0

  constructor(ref: BatchRef, ordinals: readonly number[]) {
    this.ref = ref
    this.ordinals = ordinals
    this.posts = ordinals.map(() => 0)
    this.accepted = ordinals.map(() => 0)
    this.possible = ordinals.map(() => 0)
  }

  posted(position: number, accepted: boolean, known: boolean): void {
    if (accepted) countAt(this.accepted, position)
    if (accepted || !known) countAt(this.possible, position)
  }
}

interface LateCall {
  readonly owner: Owner
  readonly change: Checkpoint | undefined
}

/** One process with a batch; all its information is in the answers of Redis. */
class Owner {
  readonly record: BatchRecord
  readonly nonce: string
  readonly inFlight: number[] = []
  opened: OpenBatch | undefined
  vector: Uint8Array = new Uint8Array(0)
  /** Maximum credit by the last answer. */
  window = 0
  over = false
  #posted = new Set<number>()
  #rotated = new Set<number>()
  #todo: number[] = []
  #dead: Checkpoint['dead'][number][] = []
  #changed: number[] = []
  #number = 0
  #wrapUp: 'park' | 'clear' | undefined
  #stopped = false

  constructor(record: BatchRecord, nonce: string) {
    this.record = record
    this.nonce = nonce
  }

  hear(answer: OpenAnswer): void {
    if (answer.kind !== 'open') {
      this.over = true
      return
    }
    this.opened = answer
    this.vector = answer.vector.slice()
    this.window = answer.window
    this.#todo = [...answer.uris.keys()].filter((position) => answer.uris[position] !== '')
    for (const position of this.#todo)
      if (codeOf(nth(answer.before, position)) === code.rotated) this.#rotated.add(position)
  }

  next(): number | undefined {
    if (this.#wrapUp !== undefined || this.#stopped) return undefined
    return this.#todo.find(
      (position) => codeOf(nth(this.vector, position)) === code.credited && !this.#posted.has(position),
    )
  }

  post(position: number): void {
    this.#posted.add(position)
    this.inFlight.push(position)
  }

  wrapUp(clear: boolean): void {
    this.#wrapUp ??= clear ? 'clear' : 'park'
  }

  settle(position: number, value: number): void {
    const posts = postsOf(nth(this.vector, position)) + 1
    this.vector[position] = byteOf(value, posts)
    if (isSettled(value)) this.#changed.push(position)
  }

  bury(position: number): void {
    this.#dead.push({
      position,
      ordinal: nth(this.record.ordinals, position),
      uri: nth(this.opened!.uris, position),
    })
    this.settle(position, this.#rotated.has(position) ? code.failedRotated : code.deadExpired)
  }

  retry(position: number): void {
    const posts = postsOf(nth(this.vector, position)) + 1
    if (posts >= MAX_POSTS) this.settle(position, code.failedServerError)
    else this.settle(position, this.#rotated.has(position) ? code.rotated : pendingCode(Math.min(posts, 5)))
  }

  checkpoint(): Checkpoint {
    const ending = this.inFlight.length === 0 && this.next() === undefined && (this.#stops || this.#allPosted)
    if (ending) {
      for (let position = 0; position < this.vector.length; position += 1)
        if (codeOf(nth(this.vector, position)) === code.credited) this.#release(position)
    }
    const vector = this.vector.slice()
    let credited = [...vector].filter((byte) => codeOf(byte) === code.credited).length
    if (!ending && !this.#stops)
      for (const position of this.#todo) {
        if (credited >= this.window) break
        const byte = nth(vector, position)
        if (isSettled(codeOf(byte)) || codeOf(byte) === code.credited || this.#posted.has(position)) continue
        vector[position] = byteOf(code.credited, postsOf(byte))
        credited += 1
      }
    this.#number += 1
    const pending = [...vector.keys()].filter((position) => !isSettled(codeOf(nth(vector, position))))
    const clearStamps = this.#wrapUp === 'clear'
    const change: Checkpoint = {
      number: this.#number,
      vector,
      changed: ending && clearStamps ? [...this.#changed, ...pending] : this.#changed,
      dead: this.#dead,
      gates: [],
      samples: [],
      ...(ending && { end: pending.length === 0 || this.#stopped ? 'close' : { parkUntilMs: 0, clearStamps } }),
    }
    this.#changed = []
    this.#dead = []
    return change
  }

  hearCheckpoint(change: Checkpoint, answer: CheckpointAnswer): void {
    if (answer.kind !== 'ok' || change.end !== undefined) {
      this.over = true
      return
    }
    for (let position = 0; position < this.vector.length; position += 1)
      if (codeOf(nth(change.vector, position)) === code.credited && !this.#posted.has(position))
        this.vector[position] = nth(change.vector, position)
    for (const { position, byte } of answer.adjusted) this.vector[position] = byte
    this.window = answer.window
    if (answer.state === 'paused') this.wrapUp(true)
    else if (answer.state !== 'sending') this.#stopped = true
  }

  get #stops(): boolean {
    return this.#wrapUp !== undefined || this.#stopped
  }

  get #allPosted(): boolean {
    return this.#todo.every((position) => this.#posted.has(position))
  }

  #release(position: number): void {
    const posts = postsOf(nth(this.vector, position))
    const before = this.#rotated.has(position) ? code.rotated : pendingCode(Math.min(posts, 5))
    this.vector[position] = byteOf(before, posts)
  }
}

/** One campaign, or two that overlap, under one interleaving of faults on the real scripts. */
class Schedule {
  readonly stage: Stage
  readonly terms: BatchTerms
  readonly records: BatchRecord[] = []
  readonly #random: () => number
  readonly #campaigns: readonly string[]
  readonly #ordinals: readonly number[]
  readonly #pages: readonly number[]
  readonly #perBatch: number
  readonly #cursors = new Map<string, number>()
  readonly #owners: Owner[] = []
  readonly #late: LateCall[] = []
  #nonces = 0
  takeovers = 0
  duplicates = 0

  constructor(stage: Stage, seed: number) {
    this.stage = stage
    const random = mulberry32(seed)
    this.#random = random
    const pages = upTo(1 + this.#some(3))
    const size = 5 + this.#some(36)
    const ordinals = new Set<number>()
    while (ordinals.size < size) ordinals.add(nth(pages, this.#some(pages.length)) * PAGE + this.#some(60))
    this.#ordinals = [...ordinals].toSorted((a, b) => a - b)
    this.#pages = pages
    this.#perBatch = 1 + this.#some(2)
    this.terms = {
      ...tile,
      window: 4 + this.#some(5),
      delivery: random() < 0.5 ? 'at-most-once' : 'at-least-once',
      guardSeconds: random() < 0.5 ? 1860 : 0,
    }
    this.#campaigns = this.terms.guardSeconds > 0 ? ['c1', 'c2'] : ['c1']
  }

  async run(): Promise<void> {
    await this.stage.channels(this.#ordinals)
    for (const id of this.#campaigns) {
      await this.stage.frozen(this.#ordinals, { id, terms: this.terms })
      this.#cursors.set(id, 0)
      if (this.#random() < 0.7) await this.#plan(id)
    }
    for (let step = 0; step < 90; step += 1) {
      await this.#step()
      if (step % 8 === 0) await this.#audit()
    }
    await this.#heal()
    await this.#audit()
    await this.#end()
  }

  async #step(): Promise<void> {
    const random = this.#random()
    if (random < 0.1) this.#newOwner(this.records[this.#some(this.records.length)])
    else if (random < 0.13) this.#crash(this.#owners[this.#some(this.#owners.length)])
    else if (random < 0.19) await this.#plan(this.#someCampaign())
    else if (random < 0.23) await this.#lateCall()
    else if (random < 0.25) await this.#steer()
    else if (random < 0.27) await this.stage.ledger.sweep(this.stage.ref(this.#someCampaign()), 1)
    else if (random < 0.29) this.#owners[this.#some(this.#owners.length)]?.wrapUp(this.#random() < 0.5)
    else if (random < 0.31) await this.#move()
    else
      for (const owner of [this.#owners[this.#some(this.#owners.length)]])
        if (owner !== undefined) await this.#stepOf(owner, true)
  }

  #newOwner(record: BatchRecord | undefined): Owner | undefined {
    if (record === undefined || this.#owners.length >= 5) return undefined
    this.#nonces += 1
    const owner = new Owner(record, `owner-${this.#nonces}`)
    this.#owners.push(owner)
    return owner
  }

  /** One burst of an owner: an open, or some posts and answers and a checkpoint. */
  async #stepOf(owner: Owner, mishaps: boolean): Promise<void> {
    const { ledger } = this.stage
    if (owner.opened === undefined) {
      let answer = await ledger.open(owner.record.ref, owner.nonce, this.terms)
      // The reply may be lost, and other steps may happen before the call is repeated.
      if (mishaps && this.#random() < 0.25) return
      if (mishaps && this.#random() < 0.2) answer = await ledger.open(owner.record.ref, owner.nonce, this.terms)
      owner.hear(answer)
      this.#remember({ owner, change: undefined })
      if (owner.over) this.#crash(owner)
      return
    }
    for (let posts = this.#some(4); posts > 0; posts -= 1) {
      const position = owner.next()
      if (position === undefined) break
      countAt(owner.record.posts, position)
      owner.post(position)
    }
    for (let answers = this.#some(5); answers > 0 && owner.inFlight.length > 0; answers -= 1) this.#answer(owner)
    if (mishaps && this.#random() < 0.4) return
    const change = owner.checkpoint()
    const send = () => ledger.checkpoint(owner.record.ref, owner.nonce, owner.opened!, this.terms, change)
    let answer = await send()
    if (mishaps && this.#random() < 0.25) {
      if (this.#random() < 0.3) {
        this.#crash(owner)
        return
      }
      // Another owner may act between a call whose reply was lost and its repetition.
      if (this.#random() < 0.3) {
        const other = this.#newOwner(owner.record)
        if (other !== undefined) await this.#stepOf(other, false)
      }
      answer = await send()
    }
    this.#remember({ owner, change })
    owner.hearCheckpoint(change, answer)
    if (owner.over) this.#crash(owner)
  }

  #answer(owner: Owner): void {
    const [position] = owner.inFlight.splice(this.#some(owner.inFlight.length), 1) as [number]
    const { record } = owner
    const random = this.#random()
    if (random < 0.62) {
      record.posted(position, true, true)
      owner.settle(position, code.accepted)
    } else if (random < 0.74) {
      record.posted(position, false, false)
      if (this.#random() < 0.6) countAt(record.accepted, position)
      record.ambiguous += 1
      if (this.terms.delivery === 'at-most-once') owner.settle(position, code.inDoubt)
      else owner.retry(position)
    } else {
      record.posted(position, false, true)
      if (random < 0.84) owner.retry(position)
      else if (random < 0.92) owner.bury(position)
      else owner.settle(position, random < 0.96 ? code.rejectedForbidden : code.dropped)
    }
  }

  #crash(owner: Owner | undefined): void {
    if (owner === undefined) return
    for (const position of owner.inFlight) owner.record.posted(position, this.#random() < 0.6, false)
    this.#owners.splice(this.#owners.indexOf(owner), 1)
  }

  #remember(call: LateCall): void {
    if (this.#late.length < 8) this.#late.push(call)
    else this.#late[this.#some(8)] = call
  }

  async #lateCall(): Promise<void> {
    const late = this.#late[this.#some(this.#late.length)]
    if (late === undefined) return
    const { owner, change } = late
    const { ledger } = this.stage
    if (change === undefined) await ledger.open(owner.record.ref, owner.nonce, this.terms)
    else await ledger.checkpoint(owner.record.ref, owner.nonce, owner.opened!, this.terms, change)
  }

  async #plan(id: string): Promise<void> {
    const cursor = this.#cursors.get(id)!
    const at = this.#pages.slice(cursor, cursor + this.#perBatch)
    const inside = this.#ordinals.filter((ordinal) => at.includes(Math.floor(ordinal / PAGE)))
    const nextCursor = cursor + at.length
    const step = {
      cursor,
      nextCursor,
      ends: nextCursor >= this.#pages.length && this.#random() < 0.7,
      batches:
        inside.length === 0
          ? []
          : [{ fromPage: nth(at, 0), toPage: nth(at, at.length - 1), recipients: inside.length }],
    }
    const answer = await this.stage.ledger.plan(this.stage.ref(id), step)
    if (this.#random() < 0.3) await this.stage.ledger.plan(this.stage.ref(id), { ...step, batches: step.batches })
    if (answer.kind !== 'ok') return
    this.#cursors.set(id, nextCursor)
    if (inside.length > 0) this.records.push(new BatchRecord(this.stage.ref(id, answer.firstSeq), inside))
  }

  async #steer(): Promise<void> {
    const random = this.#random()
    const id = this.stage.ref(this.#someCampaign()).campaign
    const act = random < 0.4 ? 'pause' : random < 0.8 ? 'resume' : random < 0.92 ? 'cancel' : undefined
    if (act !== undefined) await this.stage.campaigns.steer(this.stage.app, id, act)
    else await this.stage.bench.redis.hset(this.stage.bench.keys.campaign(this.stage.app, id), 'expiresAt', 1)
  }

  /** A channel gets a new URI or is removed. */
  async #move(): Promise<void> {
    const ordinal = nth(this.#ordinals, this.#some(this.#ordinals.length))
    if ((await this.stage.uriAt(ordinal)) === '') return
    await this.stage.moveTo(ordinal, this.#random() < 0.8 ? uriOf(`u${ordinal}-${this.#some(1000)}`) : '')
  }

  /** The rest without faults; owners that were taken for dead use up their credit meanwhile. */
  async #heal(): Promise<void> {
    const { ledger, campaigns, app, bench } = this.stage
    for (const id of this.#campaigns) {
      await campaigns.steer(app, this.stage.ref(id).campaign, 'resume')
      for (let at = 0; at < 40 && !(await this.stage.record(id)).planComplete; at += 1) {
        await this.#plan(id)
        await ledger.sweep(this.stage.ref(id), 10)
      }
      await ledger.sweep(this.stage.ref(id), 10)
    }
    for (const record of this.records)
      for (let opens = 0; ; opens += 1) {
        if (opens > 60) throw new Error(`batch ${record.ref.seq} of ${record.ref.campaign} does not close`)
        await bench.redis.hdel(bench.keys.batch(app, record.ref.campaign, record.ref.seq), 'dueAt')
        if (this.#owners.length >= 5) this.#crash(this.#owners[0])
        const owner = this.#newOwner(record)!
        for (let steps = 0; this.#owners.includes(owner); steps += 1) {
          if (steps > 400) throw new Error(`the owner of batch ${record.ref.seq} does not end`)
          await this.#stepOf(owner, false)
          const zombie = this.#owners[this.#some(this.#owners.length)]
          if (zombie !== owner && zombie?.opened !== undefined && zombie.record !== record)
            await this.#stepOf(zombie, false)
        }
        if ((await this.stage.batch('closed', record.ref)) !== null) break
      }
    while (this.#owners.length > 0) {
      const zombie = nth(this.#owners, 0)
      if (zombie.opened === undefined) this.#crash(zombie)
      else await this.#stepOf(zombie, false)
    }
  }

  /** The invariants that hold at every instant. */
  async #audit(): Promise<void> {
    for (const id of this.#campaigns) {
      const ref = this.stage.ref(id)
      const record = await this.stage.record(id)
      const sums = emptyTotals()
      const batches = await this.stage.ledger.batches(ref, upTo(record.planned))
      let planned = 0
      let closed = 0
      for (const batch of batches) {
        if (batch === null) throw new Error('a planned batch does not exist')
        planned += batch.recipients
        if (batch.closed) closed += 1
        const bytes =
          batch.vector === null ? upTo(batch.recipients).map(() => batch.closedAs ?? code.pending) : [...batch.vector]
        for (const byte of bytes) sums[classOf(codeOf(byte))] += 1
        const credited = bytes.filter((byte) => codeOf(byte) === code.credited).length
        expect(credited).toBeLessThanOrEqual(batch.state === 'open' && !batch.closed ? this.terms.window : 0)
        if (batch.closed) expect(bytes.filter((byte) => !isSettled(codeOf(byte)))).toEqual([])
        const known = this.records.find((each) => each.ref.campaign === id && each.ref.seq === batch.seq)
        const fence = Number((await this.stage.batch('fence', this.stage.ref(id, batch.seq))) ?? 0)
        if (known !== undefined) {
          expect(fence).toBeGreaterThanOrEqual(known.fence)
          const changed = known.seen.filter((byte, at) => isSettled(codeOf(byte)) && byte !== bytes[at])
          expect(changed).toEqual([])
          known.seen = bytes
          known.fence = fence
        }
      }
      sums[record.stopCode === undefined ? 'pending' : classOf(record.stopCode)] += this.#ordinals.length - planned
      expect(record.totals).toEqual(sums)
      expect(record.closed).toBe(closed)
      expect(record.finishedAtMs !== undefined).toBe(record.planComplete && closed === record.planned)
    }
  }

  async #end(): Promise<void> {
    const atMostOnce = this.terms.delivery === 'at-most-once'
    for (const id of this.#campaigns) {
      const record = await this.stage.record(id)
      expect(record.totals.pending).toBe(0)
      expect(record.finishedAtMs).toBeTypeOf('number')
    }
    expect((await this.stage.campaigns.finished(this.stage.app)).toSorted()).toEqual(this.#campaigns)
    const reached = new Map<number, number>()
    for (const record of this.records) {
      const codes = await this.stage.codes(record.ref)
      const takeovers = Number((await this.stage.batch('takeovers', record.ref)) ?? 0)
      const bound = this.terms.window * takeovers + record.ambiguous
      const duplicates = record.accepted.reduce((sum, count) => sum + Math.max(0, count - 1), 0)
      this.takeovers += takeovers
      this.duplicates += duplicates
      expect(duplicates).toBeLessThanOrEqual(bound)
      if (atMostOnce) expect(Math.max(...record.possible)).toBeLessThanOrEqual(1)
      let hidden = 0
      codes.forEach((value, position) => {
        const name = classOf(value)
        const ordinal = nth(record.ordinals, position)
        if (name === 'accepted') expect(nth(record.accepted, position)).toBeGreaterThan(0)
        else if (name !== 'in_doubt' && nth(record.accepted, position) > 0) hidden += 1
        if (name === 'accepted' || name === 'in_doubt' || (atMostOnce && nth(record.possible, position) > 0))
          reached.set(ordinal, (reached.get(ordinal) ?? 0) + 1)
      })
      expect(codes.filter((value) => value === code.inDoubt).length).toBeLessThanOrEqual(atMostOnce ? bound : 0)
      expect(hidden).toBeLessThanOrEqual(atMostOnce ? 0 : bound)
    }
    // The guard: two campaigns at the same time never both reach a channel.
    if (this.terms.guardSeconds > 0) expect([...reached].filter(([, campaigns]) => campaigns > 1)).toEqual([])
  }

  #someCampaign(): string {
    return nth(this.#campaigns, this.#some(this.#campaigns.length))
  }

  #some(count: number): number {
    return Math.floor(this.#random() * count)
  }
}

const SCHEDULES = 250
const AT_ONCE = 12

describe('the scripts on a real Redis', () => {
  test('keep every promise in any order of crashes, lost replies, late calls and owners taken for dead', async () => {
    const bench = setup()
    const seen = { takeovers: 0, duplicates: 0 }
    const broken: string[] = []
    let seed = 0
    const lane = async (): Promise<void> => {
      while (seed < SCHEDULES && broken.length < 3) {
        seed += 1
        const mine = seed
        const schedule = new Schedule(new Stage(bench, `s${mine}` as AppId), mine)
        try {
          await schedule.run()
        } catch (error) {
          broken.push(`seed ${mine}: ${error instanceof Error ? error.stack : String(error)}`)
        }
        seen.takeovers += schedule.takeovers
        seen.duplicates += schedule.duplicates
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, lane))
    expect(broken).toEqual([])
    // Interleavings without faults would prove nothing.
    expect(seen.takeovers).toBeGreaterThan(SCHEDULES)
    expect(seen.duplicates).toBeGreaterThan(SCHEDULES / 20)
  })
})
