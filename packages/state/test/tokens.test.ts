import { Secret } from '@wns-fanout/domain'
import type { TokenAnswer } from '@wns-fanout/domain'
import type { TokenPoolOptions, TokenRequest } from '@wns-fanout/state'
import { AppStore, TokenPool, TokenRefused } from '@wns-fanout/state'
import { until } from '@wns-fanout/testing'
import { describe, expect, test } from 'vitest'
import { anotherConnection, dumpOf, keyring, NEWS, setup } from './support.ts'

/** A token service that counts requests; `next` is its answer. */
class TokenService {
  requests = 0
  lifeSeconds = 3600
  next: TokenAnswer | (() => Promise<TokenAnswer>) | undefined

  readonly request: TokenRequest = async () => {
    this.requests += 1
    const token = new Secret(`token-${this.requests}`)
    if (typeof this.next === 'function') return await this.next()
    await new Promise((resolve) => setTimeout(resolve, 20))
    return this.next ?? { ok: true, token, expiresInSeconds: this.lifeSeconds }
  }
}

function refusal(permanent: boolean): TokenAnswer {
  return {
    ok: false,
    permanent,
    code: permanent ? 'invalid_client' : 'unavailable',
    explanation: permanent ? 'the client secret is wrong' : 'the token service is away',
  }
}

function start(options: TokenPoolOptions = {}) {
  const bench = setup()
  const ring = keyring()
  const service = new TokenService()
  const pool = (more: TokenPoolOptions = {}) =>
    new TokenPool(anotherConnection(), bench.keys, ring, service.request, { ...options, ...more })
  return { ...bench, ring, service, pool }
}

function aliasOf(error: unknown) {
  return error instanceof TokenRefused ? error : undefined
}
async function failureOf(work: Promise<unknown>) {
  return aliasOf(await work.catch((error: unknown) => error))
}

describe('a token', () => {
  test('is requested once for all callers, in one process and in ten', async () => {
    const { service, pool } = start()
    const pools = Array.from({ length: 10 }, () => pool())
    const handles = await Promise.all(pools.flatMap((one) => Array.from({ length: 10 }, () => one.get(NEWS))))
    expect(new Set(handles.map(({ token }) => token))).toEqual(new Set(['token-1']))
    expect(new Set(handles.map(({ id }) => id)).size).toBe(1)
    expect(service.requests).toBe(1)
  })

  test('is requested once for fifty workers, even from a slow token service', async () => {
    const { service, pool } = start()
    service.next = async () => {
      await new Promise((resolve) => setTimeout(resolve, 300))
      return { ok: true, token: new Secret('slow-token'), expiresInSeconds: 3600 }
    }
    const handles = await Promise.all(Array.from({ length: 50 }, () => pool().get(NEWS)))
    expect(service.requests).toBe(1)
    expect(new Set(handles.map(({ token }) => token))).toEqual(new Set(['slow-token']))
  })

  test('is available synchronously once it was requested', async () => {
    const { pool } = start()
    const one = pool()
    expect(one.peek(NEWS)).toBeUndefined()
    await one.get(NEWS)
    expect(one.peek(NEWS)).toBe('token-1')
    one.forget(NEWS)
    expect(one.peek(NEWS)).toBeUndefined()
  })

  test('is sealed in Redis, for its app alone', async () => {
    const bench = start()
    bench.service.next = { ok: true, token: new Secret('canary-token'), expiresInSeconds: 3600 }
    await bench.pool().get(NEWS)
    expect(await dumpOf(bench)).not.toContain('canary')
    const other = 'other' as typeof NEWS
    await bench.redis.copy(bench.keys.token(NEWS), bench.keys.token(other))
    bench.service.next = { ok: true, token: new Secret('own'), expiresInSeconds: 3600 }
    expect((await bench.pool().get(other)).token).toBe('own')
  })

  test('that ends soon is still used while one process requests the next', async () => {
    const { service, pool } = start()
    service.lifeSeconds = 1.5
    const pools = [pool(), pool(), pool()]
    await Promise.all(pools.map((one) => one.get(NEWS)))
    const seen = new Set<string | undefined>()
    await until(() => {
      for (const one of pools) seen.add(one.peek(NEWS))
      return service.requests === 2
    })
    expect(seen).toEqual(new Set(['token-1']))
    service.lifeSeconds = 3600
    await until(() => pools.every((one) => one.peek(NEWS) !== 'token-1'))
    const handles = await Promise.all(pools.map((one) => one.get(NEWS)))
    expect(new Set(handles.map(({ token }) => token)).size).toBe(1)
    expect(service.requests).toBeLessThanOrEqual(3)
  })

  test('stays in use while the token service is away, until its end', async () => {
    const { service, pool } = start()
    service.lifeSeconds = 2
    const one = pool({ refusedMs: 100 })
    await one.get(NEWS)
    service.next = refusal(false)
    await until(() => {
      const token = one.peek(NEWS)
      return service.requests >= 3 && token === 'token-1'
    })
    await until(() => one.peek(NEWS) === undefined)
    await until(async () => (await failureOf(one.get(NEWS)))?.code === 'unavailable')
    service.next = undefined
    await until(async () => (await failureOf(one.get(NEWS))) === undefined)
  })
})

