/**
 * The outcome vector of a batch: one byte for each recipient, in the order of the ordinals.
 * The low five bits are a code of the closed, append-only table below; the high three bits count the posts written
 * for the recipient, where 7 means seven or more. The numbers are stored, so a code never changes its meaning.
 */
export const classes = [
  'accepted',
  'dropped',
  'dead',
  'rejected',
  'failed',
  'suppressed',
  'gated',
  'unregistered',
  'cancelled',
  'lapsed',
  'in_doubt',
  'pending',
] as const

/** The result of a recipient, in the words of totals, results and metrics. */
export type RecipientClass = (typeof classes)[number]

interface CodeMeaning {
  readonly class: RecipientClass
  /** The reason, in one stable word; empty where the class needs none. */
  readonly reason: string
  /** The HTTP status that led to it, where exactly one does. */
  readonly status?: number
}

/** Index = code. Append only. */
export const codeTable = [
  { class: 'pending', reason: '' },
  { class: 'pending', reason: 'sending' }, // credited: a post may be under way
  { class: 'pending', reason: 'retry' }, // 2 to 6: one to five attempts spent
  { class: 'pending', reason: 'retry' },
  { class: 'pending', reason: 'retry' },
  { class: 'pending', reason: 'retry' },
  { class: 'pending', reason: 'retry' },
  { class: 'accepted', reason: '', status: 200 },
  { class: 'dropped', reason: '', status: 200 },
  { class: 'dead', reason: 'unknown', status: 404 },
  { class: 'dead', reason: 'expired', status: 410 },
  { class: 'rejected', reason: 'bad-request', status: 400 },
  { class: 'rejected', reason: 'forbidden', status: 403 },
  { class: 'rejected', reason: 'too-large', status: 413 },
  { class: 'rejected', reason: 'blocked', status: 410 },
  { class: 'rejected', reason: 'unexpected-answer' },
  { class: 'failed', reason: 'server-error' },
  { class: 'failed', reason: 'not-sent' },
  { class: 'failed', reason: 'no-answer' },
  { class: 'failed', reason: 'channel-throttled', status: 200 },
  { class: 'failed', reason: 'poison' },
  { class: 'suppressed', reason: 'guard-interval' },
  { class: 'suppressed', reason: 'opt-out' },
  { class: 'gated', reason: 'raw-gate' },
  { class: 'unregistered', reason: '' },
  { class: 'cancelled', reason: '' },
  { class: 'lapsed', reason: '' },
  { class: 'in_doubt', reason: '' },
  // The URI changed while a dead one was posted to: one more try with the new one.
  { class: 'pending', reason: 'rotated' },
  { class: 'failed', reason: 'rotated' }, // the new one was dead too, and had changed again
  { class: 'rejected', reason: 'invalid-content' }, // never posted: a variable made the notification invalid
  { class: 'rejected', reason: 'unauthorized', status: 401 }, // a second 401, while WNS takes the token for others
] as const satisfies readonly CodeMeaning[]

export const code = {
  pending: 0,
  credited: 1,
  retry1: 2,
  retry5: 6,
  accepted: 7,
  dropped: 8,
  deadUnknown: 9,
  deadExpired: 10,
  rejectedBadRequest: 11,
  rejectedForbidden: 12,
  rejectedTooLarge: 13,
  rejectedBlocked: 14,
  rejectedUnexpected: 15,
  failedServerError: 16,
  failedNotSent: 17,
  failedNoAnswer: 18,
  failedChannelThrottled: 19,
  failedPoison: 20,
  suppressedGuard: 21,
  suppressedOptOut: 22,
  gated: 23,
  unregistered: 24,
  cancelled: 25,
  lapsed: 26,
  inDoubt: 27,
  rotated: 28,
  failedRotated: 29,
  rejectedInvalidContent: 30,
  rejectedUnauthorized: 31,
} as const

export type Code = number

/** Posts a byte can count; more stay at this number. */
export const MAX_COUNTED_POSTS = 7

export function codeOf(byte: number): Code {
  return byte & 31
}
export function postsOf(byte: number): number {
  return byte >> 5
}
export function byteOf(value: Code, posts: number): number {
  return (Math.min(posts, MAX_COUNTED_POSTS) << 5) | value
}
export function meaningOf(value: Code): CodeMeaning {
  const meaning = codeTable[value]
  if (meaning === undefined)
    throw new RangeError(`no outcome has the code ${value}; known are 0 to ${codeTable.length - 1}`)
  return meaning
}
export function classOf(value: Code): RecipientClass {
  return meaningOf(value).class
}
/** Is the class of a recipient with this code final? */
export function isSettled(value: Code): boolean {
  return classOf(value) !== 'pending'
}
/** Attempts spent by a pending code: 0 for `pending`, 1 to 5 for the retries, 1 for a rotated URI. */
export function attemptsSpent(value: Code): number {
  return value >= code.retry1 && value <= code.retry5 ? value - code.retry1 + 1 : value === code.rotated ? 1 : 0
}
/** The pending code of a recipient with 0 to 5 attempts spent. */
export function pendingCode(spent: number): Code {
  return spent === 0 ? code.pending : code.retry1 + Math.min(spent, 5) - 1
}

/**
 * The reason of a recipient whose channel was not removed although WNS answered 404 or 410, because the campaign halts
 * before it removes too many. It is no code: such a recipient is pending, or cancelled, or has lapsed.
 */
export const NOT_REMOVED = 'not-removed'

/** Every reason that a result can have. */
export const resultReasons: readonly string[] = [
  ...new Set([...codeTable.map(({ reason }) => reason).filter((reason) => reason !== ''), NOT_REMOVED]),
]

/** How many recipients are in each class; the numbers sum to the size of the audience. */
export type Totals = Record<RecipientClass, number>
export function emptyTotals(): Totals {
  return Object.fromEntries(classes.map((name) => [name, 0])) as Totals
}
