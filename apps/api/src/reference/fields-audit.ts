import type { FieldTexts } from './field-texts.ts'

const HASH = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

/** Fields of the audit log and of stops. */
export const auditFields: FieldTexts = {
  'AuditEntry.id': ['', '1767225600000-0'],
  'AuditEntry.hash': ['', HASH],
  'AuditEntry.trail': ['The part of the log.', 'control'],
  seq: ['', 17],
  previous: ['The hash of the entry before.', HASH],
  time: ['When it was done.', '2026-03-01T08:30:00.000Z'],
  actor: ['', 'k3f9a2b7c1d0'],
  source: ['', '192.0.2.17'],
  'AuditEntry.action': ['', 'campaign.create'],
  object: ['', '4fzyo82mrs1j2k'],
  before: ['', HASH],
  'AuditEntry.after': ['', HASH],
  'AuditEntry.recipients': ['How many recipients or channels it concerned.', 1200],
  outcome: ['Whether it was done, started, refused (4xx), or failed (5xx).', 'done'],
  'AuditEntry.status': ['', 201],
  requestId: ['The `X-Request-Id` of the request.', '0d6f8a52-2d3c-4c46-9a3e-0f7a5a3f8a11'],
  'query.from': ['Only entries of this time or later.', '2026-03-01T00:00:00Z'],
  'query.to': ['Only entries before this time.', '2026-03-02T00:00:00Z'],
  'readAuditLog.app': ['Only entries of this app.', 'news'],
  'query.key': ['', 'k3f9a2b7c1d0'],
  'query.action': ['', 'campaign.*'],
  'query.order': ['', 'newest'],
  'query.trail': ['', 'control'],

  stopped: ['Whether it is stopped.', true],
  'StopResult.apps': ['', 1],
  scope: ['', 'app'],
  'Stop.at': ['When it was stopped.', '2026-03-01T08:30:00.000Z'],
  by: ['', 'k3f9a2b7c1d0'],
}