describe('a token that WNS rejects', () => {
  test('costs one request, however many posts got 401', async () => {
    const { service, pool } = start()
    const pools = [pool(), pool(), pool()]
    const handles = await Promise.all(pools.map((one) => one.get(NEWS)))
    await Promise.all(
      pools.flatMap((one, at) => Array.from({ length: 20 }, () => one.renew(NEWS, handles[at]?.token ?? ''))),
    )
    expect(service.requests).toBe(2)
    expect(new Set(pools.map((one) => one.peek(NEWS)))).toEqual(new Set(['token-2']))
  })

  test('is not replaced a second time after a late answer', async () => {
    const { service, pool } = start()
    const one = pool()
    const { token } = await one.get(NEWS)
    await one.renew(NEWS, token)
    await one.renew(NEWS, token)
    expect(one.peek(NEWS)).toBe('token-2')
    expect(service.requests).toBe(2)
  })

  test('is replaced at most once a minute over all processes', async () => {
    const { service, pool } = start({ refusedMs: 700 })
    const [one, other] = [pool(), pool()]
    const waitMs = await one.renew(NEWS, (await one.get(NEWS)).token)
    expect(waitMs).toBeGreaterThan(0)
    expect(waitMs).toBeLessThanOrEqual(700)
    expect((await other.get(NEWS)).token).toBe('token-2')
    for (const each of [other, one]) {
      // Redis reports the time that is left in whole milliseconds.
      expect(await each.renew(NEWS, 'token-2')).toBeLessThan(waitMs + 1)
      expect(each.peek(NEWS)).toBe('token-2')
    }
    expect(service.requests).toBe(2)
    await until(async () => {
      await other.renew(NEWS, 'token-2')
      return other.peek(NEWS) === 'token-3'
    })
    expect(service.requests).toBe(3)
  })

  test('that was replaced by another process is dropped without a request', async () => {
    const { service, pool } = start()
    const [one, other] = [pool(), pool()]
    const { token } = await one.get(NEWS)
    await other.get(NEWS)
    await one.renew(NEWS, token)
    await other.renew(NEWS, token)
    expect(other.peek(NEWS)).toBe('token-2')
    expect(service.requests).toBe(2)
  })

  test('leaves the app without a token while the token service is away', async () => {
    const { service, pool } = start({ refusedMs: 100 })
    const one = pool()
    const { token } = await one.get(NEWS)
    service.next = refusal(false)
    expect(await failureOf(one.renew(NEWS, token))).toMatchObject({ code: 'unavailable', permanent: false })
    expect(one.peek(NEWS)).toBeUndefined()
    service.next = undefined
    await until(async () => (await failureOf(one.get(NEWS))) === undefined)
  })

  test('may be replaced at once after the app got new credentials', async () => {
    const bench = start()
    const apps = new AppStore(bench.redis, bench.keys, bench.ring)
    const credentials = { kind: 'entra', tenantId: 't', clientId: 'c', clientSecret: 's' } as const
    await apps.put(NEWS, { credentials })
    const one = bench.pool()
    await one.renew(NEWS, (await one.get(NEWS)).token)
    await apps.put(NEWS, { credentials: { ...credentials, clientSecret: 'better' } })
    await one.renew(NEWS, 'token-2')
    expect(one.peek(NEWS)).toBe('token-3')
  })
})

