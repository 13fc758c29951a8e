import type { Notification, Outcome, RecipientClass } from '@wns-fanout/domain'
import { codeTable, lintNotification, notificationTypes, prepareMessage } from '@wns-fanout/domain'
import { decide } from '@wns-fanout/fanout'
import { postHeaders, requestToken } from '@wns-fanout/wns'
import type { FaultsDocument } from '@wns-fanout/wns-simulator'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bodyOf, postBytes, toast } from './support/exchange.ts'
import type { Simulated } from './support/simulator.ts'
import { credentials, startSimulated } from './support/simulator.ts'

// Sender and simulator were written from the same documents and share no code; here they have to agree.

const origin = 'https://db5.notify.windows.com'
let simulated: Simulated
let token: string
let posted = 0

beforeAll(async () => {
  simulated = await startSimulated({ lanes: 4, deadlineMs: 1000 })
  const answer = await requestToken(credentials, simulated.transport)
  if (!answer.ok) throw new Error(answer.explanation)
  token = answer.token.reveal()
})
afterAll(() => simulated[Symbol.asyncDispose]())

function post(notification: Notification, behavior: string, ttlSeconds = 60, owner = 'any'): Promise<Outcome> {
  const message = prepareMessage(notification)
  const headers = postHeaders(message, { token, ttlSeconds })
  posted += 1
  return postBytes(simulated.pool, origin, `/?token=${behavior}.${owner}.${posted}`, headers, bodyOf(message))
}

function classOf(outcome: Outcome, spent: number): RecipientClass | 'reauthorize' {
  const attempt = {
    posts: spent + 1,
    spent,
    reauthorized: false,
    delivery: 'at-most-once',
    maxAttempts: 5,
    random: 0,
  } as const
  const disposition = decide(outcome, attempt)
  if (disposition.kind === 'reauthorize') return 'reauthorize'
  return 'code' in disposition ? (codeTable[disposition.code]?.class ?? 'pending') : 'pending'
}

interface Row {
  readonly behavior: string
  readonly faults?: FaultsDocument
  readonly owner?: string
  readonly outcome: Partial<Outcome>
  /** Class after the first post, and after the last one. */
  readonly first: RecipientClass | 'reauthorize'
  readonly last?: RecipientClass
}

