import type { AppId, CampaignId } from '@wns-fanout/domain'
import type { NewCampaign } from '@wns-fanout/state'

/** A badge to all channels, with a topic of its own and without the guard. */
export function newCampaign(app: AppId, id: CampaignId): NewCampaign {
  return {
    definition: {
      id,
      app,
      request: { notification: { type: 'badge', value: 1 }, audience: { all: true } },
      update: 'generic',
      topic: id,
      delivery: 'at-least-once',
      priority: 'normal',
      guardSeconds: 0,
      maxAttempts: 5,
      retentionDays: 7,
      rawGates: true,
    },
    policy: 'reject',
    topicIntervalMs: 0,
  }
}
