import type { AppId, AppRequest, ImportedLine } from '@wns-fanout/domain'
import { Problem } from '@wns-fanout/domain'
import { AppStore, importRegistrations, Registry, SecretUnavailableError } from '@wns-fanout/state'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { dumpOf, keyring, keysOf, NEWS, registrations, setup } from './support.ts'

const SID = 'S-1-15-2-1234-5678'
function store(clientSecret: AppRequest['credentials']['clientSecret'], more: Partial<AppRequest> = {}): AppRequest {
  return {
    credentials: { kind: 'store', packageSid: `ms-app://${SID.toLowerCase()}`, clientSecret },
    ...more,
  }
}

function start() {
  const bench = setup()
  const ring = keyring()
  return { ...bench, ring, apps: new AppStore(bench.redis, bench.keys, ring) }
}

describe('an app', () => {
  test('is created once, then replaced', async () => {
    const { apps } = start()
    expect(await apps.put(NEWS, store('s', { ratePerSecond: 50 }))).toMatchObject({
      created: true,
      settings: { app: 'news', ratePerSecond: 50, burst: 5, genericIntervalSeconds: 1800, maxAttempts: 5 },
    })
    expect(await apps.put(NEWS, store('s', { ratePerSecond: 60 }))).toMatchObject({ created: false })
    expect(await apps.settings(NEWS)).toMatchObject({ ratePerSecond: 60 })
    expect(await apps.list()).toEqual(['news'])
  })

  test('shows that its secrets are set, and its SID in one form', async () => {
    const { apps } = start()
    await apps.put(NEWS, store('s'))
    expect(await apps.get(NEWS)).toMatchObject({
      state: 'active',
      credentials: { kind: 'store', packageSid: `ms-app://${SID}`, clientSecret: { set: true } },
    })
    expect(await apps.get('other' as AppId)).toBeNull()
    expect(await apps.settings('other' as AppId)).toBeNull()
    expect(await apps.credentials('other' as AppId)).toBeNull()
  })

  test('keeps its secrets sealed: Redis never holds their text', async () => {
    const bench = start()
    await bench.apps.put(NEWS, {
      credentials: {
        kind: 'entra',
        tenantId: 'contoso.example',
        clientId: 'c-1',
        clientSecret: 'canary-new',
        previousClientSecret: 'canary-old',
      },
    })
    const credentials = await bench.apps.credentials(NEWS)
    expect(credentials?.clientSecret.reveal()).toBe('canary-new')
    expect(credentials?.previousClientSecret?.reveal()).toBe('canary-old')
    expect(JSON.stringify(credentials)).not.toContain('canary')
    const dump = await dumpOf(bench)
    expect(dump).toContain('contoso.example')
    expect(dump).not.toContain('canary')
    expect(dump).not.toContain(Buffer.from('canary').toString('base64').slice(0, 7))
  })

  test('a sealed secret cannot be moved to another app', async () => {
    const { apps, redis, keys } = start()
    const other = 'other' as AppId
    await apps.put(NEWS, store('mine'))
    await apps.put(other, store('theirs'))
    await redis.hset(keys.app(other), 'credentials', (await redis.hget(keys.app(NEWS), 'credentials')) ?? '')
    await expect(apps.credentials(other)).rejects.toThrow(SecretUnavailableError)
  })
})

