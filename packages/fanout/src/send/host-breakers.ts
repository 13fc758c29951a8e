import { RecentAnswers } from './recent-answers.ts'

interface Host {
  readonly recent: RecentAnswers
  /** Monotonic milliseconds until which the host rests; 0 while it works. */
  openUntilMs: number
  probing: boolean
}

const HOST_REST_MS = 5000

/**
 * A host that mostly fails to connect or answers 503 rests for five seconds. One post then tests whether it works
 * again. The recipients of the host wait; those of other hosts do not.
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
