/** Of this many answers at least … */
const ENOUGH = 50
/** … so many must be bad, … */
const BAD_SHARE = 0.5
/** … counted over about the last so many: older ones fade. */
const REMEMBERED = 200

/** Whether most of what was answered lately is bad. Pure counting; what follows from it is decided elsewhere. */
export class RecentAnswers {
  #answers = 0
  #bad = 0

  /** Count an answer; true when the bad ones have become too many. */
  record(isBad: boolean): boolean {
    this.#answers += 1
    if (isBad) this.#bad += 1
    if (this.#answers >= REMEMBERED) {
      this.#answers /= 2
      this.#bad /= 2
    }
    return isBad && this.#answers >= ENOUGH && this.#bad >= this.#answers * BAD_SHARE
  }

  reset(): void {
    this.#answers = 0
    this.#bad = 0
  }
}

interface Host {
  readonly recent: RecentAnswers
  /** Monotonic milliseconds until which the host rests; 0 while it is well. */
  openUntilMs: number
  probing: boolean
}

const HOST_REST_MS = 5000

/**
 * A host that mostly fails to connect or answers 503 rests for five seconds, then one post finds out whether it is well
 * again. Its recipients wait, those of other hosts do not.
 */
export class HostBreakers {
  readonly #hosts = new Map<string, Host>()
  readonly #nowMs: () => number

  /** @param nowMs a clock that only goes forward */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
  }

  /**
   * Milliseconds that nothing may be posted to the host; 0 when it may, which for a resting host means one probe. A
   * probe may come to nothing (no permit, no lane, a batch that was lost), so the rest begins anew with it.
   */
  restMs(origin: string): number {
    const host = this.#hosts.get(origin)
    if (host === undefined || host.openUntilMs === 0) return 0
    const nowMs = this.#nowMs()
    if (nowMs < host.openUntilMs) return host.openUntilMs - nowMs
    host.openUntilMs = nowMs + HOST_REST_MS
    host.probing = true
    return 0
  }

  /** What `restMs` allowed was not posted after all: if it was a probe, the next one may be it. */
  notPosted(origin: string): void {
    const host = this.#hosts.get(origin)
    if (host === undefined || !host.probing) return
    host.probing = false
    host.openUntilMs = this.#nowMs()
  }

  /** Tell how a post to the host ended. */
  record(origin: string, isBad: boolean): void {
    let host = this.#hosts.get(origin)
    if (host === undefined) {
      host = { recent: new RecentAnswers(), openUntilMs: 0, probing: false }
      this.#hosts.set(origin, host)
    }
    if (host.openUntilMs > 0) {
      if (!host.probing) return
      host.probing = false
      host.openUntilMs = isBad ? this.#nowMs() + HOST_REST_MS : 0
      host.recent.reset()
      return
    }
    if (host.recent.record(isBad)) host.openUntilMs = this.#nowMs() + HOST_REST_MS
  }
}
