import type { AppSettings, CampaignId, CampaignRequest } from '@wns-fanout/domain'
import { outsideOf } from '@wns-fanout/domain'
import type { CampaignDefinition } from '@wns-fanout/state'
import { guardSecondsOf } from './guideline.ts'

/** The topic of a request. */
export function topicOf({ topic = 'default' }: CampaignRequest): string {
  return topic
}

/** The daily hours in which a campaign may post; none where it may at any time. */
function windowsOf(
  { quietHours }: AppSettings,
  { sendWindow, ignoreQuietHours }: CampaignRequest,
): Pick<CampaignDefinition, 'windows'> {
  const windows = [
    ...(sendWindow === undefined ? [] : [sendWindow]),
    ...(quietHours === undefined || ignoreQuietHours === true ? [] : [outsideOf(quietHours)]),
  ]
  return windows.length === 0 ? {} : { windows }
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
    ...windowsOf(app, request),
    ...(parent === undefined ? {} : { parent }),
    ...(createdBy === undefined ? {} : { createdBy }),
  }
}
