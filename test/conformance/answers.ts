import type { AnswerTrace, Disposition, Outcome } from '@wns-fanout/domain'
import { code } from '@wns-fanout/domain'
import type { Source } from './support/sources.ts'

type Headers = Readonly<Record<string, string>>

/** One answer of WNS, its outcome and its disposition. */
export interface AnswerRow {
  readonly name: string
  readonly source: Source
  readonly status: number
  readonly headers: Headers
  readonly body?: string
  readonly outcome: Outcome
  /** For a first post at-least-once; at-most-once the same, unless `atMostOnce` is set. */
  readonly disposition: Disposition
  readonly atMostOnce?: Disposition
}

function settle(found: number): Disposition {
  return { kind: 'settle', code: found }
}
function bury(found: number): Disposition {
  return { kind: 'bury', code: found }
}
const accepted = settle(code.accepted)
const dropped = settle(code.dropped)
const badRequest = settle(code.rejectedBadRequest)
const unexpected = settle(code.rejectedUnexpected)
/** The first backoff if the random source returns one half. */
const BACKOFF_MS = 750

const wnsIds: Headers = { 'X-WNS-MSG-ID': '3CE38FF109E03A74', 'X-WNS-DEBUG-TRACE': 'DB3WNS4011534' }
const idTrace: AnswerTrace = { msgId: '3CE38FF109E03A74', debugTrace: 'DB3WNS4011534' }
/** Both status headers, as WNS sends them. */
function both(word: string): Headers {
  return { 'X-WNS-NOTIFICATIONSTATUS': word, 'X-WNS-STATUS': word }
}
const hsts: Headers = {
  'Strict-Transport-Security': 'max-age=31536000; includeSubDomains',
  Date: 'Mon, 01 Jun 2026 10:00:00 GMT',
}
function device(state: string): Headers {
  return { 'X-WNS-DEVICECONNECTIONSTATUS': state }
}
function description(text: string): Headers {
  return { 'X-WNS-ERROR-DESCRIPTION': text }
}

type Rest = Omit<AnswerRow, 'name' | 'source' | 'status' | 'headers'>

function ok(name: string, source: Source, headers: Headers, rest: Rest): AnswerRow {
  return {
    name,
    source,
    status: 200,
    headers,
    ...rest,
  }
}

function throttled(
  name: string,
  source: Source,
  status: 406 | 429,
  headers: Headers,
  retryAfterMs?: number,
): AnswerRow {
  const trace: AnswerTrace = headers['X-WNS-STATUS'] === undefined ? {} : { wnsStatus: 'appthrottled' }
  return {
    name,
    source,
    status,
    headers,
    outcome: { kind: 'app-throttled', status, trace, ...(retryAfterMs !== undefined && { retryAfterMs }) },
    disposition: { kind: 'retry', delayMs: retryAfterMs ?? 1000, spent: 0, reason: 'app-throttled' },
  }
}

function serverError(
  name: string,
  source: Source,
  status: number,
  headers: Headers,
  trace: AnswerTrace,
  retryAfterMs?: number,
): AnswerRow {
  return {
    name,
    source,
    status,
    headers,
    outcome: { kind: 'server-error', status, trace, ...(retryAfterMs !== undefined && { retryAfterMs }) },
    disposition: { kind: 'retry', delayMs: Math.max(BACKOFF_MS, retryAfterMs ?? 0), spent: 1, reason: 'server-error' },
  }
}

/** An error without any X-WNS header: an intermediary may have sent it, after WNS accepted the post. */
function fromIntermediary(name: string, source: Source, status: number, headers: Headers, body = ''): AnswerRow {
  return {
    name,
    source,
    status,
    headers,
    body,
    outcome: { kind: 'ambiguous', code: 'not-from-wns', status, trace: {} },
    disposition: { kind: 'retry', delayMs: BACKOFF_MS, spent: 1, reason: 'ambiguous' },
    atMostOnce: settle(code.inDoubt),
  }
}

function refused(
  name: string,
  source: Source,
  status: number,
  headers: Headers,
  trace: AnswerTrace,
  disposition: Disposition = unexpected,
): AnswerRow {
  return {
    name,
    source,
    status,
    headers,
    outcome: { kind: 'bad-request', status, trace },
    disposition,
  }
}

