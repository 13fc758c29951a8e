// The name of each operation in generated clients, what it is for, and bodies that can be sent as they are shown. A
// test sends them, in this order, to one installation.

export interface OperationText {
  readonly id: string
  /** For operations whose route has no description. */
  readonly description?: string
  /** Body by media type. */
  readonly bodies?: Readonly<Record<string, unknown>>
}

const JSON_TYPE = 'application/json'
const LINES = 'application/x-ndjson'
const CSV = 'text/csv'
const IDS = 'text/plain'

function json(body: unknown): Pick<OperationText, 'bodies'> {
  return { bodies: { [JSON_TYPE]: body } }
}

const URI = 'https://db5p.notify.windows.com/?token=ok.any.laptop-1'
const toast = { type: 'toast', content: { title: 'Storm warning', lines: ['Stay inside, {{vars.name|reader}}.'] } }

/** Ids as each change of many channels takes them. */
const ids = {
  [JSON_TYPE]: { audience: { tags: 'news' } },
  [LINES]: '{"channel": "laptop-1"}\n{"channel": "phone-2"}\n',
  [CSV]: 'channel\nlaptop-1\nphone-2\n',
  [IDS]: 'laptop-1\nphone-2\n',
}

export const operations: Readonly<Record<string, OperationText>> = {
  'PUT /v1/apps/{app}': {
    id: 'putApp',
    description:
      'Replaces all settings and the credentials; absent settings get their defaults. To change a setting, use `PATCH`.',
    ...json({
      displayName: 'City News',
      credentials: { kind: 'store', packageSid: 'S-1-15-2-11-22-33-44-55-66-77', clientSecret: 'the-client-secret' },
      ratePerSecond: 300,
    }),
  },
  'PATCH /v1/apps/{app}': { id: 'patchApp', ...json({ ratePerSecond: 500, maxAttempts: null }) },
  'GET /v1/apps': { id: 'listApps' },
  'GET /v1/apps/{app}': { id: 'getApp', description: 'Its settings and its state. Secrets are never shown.' },
  'POST /v1/apps/{app}/verify': {
    id: 'verifyApp',
    description: 'Reports whether the token service accepts the credentials. The token is not used for sending.',
  },
  'POST /v1/apps/{app}/pause': {
    id: 'pauseApp',
    description: 'Its campaigns wait with the reason `app-paused`. Posts under way are still counted.',
  },
  'POST /v1/apps/{app}/resume': { id: 'resumeApp', description: 'Its campaigns continue where they were.' },

  'PUT /v1/apps/{app}/channels/{channel}': {
    id: 'putChannel',
    ...json({
      uri: URI,
      tags: ['news', 'city-berlin'],
      locale: 'de-DE',
      timeZone: 'Europe/Berlin',
      vars: { name: 'Ada' },
    }),
  },
  'PATCH /v1/apps/{app}/channels/{channel}': {
    id: 'patchChannel',
    ...json({ tags: ['news', 'sport', 'city-berlin'], vars: { name: 'Grace' } }),
  },
  'POST /v1/apps/{app}/channels:import': {
    id: 'importChannels',
    bodies: {
      [LINES]:
        '{"channel": "phone-2", "uri": "https://am3p.notify.windows.com/?token=ok.any.phone-2", "tags": ["news"]}\n' +
        '{"channel": "tablet-3", "uri": "https://db5p.notify.windows.com/?token=ok.any.tablet-3", "locale": "fr-FR"}\n',
      [CSV]: 'channel,uri,tags\nphone-2,https://am3p.notify.windows.com/?token=ok.any.phone-2,news;sport\n',
    },
  },
  'GET /v1/apps/{app}/channels': { id: 'listChannels' },
  'GET /v1/apps/{app}/channels/{channel}': { id: 'getChannel', description: 'All that is stored of it but its URI.' },
  'GET /v1/apps/{app}/channels:export': {
    id: 'exportChannels',
    description: 'The lines have the URIs, which are capabilities, so the answer is as confidential as the table.',
  },
  'POST /v1/apps/{app}/channels:count': {
    id: 'countChannels',
    description: 'How many recipients a campaign to this audience would have now.',
    ...json({ audience: { tags: 'news and not beta' }, topic: 'weather' }),
  },
  'PUT /v1/apps/{app}/channels/{channel}/opt-out': {
    id: 'optOut',
    description: 'The opt-out stays when the channel is removed or registers again, until it opts in.',
  },
  'DELETE /v1/apps/{app}/channels/{channel}/opt-out': { id: 'optIn', description: 'Ends an opt-out.' },
  'POST /v1/apps/{app}/channels/{channel}/active': {
    id: 'markChannelActive',
    description: 'Call it when the app starts. Without raw notifications it has no effect.',
  },
  'POST /v1/apps/{app}/channels:tag': { id: 'tagChannels', bodies: ids },
  'POST /v1/apps/{app}/channels:untag': { id: 'untagChannels', bodies: ids },
  'POST /v1/apps/{app}/channels:opt-out': { id: 'optOutChannels', bodies: ids },
  'POST /v1/apps/{app}/channels:opt-in': { id: 'optInChannels', bodies: ids },
  'POST /v1/apps/{app}/channels:activate': { id: 'activateChannels', bodies: ids },
  'POST /v1/apps/{app}/channels:remove-missing': {
    id: 'removeMissingChannels',
    ...json({ import: '2026-03-01-nightly', maxShare: 1, dryRun: true }),
  },
  'POST /v1/apps/{app}/channels:cleanup': {
    id: 'cleanUpChannels',
    ...json({ registeredBefore: '2025-01-01T00:00:00Z', dryRun: true }),
  },
  'POST /v1/apps/{app}/stop-all': { id: 'stopApp' },
  'POST /v1/apps/{app}/resume-all': { id: 'resumeAppAfterStop' },
  'POST /v1/stop-all': { id: 'stopAll' },
  'POST /v1/resume-all': { id: 'resumeAll' },
  'GET /v1/audit': { id: 'readAuditLog' },

  'GET /v1/apps/{app}/events': { id: 'listEvents' },
  'PUT /v1/apps/{app}/webhooks/{webhook}': {
    id: 'putWebhook',
    ...json({ url: 'https://example.com/hooks', types: ['campaign.finished', 'campaign.halted'] }),
  },
  'GET /v1/apps/{app}/webhooks/{webhook}': { id: 'getWebhook', description: 'With the state of its delivery.' },
  'GET /v1/apps/{app}/webhooks': { id: 'listWebhooks', description: 'Sorted by name.' },
  'POST /v1/apps/{app}/webhooks/{webhook}/test': { id: 'testWebhook' },

  'PUT /v1/apps/{app}/lists/{list}': {
    id: 'putList',
    bodies: { [LINES]: ids[LINES], [CSV]: ids[CSV], [IDS]: ids[IDS] },
  },
  'GET /v1/apps/{app}/lists/{list}': { id: 'getList', description: 'Its size. The ids are not returned.' },
  'PUT /v1/apps/{app}/templates/{template}': { id: 'putTemplate', ...json({ notification: toast }) },
  'GET /v1/apps/{app}/templates/{template}': { id: 'getTemplate', description: 'Its notification.' },
  'GET /v1/apps/{app}/templates': { id: 'listTemplates', description: 'Sorted by name.' },
  'POST /v1/apps/{app}/campaigns:preview': {
    id: 'previewNotification',
    ...json({ template: 'breaking', channel: 'laptop-1' }),
  },

  'POST /v1/apps/{app}/campaigns': {
    id: 'createCampaign',
    ...json({ name: 'Storm warning', notification: toast, audience: { tags: 'news' }, topic: 'weather' }),
  },
  'GET /v1/apps/{app}/campaigns': { id: 'listCampaigns', description: 'Those of the last days, see `retentionDays`.' },
  'GET /v1/campaigns/{campaign}': {
    id: 'getCampaign',
    description: 'Its state, its totals, and when it will be finished.',
  },
  'GET /v1/campaigns': { id: 'searchCampaigns' },
  'GET /v1/campaigns/{campaign}/events': { id: 'watchCampaign' },
  'GET /v1/campaigns/{campaign}/results': { id: 'getResults' },
  'GET /v1/campaigns/{campaign}/samples': {
    id: 'getSamples',
    description: 'At most 10,000 are kept. They have what Microsoft asks for in a support case.',
  },
  'POST /v1/campaigns/{campaign}/retry': { id: 'retryCampaign', ...json({ classes: ['dropped', 'rejected'] }) },
  'POST /v1/campaigns/{campaign}/retry-failed': {
    id: 'retryFailed',
    description: 'Creates a campaign whose `parent` is this one.',
    ...json({ includeInDoubt: false }),
  },
  'POST /v1/campaigns/{campaign}/pause': { id: 'pauseCampaign', description: 'It still expires while it is paused.' },
  'POST /v1/campaigns/{campaign}/resume': { id: 'resumeCampaign', ...json({ accept: 'mass-removal' }) },
  'POST /v1/campaigns/{campaign}/approve': {
    id: 'approveCampaign',
    description: 'For a canary with `"approve": "manual"` whose outcomes are known.',
  },
  'POST /v1/campaigns/{campaign}/cancel': { id: 'cancelCampaign', description: 'Posts under way are still counted.' },

  'PUT /v1/apps/{app}/schedules/{schedule}': {
    id: 'putSchedule',
    ...json({
      cron: '0 8 * * 1-5',
      timeZone: 'Europe/Berlin',
      campaign: { template: 'breaking', audience: { tags: 'news' }, topic: 'morning' },
    }),
  },
  'GET /v1/apps/{app}/schedules/{schedule}': { id: 'getSchedule', description: 'With its next five occurrences.' },
  'GET /v1/apps/{app}/schedules': { id: 'listSchedules' },

  'POST /v1/keys': {
    id: 'createKey',
    description: 'The key itself is shown only in this answer.',
    ...json({ name: 'newsroom', apps: ['news'], verbs: ['read', 'send'], expiresAt: '2030-01-01T00:00:00.000Z' }),
  },
  'GET /v1/keys': { id: 'listKeys', description: 'In the order of their creation.' },
  'DELETE /v1/keys/{key}': { id: 'deleteKey', description: 'Requests with it get 401 from then on.' },

  'DELETE /v1/apps/{app}/schedules/{schedule}': {
    id: 'deleteSchedule',
    description: 'It starts no campaign any more.',
  },
  'DELETE /v1/apps/{app}/templates/{template}': {
    id: 'deleteTemplate',
    description: 'Existing campaigns keep its content.',
  },
  'DELETE /v1/apps/{app}/webhooks/{webhook}': {
    id: 'deleteWebhook',
    description: 'Events that were not delivered yet are not sent to it any more.',
  },
  'DELETE /v1/apps/{app}/lists/{list}': {
    id: 'deleteList',
    description: 'Campaigns that started keep their recipients.',
  },
  'DELETE /v1/apps/{app}/channels/{channel}': {
    id: 'deleteChannel',
    description: 'Opt-outs stay. Campaigns that are under way count it as `unregistered`.',
  },
  'POST /v1/apps/{app}/channels:delete': { id: 'deleteChannels', bodies: ids },
  'DELETE /v1/apps/{app}': {
    id: 'deleteApp',
    description: 'Refused with `app-has-campaigns` while a campaign of the app is not finished.',
  },
}