describe('a refusal', () => {
  test('of the credentials opens the breaker, is shared, and is retried once a minute', async () => {
    const bench = start({ refusedMs: 700 })
    const apps = new AppStore(bench.redis, bench.keys, bench.ring)
    await apps.put(NEWS, { credentials: { kind: 'entra', tenantId: 't', clientId: 'c', clientSecret: 's' } })
    bench.service.next = refusal(true)
    const [one, other] = [bench.pool({ breaker: apps }), bench.pool({ breaker: apps })]
    const failures = await Promise.all([one, other, one, other].map((pool) => failureOf(pool.get(NEWS))))
    for (const failure of failures)
      expect(failure).toMatchObject({
        permanent: true,
        code: 'invalid_client',
        explanation: 'the client secret is wrong',
      })
    expect(bench.service.requests).toBe(1)
    expect((await apps.get(NEWS))?.breaker).toMatchObject({ kind: 'credentials', reason: 'the client secret is wrong' })
    bench.service.next = undefined
    await until(async () => (await failureOf(one.get(NEWS))) === undefined)
    expect(bench.service.requests).toBe(2)
    expect((await apps.get(NEWS))?.breaker).toBeUndefined()
  })

  test('ends at once when the app gets new credentials', async () => {
    const bench = start()
    const apps = new AppStore(bench.redis, bench.keys, bench.ring)
    const credentials = { kind: 'entra', tenantId: 't', clientId: 'c', clientSecret: 's' } as const
    await apps.put(NEWS, { credentials })
    bench.service.next = refusal(true)
    const one = bench.pool({ breaker: apps })
    expect(await failureOf(one.get(NEWS))).toMatchObject({ permanent: true })
    await apps.put(NEWS, { credentials: { ...credentials, clientSecret: 'better' } })
    bench.service.next = undefined
    expect((await one.get(NEWS)).token).toBe('token-2')
  })

  test('the token of the old client is removed when the app gets another client', async () => {
    const bench = start()
    const apps = new AppStore(bench.redis, bench.keys, bench.ring)
    const credentials = { kind: 'entra', tenantId: 't', clientId: 'c', clientSecret: 's' } as const
    await apps.put(NEWS, { credentials })
    await bench.pool().get(NEWS)
    await apps.put(NEWS, { credentials: { ...credentials, clientSecret: 'rotated' } })
    expect((await bench.pool().get(NEWS)).token).toBe('token-1')
    await apps.put(NEWS, { credentials: { ...credentials, clientId: 'd' } })
    expect((await bench.pool().get(NEWS)).token).toBe('token-2')
  })

  test('a request that throws or stalls is a failure without details, and ends the lease', async () => {
    const errors: unknown[] = []
    const { service, pool } = start({ requestMs: 300, refusedMs: 50, onError: (error) => errors.push(error) })
    service.next = () => Promise.reject(new Error('canary in a cause'))
    const thrown = await failureOf(pool().get(NEWS))
    expect(thrown).toMatchObject({ code: 'token-request-failed', permanent: false })
    expect(thrown?.message).not.toContain('canary')
    expect(errors).toHaveLength(1)
    service.next = () => new Promise(() => {})
    await until(async () => (await failureOf(pool().get(NEWS)))?.code === 'token-timeout')
    service.next = undefined
    await until(async () => (await failureOf(pool().get(NEWS))) === undefined)
  })
})

test('a process that dies during a request delays the others for its lease only', async () => {
  const { service, pool, redis, keys } = start({ leaseMs: 500 })
  await redis.set(keys.tokenLease(NEWS), 'of-the-dead', 'PX', 500)
  const startedAt = performance.now()
  expect((await pool().get(NEWS)).token).toBe('token-1')
  expect(performance.now() - startedAt).toBeGreaterThan(400)
  expect(service.requests).toBe(1)
})

test('a process that takes longer than its lease keeps it, and no other process sends a request', async () => {
  const { service, pool } = start({ leaseMs: 800 })
  const { promise, resolve: answer } = Promise.withResolvers<TokenAnswer>()
  service.next = () => promise
  const first = pool().get(NEWS)
  const others = Array.from({ length: 5 }, () => pool().get(NEWS))
  const startedAt = performance.now()
  await until(() => performance.now() - startedAt > 1700)
  expect(service.requests).toBe(1)
  answer({ ok: true, token: new Secret('slow'), expiresInSeconds: 3600 })
  expect((await Promise.all([first, ...others])).map(({ token }) => token)).toEqual(
    others.map(() => 'slow').concat('slow'),
  )
  expect(service.requests).toBe(1)
})

test('a process whose lease was lost aborts its request and takes the token of another process', async () => {
  const { service, pool, redis, keys } = start({ leaseMs: 400 })
  service.next = () => new Promise(() => {})
  const frozen = pool().get(NEWS)
  await until(() => service.requests === 1)
  await redis.set(keys.tokenLease(NEWS), 'of-another', 'PX', 5000)
  service.next = undefined
  await redis.del(keys.tokenLease(NEWS))
  expect((await pool().get(NEWS)).token).toBe('token-2')
  expect((await frozen).token).toBe('token-2')
  expect(service.requests).toBe(2)
})

test('a late answer does not replace a newer token', async () => {
  const { service, pool, redis, keys } = start({ leaseMs: 5000 })
  const { promise, resolve: answer } = Promise.withResolvers<TokenAnswer>()
  service.next = () => promise
  const late = pool().get(NEWS)
  await until(() => service.requests === 1)
  // The lease lapses while the process is stopped, and another one requests a token.
  await redis.del(keys.tokenLease(NEWS))
  service.next = undefined
  expect((await pool().get(NEWS)).token).toBe('token-2')
  answer({ ok: true, token: new Secret('late'), expiresInSeconds: 3600 })
  expect((await late).token).toBe('token-2')
})

test('a token sealed by a removed key is replaced', async () => {
  const { service, pool, redis, keys } = start()
  const stranger = new TokenPool(redis, keys, keyring(), service.request)
  await stranger.get(NEWS)
  expect((await pool().get(NEWS)).token).toBe('token-2')
})
