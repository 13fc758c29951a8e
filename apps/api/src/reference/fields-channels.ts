import type { FieldTexts } from './field-texts.ts'

/** Fields of channels, lists, imports and changes of many channels. */
export const channelFields: FieldTexts = {
  channel: ['The id of the channel, chosen by the app: usually that of the device or of the user.', 'laptop-1'],
  uri: [
    'The channel URI as Windows gave it to the app. It is a capability and never shown again.',
    'https://db5p.notify.windows.com/?token=ok.any.laptop-1',
  ],
  tags: ['Names for audiences; the list replaces the one before.', ['news', 'city-berlin']],
  locale: ['BCP 47 language tag, for the variants of a notification.', 'de-DE'],
  timeZone: ['Name of the IANA database.', 'Europe/Berlin'],
  vars: ['Values for the placeholders of a notification.', { name: 'Ada' }],
  optedOut: ['Whether the channel gets nothing at all.', true],
  optedOutOf: ['', ['sport']],
  rawGate: ['', 'closed'],
  registeredAt: ['When the URI was registered.', '2026-03-01T08:00:00.000Z'],
  'ListedChannel.registered': ['', false],
  movedFrom: ['', 'old-laptop-1'],

  'ImportError.line': ['', 17],
  'ImportError.code': ['', 'channel-uri'],
  'ImportError.detail': ['What was wanted and found, for people.', 'the host must end in .notify.windows.com'],
  'ImportError.count': ['', 1],
  created: ['', 100],
  updated: ['Channels that changed.', 20],
  unchanged: ['Channels that had the values already.', 3],
  duplicates: ['', 0],
  rejected: ['', 1],
  'ImportResult.errors': [
    '',
    [{ line: 17, code: 'channel-uri', detail: 'the host must end in .notify.windows.com', count: 1 }],
  ],
  rejectedLines: ['', [17]],
  skippedFields: ['', 0],
  moved: ['', 1],
  moves: ['', [{ line: 4, channel: 'laptop-1', from: 'old-laptop-1' }]],
  'UriMove.line': ['The line of the import, counted from 1.', 4],
  'UriMove.from': ['', 'old-laptop-1'],

  matched: ['', 24],
  refused: ['', 0],
  unknown: ['Ids that are not registered.', 1],
  'ChangeResult.updated': ['Channels that the change concerned.', 20],
  'ChangeResult.unchanged': ['Channels that were so already.', 3],

  'List.list': ['The name of the list.', 'beta-testers'],
  'List.size': ['Channels on the list.', 2],
  import: ['The name of the import, as its uploads had it in `?import=`.', '2026-03-01-nightly'],
  maxShare: ['', 0.1],
  'MissingResult.registered': ['', 1000],
  'MissingResult.missing': ['', 12],
  removed: ['', 12],

  count: ['', 1200],
  'countChannels.optedOut': ['', 12],

  'CleanupResult.registered': ['', 1000],
  'CleanupResult.sample': ['', [{ channel: 'laptop-1', registeredAt: '2024-03-01T08:00:00.000Z', tags: ['news'] }]],
}
