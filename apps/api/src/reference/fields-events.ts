import type { FieldTexts } from './field-texts.ts'

/** Fields of events and of webhooks. */
export const eventFields: FieldTexts = {
  timestamp: ['', '2026-03-01T08:37:00.000Z'],
  data: ['What happened.', null],
  'data.campaign': ['The id of the campaign.', '4fzyo82mrs1j2k'],
  'data.state': ['Its state at the end.', 'completed'],
  'data.reason': ['Why, in a word.', 'canary'],
  'data.type': ['The type of its notification.', 'toast'],
  'data.kind': ['What opened the breaker.', 'credentials'],
  'data.schedule': ['The name of the schedule.', 'morning'],
  'data.code': ['A stable word for programs.', 'empty-audience'],
  'data.count': ['How many channels.', 1],
  'data.channels': ['Their ids.', ['laptop-1']],
  'data.createdBy': ['The id of the API key.', 'k3f9a2b7c1d0'],
  resumable: ['Whether it can be resumed.', true],
  dueAt: ['When the occurrence was due.', '2026-03-01T07:00:00.000Z'],
  webhook: ['The name of the webhook.', 'newsroom'],
  cursor: ['', '1767225600000-0'],
  more: ['', false],
  missed: ['', false],
}
