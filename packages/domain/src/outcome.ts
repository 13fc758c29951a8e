/** Details that WNS gives with an answer, kept for support: none of them is secret. */
export interface AnswerTrace {
  readonly wnsStatus?: string
  readonly description?: string
  readonly msgId?: string
  readonly debugTrace?: string
  readonly msCv?: string
}

/** The state of a device, as WNS reports it on request. */
export type DeviceState = 'connected' | 'disconnected' | 'unknown'

/**
 * The outcome of one post. The union is closed and each decision switches over `kind`, so the compiler lists every
 * place that a new case concerns.
 * `retryAfterMs` is already clamped; absent means that WNS gave none.
 */
export type Outcome =
  | { readonly kind: 'accepted'; readonly status: 200; readonly device?: DeviceState; readonly trace: AnswerTrace }
  | { readonly kind: 'dropped'; readonly status: 200; readonly device?: DeviceState; readonly trace: AnswerTrace }
  /** 200, but WNS discarded the notification because it throttles the channel. */
  | {
      readonly kind: 'channel-throttled'
      readonly status: 200
      readonly retryAfterMs?: number
      readonly trace: AnswerTrace
    }
  /** 404 or 410 with an X-WNS header: the URI is no longer valid; the device may have a new one. */
  | { readonly kind: 'gone'; readonly status: 404 | 410; readonly trace: AnswerTrace }
  /** 410 whose description names a blocked sender: the channel stays registered. */
  | { readonly kind: 'blocked'; readonly status: 410; readonly trace: AnswerTrace }
  /** 400, 405, 412, 3xx and other answers that a retry cannot change. */
  | { readonly kind: 'bad-request'; readonly status: number; readonly trace: AnswerTrace }
  | { readonly kind: 'forbidden'; readonly status: 403; readonly trace: AnswerTrace }
  | { readonly kind: 'too-large'; readonly status: 413; readonly trace: AnswerTrace }
  | { readonly kind: 'unexpected'; readonly status: number; readonly trace: AnswerTrace }
  | { readonly kind: 'unauthorized'; readonly status: 401; readonly trace: AnswerTrace }
  /** 406 or 429: the whole app must slow down. */
  | {
      readonly kind: 'app-throttled'
      readonly status: 406 | 429
      readonly retryAfterMs?: number
      readonly trace: AnswerTrace
    }
  /** 408, 409 and 5xx that WNS itself answered (an X-WNS header is there): nothing was delivered. */
  | {
      readonly kind: 'server-error'
      readonly status: number
      readonly retryAfterMs?: number
      readonly trace: AnswerTrace
    }
  /** No byte of the request left: connecting, TLS or name resolution failed. */
  | { readonly kind: 'not-sent'; readonly code: string }
  /**
   * After the request was written, it is unknown whether WNS accepted the request: the connection was reset, timed out
   * or returned garbage, or the answer is an error without any X-WNS header, which a proxy may have made.
   */
  | { readonly kind: 'ambiguous'; readonly code: string; readonly status?: number; readonly trace?: AnswerTrace }

export type OutcomeKind = Outcome['kind']