function odd(name: string, source: Source, status: number, headers: Headers, trace: AnswerTrace): AnswerRow {
  return {
    name,
    source,
    status,
    headers,
    outcome: { kind: 'unexpected', status, trace },
    disposition: unexpected,
  }
}

function forbidden(name: string, source: Source, headers: Headers, trace: AnswerTrace): AnswerRow {
  return {
    name,
    source,
    status: 403,
    headers,
    outcome: { kind: 'forbidden', status: 403, trace },
    disposition: settle(code.rejectedForbidden),
  }
}

function unauthorized(name: string, source: Source, headers: Headers, trace: AnswerTrace = {}): AnswerRow {
  return {
    name,
    source,
    status: 401,
    headers,
    outcome: { kind: 'unauthorized', status: 401, trace },
    disposition: { kind: 'reauthorize' },
  }
}

function gone(name: string, source: Source, status: 404 | 410, headers: Headers, trace: AnswerTrace): AnswerRow {
  return {
    name,
    source,
    status,
    headers,
    outcome: { kind: 'gone', status, trace },
    disposition: bury(status === 404 ? code.deadUnknown : code.deadExpired),
  }
}

const receivedTrace: AnswerTrace = { wnsStatus: 'received' }
const droppedTrace: AnswerTrace = { wnsStatus: 'dropped' }

