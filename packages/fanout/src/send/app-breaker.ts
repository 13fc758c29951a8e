import type { AppId, Outcome } from '@wns-fanout/domain'
import type { AppStore, Breaker } from '@wns-fanout/state'
import { RecentAnswers } from './host-breakers.ts'

/**
 * The breaker of one app. It opens for all workers when WNS refuses the app as a whole: a fresh token is rejected, or
 * most posts are answered by 403 or "blocked". While it is open one worker posts one notification a minute; when WNS
 * does not refuse the app for that one, it closes. One channel that is registered wrongly never opens it.
 */
export class AppBreaker {
  readonly #app: AppId
  readonly #apps: Pick<AppStore, 'setBreaker' | 'clearBreaker' | 'mayProbe'>
  readonly #onError: (error: unknown) => void
  readonly #recent = new RecentAnswers()
  /** What it is open for. */
  #open: Breaker['kind'] | undefined

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
    return this.#open !== undefined
  }

  /** What the app's record says, whoever wrote it. */
  follow(breaker: Breaker | undefined): void {
    this.#open = breaker?.kind
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
      ? this.#trip('answers', 'WNS answers that this sender is blocked (410); ask Microsoft why, nothing was removed')
      : this.#trip('answers', 'WNS answers most posts by 403; check that channels and credentials are of one app')
  }

  /** WNS rejected a token that was fresh. */
  tokenRejected(): true {
    return this.#trip('token', 'WNS rejects fresh tokens (401); check that the credentials belong to this app')
  }

  /** What came of the one post of this minute; true when that closed the breaker. */
  probed(outcome: Outcome): boolean {
    if (this.#open === undefined || stillRefuses(outcome, this.#open)) return false
    this.#open = undefined
    this.#recent.reset()
    this.#apps.clearBreaker(this.#app).catch(this.#onError)
    return true
  }

  #trip(kind: Breaker['kind'], reason: string): true {
    this.#recent.reset()
    if (this.#open !== undefined) return true
    this.#open = kind
    this.#apps.setBreaker(this.#app, { kind, reason, since: new Date().toISOString() }).catch(this.#onError)
    return true
  }
}

/**
 * Does the answer leave it open whether WNS takes the app's posts again? Not whether the notification was delivered:
 * those who are left may be recipients that WNS fails for each time, and they must not keep the breaker open for ever.
 */
function stillRefuses(outcome: Outcome, openFor: Breaker['kind']): boolean {
  switch (outcome.kind) {
    case 'not-sent':
    case 'ambiguous':
    case 'unauthorized':
      return true
    case 'forbidden':
    case 'blocked':
      // About the channel and the app. The token was good.
      return openFor === 'answers'
    default:
      return false
  }
}

export const PROBE_EVERY_MS = 60_000
