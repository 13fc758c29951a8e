import type { AppId, Outcome } from '@wns-fanout/domain'
import type { AppStore, Breaker } from '@wns-fanout/state'
import { RecentAnswers } from './recent-answers.ts'
import { TokenTrust } from './token-trust.ts'

export const PROBE_EVERY_MS = 60_000

/** What a probe showed about the app. */
export type ProbeVerdict = 'closed' | 'refused' | 'unclear'

/** The part of the app store that a breaker works with. */
export type BreakerStore = Pick<AppStore, 'setBreaker' | 'clearBreaker' | 'mayProbe'>

/**
 * The breaker of one app. It opens for all workers when WNS refuses the app as a whole: most posts are answered by 401
 * to the newest token, by 403 or by "blocked". While it is open, one worker posts one notification a minute, and a few
 * more where a connection failed instead of an answer. It closes when WNS does not refuse the app for one of them. A
 * few channels that are refused never open it.
 */
export class AppBreaker {
  /** Distinguishes a refused token from a refused channel. */
  readonly tokens = new TokenTrust()
  readonly #app: AppId
  readonly #apps: BreakerStore
  readonly #onError: (error: unknown) => void
  readonly #recent = new RecentAnswers()
  #openFor: Breaker['kind'] | undefined

  constructor(app: AppId, apps: BreakerStore, onError: (error: unknown) => void) {
    this.#app = app
    this.#apps = apps
    this.#onError = onError
  }

  get isOpen(): boolean {
    return this.#openFor !== undefined
  }

  /** The kind of refusal that opened it; undefined while it is closed. */
  get openFor(): Breaker['kind'] | undefined {
    return this.#openFor
  }

  /** Take over the state in the app's record, whichever process wrote it. */
  follow(breaker: Breaker | undefined): void {
    this.#openFor = breaker?.kind
  }

  /** May this worker post the one notification of this minute? */
  mayProbe(): Promise<boolean> {
    return this.#apps.mayProbe(this.#app, PROBE_EVERY_MS)
  }

  /**
   * Count the answer to a post.
   *
   * @param postedMs when the post started, monotonic
   * @returns `open` when the answer opened the breaker, `renew` when the token of the post should be replaced
   */
  record(outcome: Outcome, token: string, postedMs: number): 'open' | 'renew' | undefined {
    if (outcome.kind === 'unauthorized') return this.#recordUnauthorized(token)
    if (showsGoodToken(outcome)) this.tokens.taken(token, postedMs)
    const isBad = outcome.kind === 'forbidden' || outcome.kind === 'blocked'
    if (!this.#recent.record(isBad)) return undefined
    return outcome.kind === 'blocked'
      ? this.#trip('answers', 'WNS answers that this sender is blocked (410); ask Microsoft why, nothing was removed')
      : this.#trip('answers', 'WNS answers most posts by 403; check that channels and credentials are of one app')
  }

  /**
   * Take the answer to a probe.
   *
   * @returns `closed` when the breaker is closed now, `refused` when WNS still refuses the app, `unclear` when the
   * answer shows neither
   */
  probed(outcome: Outcome): ProbeVerdict {
    // Another worker's probe closed it.
    if (this.#openFor === undefined) return 'closed'
    const verdict = verdictOf(outcome, this.#openFor)
    if (verdict !== 'closed') return verdict
    this.#openFor = undefined
    this.#recent.reset()
    this.#apps.clearBreaker(this.#app).catch(this.#onError)
    return 'closed'
  }

  /** A 401 counts only for the newest token: an older one may simply have ended. */
  #recordUnauthorized(token: string): 'open' | 'renew' | undefined {
    const isNewest = this.tokens.isNewest(token, performance.now())
    const wasDoubted = this.tokens.refused(token, performance.now())
    if (!isNewest) return wasDoubted ? 'renew' : undefined
    if (!this.#recent.record(true)) return undefined
    return this.#trip(
      'token',
      'WNS answers most posts by 401, also with a fresh token; check the credentials of this app',
    )
  }

  #trip(kind: Breaker['kind'], reason: string): 'open' {
    this.#recent.reset()
    if (this.#openFor !== undefined) return 'open'
    this.#openFor = kind
    this.#apps.setBreaker(this.#app, { kind, reason, since: new Date().toISOString() }).catch(this.#onError)
    return 'open'
  }
}

/** Answers that WNS gives only after it took the token. */
function showsGoodToken(outcome: Outcome): boolean {
  switch (outcome.kind) {
    case 'accepted':
    case 'dropped':
    case 'channel-throttled':
    case 'gone':
    case 'blocked':
    case 'forbidden':
      return true
    default:
      return false
  }
}

/**
 * Does WNS take the app's posts again? It does not matter whether the notification was delivered: WNS may fail for each
 * of the recipients that are left, and they must not keep the breaker open.
 */
function verdictOf(outcome: Outcome, openFor: Breaker['kind']): ProbeVerdict {
  switch (outcome.kind) {
    case 'not-sent':
    case 'ambiguous':
      return 'unclear'
    case 'unauthorized':
      return 'refused'
    case 'forbidden':
    case 'blocked':
      // About the channel and the app; the token was good.
      return openFor === 'answers' ? 'refused' : 'closed'
    default:
      return 'closed'
  }
}