describe('watching', () => {
  test('every change gives a new revision that shows it', async () => {
    const { apps } = start()
    await apps.put(NEWS, store('s'))
    const look = async () => (await apps.revisions()).get(NEWS)
    const first = await look()
    expect(first).toMatchObject({ state: 'active', identity: `ms-app://${SID}`, settings: { ratePerSecond: 300 } })
    expect(await apps.pause(NEWS)).toBe(true)
    const second = await look()
    expect(second).toMatchObject({ state: 'paused' })
    expect(second?.revision).toBeGreaterThan(first?.revision ?? 0)
    await apps.put(NEWS, store('s', { ratePerSecond: 7 }))
    expect(await look()).toMatchObject({ state: 'paused', settings: { ratePerSecond: 7 } })
    expect(await apps.resume(NEWS)).toBe(true)
    expect(await look()).toMatchObject({ state: 'active' })
    expect(await apps.pause('other' as AppId)).toBe(false)
    expect([...(await apps.revisions()).keys()]).toEqual(['news'])
  })

  test('workers read the apps only after a change, and an app that did not change is the same object', async () => {
    const { apps, redis, keys, ring } = start()
    const shop = 'shop' as AppId
    await apps.put(NEWS, store('s'))
    await apps.put(shop, store('s'))
    const first = await apps.changes()
    expect([...(first?.keys() ?? [])].toSorted()).toEqual(['news', 'shop'])
    expect(await apps.changes()).toBeUndefined()
    await new AppStore(redis, keys, ring).pause(shop)
    const second = await apps.changes()
    expect(second?.get(shop)).toMatchObject({ state: 'paused' })
    expect(second?.get(NEWS)).toBe(first?.get(NEWS))
    expect(await apps.changes()).toBeUndefined()
    await apps.delete(shop)
    expect([...((await apps.changes())?.keys() ?? [])]).toEqual(['news'])
    await apps.setBreaker(NEWS, { kind: 'token', reason: 'r', since: '2026-01-01T00:00:00.000Z' })
    expect((await apps.changes())?.get(NEWS)?.breaker?.kind).toBe('token')
  })

  test('a change that an older version did not count is found within seconds', async () => {
    const { apps, redis, keys } = start()
    await apps.put(NEWS, store('s'))
    await apps.changes()
    await redis.hdel(keys.apps, NEWS)
    expect(await apps.changes()).toBeUndefined()
    vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 5000)
    onTestFinished(() => void vi.restoreAllMocks())
    expect(await apps.changes()).toEqual(new Map())
  })

  test('an app that cannot be read is reported once, left out and written again from the original', async () => {
    const { redis, keys, ring } = start()
    const unreadable: string[] = []
    const apps = new AppStore(redis, keys, ring, { onUnreadable: (app) => void unreadable.push(app) })
    const shop = 'shop' as AppId
    await apps.put(NEWS, store('s'))
    await apps.put(shop, store('s'))
    await redis.hset(keys.apps, 'news', '{"settings":', 'ghost', 'null')
    expect([...(await apps.revisions()).keys()]).toEqual(['shop'])
    expect([...(await apps.revisions()).keys()].toSorted()).toEqual(['news', 'shop'])
    await redis.hset(keys.app(NEWS), 'settings', '{')
    await redis.hset(keys.apps, 'news', '{')
    expect([...(await apps.revisions()).keys()]).toEqual(['shop'])
    expect([...(await apps.revisions()).keys()]).toEqual(['shop'])
    expect(unreadable.toSorted()).toEqual(['ghost', 'news', 'news'])
  })

  test('changes at the same time end with the published copy equal to the truth', async () => {
    const { apps } = start()
    await apps.put(NEWS, store('s'))
    const changes = Array.from({ length: 20 }, (_, at) =>
      at % 3 === 0
        ? apps.put(NEWS, store('s', { ratePerSecond: at + 1 }))
        : apps.setState(NEWS, at % 2 ? 'paused' : 'active'),
    )
    await Promise.all(changes)
    const record = await apps.get(NEWS)
    expect((await apps.revisions()).get(NEWS)).toMatchObject({ settings: record?.settings, state: record?.state })
  })

  test('a breaker keeps its first reason until it is cleared', async () => {
    const { apps } = start()
    await apps.put(NEWS, store('s'))
    const breaker = {
      kind: 'credentials',
      reason: 'invalid_client: "quoted"',
      since: '2026-01-01T00:00:00.000Z',
    } as const
    expect(await apps.setBreaker(NEWS, breaker)).toBe(true)
    expect(await apps.setBreaker(NEWS, { ...breaker, reason: 'later' })).toBe(false)
    expect((await apps.get(NEWS))?.breaker).toEqual(breaker)
    expect((await apps.revisions()).get(NEWS)?.breaker).toEqual(breaker)
    expect(await apps.clearBreaker(NEWS, 'answers')).toBe(false)
    expect(await apps.clearBreaker(NEWS, 'credentials')).toBe(true)
    expect(await apps.clearBreaker(NEWS)).toBe(false)
    expect((await apps.revisions()).get(NEWS)?.breaker).toBeUndefined()
    expect(await apps.setBreaker('other' as AppId, breaker)).toBe(false)
  })

  test('new credentials close the breaker that the old ones opened', async () => {
    const { apps } = start()
    await apps.put(NEWS, store('bad'))
    await apps.setBreaker(NEWS, { kind: 'credentials', reason: 'bad', since: '2026-01-01T00:00:00.000Z' })
    await apps.put(NEWS, store('good'))
    expect((await apps.get(NEWS))?.breaker).toBeUndefined()
  })
})

