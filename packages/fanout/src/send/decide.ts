import type { Delivery, Disposition, Outcome, RetryReason } from '@wns-fanout/domain'
import { code } from '@wns-fanout/domain'

/** The state of the recipient and its campaign when the outcome arrived. */
export interface Attempt {
  /** Posts written for the recipient, this one included. */
  readonly posts: number
  /** Attempts spent before this post. */
  readonly spent: number
  /** Was this post already the one repeated after a 401? */
  readonly reauthorized: boolean
  readonly delivery: Delivery
  readonly maxAttempts: number
  /** 0 ≤ random < 1 */
  readonly random: number
}

/** WNS throttles a channel, often without a Retry-After. The channel then rests ten minutes. */
const CHANNEL_HOLD_MS = 600_000
const FREE_CHANNEL_HOLDS = 3

/** The disposition that follows from an outcome: pure, and closed over every kind. */
export function decide(outcome: Outcome, attempt: Attempt): Disposition {
  switch (outcome.kind) {
    case 'accepted':
      return { kind: 'settle', code: code.accepted }
    case 'dropped':
      return { kind: 'settle', code: code.dropped }
    case 'gone':
      return { kind: 'bury', code: outcome.status === 404 ? code.deadUnknown : code.deadExpired }
    case 'blocked':
      return { kind: 'settle', code: code.rejectedBlocked }
    case 'bad-request':
      return { kind: 'settle', code: outcome.status === 400 ? code.rejectedBadRequest : code.rejectedUnexpected }
    case 'forbidden':
      return { kind: 'settle', code: code.rejectedForbidden }
    case 'too-large':
      return { kind: 'settle', code: code.rejectedTooLarge }
    case 'unexpected':
      return { kind: 'settle', code: code.rejectedUnexpected }
    case 'unauthorized':
      if (!attempt.reauthorized) return { kind: 'reauthorize' }
      return { kind: 'settle', code: code.rejectedUnauthorized }
    case 'app-throttled':
      return {
        kind: 'retry',
        delayMs: outcome.retryAfterMs ?? 1000,
        spent: attempt.spent,
        reason: 'app-throttled',
      }
    case 'channel-throttled':
      return spend(attempt, attempt.posts > FREE_CHANNEL_HOLDS ? 1 : 0, {
        used: code.failedChannelThrottled,
        delayMs: outcome.retryAfterMs ?? CHANNEL_HOLD_MS,
        reason: 'channel-throttled',
      })
    case 'server-error':
      return spend(attempt, 1, {
        used: code.failedServerError,
        delayMs: Math.max(backoffMs(attempt.spent + 1, attempt.random), outcome.retryAfterMs ?? 0),
        reason: 'server-error',
      })
    case 'not-sent':
      return spend(attempt, 1, {
        used: code.failedNotSent,
        delayMs: backoffMs(attempt.spent + 1, attempt.random),
        reason: 'not-sent',
      })
    case 'ambiguous':
      if (attempt.delivery === 'at-most-once') return { kind: 'settle', code: code.inDoubt }
      return spend(attempt, 1, {
        used: code.failedNoAnswer,
        delayMs: backoffMs(attempt.spent + 1, attempt.random),
        reason: 'ambiguous',
      })
    default:
      return outcome satisfies never
  }
}

/** Milliseconds to wait before a retry, counted from 1: doubles from one second to one minute, half of it jitter. */
export function backoffMs(retry: number, random: number): number {
  const full = Math.min(60_000, 1000 * 2 ** (retry - 1))
  return Math.round(full * (0.5 + random / 2))
}

function spend(
  attempt: Attempt,
  cost: 0 | 1,
  then: { readonly used: number; readonly delayMs: number; readonly reason: RetryReason },
): Disposition {
  const spent = attempt.spent + cost
  if (spent >= attempt.maxAttempts) return { kind: 'settle', code: then.used }
  return { kind: 'retry', delayMs: then.delayMs, spent, reason: then.reason }
}
