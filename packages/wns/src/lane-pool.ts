import type { Outcome } from '@wns-fanout/domain'
import { Lane } from './lane.ts'
import type { PostDone } from './lane-claims.ts'
import { busyLanesOf, busyOf, isAboveShare, Origin, Sender, Slot } from './lane-claims.ts'
import type { Transport } from './transport.ts'

export interface LanePoolOptions {
  /** Connections at most, over all origins. Default 256. */
  readonly lanes?: number
  /** Longest time from `tryPost` to the outcome, whatever the other side does; overshoot is at most 250 ms. Default 10,000. */
  readonly deadlineMs?: number
  /** Share of the lanes that an origin gets before it has shown that it answers. Default 0.5. */
  readonly maxPerOriginShare?: number
  /**
   * Lanes of an origin that may connect at once before any stands; later as many as stand. A post on a new lane waits
   * for its handshake, and hundreds of handshakes wait for each other: all of those posts would leave in one moment,
   * long after they were permitted. Default 2.
   */
  readonly connectingAtFirst?: number
  /** Close a lane without work after so long. Default 60,000. */
  readonly idleMs?: number
}

export interface LaneStats {
  /** Connected, without a post. */
  readonly idle: number
  /** Connected, with a post under way. */
  readonly busy: number
  /** With a post that waits for its connection. */
  readonly connecting: number
}

/** A budget of lanes that all origins share. */
export interface LanePool {
  /**
   * Start a post if a lane for its origin is free or may be opened; else answer false, and the listeners of `onFree` are
   * called when it is worth trying again. `origin` is `https://host`; path and body are sent byte for byte. `done` is
   * called exactly once for every post that started, later than this returns.
   */
  tryPost(origin: string, path: string, headers: string[], body: Buffer, done: PostDone, context: number): boolean
  /** Call `listener` when lanes became free after a refusal; the returned function ends that. */
  onFree(listener: () => void): () => void
  /** Posts under way. */
  readonly busy: number
  /** Lanes that exist, connected or connecting. */
  readonly open: number
  readonly limit: number
  stats(): LaneStats
  /** Start no more posts, let those under way end (their deadline holds), close all lanes. May be called twice. */
  stop(): Promise<void>
  /** End every post now: as `stopped`, ambiguous if it was written. */
  abortAll(): void
}

export function createLanePool(transport: Transport, options: LanePoolOptions = {}): LanePool {
  return new SharedLanes(transport, options)
}

// A want that was not repeated for so long is forgotten; the sender or its campaign may be gone.
const WANT_LASTS_MS = 1_000
// An origin that answered within this time may have more than its first share of lanes.
const ANSWERS_LATELY_MS = 1_000
// A free lane of another origin is left alone for so long, unless its origin has more than its share of lanes.
const TAKE_OVER_AFTER_MS = 50
const FORGET_ORIGIN_AFTER_MS = 60_000

interface EndedPost {
  readonly slot: Slot
  readonly sender: Sender
  readonly context: number
  readonly outcome: Outcome
  readonly durationMs: number
}

class SharedLanes implements LanePool {
  readonly limit: number
  readonly #transport: Transport
  readonly #deadlineMs: number
  readonly #firstShare: number
  readonly #idleMs: number
  readonly #connectingAtFirst: number
  readonly #origins = new Map<string, Origin>()
  readonly #senders = new Map<PostDone, Sender>()
  readonly #slots = new Set<Slot>()
  readonly #listeners = new Set<() => void>()
  readonly #closing = new Set<Promise<void>>()
  #ended: EndedPost[] = []
  readonly #sweepTimer: NodeJS.Timeout
  #busy = 0
  /** Senders and origins that were refused for want of lanes and have got none since. */
  #wants = 0
  #wasRefused = false
  #isAnnouncing = false
  #drained: PromiseWithResolvers<void> | undefined

  constructor(transport: Transport, options: LanePoolOptions) {
    const {
      lanes = 256,
      deadlineMs = 10_000,
      maxPerOriginShare = 0.5,
      idleMs = 60_000,
      connectingAtFirst = 2,
    } = options
    if (!Number.isSafeInteger(lanes) || lanes < 1)
      throw new RangeError(`lanes must be a whole number of at least 1, found ${lanes}`)
    if (!(deadlineMs > 0) || !(idleMs > 0)) throw new RangeError('deadlineMs and idleMs must be above 0')
    if (!(connectingAtFirst >= 1))
      throw new RangeError(`connectingAtFirst must be at least 1, found ${connectingAtFirst}`)
    if (!(maxPerOriginShare > 0 && maxPerOriginShare <= 1))
      throw new RangeError(`maxPerOriginShare must be above 0 and at most 1, found ${maxPerOriginShare}`)
    this.limit = lanes
    this.#transport = transport
    this.#deadlineMs = deadlineMs
    this.#firstShare = Math.max(1, Math.floor(lanes * maxPerOriginShare))
    this.#idleMs = idleMs
    this.#connectingAtFirst = connectingAtFirst
    // One timer for all posts. After a long block of the loop it must not judge before the answers that arrived
    // meanwhile were read, hence the detour over the check phase.
    const sweepMs = Math.min(Math.max(deadlineMs / 20, 10), 250)
    this.#sweepTimer = setInterval(() => setImmediate(() => this.#sweep()), sweepMs).unref()
  }

