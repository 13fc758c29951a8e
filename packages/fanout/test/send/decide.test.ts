import { fc, test as property } from '@fast-check/vitest'
import type { Disposition, Outcome } from '@wns-fanout/domain'
import { classOf, code } from '@wns-fanout/domain'
import type { Attempt } from '@wns-fanout/fanout'
import { backoffMs, decide } from '@wns-fanout/fanout'
import { describe, expect, test } from 'vitest'

const trace = {}
const first: Attempt = {
  posts: 1,
  spent: 0,
  reauthorized: false,
  delivery: 'at-least-once',
  maxAttempts: 5,
  random: 0,
}
function settle(settled: number): Disposition {
  return { kind: 'settle', code: settled }
}

const rows: readonly [string, Outcome, Partial<Attempt>, Disposition][] = [
  ['200 received is accepted', { kind: 'accepted', status: 200, trace }, {}, settle(code.accepted)],
  ['200 dropped is dropped, not tried again', { kind: 'dropped', status: 200, trace }, {}, settle(code.dropped)],
  ['404 buries the URI', { kind: 'gone', status: 404, trace }, {}, { kind: 'bury', code: code.deadUnknown }],
  ['410 buries the URI', { kind: 'gone', status: 410, trace }, {}, { kind: 'bury', code: code.deadExpired }],
  ['a blocked sender buries nothing', { kind: 'blocked', status: 410, trace }, {}, settle(code.rejectedBlocked)],
  ['400 is our fault, for good', { kind: 'bad-request', status: 400, trace }, {}, settle(code.rejectedBadRequest)],
  ['405 is unexpected', { kind: 'bad-request', status: 405, trace }, {}, settle(code.rejectedUnexpected)],
  ['403 keeps the channel', { kind: 'forbidden', status: 403, trace }, {}, settle(code.rejectedForbidden)],
  ['413 is too large', { kind: 'too-large', status: 413, trace }, {}, settle(code.rejectedTooLarge)],
  ['a redirect is not followed', { kind: 'unexpected', status: 302, trace }, {}, settle(code.rejectedUnexpected)],
  ['a first 401 asks for a fresh token', { kind: 'unauthorized', status: 401, trace }, {}, { kind: 'reauthorize' }],
  [
    'a second 401 rejects the recipient',
    { kind: 'unauthorized', status: 401, trace },
    { reauthorized: true, posts: 2, spent: 1 },
    { kind: 'settle', code: code.rejectedUnauthorized },
  ],
  [
    '406 costs no attempt, however often',
    { kind: 'app-throttled', status: 406, retryAfterMs: 30_000, trace },
    { posts: 7, spent: 4 },
    { kind: 'retry', delayMs: 30_000, spent: 4, reason: 'app-throttled' },
  ],
  [
    '429 without Retry-After waits a second',
    { kind: 'app-throttled', status: 429, trace },
    {},
    { kind: 'retry', delayMs: 1000, spent: 0, reason: 'app-throttled' },
  ],
  [
    'a throttled channel rests for its Retry-After',
    { kind: 'channel-throttled', status: 200, retryAfterMs: 2000, trace },
    { posts: 3 },
    { kind: 'retry', delayMs: 2000, spent: 0, reason: 'channel-throttled' },
  ],
  [
    'a throttled channel without a Retry-After rests ten minutes',
    { kind: 'channel-throttled', status: 200, trace },
    {},
    { kind: 'retry', delayMs: 600_000, spent: 0, reason: 'channel-throttled' },
  ],
  [
    'from the fourth time on a throttled channel costs an attempt',
    { kind: 'channel-throttled', status: 200, retryAfterMs: 2000, trace },
    { posts: 4 },
    { kind: 'retry', delayMs: 2000, spent: 1, reason: 'channel-throttled' },
  ],
  [
    'a throttled channel that used up its attempts failed',
    { kind: 'channel-throttled', status: 200, trace },
    { posts: 7, spent: 4 },
    settle(code.failedChannelThrottled),
  ],
  [
    '500 is tried again after a second, half of it jitter',
    { kind: 'server-error', status: 500, trace },
    {},
    { kind: 'retry', delayMs: 500, spent: 1, reason: 'server-error' },
  ],
  [
    '503 waits for its Retry-After',
    { kind: 'server-error', status: 503, retryAfterMs: 9000, trace },
    {},
    { kind: 'retry', delayMs: 9000, spent: 1, reason: 'server-error' },
  ],
  [
    '500 on the last attempt failed',
    { kind: 'server-error', status: 500, trace },
    { spent: 4 },
    settle(code.failedServerError),
  ],
  [
    'what was not sent is tried again, also at-most-once',
    { kind: 'not-sent', code: 'refused' },
    { delivery: 'at-most-once', random: 0.5 },
    { kind: 'retry', delayMs: 750, spent: 1, reason: 'not-sent' },
  ],
  [
    'what could never be sent failed',
    { kind: 'not-sent', code: 'refused' },
    { maxAttempts: 1 },
    settle(code.failedNotSent),
  ],
  [
    'no answer is tried again at-least-once',
    { kind: 'ambiguous', code: 'timeout' },
    {},
    { kind: 'retry', delayMs: 500, spent: 1, reason: 'ambiguous' },
  ],
  [
    'no answer at-most-once is in doubt',
    { kind: 'ambiguous', code: 'timeout' },
    { delivery: 'at-most-once' },
    settle(code.inDoubt),
  ],
  [
    'no answer to the last attempt failed',
    { kind: 'ambiguous', code: 'reset' },
    { spent: 4 },
    settle(code.failedNoAnswer),
  ],
]

