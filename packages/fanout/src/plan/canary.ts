import type { AppId, Totals } from '@wns-fanout/domain'
import type { CampaignRecord, CampaignStore } from '@wns-fanout/state'
import type { Queues } from '../worker/queues.ts'

export interface CanaryDeps {
  readonly campaigns: CampaignStore
  readonly queues: Pick<Queues, 'enqueue'>
}

/**
 * `passed`: there is no canary, or its outcome was good. `unplanned`: not all of its recipients are planned yet.
 * `undecided`: outcomes are missing. `halted`: too many of its recipients failed.
 */
export type CanaryState = 'passed' | 'unplanned' | 'undecided' | 'halted'

/** Judge the canary of a campaign, and let the campaign pass or halt once all outcomes are known. */
export async function checkCanary(deps: CanaryDeps, app: AppId, record: CampaignRecord): Promise<CanaryState> {
  const { canary } = record.definition.request
  if (canary === undefined || record.canaryPassed) return 'passed'
  if (record.plannedRecipients < canary.size) return 'unplanned'
  if (record.closed < record.planned) return 'undecided'
  const { id } = record.definition
  if (failureShare(record.totals, record.plannedRecipients) > canary.maxFailureShare) {
    await deps.campaigns.steer(app, id, 'hold', 'canary')
    return 'halted'
  }
  await deps.campaigns.passCanary(app, id)
  return 'passed'
}

/** The share of `recipients` that a post did not reach: rejected, failed, dead or in doubt. */
export function failureShare(totals: Totals, recipients: number): number {
  return recipients === 0 ? 0 : (totals.rejected + totals.failed + totals.dead + totals.in_doubt) / recipients
}
