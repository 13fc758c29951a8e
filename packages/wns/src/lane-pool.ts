import type { Outcome } from '@wns-fanout/domain'
import { fewestLanes, LaneClaims } from './lane-claims.ts'
import { Lane } from './lane.ts'
import type { LanePoolOptions } from './lane-pool-options.ts'
import { withDefaults } from './lane-pool-options.ts'
import type { LaneListener } from './lane-sender.ts'
import { Sender } from './lane-sender.ts'
import type { EndedPost, GrowthLimits } from './origin-lanes.ts'
import { laneToTakeOver, OriginLanes, Slot } from './origin-lanes.ts'
import type { Transport } from './transport.ts'

export interface LaneStats {
  /** Connected, without a post. */
  readonly idle: number
  /** Connected, with a post under way. */
  readonly busy: number
  /** With a post that waits for its connection. */
  readonly connecting: number
}

/** The lanes as one sender uses them: in practice a batch. */
export interface LaneSender {
  /**
   * Start a post if a lane for its origin is free or may be opened; else return false, and call `onFree` later.
   * `origin` is `https://host`; path and body are sent byte for byte. `done` is called exactly once for every post that
   * started, never before this returns.
   */
  tryPost(origin: string, path: string, headers: string[], body: Buffer, context: number): boolean
  /** Start no more posts. Those under way still end in `done`. */
  leave(): void
}

/** A budget of lanes that all origins share. */
export interface LanePool {
  /**
   * Add a sender. The lanes are divided equally among the groups that have senders, and in a group among its senders.
   *
   * @param group the owner of the posts: an app
   */
  join(group: string, listener: LaneListener): LaneSender
  /** Posts under way. */
  readonly busy: number
  /** Lanes that exist, connected or connecting. */
  readonly open: number
  readonly limit: number
  stats(): LaneStats
  /** Start no more posts, wait for those under way (at most their deadline), close all lanes. May be called twice. */
  stop(): Promise<void>
  /** End every post now: as `stopped`, ambiguous if it was written. */
  abortAll(): void
}

export function createLanePool(transport: Transport, options: LanePoolOptions = {}): LanePool {
  return new SharedLanes(transport, options)
}

const FORGET_ORIGIN_AFTER_MS = 60_000

class SharedLanes implements LanePool {
  readonly limit: number
  readonly #transport: Transport
  readonly #deadlineMs: number
  readonly #idleMs: number
  readonly #growth: GrowthLimits
  readonly #claims: LaneClaims
  readonly #origins = new Map<string, OriginLanes>()
  readonly #slots = new Set<Slot>()
  /** Senders that were refused, in the order in which they try again. */
  readonly #queue = new Set<Sender>()
  readonly #closing = new Set<Promise<void>>()
  readonly #sweepTimer: NodeJS.Timeout
  #ended: EndedPost[] = []
  #isServeDue = false
  #drained: PromiseWithResolvers<void> | undefined

  constructor(transport: Transport, options: LanePoolOptions) {
    const { lanes, deadlineMs, maxPerOriginShare, idleMs, connectingAtFirst } = withDefaults(options)
    this.limit = lanes
    this.#transport = transport
    this.#deadlineMs = deadlineMs
    this.#idleMs = idleMs
    this.#growth = { firstShare: Math.max(1, Math.floor(lanes * maxPerOriginShare)), connectingAtFirst }
    this.#claims = new LaneClaims(lanes)
    // One timer for all posts. `setImmediate` lets answers that arrived during a long block be read before posts are
    // timed out.
    const sweepMs = Math.min(Math.max(deadlineMs / 20, 10), 250)
    this.#sweepTimer = setInterval(() => setImmediate(() => this.#sweep()), sweepMs).unref()
  }

