import { RecentAnswers } from './recent-answers.ts'

interface Host {
  readonly recent: RecentAnswers
  /** Monotonic milliseconds until which the host rests; 0 while it works. */
  openUntilMs: number
  probing: boolean
  /** Monotonic milliseconds at which the latest batch that waits for the host comes back. */
  lastTurnMs: number
}

const HOST_REST_MS = 5000
/** Ten batches a second are enough for any rate of an app, and cost Redis little. */
const TURN_EVERY_MS = 100
/** Batches of cancelled campaigns leave their turns unused, so no turn is further away. */
const MAX_TURN_MS = 60_000

/**
 * A host that mostly fails to connect or answers 503 rests for five seconds. One post then tests whether it works
 * again. The recipients of the host wait; those of other hosts do not. Each app has its own breakers, because WNS may
 * answer 503 to one app alone.
 */
export class HostBreakers {
  readonly #hosts = new Map<string, Host>()
  readonly #nowMs: () => number

  /** @param nowMs a monotonic clock */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
  }

  /**
   * Allow a post to the host, or return how long the host still rests. After its rest, it gets one post as a probe. The
   * rest starts again with the probe, because the probe may never be posted (no permit, no lane, a lost batch).
   *
   * @returns milliseconds until the host may be tried; 0 when the post may start now
   */
  admit(origin: string): number {
    const host = this.#hosts.get(origin)
    if (host === undefined || host.openUntilMs === 0) return 0
    const nowMs = this.#nowMs()
    if (nowMs < host.openUntilMs) return host.openUntilMs - nowMs
    host.openUntilMs = nowMs + HOST_REST_MS
    host.probing = true
    return 0
  }

  /**
   * Milliseconds until a batch that waits for the host should be opened again. The batches take turns: if all came back
   * when the rest ends, each rest would cost Redis an open and a park of every batch.
   */
  turnMs(origin: string): number {
    const nowMs = this.#nowMs()
    const host = this.#hosts.get(origin)
    if (host === undefined) return 0
    const turnMs = Math.max(host.lastTurnMs + TURN_EVERY_MS, host.openUntilMs)
    host.lastTurnMs = Math.min(turnMs, nowMs + MAX_TURN_MS)
    return Math.max(0, host.lastTurnMs - nowMs)
  }

  /** The post that `admit` allowed was not started. If it was a probe, the next post may be the probe. */
  notPosted(origin: string): void {
    const host = this.#hosts.get(origin)
    if (host === undefined || !host.probing) return
    host.probing = false
    host.openUntilMs = this.#nowMs()
  }

  /** Record the result of a post to the host. */
  record(origin: string, isBad: boolean): void {
    let host = this.#hosts.get(origin)
    if (host === undefined) {
      host = { recent: new RecentAnswers(), openUntilMs: 0, probing: false, lastTurnMs: 0 }
      this.#hosts.set(origin, host)
    }
    if (host.openUntilMs > 0) {
      if (!host.probing) return
      host.probing = false
      host.openUntilMs = isBad ? this.#nowMs() + HOST_REST_MS : 0
      if (!isBad) host.lastTurnMs = 0
      host.recent.reset()
      return
    }
    if (host.recent.record(isBad)) host.openUntilMs = this.#nowMs() + HOST_REST_MS
  }
}
