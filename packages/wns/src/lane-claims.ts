import type { Outcome } from '@wns-fanout/domain'
import type { Lane } from './lane.ts'
import { PostWriter } from './post-bytes.ts'

/** Told once for each started post; `context` is the caller's own number. Shared by all posts of one sender. */
export type PostDone = (context: number, outcome: Outcome, durationMs: number) => void

/** The lanes of one origin. */
export class Origin {
  readonly url: string
  readonly host: string
  /** Free lanes; the last is the one used most recently. */
  readonly free: Slot[] = []
  open = 0
  /** Lanes that are not connected yet. */
  connecting = 0
  /** Was it refused because too many connect already? */
  waitsForConnections = false
  lastAnswerAtMs = Number.NEGATIVE_INFINITY
  usedAtMs = 0
  /** When it was last refused for want of lanes; undefined once it got one. */
  wantedAtMs: number | undefined

  constructor(url: string) {
    this.url = url
    this.host = url.slice('https://'.length)
  }
}

/** All posts with the same `done`: in practice a batch. */
export class Sender {
  readonly done: PostDone
  readonly writer = new PostWriter()
  busy = 0
  wantedAtMs: number | undefined

  constructor(done: PostDone) {
    this.done = done
  }
}

/** A lane and the post it carries. */
export class Slot {
  readonly origin: Origin
  readonly lane: Lane
  sender: Sender | undefined
  context = 0
  isClosed = false
  freeSinceMs = 0

  constructor(origin: Origin, openLane: (slot: Slot) => Lane) {
    this.origin = origin
    this.lane = openLane(this)
  }
}

export function busyOf(sender: Sender): number {
  return sender.busy
}
export function busyLanesOf(origin: Origin): number {
  return origin.open - origin.free.length
}

/** Has this claimant an equal share of the lanes already, while another one wants lanes and has less? */
export function isAboveShare<Claimant extends Origin | Sender>(
  claimant: Claimant,
  all: readonly Claimant[],
  limit: number,
  busyOfClaimant: (claimant: Claimant) => number,
): boolean {
  const active = all.filter((other) => busyOfClaimant(other) > 0 || other.wantedAtMs !== undefined).length
  const share = Math.max(1, Math.floor(limit / Math.max(1, active)))
  if (busyOfClaimant(claimant) < share) return false
  return all.some((other) => other !== claimant && other.wantedAtMs !== undefined && busyOfClaimant(other) < share)
}
