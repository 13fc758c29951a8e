/** A party that shares lanes with others like it: an origin, or a sender of a group. */
export class Claimant {
  /** Lanes that carry a post of this claimant. */
  busy = 0
  /** Senders that were refused a lane for this claimant and wait for one; 0 or 1 for a sender. */
  waiting = 0
}

/** The senders of one owner: the batches of an app. */
class Group {
  readonly name: string
  readonly senders = new Set<SenderClaim>()
  busy = 0

  constructor(name: string) {
    this.name = name
  }
}

/** The claim of one sender. */
export class SenderClaim extends Claimant {
  readonly group: Group
  /** The origin whose lane it waits for. */
  waitsFor: Claimant | undefined

  constructor(group: Group) {
    super()
    this.group = group
  }
}

/**
 * Decides which posts may have a lane, so that no app, batch or host keeps the others from theirs.
 *
 * The groups that have senders get equal shares of the lanes, and never more: the rest is free for the others at once,
 * whichever hosts they post to. The senders of a group divide its lanes, and origins divide all lanes: each may use
 * every lane that no other one waits for. It yields once it has its share and another one, which has less than a share,
 * waits: that one gets the next lanes that become free.
 */
export class LaneClaims {
  readonly #limit: number
  readonly #groups = new Map<string, Group>()
  readonly #origins = new Set<Claimant>()
  #busy = 0
  #waiting = 0

  /** @param limit lanes to divide */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Lanes that carry a post. */
  get busy(): number {
    return this.#busy
  }

  addOrigin(origin: Claimant): void {
    this.#origins.add(origin)
  }

  removeOrigin(origin: Claimant): void {
    this.#origins.delete(origin)
  }

  join(name: string): SenderClaim {
    let group = this.#groups.get(name)
    if (group === undefined) {
      group = new Group(name)
      this.#groups.set(name, group)
    }
    const sender = new SenderClaim(group)
    group.senders.add(sender)
    return sender
  }

  /** The sender starts no more posts. Those under way count until `giveBack`. */
  leave(sender: SenderClaim): void {
    this.stopWaiting(sender)
    sender.group.senders.delete(sender)
    this.#removeIfUnused(sender.group)
  }

  /** Does the group of this sender have its share of the lanes already? */
  isGroupFull({ group }: SenderClaim): boolean {
    return group.busy >= this.#shareOfGroups()
  }

  /** Should this post leave the free lanes to the senders that wait? */
  mustYield(origin: Claimant, sender: SenderClaim): boolean {
    if (this.#waiting === 0 || this.#limit - this.#busy > this.#waiting) return false
    const { senders } = sender.group
    return (
      isAboveShare(sender, senders, equalShare(sender, senders, this.#shareOfGroups())) ||
      isAboveShare(origin, this.#origins, equalShare(origin, this.#origins, this.#limit))
    )
  }

  /** A post starts. */
  take(origin: Claimant, sender: SenderClaim): void {
    this.stopWaiting(sender)
    this.#busy += 1
    origin.busy += 1
    sender.busy += 1
    sender.group.busy += 1
  }

  /** A post ended and its lane is free. */
  giveBack(origin: Claimant, sender: SenderClaim): void {
    this.#busy -= 1
    origin.busy -= 1
    sender.busy -= 1
    sender.group.busy -= 1
    this.#removeIfUnused(sender.group)
  }

  /** A post found no lane: others yield until the sender has tried again. */
  wait(origin: Claimant, sender: SenderClaim): void {
    this.stopWaiting(sender)
    this.#waiting += 1
    sender.waitsFor = origin
    origin.waiting += 1
    sender.waiting += 1
  }

  stopWaiting(sender: SenderClaim): void {
    const origin = sender.waitsFor
    if (origin === undefined) return
    this.#waiting -= 1
    sender.waitsFor = undefined
    origin.waiting -= 1
    sender.waiting -= 1
  }

  /** Does a sender wait for a lane of another origin? */
  isOtherWanted(origin: Claimant): boolean {
    return this.#waiting > origin.waiting
  }

  #shareOfGroups(): number {
    let sending = 0
    for (const { senders } of this.#groups.values()) if (senders.size > 0) sending += 1
    return sending <= 1 ? this.#limit : Math.max(1, Math.floor(this.#limit / sending))
  }

  #removeIfUnused(group: Group): void {
    if (group.senders.size === 0 && group.busy === 0) this.#groups.delete(group.name)
  }
}

/** Orders senders: first those of the group with the fewest lanes, then within a group those with the fewest. */
export function fewestLanes(one: SenderClaim, other: SenderClaim): number {
  return one.group.busy - other.group.busy || one.busy - other.busy
}

/** What each claimant may have of `lanes` while it and others use or want some: an equal part, and at least one. */
function equalShare(claimant: Claimant, claimants: Iterable<Claimant>, lanes: number): number {
  let active = 0
  for (const other of claimants) if (other === claimant || other.busy > 0 || other.waiting > 0) active += 1
  return Math.max(1, Math.floor(lanes / Math.max(1, active)))
}

/** Does this claimant have its share already, while another one waits and has less? */
function isAboveShare(claimant: Claimant, claimants: Iterable<Claimant>, share: number): boolean {
  if (claimant.busy < share) return false
  for (const other of claimants) if (other !== claimant && other.waiting > 0 && other.busy < share) return true
  return false
}
