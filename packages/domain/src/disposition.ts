import type { Code } from './vector.ts'

/** What we do about an outcome. */
export type Disposition =
  /** The class of the recipient is final. */
  | { readonly kind: 'settle'; readonly code: Code }
  /** The posted URI is finished: removed if it still is the channel's, else one try with the new one. */
  | { readonly kind: 'bury'; readonly code: Code }
  /** Try again, not before `delayMs`; `spent` attempts are used up so far. */
  | { readonly kind: 'retry'; readonly delayMs: number; readonly spent: number; readonly reason: RetryReason }
  /** The token was refused: get a new one and post once more, now. */
  | { readonly kind: 'reauthorize' }

export type RetryReason =
  | 'app-throttled'
  | 'channel-throttled'
  | 'server-error'
  | 'not-sent'
  | 'ambiguous'
  | 'unauthorized'
  /** Not posted at all, since its host mostly fails now. */
  | 'host-resting'