const rows: readonly Row[] = [
  { behavior: 'ok', outcome: { kind: 'accepted' }, first: 'accepted' },
  { behavior: 'slow-20', outcome: { kind: 'accepted' }, first: 'accepted' },
  { behavior: 'drip-48', outcome: { kind: 'accepted' }, first: 'accepted' },
  { behavior: 'flaky-0', outcome: { kind: 'accepted' }, first: 'accepted' },
  { behavior: 'flaky-100', outcome: { kind: 'server-error', status: 500 }, first: 'pending', last: 'failed' },
  { behavior: 'dropped', outcome: { kind: 'dropped' }, first: 'dropped' },
  { behavior: 'offline', outcome: { kind: 'dropped' }, first: 'dropped' },
  { behavior: 'sleeping', outcome: { kind: 'accepted' }, first: 'accepted' },
  { behavior: 'gone', outcome: { kind: 'gone', status: 410 }, first: 'dead' },
  { behavior: 'revoked', outcome: { kind: 'gone', status: 410 }, first: 'dead' },
  { behavior: 'blocked', outcome: { kind: 'blocked', status: 410 }, first: 'rejected' },
  { behavior: 'unknown', outcome: { kind: 'gone', status: 404 }, first: 'dead' },
  { behavior: 'throttled', outcome: { kind: 'channel-throttled', retryAfterMs: 2000 }, first: 'pending' },
  { behavior: 'forbidden', outcome: { kind: 'forbidden' }, first: 'rejected' },
  { behavior: 'ok', owner: 'S-1-15-2-9', outcome: { kind: 'forbidden' }, first: 'rejected' },
  { behavior: 'badheader', outcome: { kind: 'bad-request', status: 400 }, first: 'rejected' },
  { behavior: 'error', outcome: { kind: 'server-error', status: 500 }, first: 'pending', last: 'failed' },
  {
    behavior: 'unavailable',
    outcome: { kind: 'server-error', status: 503, retryAfterMs: 1000 },
    first: 'pending',
    last: 'failed',
  },
  { behavior: 'reset', outcome: { kind: 'ambiguous' }, first: 'in_doubt' },
  { behavior: 'hangup', outcome: { kind: 'ambiguous', code: 'closed' }, first: 'in_doubt' },
  { behavior: 'cut', outcome: { kind: 'ambiguous' }, first: 'in_doubt' },
  { behavior: 'stall', outcome: { kind: 'ambiguous', code: 'timeout' }, first: 'in_doubt' },
  {
    behavior: 'ok',
    faults: { bare: true },
    outcome: { kind: 'accepted', trace: { msCv: expect.any(String) as string } },
    first: 'accepted',
  },
  {
    behavior: 'gone',
    faults: { bare: true },
    outcome: { kind: 'ambiguous', code: 'not-from-wns' },
    first: 'in_doubt',
  },
  {
    behavior: 'error',
    faults: { bare: true },
    outcome: { kind: 'ambiguous', code: 'not-from-wns' },
    first: 'in_doubt',
  },
  { behavior: 'forbidden', faults: { bare: true }, outcome: { kind: 'forbidden' }, first: 'rejected' },
  { behavior: 'ok', faults: { statusHeader: 'X-WNS-STATUS' }, outcome: { kind: 'accepted' }, first: 'accepted' },
  {
    behavior: 'dropped',
    faults: { statusHeader: 'X-WNS-NOTIFICATIONSTATUS' },
    outcome: { kind: 'dropped' },
    first: 'dropped',
  },
  {
    behavior: 'throttled',
    faults: { statusHeader: 'X-WNS-NOTIFICATIONSTATUS' },
    outcome: { kind: 'channel-throttled' },
    first: 'pending',
  },
  {
    behavior: 'throttled',
    faults: { continueAfter: 30 },
    outcome: { kind: 'channel-throttled', retryAfterMs: 30_000 },
    first: 'pending',
  },
  {
    behavior: 'ok',
    faults: { rateCap: { perSecond: 0, retryAfter: 900 } },
    outcome: { kind: 'app-throttled', status: 406, retryAfterMs: 900_000 },
    first: 'pending',
    last: 'pending',
  },
  {
    behavior: 'ok',
    faults: { rateCap: { perSecond: 0, status: 429, retryAfter: 'date' } },
    outcome: { kind: 'app-throttled', status: 429 },
    first: 'pending',
    last: 'pending',
  },
  {
    behavior: 'ok',
    faults: { rateCap: { perSecond: 0 }, continueAfter: 5 },
    outcome: { kind: 'app-throttled', retryAfterMs: 5000 },
    first: 'pending',
  },
  { behavior: 'ok', faults: { always: 401 }, outcome: { kind: 'unauthorized' }, first: 'reauthorize' },
  {
    behavior: 'ok',
    faults: { always: 401, emptyChallenge: true },
    outcome: { kind: 'unauthorized' },
    first: 'reauthorize',
  },
  { behavior: 'ok', faults: { always: 405 }, outcome: { kind: 'bad-request', status: 405 }, first: 'rejected' },
  { behavior: 'ok', faults: { always: 302 }, outcome: { kind: 'bad-request', status: 302 }, first: 'rejected' },
  { behavior: 'ok', faults: { maxPayloadBytes: 10 }, outcome: { kind: 'too-large' }, first: 'rejected' },
  { behavior: 'ok', faults: { unmapped: true }, outcome: { kind: 'forbidden' }, first: 'rejected' },
]

