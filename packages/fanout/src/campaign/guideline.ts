import type { AppSettings, CampaignRequest } from '@wns-fanout/domain'
import { GUIDELINE_SECONDS, prepareMessage, Problem } from '@wns-fanout/domain'
import type { CampaignDefinition, CreateAnswer } from '@wns-fanout/state'

/**
 * Seconds within which a channel gets no second generic update of a type. The margin of a minute covers clocks that
 * step; it is smaller for intervals that were made short on purpose.
 */
export function guardSecondsOf(app: Pick<AppSettings, 'genericIntervalSeconds'>): number {
  const interval = app.genericIntervalSeconds
  return interval === 0 ? 0 : interval + Math.min(60, Math.floor(interval / 30))
}

/**
 * Milliseconds for which a campaign takes the slot of its topic. A replay has the devices of its parent, and one at a
 * local time would have the slot for a day: the stamps of the devices alone protect these.
 */
export function slotMs({ guardSeconds, parent, request }: CampaignDefinition): number {
  return parent === undefined && request.localTime === undefined ? guardSeconds * 1000 : 0
}

/** Most listed channels that count as personal without a placeholder. */
export const MAX_LISTED_WITHOUT_PLACEHOLDER = 100

/** Does each recipient get a notification of its own? Then the guideline about generic updates does not apply. */
export function isPersonal({ notification, audience }: CampaignRequest): boolean {
  return isListed({ audience }) || prepareMessage(notification).isPersonalized
}

/** Is the audience a list of few channels? */
export function isListed({ audience }: Pick<CampaignRequest, 'audience'>): boolean {
  return 'channels' in audience && audience.channels.length <= MAX_LISTED_WITHOUT_PLACEHOLDER
}

/** Is the campaign one that only an app with `allowFasterThanGuideline` may launch? */
export function exceedsGuideline({
  update,
  guardSeconds,
  request,
}: Pick<CampaignDefinition, 'update' | 'guardSeconds' | 'request'>): boolean {
  return update === 'generic' ? guardSeconds < GUIDELINE_SECONDS : !isPersonal(request)
}

/** The Problem of a campaign that the guard does not admit now. */
export function guardProblem(
  { request, topic }: Pick<CampaignDefinition, 'request' | 'topic'>,
  { kind, admissibleAtMs, before }: Extract<CreateAnswer, { readonly before: unknown }>,
  nowMs: number,
): Problem {
  const admissibleAt = new Date(admissibleAtMs).toISOString()
  const { type } = request.notification
  const detail =
    kind === 'full'
      ? `ten generic ${type} updates of topic ${topic} are deferred already, the last one as campaign ${before}; ` +
        `the next is admitted at ${admissibleAt}`
      : `campaign ${before} has the slot of generic ${type} updates of topic ${topic} for channels of this audience; ` +
        `the next is admitted at ${admissibleAt}. Wait, choose overLimit defer, coalesce or drop, address other ` +
        'channels, or give an unrelated update a topic of its own'
  return new Problem('guard-interval', detail, {
    extra: { admissibleAt, campaign: before },
    retryAfterSeconds: Math.max(1, Math.ceil((admissibleAtMs - nowMs) / 1000)),
  })
}
