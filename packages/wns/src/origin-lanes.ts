import type { Outcome } from '@wns-fanout/domain'
import { Claimant } from './lane-claims.ts'
import type { Lane } from './lane.ts'
import type { Sender } from './lane-sender.ts'

/** A lane and the post it carries. */
export class Slot {
  readonly origin: OriginLanes
  readonly lane: Lane
  /** Whose post the lane carries; undefined while it is free. */
  sender: Sender | undefined
  /** The sender's own number for the post. */
  context = 0
  isClosed = false
  freeSinceMs = 0

  constructor(origin: OriginLanes, openLane: (slot: Slot) => Lane) {
    this.origin = origin
    this.lane = openLane(this)
  }
}

/** A post that ended in this turn of the event loop and is not reported yet. */
export interface EndedPost {
  readonly slot: Slot
  readonly sender: Sender
  readonly context: number
  readonly outcome: Outcome
  readonly durationMs: number
}

export interface GrowthLimits {
  /** Lanes that an origin gets before it has shown that it answers. */
  readonly firstShare: number
  /** Lanes that may connect at once while none is connected. */
  readonly connectingAtFirst: number
}

/** An origin that answered within this time may have more than its first share of lanes. */
const ANSWERED_RECENTLY_MS = 1_000

/** The lanes of one origin, and how many more it may open. */
export class OriginLanes extends Claimant {
  readonly url: string
  readonly host: string
  /** Free lanes; the last is the one used most recently. */
  readonly free: Slot[] = []
  open = 0
  /** Lanes that are not connected yet. */
  connecting = 0
  /** Was a lane refused because too many connect already? */
  waitsForConnections = false
  lastAnswerAtMs = Number.NEGATIVE_INFINITY
  usedAtMs = 0

  constructor(url: string) {
    if (!url.startsWith('https://')) throw new RangeError('an origin must be https://host')
    super()
    this.url = url
    this.host = url.slice('https://'.length)
  }

  /**
   * May the origin open one more lane? At most as many connect as are connected. Beyond its first share an origin gets
   * lanes only while it answers and no other origin waits for one. So a host that stalls holds its first share until
   * the deadline, and never all lanes.
   */
  mayGrow(nowMs: number, limits: GrowthLimits, isOtherWanted: boolean): boolean {
    if (this.connecting >= Math.max(limits.connectingAtFirst, this.open - this.connecting)) {
      this.waitsForConnections = true
      return false
    }
    if (this.open < limits.firstShare) return true
    return nowMs - this.lastAnswerAtMs <= ANSWERED_RECENTLY_MS && !isOtherWanted
  }

  /** The lane is closed: forget it. */
  remove(slot: Slot): void {
    slot.isClosed = true
    this.open -= 1
    const at = this.free.indexOf(slot)
    if (at !== -1) this.free.splice(at, 1)
  }
}

/** A free lane of another origin is left alone for this long, unless its origin has more than its share of lanes. */
const TAKE_OVER_AFTER_MS = 50

/** The free lane that was idle longest and that another origin may lose to `origin`. */
export function laneToTakeOver(
  origin: OriginLanes,
  origins: ReadonlyMap<string, OriginLanes>,
  limit: number,
  nowMs: number,
): Slot | undefined {
  const share = Math.max(1, Math.floor(limit / origins.size))
  let oldest: Slot | undefined
  for (const other of origins.values()) {
    const slot = other.free[0]
    if (slot === undefined || other === origin) continue
    const isFair =
      nowMs - slot.freeSinceMs >= TAKE_OVER_AFTER_MS || origin.open === 0 || (origin.open < share && other.open > share)
    if (isFair && (oldest === undefined || slot.freeSinceMs < oldest.freeSinceMs)) oldest = slot
  }
  return oldest
}
