import type { AppId, CampaignRequest, RecipientClass, Totals } from '@wns-fanout/domain'
import type { CampaignRecord, CampaignStore } from '@wns-fanout/state'

export interface CanaryDeps {
  readonly campaigns: CampaignStore
}

/**
 * `passed`: there is no canary, or the rest may be sent. `unplanned`: not all of its recipients are planned yet.
 * `undecided`: outcomes are missing. `failed`: too many of its recipients failed. `unapproved`: its outcome was good,
 * and a person has to approve it.
 */
export type CanaryState = 'passed' | 'unplanned' | 'undecided' | 'failed' | 'unapproved'

const usuallyFailing: readonly RecipientClass[] = ['rejected', 'failed', 'dead', 'in_doubt']
const USUAL_FAILURE_SHARE = 0.05

/** Recipients of the canary: exactly that many, or all if there are fewer. */
export function canarySize(canary: NonNullable<CampaignRequest['canary']>, audienceSize: number): number {
  return canary.size ?? Math.max(1, Math.round((canary.share ?? 0) * audienceSize))
}

export function canaryState(record: CampaignRecord): CanaryState {
  const { canary } = record.definition.request
  if (canary === undefined || record.canaryPassed) return 'passed'
  if (record.plannedRecipients < canarySize(canary, record.audienceSize ?? 0)) return 'unplanned'
  if (record.closed < record.planned) return 'undecided'
  const { maxFailureShare = USUAL_FAILURE_SHARE, failingClasses = usuallyFailing, approve } = canary
  if (failureShare(record.totals, record.plannedRecipients, failingClasses) > maxFailureShare) return 'failed'
  return approve === undefined ? 'passed' : 'unapproved'
}

/** Judge the canary of a campaign, and let the campaign pass or halt once all outcomes are known. */
export async function checkCanary(deps: CanaryDeps, app: AppId, record: CampaignRecord): Promise<CanaryState> {
  const state = canaryState(record)
  const { id, request } = record.definition
  if (state === 'failed') await deps.campaigns.steer(app, id, 'hold', 'canary')
  if (state === 'passed' && request.canary !== undefined && !record.canaryPassed)
    await deps.campaigns.passCanary(app, id)
  if (state === 'unapproved') await deps.campaigns.reportCanary(app, id)
  return state
}

/** The share of `recipients` whose class is one of `failing`. By default, those that a post did not reach. */
export function failureShare(
  totals: Totals,
  recipients: number,
  failing: readonly RecipientClass[] = usuallyFailing,
): number {
  return recipients === 0 ? 0 : failing.reduce((sum, name) => sum + totals[name], 0) / recipients
}
