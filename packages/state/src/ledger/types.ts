import type { AppId, CampaignId, CampaignState, Delivery, RecipientClass, Totals } from '@wns-fanout/domain'

export interface CampaignRef {
  readonly app: AppId
  readonly campaign: CampaignId
}

/** A batch: consecutive pages of one campaign's frozen audience that are sent, checkpointed and closed together. */
export interface BatchRef extends CampaignRef {
  readonly seq: number
}

/** The properties of a campaign that the scripts need to open and checkpoint its batches. */
export interface BatchTerms {
  /** Maximum credit: how many recipients may be uncertain when the owner is lost. */
  readonly window: number
  readonly delivery: Delivery
  readonly type: string
  /** Seconds within which a channel gets no second generic update of the type; 0 if the guard does not apply. */
  readonly guardSeconds: number
  readonly maxAttempts: number
  readonly wantsVariables: boolean
  readonly wantsLocales: boolean
  readonly wantsTags?: boolean
  /** Post raw notifications to channels whose raw gate is closed too. */
  readonly ignoresGates?: boolean
  /** Grant one credit only, to the recipient with the fewest posts: a probe of an app whose breaker is open. */
  readonly isProbe?: boolean
}

export interface SettledCount {
  readonly class: RecipientClass
  readonly count: number
}

export interface OpenBatch {
  readonly kind: 'open'
  readonly fence: number
  /** True if another owner held the batch. */
  readonly takeover: boolean
  readonly redisNowMs: number
  readonly expiresAtMs: number
  /** The vector before this call granted credit: shows how many attempts a credited recipient has spent. */
  readonly before: Uint8Array
  readonly vector: Uint8Array
  readonly ordinals: Uint32Array
  /** By position, as stored (see `unpackUri`); empty if nothing is to be posted now. */
  readonly uris: readonly string[]
  readonly variables: readonly string[]
  readonly locales: readonly string[]
  /** By position, joined by ','; without elements unless the terms want tags. */
  readonly tags?: readonly string[]
  /** Redis second at which the first held channel may be posted to again, or 0. */
  readonly heldUntilSecond: number
  /** Recipients that the lost owner may have posted to. */
  readonly uncertain: number
  /**
   * The window at the beginning: that of the terms, or 1 for a batch that keeps losing its owners (slow start). A slow
   * start gains 1 with each recipient that this open settles.
   */
  readonly window: number
  /** Maximum credit until the first checkpoint returns another window. */
  readonly firstWindow: number
  /** False if replicas must acknowledge the credit and did not: nothing may be posted on it. */
  readonly replicated: boolean
  readonly settled: readonly SettledCount[]
}

export type OpenAnswer =
  | { readonly kind: 'missing' | 'closed' | 'paused' }
  | { readonly kind: 'not-due'; readonly dueAtMs: number }
  | OpenBatch

export interface DeadChannel {
  readonly position: number
  readonly ordinal: number
  /** As stored. */
  readonly uri: string
}

export interface GateChange {
  readonly ordinal: number
  /** The URI that was posted to, as stored: the answer concerns no other. */
  readonly uri: string
  /** Redis second of the post: a gate that the app has opened since stays open. */
  readonly postedSecond: number
  readonly closeRawGate: boolean
  /** Redis second until which nothing is posted to the channel; 0 for no hold. */
  readonly holdUntilSecond: number
}

export interface Checkpoint {
  /** From 1, one more each time; a repeated number changes nothing. */
  readonly number: number
  /** The vector as it should be, including the credit wanted. */
  readonly vector: Uint8Array
  /** Positions whose stamp must follow their outcome: newly settled, or pending if a park clears stamps. */
  readonly changed: readonly number[]
  readonly dead: readonly DeadChannel[]
  readonly gates: readonly GateChange[]
  readonly samples: readonly string[]
  readonly end?: 'close' | { readonly parkUntilMs: number; readonly clearStamps: boolean }
}

