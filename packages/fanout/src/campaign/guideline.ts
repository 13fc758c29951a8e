import type { AppSettings, CampaignRequest } from '@wns-fanout/domain'
import { GUIDELINE_SECONDS, prepareMessage } from '@wns-fanout/domain'
import type { CampaignDefinition } from '@wns-fanout/state'

/**
 * Seconds for which a channel that got a generic update gets no other one of its type. A margin of a minute is for
 * clocks that step; it shrinks with intervals that were made short on purpose.
 */
export function guardSecondsOf(app: Pick<AppSettings, 'genericIntervalSeconds'>): number {
  const interval = app.genericIntervalSeconds
  return interval === 0 ? 0 : interval + Math.min(60, Math.floor(interval / 30))
}

export const LISTED_WITHOUT_PLACEHOLDER = 100

/** Does each recipient get something of its own? Then the guideline about generic updates does not concern it. */
export function isPersonal({ notification, audience }: CampaignRequest): boolean {
  return (
    ('channels' in audience && audience.channels.length <= LISTED_WITHOUT_PLACEHOLDER) ||
    prepareMessage(notification).isPersonalized
  )
}

/** Is the campaign one that only an app with `allowFasterThanGuideline` may launch? */
export function exceedsGuideline({
  update,
  guardSeconds,
  request,
}: Pick<CampaignDefinition, 'update' | 'guardSeconds' | 'request'>): boolean {
  return update === 'generic' ? guardSeconds < GUIDELINE_SECONDS : !isPersonal(request)
}
