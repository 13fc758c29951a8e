import { fc, test as property } from '@fast-check/vitest'
import type { Outcome } from '@wns-fanout/domain'
import { describe, expect, test } from 'vitest'
import type { AnswerHeaders } from '../src/index.ts'
import { answerSources, answerTable, classify, conditions } from '../src/index.ts'

const nowMs = Date.UTC(2026, 0, 31, 12, 0, 0)
const wns = { 'x-wns-msg-id': '3CE38FF109E03A74' }
const msgIdOnly = { msgId: '3CE38FF109E03A74' }

const rows: readonly (readonly [string, number, AnswerHeaders, Outcome])[] = [
  [
    '200 received',
    200,
    { ...wns, 'x-wns-status': 'received' },
    { kind: 'accepted', status: 200, trace: { wnsStatus: 'received', ...msgIdOnly } },
  ],
  ['200 without any status', 200, {}, { kind: 'accepted', status: 200, trace: {} }],
  [
    '200 with the older status name',
    200,
    { 'X-WNS-NotificationStatus': 'dropped' },
    { kind: 'dropped', status: 200, trace: { wnsStatus: 'dropped' } },
  ],
  [
    '200, the newer name wins',
    200,
    { 'X-WNS-NOTIFICATIONSTATUS': 'dropped', 'X-WNS-STATUS': 'received' },
    { kind: 'accepted', status: 200, trace: { wnsStatus: 'received' } },
  ],
  [
    '200 in any case',
    200,
    { 'x-WnS-sTaTuS': ' Received ' },
    { kind: 'accepted', status: 200, trace: { wnsStatus: ' Received ' } },
  ],
  [
    '200 connected',
    200,
    { 'x-wns-status': 'received', 'x-wns-deviceconnectionstatus': 'connected' },
    { kind: 'accepted', status: 200, device: 'connected', trace: { wnsStatus: 'received' } },
  ],
  [
    '200 dropped, disconnected',
    200,
    { 'x-wns-status': 'dropped', 'x-wns-deviceconnectionstatus': 'Disconnected' },
    { kind: 'dropped', status: 200, device: 'disconnected', trace: { wnsStatus: 'dropped' } },
  ],
  [
    '200 tempdisconnected',
    200,
    { 'x-wns-deviceconnectionstatus': 'tempdisconnected' },
    { kind: 'accepted', status: 200, device: 'disconnected', trace: {} },
  ],
  [
    '200 tempconnected',
    200,
    { 'x-wns-deviceconnectionstatus': 'tempconnected' },
    { kind: 'accepted', status: 200, device: 'disconnected', trace: {} },
  ],
  [
    '200 with an unknown device state',
    200,
    { 'x-wns-deviceconnectionstatus': 'asleep' },
    { kind: 'accepted', status: 200, device: 'unknown', trace: {} },
  ],
  [
    '200 channelthrottled',
    200,
    { 'x-wns-status': 'channelthrottled' },
    { kind: 'channel-throttled', status: 200, trace: { wnsStatus: 'channelthrottled' } },
  ],
  [
    '200 channelthrottled, the longer wait wins',
    200,
    { 'x-wns-status': 'channelthrottled', 'retry-after': '2', 'x-wns-continue-after': '30' },
    { kind: 'channel-throttled', status: 200, retryAfterMs: 30_000, trace: { wnsStatus: 'channelthrottled' } },
  ],
  [
    '200 with an undocumented status word',
    200,
    { 'x-wns-status': 'appthrottled' },
    { kind: 'unexpected', status: 200, trace: { wnsStatus: 'appthrottled' } },
  ],
  ['202', 202, wns, { kind: 'unexpected', status: 202, trace: msgIdOnly }],
  ['301', 301, { location: 'https://127.0.0.1/' }, { kind: 'bad-request', status: 301, trace: {} }],
  ['307', 307, { location: 'https://127.0.0.1/' }, { kind: 'bad-request', status: 307, trace: {} }],
  [
    '400',
    400,
    { ...wns, 'x-wns-error-description': 'Content-Type should be application/octet-stream' },
    {
      kind: 'bad-request',
      status: 400,
      trace: { description: 'Content-Type should be application/octet-stream', ...msgIdOnly },
    },
  ],
  ['400 bare', 400, {}, { kind: 'bad-request', status: 400, trace: {} }],
  [
    '401',
    401,
    { 'www-authenticate': 'Bearer error="invalid_request"' },
    { kind: 'unauthorized', status: 401, trace: {} },
  ],
  ['403 bare', 403, {}, { kind: 'forbidden', status: 403, trace: {} }],
  ['404', 404, wns, { kind: 'gone', status: 404, trace: msgIdOnly }],
  ['404 bare', 404, {}, { kind: 'ambiguous', code: 'not-from-wns', status: 404, trace: {} }],
  ['405', 405, {}, { kind: 'bad-request', status: 405, trace: {} }],
  [
    '406 with a wait',
    406,
    { 'retry-after': '900', 'x-wns-status': 'appthrottled' },
    { kind: 'app-throttled', status: 406, retryAfterMs: 900_000, trace: { wnsStatus: 'appthrottled' } },
  ],
  ['406 bare', 406, {}, { kind: 'app-throttled', status: 406, trace: {} }],
  ['408', 408, wns, { kind: 'server-error', status: 408, trace: msgIdOnly }],
  ['408 bare', 408, {}, { kind: 'ambiguous', code: 'not-from-wns', status: 408, trace: {} }],
  ['409', 409, wns, { kind: 'server-error', status: 409, trace: msgIdOnly }],
  ['409 bare', 409, {}, { kind: 'ambiguous', code: 'not-from-wns', status: 409, trace: {} }],
  ['410 expired', 410, wns, { kind: 'gone', status: 410, trace: msgIdOnly }],
  [
    '410 revoked',
    410,
    { 'x-wns-error-description': 'Revoked channel URL' },
    { kind: 'gone', status: 410, trace: { description: 'Revoked channel URL' } },
  ],
  [
    '410 blocked',
    410,
    { 'x-wns-error-description': 'Domain Blocked' },
    { kind: 'blocked', status: 410, trace: { description: 'Domain Blocked' } },
  ],
  [
    '410 bare',
    410,
    { 'ms-cv': 'abc.0' },
    { kind: 'ambiguous', code: 'not-from-wns', status: 410, trace: { msCv: 'abc.0' } },
  ],
  ['412', 412, {}, { kind: 'bad-request', status: 412, trace: {} }],
  ['413 bare', 413, {}, { kind: 'too-large', status: 413, trace: {} }],
  ['418', 418, wns, { kind: 'unexpected', status: 418, trace: msgIdOnly }],
  [
    '429 with a date',
    429,
    { 'retry-after': 'Sat, 31 Jan 2026 12:01:00 GMT' },
    { kind: 'app-throttled', status: 429, retryAfterMs: 60_000, trace: {} },
  ],
  ['500', 500, wns, { kind: 'server-error', status: 500, trace: msgIdOnly }],
  ['500 bare', 500, {}, { kind: 'ambiguous', code: 'not-from-wns', status: 500, trace: {} }],
  [
    '503 with a wait',
    503,
    { ...wns, 'retry-after': '1' },
    { kind: 'server-error', status: 503, retryAfterMs: 1_000, trace: msgIdOnly },
  ],
  ['504 bare', 504, {}, { kind: 'ambiguous', code: 'not-from-wns', status: 504, trace: {} }],
  [
    'a repeated header',
    200,
    { 'x-wns-status': ['dropped', 'received'] },
    { kind: 'dropped', status: 200, trace: { wnsStatus: 'dropped' } },
  ],
  ['a status that is none', 700, {}, { kind: 'unexpected', status: 700, trace: {} }],
]

