import type { Outcome } from '@wns-fanout/domain'
import type { AnswerCondition, AnswerRow } from './answer-table.ts'
import { answerTable } from './answer-table.ts'
import type { AnswerHeaders, ReadAnswer } from './answer.ts'
import { readAnswer, retryAfterOf } from './answer.ts'

/**
 * The outcome of a complete answer to one post. Pure and total: any status with any headers has an outcome. `nowMs` is
 * the wall clock, for a Retry-After that is a date.
 */
export function classify(status: number, headers: AnswerHeaders, nowMs: number): Outcome {
  const answer = readAnswer(headers)
  const row = rowFor(status, answer)
  return outcomeOf(row.kind, status, answer, nowMs)
}

const rowsByStatus = Map.groupBy<AnswerRow['status'], AnswerRow>(answerTable, (row) => row.status)

function rowFor(status: number, answer: ReadAnswer): AnswerRow {
  const rows = rowsByStatus.get(status) ?? rowsByStatus.get(familyOf(status)) ?? []
  for (const row of rows) if (holds(row.condition, answer)) return row
  return otherRow
}

const otherRow: AnswerRow = answerTable.at(-1)!

function familyOf(status: number): AnswerRow['status'] {
  switch (Math.floor(status / 100)) {
    case 2:
      return '2xx'
    case 3:
      return '3xx'
    case 4:
      return '4xx'
    case 5:
      return '5xx'
    default:
      return 'other'
  }
}

function holds(condition: AnswerCondition, answer: ReadAnswer): boolean {
  switch (condition) {
    case 'always':
      return true
    case 'status received':
      // PushSharp and rpush treat a missing status as a failure and so lose accepted notifications.
      return answer.wnsStatus === 'received' || answer.wnsStatus === ''
    case 'status dropped':
      return answer.wnsStatus === 'dropped'
    case 'status throttled':
      return answer.wnsStatus === 'channelthrottled'
    case 'from WNS':
      return answer.fromWns
    case 'from WNS, blocked':
      // Only this text distinguishes a blocked sender from an expired channel. A wrong match keeps channels; a missed
      // one would remove the whole audience.
      return answer.fromWns && /block/i.test(answer.description)
    case 'not from WNS':
      return !answer.fromWns
    default:
      return condition satisfies never
  }
}

function outcomeOf(kind: AnswerRow['kind'], status: number, answer: ReadAnswer, nowMs: number): Outcome {
  const { trace, device } = answer
  switch (kind) {
    case 'accepted':
    case 'dropped':
      return device === undefined ? { kind, status: 200, trace } : { kind, status: 200, device, trace }
    case 'channel-throttled':
      return { kind, status: 200, ...waitOf(answer, nowMs), trace }
    case 'gone':
      return { kind, status: status === 404 ? 404 : 410, trace }
    case 'blocked':
      return { kind, status: 410, trace }
    case 'forbidden':
      return { kind, status: 403, trace }
    case 'too-large':
      return { kind, status: 413, trace }
    case 'unauthorized':
      return { kind, status: 401, trace }
    case 'app-throttled':
      return { kind, status: status === 406 ? 406 : 429, ...waitOf(answer, nowMs), trace }
    case 'server-error':
      return { kind, status, ...waitOf(answer, nowMs), trace }
    case 'bad-request':
    case 'unexpected':
      return { kind, status, trace }
    case 'ambiguous':
      return { kind, code: 'not-from-wns', status, trace }
    case 'not-sent':
      throw new RangeError('a complete answer means that something was sent; no row of the answer table may deny it')
    default:
      return kind satisfies never
  }
}

function waitOf(answer: ReadAnswer, nowMs: number): { retryAfterMs?: number } {
  const retryAfterMs = retryAfterOf(answer, nowMs)
  return retryAfterMs === undefined ? {} : { retryAfterMs }
}