  get busy(): number {
    return this.#claims.busy
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

  join(group: string, listener: LaneListener): LaneSender {
    const sender = new Sender(this.#claims.join(group), listener)
    return {
      tryPost: (origin, path, headers, body, context) => this.#tryPost(sender, origin, path, headers, body, context),
      leave: () => this.#leave(sender),
    }
  }

  async stop(): Promise<void> {
    this.#drained ??= Promise.withResolvers()
    if (this.busy === 0) this.#drained.resolve()
    await this.#drained.promise
    clearInterval(this.#sweepTimer)
    for (const { lane } of this.#present()) lane.close()
    await Promise.all(this.#closing)
  }

  abortAll(): void {
    for (const { lane, sender } of this.#present()) if (sender !== undefined) lane.abandon('stopped')
  }

  #tryPost(sender: Sender, url: string, path: string, headers: string[], body: Buffer, context: number): boolean {
    if (this.#drained !== undefined || sender.hasLeft) return false
    const problem = sender.writer.problem(path, headers)
    if (problem !== undefined) {
      queueMicrotask(() => sender.done(context, { kind: 'not-sent', code: problem }, 0))
      return true
    }
    const nowMs = performance.now()
    const origin = this.#originOf(url)
    const slot = this.#slotFor(origin, sender, nowMs)
    if (slot === undefined) {
      this.#queue.add(sender)
      return false
    }
    this.#claims.take(origin, sender.claim)
    origin.usedAtMs = nowMs
    slot.sender = sender
    slot.context = context
    slot.lane.post(sender.writer.bytes(origin.host, path, body), nowMs)
    return true
  }

  #leave(sender: Sender): void {
    if (sender.hasLeft) return
    sender.hasLeft = true
    this.#queue.delete(sender)
    this.#claims.leave(sender.claim)
    // Others may have yielded to it.
    this.#serveSoon()
  }

  /** A free lane of the origin or a new one; undefined when there is none for this sender now. */
  #slotFor(origin: OriginLanes, sender: Sender, nowMs: number): Slot | undefined {
    if (this.#claims.isGroupFull(sender.claim)) {
      this.#claims.stopWaiting(sender.claim)
      return undefined
    }
    if (this.#claims.mustYield(origin, sender.claim)) {
      this.#claims.wait(origin, sender.claim)
      return undefined
    }
    const free = origin.free.pop()
    if (free !== undefined) return free
    // An origin that may not grow is held back by its own slowness: it has no claim on the lanes of others.
    if (!origin.mayGrow(nowMs, this.#growth, this.#claims.isOtherWanted(origin))) return undefined
    if (this.#slots.size >= this.limit) {
      const victim = laneToTakeOver(origin, this.#origins, this.limit, nowMs)
      if (victim === undefined) {
        this.#claims.wait(origin, sender.claim)
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

  #connected(origin: OriginLanes): void {
    origin.connecting -= 1
    if (!origin.waitsForConnections) return
    origin.waitsForConnections = false
    this.#serveSoon()
  }

  #closed(slot: Slot): void {
    this.#slots.delete(slot)
    slot.origin.remove(slot)
    this.#serveSoon()
  }

  /**
   * Senders get their answers at the end of the turn of the event loop, all at once, and the lanes are free no sooner:
   * bytes that arrived behind an answer have been read by then, before the next post could take them for its own.
   */
  #finished(slot: Slot, outcome: Outcome, durationMs: number): void {
    const { sender, context } = slot
    if (sender === undefined) throw new Error('a lane reported the end of a post that was never started')
    slot.sender = undefined
    this.#ended.push({ slot, sender, context, outcome, durationMs })
    if (this.#ended.length === 1) setImmediate(() => this.#report())
  }

  #report(): void {
    const ended = this.#ended
    this.#ended = []
    for (const post of ended) this.#release(post)
    // Senders that wait try first; those whose posts ended line up behind them.
    this.#serve()
    for (const { sender, context, outcome, durationMs } of ended) sender.done(context, outcome, durationMs)
    if (this.busy === 0) this.#drained?.resolve()
  }

  #release({ slot, sender, outcome, durationMs }: EndedPost): void {
    const { origin, lane } = slot
    this.#claims.giveBack(origin, sender.claim)
    const endedAtMs = lane.startedAtMs + durationMs
    if ('status' in outcome) origin.lastAnswerAtMs = endedAtMs
    if (slot.isClosed) return
    slot.freeSinceMs = endedAtMs
    origin.free.push(slot)
  }

  #serveSoon(): void {
    if (this.#queue.size === 0 || this.#isServeDue) return
    this.#isServeDue = true
    queueMicrotask(() => {
      this.#isServeDue = false
      this.#serve()
    })
  }

  /**
   * Call the senders that wait, each at most once, while lanes are free: those with the fewest lanes first. One that
   * finds no lane waits again; one that posts nothing has nothing left, so the others need not yield to it any longer.
   */
  #serve(): void {
    for (const sender of Array.from(this.#queue).toSorted((one, other) => fewestLanes(one.claim, other.claim))) {
      if (this.busy >= this.limit) return
      // The senders of a full group stay in the queue, but no other one yields to them.
      this.#claims.stopWaiting(sender.claim)
      if (this.#claims.isGroupFull(sender.claim)) continue
      // It may have left meanwhile.
      if (!this.#queue.delete(sender)) continue
      sender.onFree()
    }
  }

  #sweep(): void {
    const nowMs = performance.now()
    for (const { lane, sender } of this.#present())
      if (sender !== undefined && nowMs - lane.startedAtMs >= this.#deadlineMs) lane.abandon('timeout')
    for (const [url, origin] of this.#origins) {
      for (const { lane, freeSinceMs } of Array.from(origin.free))
        if (nowMs - freeSinceMs >= Math.min(this.#idleMs, lane.keepAliveMs)) lane.close()
      if (origin.open === 0 && nowMs - origin.usedAtMs > FORGET_ORIGIN_AFTER_MS) {
        this.#origins.delete(url)
        this.#claims.removeOrigin(origin)
      }
    }
    // Time alone may have made room, for an origin that answered long ago or a lane that has been free for long.
    this.#serveSoon()
  }

  /** A copy: the end of a post may close lanes and open others. */
  #present(): readonly Slot[] {
    return Array.from(this.#slots)
  }

  #originOf(url: string): OriginLanes {
    let origin = this.#origins.get(url)
    if (origin === undefined) {
      origin = new OriginLanes(url)
      this.#origins.set(url, origin)
      this.#claims.addOrigin(origin)
    }
    return origin
  }
}
