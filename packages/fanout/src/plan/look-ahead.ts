import { PAGE_SIZE, campaignWeight } from '@wns-fanout/domain'
import type { CampaignDefinition } from '@wns-fanout/state'

/** A batch takes about this long at the rate of its app, so that a process that dies or parks it holds up little. */
const BATCH_SECONDS = 2
/** What all campaigns of an app have planned ahead takes about this long: a newcomer does not wait behind more. */
const LOOK_AHEAD_SECONDS = 10
/** Fewer recipients would cost more commands than the batch saves. */
export const MIN_BATCH_RECIPIENTS = 64
/** Batches planned and not closed, whether they wait for a time or not: few enough that Redis stays small. */
export const MAX_LIVE_BATCHES = 256
/** Fewer batches than this leave lanes unused while some of them wait for slow answers. */
const MIN_LOOK_AHEAD = 4

/** @param ratePerSecond what the app may send now */
export function batchRecipients(ratePerSecond: number): number {
  return Math.round(Math.min(PAGE_SIZE, Math.max(MIN_BATCH_RECIPIENTS, BATCH_SECONDS * ratePerSecond)))
}

export interface LookAheadTerms {
  /** What the app may send now. */
  readonly ratePerSecond: number
  readonly definition: Pick<CampaignDefinition, 'priority'>
  /** The other campaigns of the app that are sending. */
  readonly others: readonly { readonly definition: Pick<CampaignDefinition, 'priority'> }[]
  /** Batches that keep the lanes of one worker busy. */
  readonly busyBatches: number
}

/**
 * Batches of a campaign that may be open or wait for a worker: its share of ten seconds of the rate of the app, and at
 * least its share of what keeps a worker busy.
 */
export function lookAhead({ ratePerSecond, definition, others, busyBatches }: LookAheadTerms): number {
  const weight = campaignWeight[definition.priority]
  const all = others.reduce((sum, other) => sum + campaignWeight[other.definition.priority], weight)
  const byTime = (LOOK_AHEAD_SECONDS * ratePerSecond) / batchRecipients(ratePerSecond)
  const batches = Math.ceil((Math.max(byTime, busyBatches) * weight) / all)
  return Math.min(MAX_LIVE_BATCHES, Math.max(MIN_LOOK_AHEAD, batches))
}