describe('an answer', () => {
  test.each(rows)('%s', (_name, status, headers, outcome) => {
    expect(classify(status, headers, nowMs)).toEqual(outcome)
  })

  test('keeps the details for support, without control characters and cut to a maximum length', () => {
    const outcome = classify(
      500,
      {
        'X-WNS-STATUS': 'dropped',
        'X-WNS-ERROR-DESCRIPTION': `\u001b[31m${'x'.repeat(500)}`,
        'X-WNS-MSG-ID': 'A\r\nB',
        'X-WNS-DEBUG-TRACE': 'DB3WNS4011534',
        'MS-CV': '7m+MIF/zukuEsvNq7wwnBA.0',
      },
      nowMs,
    )
    expect(outcome).toHaveProperty('trace', {
      wnsStatus: 'dropped',
      description: `?[31m${'x'.repeat(195)}`,
      msgId: 'A??B',
      debugTrace: 'DB3WNS4011534',
      msCv: '7m+MIF/zukuEsvNq7wwnBA.0',
    })
  })
})

describe('the table of answers', () => {
  test.each(answerTable.map((row) => [`${row.status}, ${row.condition}`, row] as const))('%s', (_name, row) => {
    expect(classify(...sample(row), nowMs).kind).toBe(row.kind)
    expect(row.meaning).not.toBe('')
    expect(answerSources[row.source]).not.toBe('')
    expect(conditions[row.condition]).not.toBe('')
  })
})