export const answerRows: readonly AnswerRow[] = [
  // 200: accepted
  ok(
    'the documented success',
    'QSX',
    { ...device('connected'), 'X-WNS-STATUS': 'received', ...wnsIds },
    {
      outcome: { kind: 'accepted', status: 200, device: 'connected', trace: { ...receivedTrace, ...idTrace } },
      disposition: accepted,
    },
  ),
  ok(
    'both status headers',
    'O-400',
    { ...both('received'), ...wnsIds, ...hsts },
    { outcome: { kind: 'accepted', status: 200, trace: { ...receivedTrace, ...idTrace } }, disposition: accepted },
  ),
  ok(
    'only the newer status header',
    'HDR',
    { 'X-WNS-STATUS': 'received' },
    { outcome: { kind: 'accepted', status: 200, trace: receivedTrace }, disposition: accepted },
  ),
  ok(
    'only the older status header',
    'RAW',
    { 'X-WNS-NOTIFICATIONSTATUS': 'received' },
    { outcome: { kind: 'accepted', status: 200, trace: receivedTrace }, disposition: accepted },
  ),
  ok(
    'the headers in the documented case',
    'HDR',
    { 'X-WNS-Status': 'received', 'X-WNS-Msg-ID': 'A1' },
    { outcome: { kind: 'accepted', status: 200, trace: { ...receivedTrace, msgId: 'A1' } }, disposition: accepted },
  ),
  ok(
    'the headers in lower case',
    'RFC9110',
    { 'x-wns-status': 'received' },
    { outcome: { kind: 'accepted', status: 200, trace: receivedTrace }, disposition: accepted },
  ),
  ok(
    'no status header at all',
    'caution',
    {},
    { outcome: { kind: 'accepted', status: 200, trace: {} }, disposition: accepted },
  ),
  ok(
    'our MS-CV, returned',
    'HDR',
    { ...both('received'), 'MS-CV': '7m+MIF/zukuEsvNq7wwnBA.0' },
    {
      outcome: { kind: 'accepted', status: 200, trace: { ...receivedTrace, msCv: '7m+MIF/zukuEsvNq7wwnBA.0' } },
      disposition: accepted,
    },
  ),
  ok('the raw push of a legacy identity', 'FLT', both('received'), {
    outcome: { kind: 'accepted', status: 200, trace: receivedTrace },
    disposition: accepted,
  }),
  ok(
    'a disconnected device that will get it later',
    'HDR',
    { ...both('received'), ...device('disconnected') },
    { outcome: { kind: 'accepted', status: 200, device: 'disconnected', trace: receivedTrace }, disposition: accepted },
  ),
  ok(
    'a device that is tempdisconnected, the word in the grammar',
    'HDR',
    { ...both('received'), ...device('tempdisconnected') },
    { outcome: { kind: 'accepted', status: 200, device: 'disconnected', trace: receivedTrace }, disposition: accepted },
  ),
  ok(
    'a device that is tempconnected, the word in the table',
    'HDR',
    { ...both('received'), ...device('tempconnected') },
    { outcome: { kind: 'accepted', status: 200, device: 'disconnected', trace: receivedTrace }, disposition: accepted },
  ),
  ok(
    'a device in an unknown state',
    'O-500',
    { ...both('received'), ...device('unknown') },
    { outcome: { kind: 'accepted', status: 200, device: 'unknown', trace: receivedTrace }, disposition: accepted },
  ),
  ok('an unexpected body', 'RFC9112', both('received'), {
    body: 'surprise',
    outcome: { kind: 'accepted', status: 200, trace: receivedTrace },
    disposition: accepted,
  }),

  // 200: not accepted
  ok('dropped', 'HDR', both('dropped'), {
    outcome: { kind: 'dropped', status: 200, trace: droppedTrace },
    disposition: dropped,
  }),
  ok(
    'dropped, only the older header',
    'RAW',
    { 'X-WNS-NOTIFICATIONSTATUS': 'dropped' },
    { outcome: { kind: 'dropped', status: 200, trace: droppedTrace }, disposition: dropped },
  ),
  ok(
    'dropped: offline with no-cache',
    'O-OFF',
    {
      ...both('dropped'),
      ...device('disconnected'),
      ...description('Device is offline and X-WNS-Cache-Policy is no-cache'),
    },
    {
      outcome: {
        kind: 'dropped',
        status: 200,
        device: 'disconnected',
        trace: { ...droppedTrace, description: 'Device is offline and X-WNS-Cache-Policy is no-cache' },
      },
      disposition: dropped,
    },
  ),
  ok(
    'dropped while connected: the receiver is not running',
    'O-DROP',
    { ...both('dropped'), ...device('connected') },
    { outcome: { kind: 'dropped', status: 200, device: 'connected', trace: droppedTrace }, disposition: dropped },
  ),
  ok(
    'the newer header takes precedence if they differ',
    'caution',
    { 'X-WNS-STATUS': 'dropped', 'X-WNS-NOTIFICATIONSTATUS': 'received' },
    { outcome: { kind: 'dropped', status: 200, trace: droppedTrace }, disposition: dropped },
  ),
  ok(
    'channelthrottled with Retry-After',
    'HDR',
    { ...both('channelthrottled'), 'Retry-After': '60' },
    {
      outcome: {
        kind: 'channel-throttled',
        status: 200,
        retryAfterMs: 60_000,
        trace: { wnsStatus: 'channelthrottled' },
      },
      disposition: { kind: 'retry', delayMs: 60_000, spent: 0, reason: 'channel-throttled' },
    },
  ),
  ok('channelthrottled without a waiting time', 'HDR', both('channelthrottled'), {
    outcome: { kind: 'channel-throttled', status: 200, trace: { wnsStatus: 'channelthrottled' } },
    disposition: { kind: 'retry', delayMs: 600_000, spent: 0, reason: 'channel-throttled' },
  }),
  ok(
    'channelthrottled with X-WNS-CONTINUE-AFTER alone',
    'HDR-OLD',
    { ...both('channelthrottled'), 'X-WNS-CONTINUE-AFTER': '120' },
    {
      outcome: {
        kind: 'channel-throttled',
        status: 200,
        retryAfterMs: 120_000,
        trace: { wnsStatus: 'channelthrottled' },
      },
      disposition: { kind: 'retry', delayMs: 120_000, spent: 0, reason: 'channel-throttled' },
    },
  ),
  ok(
    'channelthrottled with both waiting times: the longer applies',
    'HDR-OLD',
    { ...both('channelthrottled'), 'Retry-After': '300', 'X-WNS-CONTINUE-AFTER': '120' },
    {
      outcome: {
        kind: 'channel-throttled',
        status: 200,
        retryAfterMs: 300_000,
        trace: { wnsStatus: 'channelthrottled' },
      },
      disposition: { kind: 'retry', delayMs: 300_000, spent: 0, reason: 'channel-throttled' },
    },
  ),
  odd('200 with an undocumented status word', 'caution', 200, both('delayed'), { wnsStatus: 'delayed' }),
  odd('200 with appthrottled, observed only with 406', 'caution', 200, both('appthrottled'), {
    wnsStatus: 'appthrottled',
  }),
  odd('201, undocumented', 'caution', 201, {}, {}),
  odd('202, undocumented', 'caution', 202, both('received'), receivedTrace),
  odd('204, undocumented', 'caution', 204, {}, {}),

  // 3xx
  refused('301', 'caution', 301, { Location: 'https://db5.notify.windows.com/' }, {}),
  refused('302 of a captive portal', 'caution', 302, { Location: 'http://portal.example/login' }, {}),
  refused('307 to another host', 'caution', 307, { Location: 'https://evil.example/' }, {}),
  refused('308 to a loopback address', 'caution', 308, { Location: 'https://127.0.0.1/' }, {}),

  // 400
  refused(
    '400 for a wrong content type',
    'O-400',
    400,
    { ...both('dropped'), ...description('Content-Type should be application/octet-stream'), ...wnsIds },
    { ...droppedTrace, description: 'Content-Type should be application/octet-stream', ...idTrace },
    badRequest,
  ),
  refused(
    '400 for a TTL that conflicts with the cache policy',
    'O-TTL',
    400,
    { ...description('Ttl value conflicts with X-WNS-Cache-Policy.'), ...hsts },
    { description: 'Ttl value conflicts with X-WNS-Cache-Policy.' },
    badRequest,
  ),
  refused('400 without a description', 'HDR', 400, {}, {}, badRequest),

  // 401
  unauthorized('401 Token expired', 'O-401', {
    'WWW-Authenticate': 'Bearer error="invalid_request",error_description="Token expired"',
  }),
  unauthorized(
    '401 Invalid token',
    'MOR',
    { 'WWW-Authenticate': 'Bearer error="invalid_request",error_description="Invalid token"', ...both('dropped') },
    droppedTrace,
  ),
  unauthorized('401 with an empty WWW-Authenticate', 'MOR', { 'WWW-Authenticate': '' }),
  unauthorized('401 without a challenge', 'HDR', {}),
  unauthorized('401 JWT Authentication Failed', 'O-401', description('JWT Authentication Failed, '), {
    description: 'JWT Authentication Failed,',
  }),

  // 403
  forbidden(
    '403 of another app',
    'O-403',
    { ...both('dropped'), ...description('Channel URL incompatible with caller app'), ...wnsIds, ...hsts },
    { ...droppedTrace, description: 'Channel URL incompatible with caller app', ...idTrace },
  ),
  forbidden(
    '403 of an unmapped package, without a description',
    'O-MAP',
    { ...both('dropped'), ...wnsIds },
    { ...droppedTrace, ...idTrace },
  ),
  forbidden('403 without any X-WNS header', 'O-MAP', hsts, {}),
  forbidden(
    '403 of an app that is not allowed to receive',
    'O-MAP',
    description('Request targets an app that is not in allowed receiving apps list by WNS.'),
    { description: 'Request targets an app that is not in allowed receiving apps list by WNS.' },
  ),

  // 404, 410: the only answers that remove a channel
  gone('404', 'HDR', 404, { ...both('dropped'), ...wnsIds }, { ...droppedTrace, ...idTrace }),
  gone('404 with only a message id', 'TRB', 404, { 'X-WNS-MSG-ID': 'A1' }, { msgId: 'A1' }),
  fromIntermediary('404 of an intermediary', 'caution', 404, { ...hsts, Server: 'nginx' }, '<html>not found</html>'),
  gone('410, expired', 'HDR', 410, { ...both('dropped'), ...wnsIds }, { ...droppedTrace, ...idTrace }),
  gone(
    '410, revoked',
    'O-410',
    410,
    { ...both('revoked'), ...description('Revoked channel URL') },
    { wnsStatus: 'revoked', description: 'Revoked channel URL' },
  ),
  {
    name: '410, the sender is blocked',
    source: 'HDR',
    status: 410,
    headers: { ...both('dropped'), ...description('Domain Blocked') },
    outcome: { kind: 'blocked', status: 410, trace: { ...droppedTrace, description: 'Domain Blocked' } },
    disposition: settle(code.rejectedBlocked),
  },
  {
    name: '410, the sender is blocked, with another text',
    source: 'caution',
    status: 410,
    headers: description('This sender has been blocked for abuse'),
    outcome: { kind: 'blocked', status: 410, trace: { description: 'This sender has been blocked for abuse' } },
    disposition: settle(code.rejectedBlocked),
  },
  fromIntermediary('410 of an intermediary', 'caution', 410, { Via: '1.1 proxy' }),

  // the rest of 4xx
  refused('405', 'HDR', 405, { Allow: 'POST' }, {}),
  throttled('406 as captured', 'O-406', 406, { ...both('appthrottled'), 'Retry-After': '900', ...hsts }, 900_000),
  throttled('406 without a waiting time', 'HDR', 406, both('appthrottled')),
  throttled('406 without any X-WNS header', 'HDR', 406, {}),
  throttled('406 with a waiting time of 0: at least one second', 'caution', 406, { 'Retry-After': '0' }, 1000),
  throttled('406 with X-WNS-CONTINUE-AFTER', 'HDR-OLD', 406, { 'X-WNS-CONTINUE-AFTER': '30' }, 30_000),
  throttled(
    '406 with an X-WNS-CONTINUE-AFTER longer than Retry-After',
    'HDR-OLD',
    406,
    { 'Retry-After': '5', 'X-WNS-CONTINUE-AFTER': '30' },
    30_000,
  ),
  throttled('429 with a waiting time', 'O-429', 429, { ...both('appthrottled'), 'Retry-After': '30' }, 30_000),
  throttled('429 without a waiting time', 'O-429', 429, {}),
  throttled(
    '429 with a waiting time of a month: at most 15 minutes',
    'O-429',
    429,
    { 'Retry-After': '2592000' },
    900_000,
  ),
  throttled('429 with a date in the past', 'RFC9110', 429, { 'Retry-After': 'Sun, 06 Nov 1994 08:49:37 GMT' }, 1000),
  throttled(
    '429 with a date far in the future',
    'RFC9110',
    429,
    { 'Retry-After': 'Fri, 31 Dec 2100 23:59:59 GMT' },
    900_000,
  ),
  throttled(
    '429 with a date in RFC 850 format',
    'RFC9110',
    429,
    { 'Retry-After': 'Sunday, 06-Nov-94 08:49:37 GMT' },
    1000,
  ),
  throttled('429 with an invalid waiting time', 'RFC9110', 429, { 'Retry-After': 'soon' }),
  throttled('429 with a negative waiting time', 'RFC9110', 429, { 'Retry-After': '-5' }),
  serverError('408 of WNS', 'caution', 408, both('dropped'), droppedTrace),
  fromIntermediary('408 of an intermediary', 'caution', 408, {}),
  serverError('409 of WNS', 'caution', 409, both('dropped'), droppedTrace),
  fromIntermediary('409 of an intermediary', 'caution', 409, {}),
  refused('412, known from the phone service', 'caution', 412, {}, {}),
  {
    name: '413',
    source: 'HDR',
    status: 413,
    headers: both('dropped'),
    outcome: { kind: 'too-large', status: 413, trace: droppedTrace },
    disposition: settle(code.rejectedTooLarge),
  },
  odd('402', 'caution', 402, {}, {}),
  odd('407 of a proxy', 'caution', 407, { 'Proxy-Authenticate': 'Basic' }, {}),
  odd('411 for a missing length', 'caution', 411, {}, {}),
  odd('418', 'caution', 418, both('dropped'), droppedTrace),
  odd('421', 'caution', 421, {}, {}),
  odd('451', 'caution', 451, {}, {}),

  // 5xx
  serverError(
    '500 without a description, as observed in bursts',
    'O-500',
    500,
    { ...both('dropped'), ...device('unknown'), ...wnsIds },
    { ...droppedTrace, ...idTrace },
  ),
  fromIntermediary('500 without any X-WNS header', 'O-500', 500, hsts),
  serverError('502 of WNS', 'caution', 502, both('dropped'), droppedTrace),
  fromIntermediary('502 of an intermediary', 'caution', 502, {}, '<html>bad gateway</html>'),
  serverError('503 with a waiting time', 'HDR', 503, { ...both('dropped'), 'Retry-After': '5' }, droppedTrace, 5000),
  serverError(
    '503 with a waiting time below the backoff',
    'HDR',
    503,
    { ...both('dropped'), 'Retry-After': '0' },
    droppedTrace,
    1000,
  ),
  serverError('503 without a waiting time', 'HDR', 503, both('dropped'), droppedTrace),
  fromIntermediary('503 of an intermediary', 'caution', 503, { 'Retry-After': '60' }),
  serverError('504 of WNS', 'caution', 504, { 'X-WNS-DEBUG-TRACE': 'DB3WNS4011534' }, { debugTrace: 'DB3WNS4011534' }),
  fromIntermediary('504 of an intermediary', 'caution', 504, {}),
  serverError('599 of WNS', 'caution', 599, both('dropped'), droppedTrace),
]
