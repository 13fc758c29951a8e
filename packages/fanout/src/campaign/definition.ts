import type { AppSettings, CampaignId, CampaignRequest } from '@wns-fanout/domain'
import type { CampaignDefinition } from '@wns-fanout/state'
import { guardSecondsOf } from './guideline.ts'

/** The topic of a request. */
export function topicOf({ topic = 'default' }: CampaignRequest): string {
  return topic
}

/** A request with every default filled in, from the settings of its app. */
export function definitionOf(
  app: AppSettings,
  request: CampaignRequest,
  id: CampaignId,
  { parent, createdBy }: Pick<CampaignDefinition, 'parent' | 'createdBy'> = {},
): CampaignDefinition {
  const update = request.update ?? 'generic'
  return {
    id,
    app: app.app,
    request,
    update,
    topic: topicOf(request),
    delivery: request.delivery ?? (request.notification.type === 'toast' ? 'at-most-once' : 'at-least-once'),
    priority: request.priority ?? 'normal',
    guardSeconds: update === 'generic' ? guardSecondsOf(app) : 0,
    maxAttempts: app.maxAttempts,
    retentionDays: app.retentionDays,
    rawGates: app.rawGates,
    ...(parent === undefined ? {} : { parent }),
    ...(createdBy === undefined ? {} : { createdBy }),
  }
}