describe('deleting', () => {
  test('removes every key of the app and of no other', async () => {
    const bench = start()
    const { apps, redis, keys } = bench
    const neighbour = 'news-2' as AppId
    const registry = new Registry(redis, keys)
    for (const app of [NEWS, neighbour]) {
      await apps.put(app, store('s'))
      await registry.register(app, registrations(2000, { tags: ['a'] }))
    }
    const others = (await keysOf(bench)).filter((key) => !key.includes('{news}'))
    expect(await apps.delete(NEWS)).toBe(true)
    expect((await keysOf(bench)).filter((key) => key !== keys.gone(NEWS))).toEqual(others)
    expect(await redis.ttl(keys.gone(NEWS))).toBeGreaterThan(0)
    expect(await apps.list()).toEqual([neighbour])
    expect(await apps.get(NEWS)).toBeNull()
    expect(await registry.count(neighbour)).toBe(2000)
    expect(await apps.delete(NEWS)).toBe(false)
  })

  test('ends an upload that is under way, which must not bring channels back', async () => {
    const { apps, redis, keys } = start()
    const registry = new Registry(redis, keys)
    await apps.put(NEWS, store('s'))
    const lines = async function* (): AsyncGenerator<ImportedLine> {
      for (const [at, registration] of registrations(2000).entries()) {
        if (at === 1000) await apps.delete(NEWS)
        yield { line: at + 1, parsed: { ok: true, value: registration } }
      }
    }
    await expect(importRegistrations(registry, NEWS, lines())).rejects.toMatchObject({ cause: { code: 'not-found' } })
    expect(await registry.count(NEWS)).toBe(0)
    await apps.put(NEWS, store('s'))
    expect(await registry.count(NEWS)).toBe(0)
    expect(await registry.register(NEWS, registrations(1))).toEqual([{ outcome: 'created' }])
  })

  test('is refused while a campaign is not over', async () => {
    const { apps, redis, keys } = start()
    await apps.put(NEWS, store('s'))
    await redis.zadd(keys.campaigns(NEWS), 1, 'c1')
    await redis.set(keys.campaignApp('c1'), NEWS)
    await redis.hset(keys.campaign(NEWS, 'c1'), 'state', 'sending')
    const refusal = await apps.delete(NEWS).catch((error: unknown) => error)
    expect(refusal).toBeInstanceOf(Problem)
    expect(refusal).toMatchObject({ code: 'app-has-campaigns', status: 409 })
    await redis.hset(keys.campaign(NEWS, 'c1'), 'state', 'cancelled')
    await expect(apps.delete(NEWS)).rejects.toMatchObject({ code: 'app-has-campaigns' })
    await redis.hset(keys.campaign(NEWS, 'c1'), 'finishedAt', '1')
    expect(await apps.delete(NEWS)).toBe(true)
    expect(await redis.exists(keys.campaignApp('c1'))).toBe(0)
  })
})