export type CheckpointAnswer =
  | { readonly kind: 'closed' }
  /** `rolledBack`: Redis has lost the open of this owner; its outcomes can be merged. */
  | { readonly kind: 'fenced'; readonly rolledBack: boolean }
  | {
      readonly kind: 'ok'
      readonly state: CampaignState
      readonly redisNowMs: number
      /** Where the ledger decided otherwise: credit denied, channels rotated or halted, outcomes merged. */
      readonly adjusted: readonly { readonly position: number; readonly byte: number }[]
      /** Batches planned and not closed; a small number wakes the planner. */
      readonly live: number
      /** Live batches that are open or wait for a worker; the others are parked. */
      readonly active: number
      /** The planner is woken when fewer batches than this are active. */
      readonly wakeAt: number
      /** Batches planned so far, or -1 if the plan is complete. */
      readonly planPosition: number
      readonly campaignFinished: boolean
      readonly batchClosed: boolean
      readonly settled: readonly SettledCount[]
      /** Maximum credit from now on. */
      readonly window: number
      /** Redis had lost a checkpoint that it had acknowledged; this one has restored it. */
      readonly rolledBack: boolean
      /** False if replicas must acknowledge the credit and did not: nothing may be posted on it. */
      readonly replicated: boolean
    }

export type MergeAnswer =
  /**
   * `missing`: Redis has lost the batch too, and the planner may write it again. `refused`: nothing proves a rollback,
   * and the caller does not vouch for one.
   */
  | { readonly kind: 'missing' | 'closed' | 'refused' }
  | { readonly kind: 'ok'; readonly settled: readonly SettledCount[] }

/** Consecutive pages, both ends included, and how many recipients are on them. */
export interface BatchRange {
  readonly fromPage: number
  readonly toPage: number
  readonly recipients: number
  /** Recipients of the first page that the batch before holds. Default 0. */
  readonly before?: number
  /** Recipients of the last page that the batch after holds. Default 0. */
  readonly after?: number
}

export interface PlannedBatch extends BatchRange {
  /** Redis time before which the batch must not be opened. */
  readonly dueAtMs?: number | undefined
}

export interface PlanStep {
  readonly cursor: number
  /** Batches that were planned when the planner read the cursor; needed where a step can leave the cursor in place. */
  readonly planned?: number
  readonly nextCursor: number
  /** Recipients of the page at `nextCursor` that are planned already. Default 0. */
  readonly nextBefore?: number
  /** The turn of the next batch in the queue of the app. Default 0. */
  readonly nextTurn?: number
  /** The planner is woken when fewer batches than this are active. Default 0: never. */
  readonly wakeAt?: number
  readonly ends: boolean
  readonly batches: readonly PlannedBatch[]
}

export type PlanAnswer =
  | {
      readonly kind: 'ok'
      readonly firstSeq: number
      readonly live: number
      /** Live batches that are open or wait for a worker; the others are parked. */
      readonly active: number
      readonly campaignFinished: boolean
    }
  | { readonly kind: 'moved'; readonly cursor: number; readonly live: number }
  | { readonly kind: 'stopped'; readonly state: string }

export interface SweepAnswer {
  readonly state: CampaignState | 'missing'
  readonly closed: number
  readonly live: number
  readonly campaignFinished: boolean
  /** Damaged batches that the sweep passed over. */
  readonly damaged: number
}

export interface StoredBatch extends BatchRange {
  readonly seq: number
  readonly dueAtMs: number
  readonly closed: boolean
  readonly state: string
  /** The code of all recipients, if the batch was closed without being opened. */
  readonly closedAs: number | undefined
  readonly vector: Uint8Array | null
  /** Answers that should have removed a channel and did not: position → code. */
  readonly notRemoved: ReadonlyMap<number, number>
}

/** The readable rest of a batch of a damaged campaign. */
export interface BatchSalvage {
  readonly seq: number
  readonly range: BatchRange | undefined
  /** Undefined if nothing shows it. */
  readonly wasOpened: boolean | undefined
  readonly closed: boolean
  readonly closedAs: number | undefined
  readonly vector: Uint8Array | null
}

/** A batch as the repair closes it: with a vector, or with one code for all its recipients. */
export interface RepairedBatch extends BatchRange {
  readonly seq: number
  readonly bytes: Uint8Array | number
}

/** The sums over all batches of a campaign. */
export interface Recount {
  readonly audienceSize: number
  readonly planned: number
  /** Recipients in the batches. */
  readonly plannedRecipients: number
  /** Posts written, as far as the vectors count them. */
  readonly posts: number
  readonly totals: Readonly<Totals>
}
