import type { CampaignState, Channel, Warning } from '@wns-fanout/domain'

// Answers of the API that have no type in the domain.

/** Which campaigns to list; each field that is given must match. */
export interface CampaignFilter {
  readonly app?: string | undefined
  /** `open`: all that are not finished. */
  readonly state?: CampaignState | 'open' | undefined
  /** Part of the name, in any case of letters. */
  readonly name?: string | undefined
  readonly topic?: string | undefined
  /** ISO 8601. */
  readonly createdAfter?: string | undefined
  readonly createdBefore?: string | undefined
  /** Only the campaigns that this `Idempotency-Key` made. */
  readonly idempotencyKey?: string | undefined
}

/** An absent field keeps its value, null clears it. */
export interface ChannelRequest {
  /** The URI as Windows returned it, byte for byte. */
  readonly uri: string
  readonly tags?: readonly string[] | null
  /** BCP 47, for example `pt-BR`. */
  readonly locale?: string | null
  /** Name of the IANA database, such as `Europe/Berlin`. */
  readonly timeZone?: string | null
  readonly vars?: Readonly<Record<string, string>> | null
  /** True excludes the channel from every audience. */
  readonly optedOut?: boolean | null
  /** Topics whose campaigns the channel does not get; the list replaces the one before. */
  readonly optedOutOf?: readonly string[] | null
}

/** A JSON merge patch: an absent field and an absent variable keep their value, null clears them. */
export interface ChannelPatch extends Partial<Omit<ChannelRequest, 'vars'>> {
  readonly vars?: Readonly<Record<string, string | null>> | null
}

export interface RegisteredChannel extends Channel {
  /** The channel that had this URI before and lost it. */
  readonly movedFrom?: string
}

/** Without a URI the line changes a registered channel; of any other it stores the opt-outs alone. */
export interface ImportLine extends Partial<ChannelRequest> {
  readonly channel: string
  /** When the device got this URI, such as `2026-05-31T08:30:00Z`; absent, the time of the import. */
  readonly registeredAt?: string | null
}

export type ChannelChangeKind = 'tag' | 'untag' | 'delete' | 'opt-out' | 'opt-in' | 'activate'

export interface ChangeResult {
  /** Registered channels that were named. */
  readonly matched: number
  readonly updated: number
  readonly unchanged: number
  /** Channels that would have more than 50 tags. */
  readonly refused: number
  /** Ids that are not registered. */
  readonly unknown: number
}

export interface ChannelCount {
  readonly count: number
  /** Channels of the audience that opted out in general. */
  readonly optedOut: number
  /** Others that opted out of the topic; only where a topic was given. */
  readonly optedOutOfTopic?: number
  readonly warnings?: readonly Warning[]
}

export interface MissingResult {
  readonly registered: number
  /** Registered channels that no line of the import named. */
  readonly missing: number
  readonly removed: number
}

export interface CleanupResult {
  readonly registered: number
  /** Channels that last registered before the given time. */
  readonly matched: number
  readonly removed: number
  /** At most ten of the matched channels. */
  readonly sample: readonly {
    readonly channel: string
    readonly registeredAt: string
    readonly tags: readonly string[]
  }[]
}

export interface List {
  readonly list: string
  readonly size: number
  /** Ids in the upload that are not registered. */
  readonly unknown: number
}
