import type { FieldTexts } from './field-texts.ts'

/** Fields of apps and API keys. */
export const appFields: FieldTexts = {
  app: ['The id of the app.', 'news'],
  sharedUri: [
    'Whether a registration takes the URI from the channel that has it (move), or shares it (allow).',
    'move',
  ],
  'App.channels': ['Registered channels.', 120_000],
  'App.etag': ['', 'Zk9TqX0v2mB1aYcD'],
  allowFasterThanGuideline: ['Needed for an interval below 1,800 seconds.', { reason: 'agreed with the users' }],
  'allowFasterThanGuideline.reason': [
    'Why the app may send more often than the guideline of WNS.',
    'agreed with the users',
  ],
  apps: ['', ['news']],
  'breaker.reason': ['Why sending stopped.', 'the token service refuses the credentials'],
  'breaker.since': ['When sending stopped.', '2026-03-01T08:30:00.000Z'],
  breaker: [
    'Present while sending is stopped because WNS or its token service rejects the app as a whole.',
    { reason: 'the token service refuses the credentials', since: '2026-03-01T08:30:00.000Z' },
  ],
  burst: ['Most posts at once; absent, a tenth of the rate.', 30],
  clientId: ['The application (client) id in Entra.', '6c0ad4ae-7d4b-4d0a-9f0e-1f1a2b3c4d5e'],
  clientSecret: [
    'The secret: a text, which is stored sealed, or a reference that the worker reads.',
    'the-client-secret',
  ],
  'App.clientSecret': ['The secret is set; it is never shown.', { set: true }],
  credentials: [
    'What Windows issued for the app: `store` for an app of the Store, `entra` for one with an Azure app registration.',
    { kind: 'store', packageSid: 'S-1-15-2-11-22-33-44-55-66-77', clientSecret: 'the-client-secret' },
  ],
  'App.credentials': [
    'Of the secrets only that they are set.',
    { kind: 'store', packageSid: 'S-1-15-2-11-22-33-44-55-66-77', clientSecret: { set: true } },
  ],
  displayName: ['A name for people.', 'City News'],
  effectiveRatePerSecond: ['Posts per second that WNS allows now; lower than the rate while it throttles.', 300],
  expiresAt: ['When it expires; absent, never.', '2030-01-01T00:00:00.000Z'],
  genericIntervalSeconds: ['Least time between two generic updates of a channel.', 1800],
  kind: ['Where the app is registered.', 'store'],
  maxAttempts: ['Attempts for a recipient before it fails.', 5],
  packageSid: ['The package SID, with or without `ms-app://`.', 'S-1-15-2-11-22-33-44-55-66-77'],
  previousClientSecret: ['The secret before, used during a rotation if the new one is refused.', 'the-old-secret'],
  'App.previousClientSecret': ['The secret before is set; it is never shown.', { set: true }],
  ratePerSecond: ['Posts per second to WNS, over all workers.', 300],
  rawGates: ['False: raw notifications go to every channel, whether its app is running or not.', true],
  ref: [
    'Where the worker reads the secret: `env:WNS_FANOUT_SECRET_<APP>_<NAME>`, or `file:NAME` in the folder of the app.',
    'file:client-secret',
  ],
  retentionDays: ['Days for which campaigns and their results are kept.', 7],
  set: ['Always true: the secret is there.', true],
  'App.state': ['Whether the app sends.', 'active'],
  tenantId: ['The directory (tenant) id in Entra, or a domain name.', 'contoso.example'],
  throttledUntil: ['Until when WNS wants no post; absent if it does not throttle.', '2026-03-01T08:30:05.000Z'],

  'ApiKeyRequest.name': ['A name for people.', 'newsroom'],
  'ApiKey.name': ['A name for people.', 'newsroom'],
  'NewApiKey.name': ['A name for people.', 'newsroom'],
  'ApiKey.id': ['The id of the key, for logs and for its revocation.', 'k3f9a2b7c1d0'],
  'NewApiKey.id': ['The id of the key, for logs and for its revocation.', 'k3f9a2b7c1d0'],
  'NewApiKey.key': ['', 'wnsf_k3f9a2b7c1d0_9pQ…'],
  verbs: [
    'What it may do: `read`, `register` channels, `send` campaigns, `admin` for settings and keys.',
    ['read', 'send'],
  ],
  createdAt: ['When it was made.', '2026-03-01T08:00:00.000Z'],
  createdBy: ['', 'k3f9a2b7c1d0'],
  problem: ['What is wrong with it, for people.', 'its stored record cannot be read; put it again'],

  'Verification.ok': ['Whether the token service accepts the credentials.', true],
  'Verification.code': ['A stable word: `ok`, or why they are refused.', 'ok'],
  explanation: ['The same for people.', 'The token service accepts the credentials.'],
  expiresInSeconds: ['How long the token is valid.', 86_400],
  settings: ['Settings of the app.', {}],
}
