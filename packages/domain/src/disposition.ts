import type { Code } from './vector.ts'

/** How the sender handles an outcome. */
export type Disposition =
  /** The class of the recipient is final. */
  | { readonly kind: 'settle'; readonly code: Code }
  /** The posted URI is no longer valid: removed if the channel still has it, else one attempt with the new one. */
  | { readonly kind: 'bury'; readonly code: Code }
  /** Retry, not before `delayMs`; `spent` attempts are used so far. */
  | { readonly kind: 'retry'; readonly delayMs: number; readonly spent: number; readonly reason: RetryReason }
  /** WNS rejected the token: get a new one and post once more, now. */
  | { readonly kind: 'reauthorize' }

export type RetryReason =
  | 'app-throttled'
  | 'channel-throttled'
  | 'server-error'
  | 'not-sent'
  | 'ambiguous'
  | 'unauthorized'
  /** Not posted, because most posts to its host fail now. */
  | 'host-resting'
