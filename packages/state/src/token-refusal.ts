import type { AppId } from '@wns-fanout/domain'

/** Why there is no token, as it is shared by all processes. */
export interface Refusal {
  readonly permanent: boolean
  readonly code: string
  readonly explanation: string
}

/** There is no token for an app now. `permanent`: its credentials are refused, and an operator must change them. */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused'
  readonly app: AppId
  readonly permanent: boolean
  readonly code: string
  readonly explanation: string
  /** Milliseconds until another request may help. */
  readonly retryAfterMs: number

  constructor(app: AppId, refusal: Refusal, retryAfterMs: number) {
    super(`there is no token for app ${app}: ${refusal.explanation}`)
    this.app = app
    this.permanent = refusal.permanent
    this.code = refusal.code
    this.explanation = refusal.explanation
    this.retryAfterMs = retryAfterMs
  }
}

export const requestTimedOut: Refusal = {
  permanent: false,
  code: 'token-timeout',
  explanation: 'the token service did not answer in time',
}

export const requestFailed: Refusal = {
  permanent: false,
  code: 'token-request-failed',
  explanation: 'the request to the token service failed; see the log for its reason',
}