test.for(rows)('%s', ([, outcome, attempt, disposition]) => {
  expect(decide(outcome, { ...first, ...attempt })).toEqual(disposition)
})

describe('whatever WNS answers', () => {
  const outcome = fc.oneof(
    ...rows.map(([, known]) => fc.constant(known)),
    fc.record({
      kind: fc.constant('app-throttled' as const),
      status: fc.constant(406 as const),
      trace: fc.constant({}),
    }),
  )
  const attempt = fc.record({
    posts: fc.integer({ min: 1, max: 7 }),
    spent: fc.integer({ min: 0, max: 5 }),
    reauthorized: fc.boolean(),
    delivery: fc.constantFrom('at-least-once' as const, 'at-most-once' as const),
    maxAttempts: fc.integer({ min: 1, max: 6 }),
    random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  })

  property.prop([outcome, attempt])('attempts are never exceeded and delays stay within bounds', (given, then) => {
    const disposition = decide(given, then)
    if (disposition.kind === 'settle') expect(classOf(disposition.code)).not.toBe('pending')
    if (disposition.kind !== 'retry') return
    expect(disposition.spent).toBeGreaterThanOrEqual(then.spent)
    if (disposition.spent > then.spent) expect(disposition.spent).toBeLessThan(then.maxAttempts)
    expect(disposition.delayMs).toBeGreaterThanOrEqual(500)
    expect(disposition.delayMs).toBeLessThanOrEqual(900_000)
  })

  property.prop([attempt, fc.constantFrom('timeout', 'reset', 'protocol')])(
    'an uncertain post is never repeated at-most-once',
    (then, cause) => {
      const disposition = decide({ kind: 'ambiguous', code: cause }, { ...then, delivery: 'at-most-once' })
      expect(disposition).toEqual(settle(code.inDoubt))
    },
  )

  property.prop([fc.integer({ min: 1, max: 1000 }), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })])(
    'the backoff is between half a second and a minute',
    (retry, random) => {
      const delayMs = backoffMs(retry, random)
      expect(delayMs).toBeGreaterThanOrEqual(500)
      expect(delayMs).toBeLessThanOrEqual(60_000)
    },
  )
})
