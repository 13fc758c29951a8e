import type { Channel, RecipientClass, Warning } from '@wns-fanout/domain'

// What the API says and the domain has no word for.

/** An absent field keeps its value, null clears it. */
export interface ChannelRequest {
  /** As Windows gave it, byte for byte. */
  readonly uri: string
  readonly tags?: readonly string[] | null
  /** BCP 47, for example `pt-BR`. */
  readonly locale?: string | null
  readonly vars?: Readonly<Record<string, string>> | null
  /** True excludes the channel from every audience. */
  readonly optedOut?: boolean | null
}

export interface RegisteredChannel extends Channel {
  /** The channel that had this URI before and lost it. */
  readonly movedFrom?: string
}

export interface ImportLine extends ChannelRequest {
  readonly channel: string
}

export interface List {
  readonly list: string
  readonly size: number
  /** Ids in the upload that are not registered. */
  readonly unknown: number
}

export interface Verification {
  readonly ok: boolean
  readonly code: string
  readonly explanation: string
  readonly expiresInSeconds?: number
}

export interface Estimate {
  readonly audienceSize: number
  readonly estimate: { readonly seconds: number; readonly ratePerSecond: number }
  readonly warnings?: readonly Warning[]
}

export interface Result {
  readonly channel: string
  readonly class: RecipientClass
  readonly status?: number
  readonly reason?: string
  /** Posts written; 7 means 7 or more. */
  readonly posts: number
}

export interface Sample {
  readonly channel: string
  /** Null when no HTTP answer came. */
  readonly status: number | null
  readonly wnsStatus?: string
  readonly description?: string
  readonly msgId?: string
  readonly debugTrace?: string
  readonly msCv?: string
  /** ISO 8601. */
  readonly at: string
}

export type Verb = 'read' | 'register' | 'send' | 'admin'

export interface ApiKeyRequest {
  readonly name: string
  /** App ids; `*` means all. */
  readonly apps: readonly string[]
  readonly verbs: readonly Verb[]
  /** ISO 8601. */
  readonly expiresAt?: string
}

export interface ApiKey extends ApiKeyRequest {
  readonly id: string
  readonly createdAt: string
}

export interface NewApiKey extends ApiKey {
  /** The key itself; the API keeps only its hash. */
  readonly key: string
}
