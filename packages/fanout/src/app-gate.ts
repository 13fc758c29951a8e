import type { AppId, Outcome } from '@wns-fanout/domain'
import type { AppStore, Breaker } from '@wns-fanout/state'
import { RecentAnswers } from './breaker.ts'

/**
 * The breaker of one app. It opens for all workers when WNS refuses the app as a whole: a fresh token is rejected, or
 * most posts are answered by 403 or "blocked". While it is open one worker posts one notification a minute; when that
 * is taken, it closes. One channel that is registered wrongly never opens it.
 */
export class AppGate {
  readonly #app: AppId
  readonly #apps: Pick<AppStore, 'setBreaker' | 'clearBreaker' | 'mayProbe'>
  readonly #onError: (error: unknown) => void
  readonly #recent = new RecentAnswers()
  #open = false

  constructor(
    app: AppId,
    apps: Pick<AppStore, 'setBreaker' | 'clearBreaker' | 'mayProbe'>,
    onError: (error: unknown) => void,
  ) {
    this.#app = app
    this.#apps = apps
    this.#onError = onError
  }

  get isOpen(): boolean {
    return this.#open
  }

  /** What the app's record says, whoever wrote it. */
  follow(breaker: Breaker | undefined): void {
    this.#open = breaker !== undefined
  }

  /** May this worker post the one notification of this minute? */
  mayProbe(): Promise<boolean> {
    return this.#apps.mayProbe(this.#app, PROBE_EVERY_MS)
  }

  /** Count an answer; true when it opened the breaker. */
  record(outcome: Outcome, reauthorized: boolean): boolean {
    if (outcome.kind === 'unauthorized' && reauthorized) return this.tokenRejected()
    const isBad = outcome.kind === 'forbidden' || outcome.kind === 'blocked'
    if (!this.#recent.record(isBad)) return false
    return outcome.kind === 'blocked'
      ? this.#trip('WNS answers that this sender is blocked (410); ask Microsoft why, nothing was removed')
      : this.#trip('WNS answers most posts by 403; check that channels and credentials are of one app')
  }

  /** WNS rejected a token that was fresh. */
  tokenRejected(): true {
    return this.#trip('WNS rejects fresh tokens (401); check that the credentials belong to this app')
  }

  /** The probe was taken. */
  passed(): void {
    this.#open = false
    this.#recent.reset()
    this.#apps.clearBreaker(this.#app).catch(this.#onError)
  }

  #trip(reason: string): true {
    this.#recent.reset()
    if (this.#open) return true
    this.#open = true
    this.#apps.setBreaker(this.#app, { kind: 'answers', reason, since: new Date().toISOString() }).catch(this.#onError)
    return true
  }
}

export const PROBE_EVERY_MS = 60_000
