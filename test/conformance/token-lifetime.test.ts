import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AppId, Outcome } from '@wns-fanout/domain'
import { appId, prepareMessage } from '@wns-fanout/domain'
import { decide } from '@wns-fanout/fanout'
import type { TokenRequest } from '@wns-fanout/state'
import { closeRedis, connectRedis, Keyring, Keys, TokenPool } from '@wns-fanout/state'
import { postHeaders, requestToken } from '@wns-fanout/wns'
import { expect, inject, onTestFinished, test } from 'vitest'
import { bodyOf, postBytes, toast } from './support/exchange.ts'
import type { Simulated } from './support/simulator.ts'
import { credentials, startSimulated } from './support/simulator.ts'

// A token of WNS lives a day. Here it lives a few seconds, and a day passes under load in as much time.

const app: AppId = appId('news')
const origin = 'https://db5.notify.windows.com'
const message = prepareMessage(toast)
const body = bodyOf(message)
const SENDERS = 6

/** What each recipient went through, by its number. */
interface Day {
  readonly outcomes: Outcome['kind'][]
  readonly unauthorized: Set<number>
  /** In the order in which they were first used. */
  readonly tokens: Set<string>
  /** How often a sender found no token at hand. */
  waits: number
}

const keyring = Keyring.parse(`k1 ${randomBytes(32).toString('base64')}`)

/** The token pool of one worker. `lifeSeconds` overrides the lifetime that the service returns. */
function tokenPool(simulated: Simulated, prefix: string, lifeSeconds?: number): TokenPool {
  const redis = connectRedis(inject('redisUrl'), { role: 'worker' })
  const keys = new Keys(prefix)
  onTestFinished(async () => {
    await redis.unlink(keys.token(app), keys.tokenLease(app), keys.tokenRefusal(app), keys.tokenRenewed(app))
    await closeRedis(redis)
  })
  const request: TokenRequest = async (_app, signal) => {
    const answer = await requestToken(credentials, simulated.transport, { signal })
    return answer.ok && lifeSeconds !== undefined ? { ...answer, expiresInSeconds: lifeSeconds } : answer
  }
  // Tokens live for a second here, so they may be renewed more often than once a minute.
  return new TokenPool(redis, keys, keyring, request, { refusedMs: 500 })
}

/** One recipient: a post, and after a 401 one more with a fresh token. */
async function sendOne({ pool }: Simulated, tokens: TokenPool, number: number, day: Day): Promise<void> {
  const wait = async (): Promise<string> => {
    day.waits += 1
    return (await tokens.get(app)).token
  }
  for (const reauthorized of [false, true]) {
    const token = tokens.peek(app) ?? (await wait())
    day.tokens.add(token)
    const headers = postHeaders(message, { token, ttlSeconds: 60 })
    const outcome = await postBytes(pool, origin, `/?token=ok.any.${number}`, headers, body)
    const attempt = { posts: 1, spent: 0, reauthorized, delivery: 'at-most-once', maxAttempts: 5, random: 0 } as const
    if (decide(outcome, attempt).kind !== 'reauthorize') {
      day.outcomes[number] = outcome.kind
      return
    }
    day.unauthorized.add(number)
    await tokens.renew(app, token)
  }
}

/** Sends without a pause until three tokens were used, the last of them for a while. */
async function sendThroughTheDay(simulated: Simulated, workers: readonly TokenPool[]): Promise<Day> {
  const day: Day = { outcomes: [], unauthorized: new Set(), tokens: new Set(), waits: 0 }
  let next = 0
  let endsAt = Infinity
  const sendOn = async (tokens: TokenPool): Promise<void> => {
    while (next < endsAt) {
      const number = next
      next += 1
      await sendOne(simulated, tokens, number, day)
      if (day.tokens.size === 3 && endsAt === Infinity) endsAt = next + 100
      // The senders of a worker share its event loop with everything else there.
      await sleep(1)
    }
  }
  await Promise.all(Array.from({ length: SENDERS }, (_, index) => sendOn(workers[index % workers.length]!)))
  return day
}

async function setup(lifetimeSeconds: number, believedSeconds?: number) {
  const simulated = await startSimulated({ lanes: SENDERS, maxPerOriginShare: 1 })
  onTestFinished(() => simulated[Symbol.asyncDispose]())
  await simulated.faults({ latencyMs: 4, token: { lifetimeSeconds } })
  const prefix = `t-${randomBytes(6).toString('hex')}:`
  return { simulated, workers: [1, 2].map(() => tokenPool(simulated, prefix, believedSeconds)) }
}

test('two tokens end under the load of two workers: one request each, and every recipient is accepted once', async () => {
  const { simulated, workers } = await setup(1)
  const day = await sendThroughTheDay(simulated, workers)
  const stats = await simulated.stats()
  expect(new Set(day.outcomes)).toEqual(new Set(['accepted']))
  expect(stats).toMatchObject({ tokenRequests: 3, acceptedPosts: day.outcomes.length, duplicates: 0, pipelined: 0 })
  // At each end of a token, no more posts than were under way found out.
  expect(stats.byStatus['401']).toBe(day.unauthorized.size)
  expect(day.unauthorized.size).toBeGreaterThan(0)
  expect(day.unauthorized.size).toBeLessThanOrEqual(2 * 2 * SENDERS)
})

test('two tokens are replaced ahead of their end: one request each, no recipient waits and WNS never rejects a post', async () => {
  const { simulated, workers } = await setup(3, 3)
  const day = await sendThroughTheDay(simulated, workers)
  const stats = await simulated.stats()
  expect(new Set(day.outcomes)).toEqual(new Set(['accepted']))
  expect(stats).toMatchObject({ tokenRequests: 3, acceptedPosts: day.outcomes.length, duplicates: 0 })
  expect(stats.byStatus).toEqual({ 200: day.outcomes.length })
  // All recipients wait for the first token.
  expect(day.waits).toBe(SENDERS)
})