describe('the sender reads the simulator as it is meant', () => {
  test.for(rows.map((row) => ({ ...row, named: JSON.stringify(row.faults ?? {}), of: row.owner ?? 'any' })))(
    '$behavior of $of under $named',
    async ({ behavior, faults = {}, of, outcome, first, last }) => {
      await simulated.faults(faults)
      const found = await post(toast, behavior, 60, of)
      await simulated.faults({})
      expect(found).toMatchObject(outcome)
      expect(classOf(found, 0)).toBe(first)
      if (last !== undefined) expect(classOf(found, 4)).toBe(last)
    },
  )

  test.for([
    ['unsupported', 'legacy-flow-refused'],
    ['client', 'unknown-app'],
    ['secret', 'bad-secret'],
    ['expired-secret', 'bad-secret'],
    ['scope', 'bad-scope'],
  ] as const)('a package SID that is refused for its %s is refused for good', async ([refusal, code]) => {
    await simulated.faults({ token: { mode: 'refuse', refusal } })
    expect(await requestToken(credentials, simulated.transport)).toMatchObject({ ok: false, permanent: true, code })
    await simulated.faults({})
  })

  test.for([
    ['unsupported', 'wrong-tenant-kind'],
    ['client', 'unknown-app'],
    ['secret', 'bad-secret'],
    ['expired-secret', 'expired-secret'],
    ['scope', 'bad-scope'],
  ] as const)('an Entra application that is refused for its %s is refused for good', async ([refusal, code]) => {
    await simulated.faults({ token: { mode: 'refuse', refusal } })
    const entra = { kind: 'entra', tenantId: 'contoso.example', clientId: 'id', clientSecret: 'secret' } as const
    expect(await requestToken(entra, simulated.transport)).toMatchObject({ ok: false, permanent: true, code })
    await simulated.faults({})
  })
})

const label = fc.stringMatching(/^[A-Za-z0-9]{1,16}$/)
function maybe<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(arbitrary, { nil: undefined })
}
const words = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1200 })

function notificationOf(options: object): Notification {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as unknown as Notification
}

/** Notifications as callers could write them, mostly without faults. */
const notification = fc
  .record({
    type: fc.constantFrom(...notificationTypes),
    text: words,
    wnsTag: maybe(label),
    wnsGroup: maybe(label),
    cachePolicy: maybe(fc.constantFrom('cache', 'no-cache')),
    wnsPriority: maybe(fc.integer({ min: 1, max: 4 })),
    suppressPopup: maybe(fc.boolean()),
    collectionId: maybe(fc.stringMatching(/^[A-Za-z0-9._~-]{1,64}$/)),
    requestForStatus: maybe(fc.boolean()),
  })
  .map(({ type, text, wnsTag, wnsGroup, suppressPopup, collectionId, ...rest }): Notification => {
    switch (type) {
      case 'toast':
        return notificationOf({
          type,
          content: { title: text },
          wnsTag,
          wnsGroup,
          suppressPopup,
          collectionId,
          ...rest,
        })
      case 'tile':
        return notificationOf({ type, content: { medium: { lines: [{ text }] } }, wnsTag, ...rest })
      case 'badge':
        return notificationOf({ type, value: text.length, ...rest })
      case 'raw':
        return notificationOf({ type, text, ...rest })
      default:
        return type satisfies never
    }
  })
  .filter((found) => lintNotification(found, { credentialsKind: 'store' }).length === 0)

describe('whatever passes our lint', () => {
  test('is accepted by the checks of the simulator', async () => {
    const isAccepted = fc.asyncProperty(
      notification,
      fc.integer({ min: 1, max: 604_800 }),
      async (given, ttlSeconds) => {
        expect(await post(given, 'ok', ttlSeconds)).toMatchObject({ kind: 'accepted' })
      },
    )
    await fc.assert(isAccepted, { numRuns: 300, seed: 1 })
  })

  test('made no mistake that the simulator counts', async () => {
    expect(await simulated.stats()).toMatchObject({
      badHeader: 0,
      pipelined: 0,
      chunked: 0,
      wrongLength: 0,
      badRequest: 0,
    })
  })
})