describe('classification is total', () => {
  const name = fc.oneof(
    fc.constantFrom(
      'x-wns-status',
      'X-WNS-STATUS',
      'x-wns-error-description',
      'Retry-After',
      'X-WNS-CONTINUE-AFTER',
      'MS-CV',
      '__proto__',
      'constructor',
    ),
    fc.string(),
  )
  const value = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('received', 'dropped', '-5', '1e9'),
    fc.array(fc.string()),
    fc.constant(undefined),
  )
  property.prop([
    fc.oneof(fc.integer({ min: 100, max: 599 }), fc.double()),
    fc.dictionary(name, value),
    fc.oneof(fc.integer(), fc.double()),
  ])('any status and headers have an outcome, and only WNS can report a channel as gone', (status, headers, now) => {
    const outcome = classify(status, headers, now)
    const fromWns = Object.entries(headers).some(
      ([key, found]) => /^x-wns-/i.test(key) && (Array.isArray(found) ? found[0] : found) !== undefined,
    )
    if (outcome.kind === 'gone') expect([fromWns, [404, 410].includes(status)]).toEqual([true, true])
    if (outcome.kind === 'accepted') expect(status).toBe(200)
    if (status >= 500 && status < 600) expect(outcome.kind).toBe(fromWns ? 'server-error' : 'ambiguous')
    if ('retryAfterMs' in outcome) expect(outcome.retryAfterMs).toSatisfy((ms: number) => ms >= 1_000 && ms <= 900_000)
    for (const text of Object.values('trace' in outcome ? (outcome.trace ?? {}) : {}))
      expect(text).toMatch(/^[\x20-\x7e]{1,200}$/)
  })
})

function sample(row: (typeof answerTable)[number]): [number, AnswerHeaders] {
  const status = { '2xx': 299, '3xx': 399, '4xx': 499, '5xx': 599, other: 99 }
  const headers: Record<keyof typeof conditions, AnswerHeaders> = {
    always: { 'x-wns-status': 'who-knows' },
    'status received': { 'x-wns-status': 'received' },
    'status dropped': { 'x-wns-status': 'dropped' },
    'status throttled': { 'x-wns-status': 'channelthrottled' },
    'from WNS': wns,
    'from WNS, blocked': { 'x-wns-error-description': 'Domain Blocked' },
    'not from WNS': {},
  }
  return [typeof row.status === 'number' ? row.status : status[row.status], headers[row.condition]]
}
