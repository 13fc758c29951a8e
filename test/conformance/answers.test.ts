import type { Disposition, Outcome } from '@wns-fanout/domain'
import { code } from '@wns-fanout/domain'
import type { Attempt } from '@wns-fanout/fanout'
import { decide } from '@wns-fanout/fanout'
import { answerTable } from '@wns-fanout/wns'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { answerRows } from './answers.ts'
import type { Exchange } from './support/exchange.ts'
import { startExchange, toast } from './support/exchange.ts'
import { sources } from './support/sources.ts'
import { answerBytes } from './support/wire-server.ts'
import { requestRows } from './requests.ts'
import { tokenRows } from './tokens.ts'

const first: Attempt = {
  posts: 1,
  spent: 0,
  reauthorized: false,
  delivery: 'at-least-once',
  maxAttempts: 5,
  random: 0.5,
}

describe('an answer, what it comes to and what is done about it', () => {
  let exchange: Exchange
  beforeAll(async () => {
    exchange = await startExchange((peer) => peer.write(answerBytes(200)))
  })
  afterAll(() => exchange[Symbol.asyncDispose]())

  test.for(answerRows)('[$source] $name', async ({ status, headers, body, outcome, disposition, atMostOnce }) => {
    exchange.server.behave = (peer) => peer.write(answerBytes(status, headers, body))
    const found = await exchange.post(toast)
    expect(found).toEqual(outcome)
    expect(decide(found, first)).toEqual(disposition)
    expect(decide(found, { ...first, delivery: 'at-most-once' })).toEqual(atMostOnce ?? disposition)
    expect(exchange.server.violations).toEqual([])
  })
})

const trace = {}
function family(status: number): string {
  return `${Math.floor(status / 100)}xx`
}
const serverError: Outcome = { kind: 'server-error', status: 500, trace }
const throttledChannel: Outcome = { kind: 'channel-throttled', status: 200, trace }

describe('an answer to a later post', () => {
  test.for<[string, Outcome, Partial<Attempt>, Disposition]>([
    [
      '[OVW] a second 401, after a good token was tried, rejects the recipient',
      { kind: 'unauthorized', status: 401, trace },
      { posts: 2, reauthorized: true },
      { kind: 'settle', code: code.rejectedUnauthorized },
    ],
    [
      '[HDR] the last 500 is a failure',
      serverError,
      { posts: 5, spent: 4 },
      { kind: 'settle', code: code.failedServerError },
    ],
    [
      '[HDR] the fourth 500 waits eight times as long as the first',
      serverError,
      { posts: 4, spent: 3 },
      { kind: 'retry', delayMs: 6000, spent: 4, reason: 'server-error' },
    ],
    [
      '[HDR] 406 costs no attempt, however often it comes',
      { kind: 'app-throttled', status: 406, trace },
      { posts: 40, spent: 4 },
      { kind: 'retry', delayMs: 1000, spent: 4, reason: 'app-throttled' },
    ],
    [
      '[HDR] a channel is throttled three times for nothing',
      throttledChannel,
      { posts: 3 },
      { kind: 'retry', delayMs: 600_000, spent: 0, reason: 'channel-throttled' },
    ],
    [
      '[HDR] the fourth time costs an attempt',
      throttledChannel,
      { posts: 4 },
      { kind: 'retry', delayMs: 600_000, spent: 1, reason: 'channel-throttled' },
    ],
    [
      '[HDR] a channel that is throttled to the end failed',
      throttledChannel,
      { posts: 8, spent: 4 },
      { kind: 'settle', code: code.failedChannelThrottled },
    ],
    [
      '[caution] a last post without an answer failed, at-least-once',
      { kind: 'ambiguous', code: 'timeout' },
      { posts: 5, spent: 4 },
      { kind: 'settle', code: code.failedNoAnswer },
    ],
    [
      '[O-NET] a region that cannot be reached is tried again, even at-most-once',
      { kind: 'not-sent', code: 'refused' },
      { delivery: 'at-most-once' },
      { kind: 'retry', delayMs: 750, spent: 1, reason: 'not-sent' },
    ],
    [
      '[O-NET] a region that cannot be reached at all fails',
      { kind: 'not-sent', code: 'name-not-found' },
      { spent: 4 },
      { kind: 'settle', code: code.failedNotSent },
    ],
  ])('%s', ([, outcome, attempt, disposition]) => {
    expect(decide(outcome, { ...first, ...attempt })).toEqual(disposition)
  })
})

describe('the tables of exchanges', () => {
  test('cover every row of the table of answers', () => {
    const named = new Set<number | string>(answerTable.map(({ status }) => status))
    const missing = answerTable
      .filter(({ status }) => status !== 'other')
      .filter(({ status, kind }) => {
        return !answerRows.some(
          (row) =>
            row.outcome.kind === kind &&
            (row.status === status || (!named.has(row.status) && family(row.status) === status)),
        )
      })
    expect(missing).toEqual([])
  })

  test('have at least 120 rows, each under its own name', () => {
    const names = [...requestRows, ...answerRows, ...tokenRows].map(({ name }) => name)
    expect(names.length).toBeGreaterThanOrEqual(120)
    expect(new Set(names).size).toBe(names.length)
  })

  test('name every source they could, and no other', () => {
    const used = new Set<string>([...requestRows, ...answerRows, ...tokenRows].map(({ source }) => source))
    const unused = Object.keys(sources).filter((key) => !used.has(key))
    // The transport and the whole scenarios have tests of their own.
    expect(unused).toEqual(['FW', 'MIG', 'O-NET'])
  })
})
