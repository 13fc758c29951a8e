import { randomBytes } from 'node:crypto'
import type { AppId, Outcome } from '@wns-fanout/domain'
import type { Breaker, RedisConnection } from '@wns-fanout/state'
import { AppStore, Keyring, Keys, closeRedis, connectRedis } from '@wns-fanout/state'
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest'
import { AppBreaker } from '../../src/send/app-breaker.ts'

const app = 'news' as AppId
let redis: RedisConnection
let apps: AppStore

beforeAll(async () => {
  redis = connectRedis(inject('redisUrl'), { role: 'worker' })
  const keyring = Keyring.parse(`one ${randomBytes(32).toString('base64')}`)
  apps = new AppStore(redis, new Keys(`g${randomBytes(6).toString('hex')}:`), keyring)
  await apps.put(app, { credentials: { kind: 'entra', tenantId: 't', clientId: 'c', clientSecret: 's' } })
})
afterAll(async () => {
  await closeRedis(redis)
})

const trace = {}
const accepted: Outcome = { kind: 'accepted', status: 200, trace }
const unauthorized: Outcome = { kind: 'unauthorized', status: 401, trace }
const forbidden: Outcome = { kind: 'forbidden', status: 403, trace }
const blocked: Outcome = { kind: 'blocked', status: 410, trace }
const takes: readonly Outcome[] = [
  accepted,
  { kind: 'dropped', status: 200, trace },
  { kind: 'channel-throttled', status: 200, trace },
  { kind: 'gone', status: 410, trace },
  { kind: 'bad-request', status: 400, trace },
  { kind: 'app-throttled', status: 406, trace },
  { kind: 'server-error', status: 500, trace },
  { kind: 'server-error', status: 503, trace },
]
const showsNothing: readonly Outcome[] = [
  { kind: 'not-sent', code: 'ECONNREFUSED' },
  { kind: 'ambiguous', code: 'reset' },
]

/** A breaker that is closed again at the end of the test. */
function breakerOfApp(): AppBreaker {
  const breaker = new AppBreaker(app, apps, (error) => {
    throw error
  })
  onTestFinished(async () => {
    await apps.clearBreaker(app)
  })
  return breaker
}
async function stored(): Promise<Breaker | undefined> {
  return (await apps.get(app))?.breaker
}

/** Count `count` answers; true when one of them opened the breaker. */
function record(breaker: AppBreaker, outcome: Outcome, count: number): boolean {
  let isOpened = false
  for (let at = 0; at < count; at += 1) isOpened = breaker.record(outcome, 'token', at) === 'open' || isOpened
  return isOpened
}
/** Make `token` the newest one that the app may have for a minute. */
function asNewest(breaker: AppBreaker): AppBreaker {
  breaker.tokens.newest('token', performance.now() + 60_000)
  return breaker
}

test.each([
  { name: '401', openedBy: unauthorized, closing: [...takes, forbidden, blocked], refusing: [unauthorized] },
  { name: '403', openedBy: forbidden, closing: takes, refusing: [unauthorized, forbidden, blocked] },
])(
  'a breaker that $name opened closes at an answer that does not refuse the app',
  async ({ openedBy, closing, refusing }) => {
    const breaker = breakerOfApp()
    expect(record(asNewest(breaker), openedBy, 60)).toBe(true)
    await expect.poll(stored).toBeDefined()
    for (const outcome of refusing) expect([outcome, breaker.probed(outcome)]).toEqual([outcome, 'refused'])
    for (const outcome of showsNothing) expect([outcome, breaker.probed(outcome)]).toEqual([outcome, 'unclear'])
    expect(breaker.isOpen).toBe(true)
    for (const outcome of closing) {
      expect([outcome, breaker.probed(outcome)]).toEqual([outcome, 'closed'])
      expect(breaker.isOpen).toBe(false)
      await expect.poll(stored).toBeUndefined()
      record(breaker, openedBy, 60)
      await expect.poll(stored).toBeDefined()
    }
    // Another process takes over the kind of the breaker from the app's record.
    const other = breakerOfApp()
    other.follow(await stored())
    expect(other.openFor).toBe(breaker.openFor)
    expect(other.probed(forbidden)).toBe(closing.length > takes.length ? 'closed' : 'refused')
    other.follow(undefined)
    expect(other.probed(unauthorized)).toBe('closed')
  },
)

test.each([
  { name: '401 to the newest token', outcome: unauthorized, kind: 'token', reason: '401' },
  { name: '403', outcome: forbidden, kind: 'answers', reason: '403' },
  { name: 'blocked', outcome: blocked, kind: 'answers', reason: '410' },
])(
  'the fiftieth answer of $name in a row opens the breaker, no earlier one does',
  async ({ outcome, kind, reason }) => {
    const breaker = asNewest(breakerOfApp())
    expect(record(breaker, outcome, 49)).toBe(false)
    expect(breaker.isOpen).toBe(false)
    expect(record(breaker, outcome, 1)).toBe(true)
    await expect.poll(stored).toMatchObject({ kind, reason: expect.stringContaining(reason) })
  },
)

test('a few channels that answer 401 among many that accept never open the breaker', () => {
  const breaker = asNewest(breakerOfApp())
  for (let round = 0; round < 100; round += 1) {
    expect(record(breaker, unauthorized, 4)).toBe(false)
    expect(record(breaker, accepted, 6)).toBe(false)
  }
})

test('a 401 to a token that may be renewed is no answer about the app, however many there are', () => {
  const breaker = breakerOfApp()
  expect(breaker.record(unauthorized, 'token', 1)).toBeUndefined()
  for (let at = 0; at < 300; at += 1) expect(breaker.record(unauthorized, 'token', at)).toBe('renew')
  expect(breaker.isOpen).toBe(false)
})

test('a token that WNS takes for another recipient is not renewed', () => {
  const breaker = breakerOfApp()
  expect(breaker.record(unauthorized, 'token', 1)).toBeUndefined()
  expect(breaker.record(forbidden, 'token', performance.now() + 1)).toBeUndefined()
  expect(breaker.record(unauthorized, 'token', 2)).toBeUndefined()
})

test('an answer that WNS may give before it looks at the token proves nothing about it', () => {
  const breaker = breakerOfApp()
  breaker.record({ kind: 'server-error', status: 500, trace }, 'token', 1)
  breaker.record({ kind: 'not-sent', code: 'ECONNREFUSED' }, 'token', 1)
  expect(breaker.tokens.isProven('token', 0)).toBe(false)
  breaker.record(accepted, 'token', 1)
  expect(breaker.tokens.isProven('token', 0)).toBe(true)
})

test('one worker in a minute may probe', async () => {
  const breakers = [breakerOfApp(), breakerOfApp()]
  const allowed = await Promise.all(breakers.map((breaker) => breaker.mayProbe()))
  expect(allowed.filter(Boolean)).toHaveLength(1)
})
