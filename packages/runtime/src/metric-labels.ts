import { haltCauses } from '@wns-fanout/domain'

// Values from outside and texts with ids would make series without limit. These functions map them to a closed set.

/** The internal operations that `operation_errors_total` distinguishes. */
export const operations: readonly string[] = [
  'audit',
  'breaker',
  'campaign',
  'checkpoint',
  'events',
  'merge of outcomes',
  'permits',
  'queue',
  'read a client secret',
  'reconciliation',
  'register of workers',
  'replay of a checkpoint',
  'schedules',
  'watch',
  'webhooks',
  'worker',
]

const endReasons: ReadonlySet<string> = new Set([
  ...haltCauses,
  'cancelled',
  'damaged',
  'expired',
  'guard',
  'ledger-damaged',
  'superseded',
])

const statuses: ReadonlySet<number> = new Set([
  200, 400, 401, 403, 404, 405, 406, 407, 408, 410, 413, 429, 500, 502, 503, 504,
])

/** The operation of an error without the app, campaign or number in its text; the name of a queue is `queue`. */
export function operationLabel(operation: string): string {
  if (operations.includes(operation)) return operation
  const [, kind = ''] = /^(\w+) (?:of )?/.exec(operation) ?? []
  return operations.includes(kind) ? kind : 'queue'
}

/** Why a campaign ended: `none` without a reason, `other` for one that is unknown here. */
export function endReasonLabel(reason: string | undefined): string {
  if (reason === undefined || reason === '') return 'none'
  return endReasons.has(reason) ? reason : 'other'
}

/** The HTTP status of an answer: itself where WNS documents it or a proxy sends it, else its class, such as `4xx`. */
export function statusLabel(status: number | 'none'): string {
  if (status === 'none' || statuses.has(status)) return String(status)
  return status >= 100 && status < 600 ? `${Math.floor(status / 100)}xx` : 'other'
}