  get busy(): number {
    return this.#busy
  }

  get open(): number {
    return this.#slots.size
  }

  stats(): LaneStats {
    let connecting = 0
    for (const { lane } of this.#slots) if (!lane.isConnected) connecting += 1
    let idle = 0
    for (const { free } of this.#origins.values()) idle += free.length
    return { idle, connecting, busy: this.#slots.size - idle - connecting }
  }

  tryPost(url: string, path: string, headers: string[], body: Buffer, done: PostDone, context: number): boolean {
    if (this.#drained !== undefined) return false
    const nowMs = performance.now()
    const origin = this.#originOf(url)
    const sender = this.#senderOf(done)
    if (this.#wants > 0 && this.#mustYield(origin, sender)) return this.#refuse(origin, sender, nowMs)
    const inputError = sender.writer.inputError(path, headers)
    if (inputError !== undefined) {
      queueMicrotask(() => tell(done, context, { kind: 'not-sent', code: inputError }, 0))
      return true
    }
    const slot = origin.free.pop() ?? this.#openSlot(origin, sender, nowMs)
    if (slot === undefined) return false
    this.#satisfy(origin)
    this.#satisfy(sender)
    origin.usedAtMs = nowMs
    sender.busy += 1
    this.#busy += 1
    slot.sender = sender
    slot.context = context
    slot.lane.post(sender.writer.bytes(origin.host, path, body), nowMs)
    return true
  }

  onFree(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async stop(): Promise<void> {
    this.#drained ??= Promise.withResolvers()
    if (this.#busy === 0) this.#drained.resolve()
    await this.#drained.promise
    clearInterval(this.#sweepTimer)
    for (const { lane } of this.#present()) lane.close()
    await Promise.all(this.#closing)
  }

  abortAll(): void {
    for (const { lane, sender } of this.#present()) if (sender !== undefined) lane.abandon('stopped')
  }

  /** A copy: ending a post may close lanes and open others. */
  #present(): readonly Slot[] {
    return Array.from(this.#slots)
  }

  /**
   * Senders are told at the end of the turn of the loop, all at once, and the lanes are free no sooner: bytes that
   * arrived behind an answer have been seen by then, before the next post could take them for its own.
   */
  #finished(slot: Slot, outcome: Outcome, durationMs: number): void {
    const { sender, context } = slot
    if (sender === undefined) throw new Error('a lane reported the end of a post that nobody started')
    slot.sender = undefined
    this.#ended.push({ slot, sender, context, outcome, durationMs })
    if (this.#ended.length === 1) setImmediate(() => this.#tellSenders())
  }

  #tellSenders(): void {
    const ended = this.#ended
    this.#ended = []
    for (const post of ended) this.#release(post)
    this.#announce()
    for (const { sender, context, outcome, durationMs } of ended) tell(sender.done, context, outcome, durationMs)
    if (this.#busy === 0) this.#drained?.resolve()
  }

  #release({ slot, sender, outcome, durationMs }: EndedPost): void {
    sender.busy -= 1
    this.#busy -= 1
    const { origin, lane } = slot
    const endedAtMs = lane.startedAtMs + durationMs
    if ('status' in outcome) origin.lastAnswerAtMs = endedAtMs
    if (slot.isClosed) return
    slot.freeSinceMs = endedAtMs
    origin.free.push(slot)
  }

  #connected(origin: Origin): void {
    origin.connecting -= 1
    if (!origin.waitsForConnections) return
    origin.waitsForConnections = false
    this.#announce()
  }

  #closed(slot: Slot): void {
    slot.isClosed = true
    this.#slots.delete(slot)
    slot.origin.open -= 1
    const at = slot.origin.free.indexOf(slot)
    if (at !== -1) slot.origin.free.splice(at, 1)
    this.#announce()
  }

  /** Should this sender leave what is free to those that were refused? */
  #mustYield(origin: Origin, sender: Sender): boolean {
    const free = this.limit - this.#busy
    if (free > this.#wants) return false
    return (
      isAboveShare(sender, [...this.#senders.values()], this.limit, busyOf) ||
      isAboveShare(origin, [...this.#origins.values()], this.limit, busyLanesOf)
    )
  }

  #openSlot(origin: Origin, sender: Sender, nowMs: number): Slot | undefined {
    if (!this.#mayGrow(origin, nowMs)) {
      // Its own slowness holds it back, not the others: it has no claim on their lanes.
      this.#wasRefused = true
      return undefined
    }
    if (this.#slots.size >= this.limit) {
      const victim = this.#laneToTakeOver(origin, nowMs)
      if (victim === undefined) {
        this.#refuse(origin, sender, nowMs)
        return undefined
      }
      victim.lane.close()
    }
    const slot = new Slot(origin, (owned) => this.#openLane(owned))
    this.#slots.add(slot)
    origin.open += 1
    origin.connecting += 1
    return slot
  }

  #openLane(slot: Slot): Lane {
    const lane = new Lane(slot.origin.host, this.#transport, {
      finished: (outcome, durationMs) => this.#finished(slot, outcome, durationMs),
      closed: () => this.#closed(slot),
      connected: () => this.#connected(slot.origin),
    })
    this.#closing.add(lane.gone)
    void lane.gone.then(() => this.#closing.delete(lane.gone))
    return lane
  }

  /**
   * Lanes that connect are at most as many as those that stand. Beyond its first share an origin gets lanes only while it answers and nobody else wants them. So a host that stalls
   * holds its first share until the deadline, and never all lanes.
   */
  #mayGrow(origin: Origin, nowMs: number): boolean {
    if (origin.connecting >= Math.max(this.#connectingAtFirst, origin.open - origin.connecting)) {
      origin.waitsForConnections = true
      return false
    }
    if (origin.open < this.#firstShare) return true
    if (nowMs - origin.lastAnswerAtMs > ANSWERS_LATELY_MS) return false
    if (this.#wants === 0) return true
    for (const other of this.#origins.values()) if (other !== origin && other.wantedAtMs !== undefined) return false
    return true
  }

  /** The free lane of another origin that was idle longest, if taking it is no robbery. */
  #laneToTakeOver(origin: Origin, nowMs: number): Slot | undefined {
    const share = Math.max(1, Math.floor(this.limit / this.#origins.size))
    let oldest: Slot | undefined
    for (const other of this.#origins.values()) {
      const slot = other.free[0]
      if (slot === undefined || other === origin) continue
      const isFair =
        nowMs - slot.freeSinceMs >= TAKE_OVER_AFTER_MS ||
        origin.open === 0 ||
        (origin.open < share && other.open > share)
      if (isFair && (oldest === undefined || slot.freeSinceMs < oldest.freeSinceMs)) oldest = slot
    }
    return oldest
  }

  #refuse(origin: Origin, sender: Sender, nowMs: number): false {
    this.#wasRefused = true
    if (origin.wantedAtMs === undefined) this.#wants += 1
    if (sender.wantedAtMs === undefined) this.#wants += 1
    origin.wantedAtMs = nowMs
    sender.wantedAtMs = nowMs
    return false
  }

  #satisfy(claimant: Origin | Sender): void {
    if (claimant.wantedAtMs === undefined) return
    claimant.wantedAtMs = undefined
    this.#wants -= 1
  }

  #announce(): void {
    if (!this.#wasRefused || this.#isAnnouncing) return
    this.#isAnnouncing = true
    queueMicrotask(() => {
      this.#isAnnouncing = false
      this.#wasRefused = false
      const [first, ...others] = this.#listeners
      if (first === undefined) return
      // Who was first goes to the end, so that each is first in turn.
      this.#listeners.delete(first)
      this.#listeners.add(first)
      for (const listener of [first, ...others]) if (this.#listeners.has(listener)) listener()
    })
  }

  #sweep(): void {
    const nowMs = performance.now()
    for (const { lane, sender } of this.#present())
      if (sender !== undefined && nowMs - lane.startedAtMs >= this.#deadlineMs) lane.abandon('timeout')
    for (const [done, sender] of this.#senders) {
      this.#forgetOldWant(sender, nowMs)
      if (sender.busy === 0 && sender.wantedAtMs === undefined) this.#senders.delete(done)
    }
    for (const [url, origin] of this.#origins) {
      this.#forgetOldWant(origin, nowMs)
      for (const { lane, freeSinceMs } of Array.from(origin.free))
        if (nowMs - freeSinceMs >= Math.min(this.#idleMs, lane.keepAliveMs)) lane.close()
      if (origin.open === 0 && nowMs - origin.usedAtMs > FORGET_ORIGIN_AFTER_MS) this.#origins.delete(url)
    }
    if (this.#busy < this.limit) this.#announce()
  }

  #forgetOldWant(claimant: Origin | Sender, nowMs: number): void {
    if (claimant.wantedAtMs !== undefined && nowMs - claimant.wantedAtMs > WANT_LASTS_MS) this.#satisfy(claimant)
  }

  #originOf(url: string): Origin {
    let origin = this.#origins.get(url)
    if (origin === undefined) {
      if (!url.startsWith('https://')) throw new RangeError('an origin is https://host')
      origin = new Origin(url)
      this.#origins.set(url, origin)
    }
    return origin
  }

  #senderOf(done: PostDone): Sender {
    let sender = this.#senders.get(done)
    if (sender === undefined) {
      sender = new Sender(done)
      this.#senders.set(done, sender)
    }
    return sender
  }
}

/** A sender that throws is broken; the others are told all the same, and the process hears of it. */
function tell(done: PostDone, context: number, outcome: Outcome, durationMs: number): void {
  try {
    done(context, outcome, durationMs)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
