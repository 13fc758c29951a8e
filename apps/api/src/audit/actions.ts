import type { AuditTrailName } from '@wns-fanout/domain'
import type { RecordKind } from '@wns-fanout/state'

/** How an operation enters the audit log. */
export interface AuditAction {
  readonly action: string
  readonly trail: AuditTrailName
  /** The parameter of the path that names the object. */
  readonly param?: string
  /** The field of the answer that names the object, where the request does not. */
  readonly made?: string
  /** The record whose digests before and after are entered. */
  readonly record?: RecordKind
  /** The fields of the answer whose sum is the number of recipients or channels. */
  readonly counted?: readonly string[]
}

function control(action: string, more: Partial<AuditAction> = {}): AuditAction {
  return { action, trail: 'control', ...more }
}
/** Changes of one channel, which devices make all the time: their digests would cost a read of Redis each. */
function device(action: string): AuditAction {
  return { action, trail: 'devices', param: 'channel' }
}

const anApp = { param: 'app', record: 'app' } as const
const aSchedule = { param: 'schedule', record: 'schedule' } as const
const aTemplate = { param: 'template', record: 'template' } as const
const aWebhook = { param: 'webhook', record: 'webhook' } as const
const aCampaign = { param: 'campaign', record: 'campaign' } as const
const imported = { counted: ['created', 'updated'] } as const
const changed = { counted: ['updated'] } as const

/**
 * What each route leaves in the audit log, decided only here. A writing route that is missing here is entered under its
 * own name, and a test fails. `null` is for a POST that only reads numbers. Of the reads, those that show URIs,
 * results, variables or the log itself are entered too.
 */
export const auditActions: Readonly<Record<string, AuditAction | null>> = {
  'PUT /v1/apps/:app': control('app.put', anApp),
  'PATCH /v1/apps/:app': control('app.patch', anApp),
  'DELETE /v1/apps/:app': control('app.delete', anApp),
  'POST /v1/apps/:app/verify': control('app.verify', { param: 'app' }),
  'POST /v1/apps/:app/pause': control('app.pause', anApp),
  'POST /v1/apps/:app/resume': control('app.resume', anApp),

  'PUT /v1/apps/:app/channels/:channel': device('channel.put'),
  'PATCH /v1/apps/:app/channels/:channel': device('channel.patch'),
  'DELETE /v1/apps/:app/channels/:channel': device('channel.delete'),
  'POST /v1/apps/:app/channels/:channel/active': device('channel.active'),
  'PUT /v1/apps/:app/channels/:channel/opt-out': device('channel.opt-out'),
  'DELETE /v1/apps/:app/channels/:channel/opt-out': device('channel.opt-in'),
  'POST /v1/apps/:app/channels::import': control('channels.import', imported),
  'POST /v1/apps/:app/channels::remove-missing': control('channels.remove-missing', { counted: ['removed'] }),
  'POST /v1/apps/:app/channels::tag': control('channels.tag', changed),
  'POST /v1/apps/:app/channels::untag': control('channels.untag', changed),
  'POST /v1/apps/:app/channels::delete': control('channels.delete', changed),
  'POST /v1/apps/:app/channels::opt-out': control('channels.opt-out', changed),
  'POST /v1/apps/:app/channels::opt-in': control('channels.opt-in', changed),
  'POST /v1/apps/:app/channels::activate': control('channels.activate', changed),
  'POST /v1/apps/:app/channels::cleanup': control('channels.cleanup', { counted: ['removed'] }),
  'GET /v1/apps/:app/channels::export': control('channels.export'),
  'POST /v1/apps/:app/channels::count': null,

  'PUT /v1/apps/:app/lists/:list': control('list.put', { param: 'list', record: 'list', counted: ['size'] }),
  'DELETE /v1/apps/:app/lists/:list': control('list.delete', { param: 'list', record: 'list' }),

  'PUT /v1/apps/:app/schedules/:schedule': control('schedule.put', aSchedule),
  'DELETE /v1/apps/:app/schedules/:schedule': control('schedule.delete', aSchedule),

  'PUT /v1/apps/:app/templates/:template': control('template.put', aTemplate),
  'DELETE /v1/apps/:app/templates/:template': control('template.delete', aTemplate),
  'PUT /v1/apps/:app/webhooks/:webhook': control('webhook.put', aWebhook),
  'DELETE /v1/apps/:app/webhooks/:webhook': control('webhook.delete', aWebhook),
  'POST /v1/apps/:app/webhooks/:webhook/test': control('webhook.test', aWebhook),
  'POST /v1/apps/:app/campaigns::preview': control('campaign.preview'),

  'POST /v1/apps/:app/campaigns': control('campaign.create', { made: 'id', record: 'campaign' }),
  'POST /v1/campaigns/:campaign/pause': control('campaign.pause', aCampaign),
  'POST /v1/campaigns/:campaign/resume': control('campaign.resume', aCampaign),
  'POST /v1/campaigns/:campaign/cancel': control('campaign.cancel', aCampaign),
  'POST /v1/campaigns/:campaign/approve': control('campaign.approve', aCampaign),
  'POST /v1/campaigns/:campaign/retry': control('campaign.retry', { ...aCampaign, made: 'id' }),
  'POST /v1/campaigns/:campaign/retry-failed': control('campaign.retry-failed', { ...aCampaign, made: 'id' }),
  'GET /v1/campaigns/:campaign/results': control('campaign.results', { param: 'campaign' }),

  'POST /v1/apps/:app/stop-all': control('app.stop-all', anApp),
  'POST /v1/apps/:app/resume-all': control('app.resume-all', anApp),
  'POST /v1/stop-all': control('stop-all'),
  'POST /v1/resume-all': control('resume-all'),

  'POST /v1/keys': control('key.create', { made: 'id', record: 'key' }),
  'DELETE /v1/keys/:key': control('key.revoke', { param: 'key', record: 'key' }),

  'GET /v1/audit': control('audit.read'),
}
