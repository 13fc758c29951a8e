import { randomBytes } from 'node:crypto'
import type { AppId, Outcome } from '@wns-fanout/domain'
import type { RedisConnection } from '@wns-fanout/state'
import { AppStore, Keyring, Keys, closeRedis, connectRedis } from '@wns-fanout/state'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
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
const takes: readonly Outcome[] = [
  { kind: 'accepted', status: 200, trace },
  { kind: 'dropped', status: 200, trace },
  { kind: 'channel-throttled', status: 200, trace },
  { kind: 'gone', status: 410, trace },
  { kind: 'bad-request', status: 400, trace },
  { kind: 'app-throttled', status: 406, trace },
  { kind: 'server-error', status: 500, trace },
  { kind: 'server-error', status: 503, trace },
]
const tellsNothing: readonly Outcome[] = [
  { kind: 'not-sent', code: 'ECONNREFUSED' },
  { kind: 'ambiguous', code: 'reset' },
  { kind: 'unauthorized', status: 401, trace },
]
const aboutTheChannel: readonly Outcome[] = [
  { kind: 'forbidden', status: 403, trace },
  { kind: 'blocked', status: 410, trace },
]

function rejectedToken(breaker: AppBreaker): void {
  void breaker.tokenRejected()
}
function refusedPosts(breaker: AppBreaker): void {
  for (let posts = 0; posts < 60; posts += 1) breaker.record({ kind: 'forbidden', status: 403, trace }, false)
}

test.each([
  { name: 'rejected tokens', open: rejectedToken, closing: [...takes, ...aboutTheChannel], others: tellsNothing },
  { name: 'refused posts', open: refusedPosts, closing: takes, others: [...aboutTheChannel, ...tellsNothing] },
])(
  'a breaker that $name opened closes at an answer that does not refuse the app',
  async ({ open, closing, others }) => {
    const errors: unknown[] = []
    const breaker = new AppBreaker(app, apps, (error) => errors.push(error))
    const stored = async () => (await apps.get(app))?.breaker
    open(breaker)
    await expect.poll(stored).toBeDefined()
    for (const outcome of others) expect([outcome, breaker.probed(outcome)]).toEqual([outcome, false])
    expect(breaker.isOpen).toBe(true)
    for (const outcome of closing) {
      expect([outcome, breaker.probed(outcome)]).toEqual([outcome, true])
      expect(breaker.isOpen).toBe(false)
      await expect.poll(stored).toBeUndefined()
      open(breaker)
      await expect.poll(stored).toBeDefined()
    }
    // Another process learns what it is open for from the app's record.
    const other = new AppBreaker(app, apps, (error) => errors.push(error))
    other.follow(await stored())
    expect(other.probed({ kind: 'forbidden', status: 403, trace })).toBe(closing.length > takes.length)
    await apps.clearBreaker(app)
    expect(errors).toEqual([])
  },
)
