import type { AppId } from '@wns-fanout/domain'
import type { Keyring } from './keyring.ts'

export interface TokenHandle {
  /** The credential after `Bearer`. */
  readonly token: string
  /** Distinguishes tokens in logs. */
  readonly id: string
}

/** A token in memory; instants are monotonic (`performance.now`). */
export interface HeldToken extends TokenHandle {
  readonly sealed: string
  readonly expiresAt: number
  readonly refreshAt: number
}

interface TokenContent {
  readonly token: string
  /** Its whole lifetime in milliseconds, from the request. */
  readonly lifeMs: number
}

const AHEAD_AT_MOST_MS = 300_000
const AHEAD_SHARE = 0.2

/** A new token and its sealed form. */
export function sealToken(keyring: Keyring, app: AppId, content: TokenContent, endsAt: number): HeldToken {
  return holdToken(content, keyring.seal(sealedFor(app), JSON.stringify(content)), endsAt)
}

/** The token of a sealed form that has `leftMs` to live. Throws `UnsealError`. */
export function unsealToken(keyring: Keyring, app: AppId, sealed: string, leftMs: number): HeldToken {
  const content = JSON.parse(keyring.open(sealedFor(app), sealed)) as TokenContent
  return holdToken(content, sealed, performance.now() + leftMs)
}

export function isAlive(held: HeldToken | undefined): held is HeldToken {
  return held !== undefined && performance.now() < held.expiresAt
}

function holdToken({ token, lifeMs }: TokenContent, sealed: string, endsAt: number): HeldToken {
  const aheadMs = Math.min(AHEAD_AT_MOST_MS, lifeMs * AHEAD_SHARE)
  return {
    token,
    id: sealed.slice(-12),
    sealed,
    // Before its end, so that no token expires while a post with it is under way.
    expiresAt: endsAt - Math.min(5000, lifeMs * 0.05),
    // Spread over the processes.
    refreshAt: endsAt - aheadMs * (1 + Math.random() * 0.25),
  }
}

/** A sealed token opens for its app only. */
function sealedFor(app: AppId): string {
  return `wns-token|${app}`
}
