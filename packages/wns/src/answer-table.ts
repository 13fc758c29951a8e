import type { OutcomeKind } from '@wns-fanout/domain'

/** The condition, besides the status, under which a row of the table applies. */
export const conditions = {
  always: 'any answer',
  'status received': 'X-WNS-STATUS is `received` or absent',
  'status dropped': 'X-WNS-STATUS is `dropped`',
  'status throttled': 'X-WNS-STATUS is `channelthrottled`',
  'from WNS': 'an X-WNS header is present',
  'from WNS, blocked': 'an X-WNS header is present and X-WNS-ERROR-DESCRIPTION mentions blocking',
  'not from WNS': 'no X-WNS header at all',
} as const
export type AnswerCondition = keyof typeof conditions

export interface AnswerRow {
  /** One status, or a family of statuses without rows of their own. */
  readonly status: number | '2xx' | '3xx' | '4xx' | '5xx' | 'other'
  readonly condition: AnswerCondition
  readonly kind: OutcomeKind
  readonly meaning: string
  /** The source of the meaning; see `answerSources`. */
  readonly source: keyof typeof answerSources
}

export const answerSources = {
  headers: 'Microsoft: Push notification service request and response headers',
  overview: 'Microsoft: Windows Push Notification Services overview',
  raw: 'Microsoft: Raw notification overview',
  observed: 'observed, not documented',
  caution: 'not documented; read so that no channel is lost and nothing is sent twice',
} as const

/**
 * Every answer of WNS and its outcome. The first matching row decides, rows of one status before those of its family.
 * `classify` reads this table, so documentation made from it is always current.
 */
export const answerTable = [
  {
    status: 200,
    condition: 'status received',
    kind: 'accepted',
    meaning: 'WNS accepted the notification; that is not delivery',
    source: 'headers',
  },
  {
    status: 200,
    condition: 'status dropped',
    kind: 'dropped',
    meaning: 'not passed on: device offline with no-cache, app not running (raw), blocked by the user',
    source: 'raw',
  },
  {
    status: 200,
    condition: 'status throttled',
    kind: 'channel-throttled',
    meaning: 'this notification was discarded; the channel is throttled',
    source: 'headers',
  },
  {
    status: 200,
    condition: 'always',
    kind: 'unexpected',
    meaning: 'an undocumented status word; not counted as accepted',
    source: 'caution',
  },
  {
    status: '2xx',
    condition: 'always',
    kind: 'unexpected',
    meaning: 'WNS documents 200 as the only success',
    source: 'caution',
  },
  {
    status: '3xx',
    condition: 'always',
    kind: 'bad-request',
    meaning: 'a redirect, never followed: it would send the token to another host',
    source: 'caution',
  },
  {
    status: 400,
    condition: 'always',
    kind: 'bad-request',
    meaning: 'a header is wrong or conflicts with another',
    source: 'headers',
  },
  {
    status: 401,
    condition: 'always',
    kind: 'unauthorized',
    meaning: 'the token is missing, invalid or expired',
    source: 'headers',
  },
  {
    status: 403,
    condition: 'always',
    kind: 'forbidden',
    meaning: 'the token is of another app than the channel, or the package is not mapped',
    source: 'headers',
  },
  {
    status: 404,
    condition: 'from WNS',
    kind: 'gone',
    meaning: 'the channel URI is malformed or unknown',
    source: 'headers',
  },
  {
    status: 404,
    condition: 'not from WNS',
    kind: 'ambiguous',
    meaning: 'a proxy may have answered; no channel is removed for it',
    source: 'caution',
  },
  { status: 405, condition: 'always', kind: 'bad-request', meaning: 'the method is not allowed', source: 'headers' },
  { status: 406, condition: 'always', kind: 'app-throttled', meaning: 'the app sends too fast', source: 'headers' },
  {
    status: 408,
    condition: 'from WNS',
    kind: 'server-error',
    meaning: 'not documented; WNS stopped waiting',
    source: 'caution',
  },
  {
    status: 408,
    condition: 'not from WNS',
    kind: 'ambiguous',
    meaning: 'a proxy may have answered',
    source: 'caution',
  },
  {
    status: 409,
    condition: 'from WNS',
    kind: 'server-error',
    meaning: 'not documented; a temporary conflict',
    source: 'caution',
  },
  {
    status: 409,
    condition: 'not from WNS',
    kind: 'ambiguous',
    meaning: 'a proxy may have answered',
    source: 'caution',
  },
  {
    status: 410,
    condition: 'from WNS, blocked',
    kind: 'blocked',
    meaning: 'the sender is blocked for abuse; the channel is valid and nothing is removed',
    source: 'headers',
  },
  {
    status: 410,
    condition: 'from WNS',
    kind: 'gone',
    meaning: 'the channel expired or was revoked',
    source: 'headers',
  },
  {
    status: 410,
    condition: 'not from WNS',
    kind: 'ambiguous',
    meaning: 'a proxy may have answered; no channel is removed for it',
    source: 'caution',
  },
  {
    status: 412,
    condition: 'always',
    kind: 'bad-request',
    meaning: 'known from the older phone service only',
    source: 'observed',
  },
  {
    status: 413,
    condition: 'always',
    kind: 'too-large',
    meaning: 'the payload exceeds 5,000 bytes',
    source: 'headers',
  },
  {
    status: 429,
    condition: 'always',
    kind: 'app-throttled',
    meaning: 'the app sends too fast or its quota is used up',
    source: 'observed',
  },
  {
    status: '4xx',
    condition: 'always',
    kind: 'unexpected',
    meaning: 'not documented for WNS; a repeat would not change it',
    source: 'caution',
  },
  {
    status: '5xx',
    condition: 'from WNS',
    kind: 'server-error',
    meaning: 'WNS failed or is temporarily unavailable',
    source: 'headers',
  },
  {
    status: '5xx',
    condition: 'not from WNS',
    kind: 'ambiguous',
    meaning: 'a proxy may have answered after WNS accepted the notification',
    source: 'caution',
  },
  { status: 'other', condition: 'always', kind: 'unexpected', meaning: 'not a final HTTP status', source: 'caution' },
] as const satisfies readonly AnswerRow[]
