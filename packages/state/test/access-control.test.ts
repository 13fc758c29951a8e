import { randomBytes } from 'node:crypto'
import type { ListName, WebhookName } from '@wns-fanout/domain'
import { channelId, Secret } from '@wns-fanout/domain'
import {
  acceptLosses,
  ApiKeys,
  AppEvents,
  AppStore,
  Audiences,
  AuditTrail,
  checkRedis,
  closeRedis,
  connectRedis,
  DataSet,
  Idempotency,
  importRegistrations,
  Lists,
  Permits,
  ReadyApps,
  ReadyListener,
  Registry,
  TokenPool,
  Webhooks,
  WorkerRegister,
} from '@wns-fanout/state'
import { Cluster } from 'ioredis'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { ids, keyring, NEWS, registration, setup } from './support.ts'

/** The rights of our Redis user as in the docs. */
const RULES =
  '-@all +@read +@write +@scripting +@connection +@blocking +info +time +wait -@dangerous +info ' +
  '-function -fcall -eval_ro -script|flush -script|kill -flushdb -flushall -keys -swapdb -sort -migrate -restore +client|list'

test('a Redis user without dangerous rights, limited to our prefix, can run everything', async () => {
  const { redis: admin, keys } = setup()
  if (admin instanceof Cluster) throw new Error('one server was expected')
  const [user, password] = [`u${randomBytes(4).toString('hex')}`, randomBytes(16).toString('hex')]
  await admin.acl('SETUSER', user, 'on', `>${password}`, `~${keys.prefix}*`, 'resetchannels', ...RULES.split(' '))
  onTestFinished(async () => {
    await admin.acl('DELUSER', user)
  })
  const { port } = new URL(inject('redisUrl'))
  const redis = connectRedis(`redis://${user}:${password}@127.0.0.1:${port}`, { role: 'worker' })
  onTestFinished(() => closeRedis(redis))

  const register = new WorkerRegister(redis, keys, { onError: () => {} })
  await register.start()
  expect(await register.look()).toEqual([])
  expect(register.isBlind).toBe(false)
  await register.leave()
  expect((await checkRedis(redis)).map(({ code }) => code)).toEqual(['volatile'])
  const dataSet = new DataSet(redis, keys)
  await dataSet.look()
  await redis.unlink(keys.dataSetId)
  expect((await dataSet.look()).kind).toBe('lost')
  expect(await acceptLosses(redis, keys)).toHaveLength(1)
  const ready: string[] = []
  const listener = new ReadyListener(redis, keys, { onReady: (app) => ready.push(app), onError: () => {} })
  await listener.start()
  onTestFinished(() => listener.stop())
  await new ReadyApps(redis, keys).announce(NEWS)
  await vi.waitFor(() => expect(ready).toEqual([NEWS]))
  const apps = new AppStore(redis, keys, keyring())
  await apps.put(NEWS, { credentials: { kind: 'entra', tenantId: 't', clientId: 'c', clientSecret: 's' } })
  const registry = new Registry(redis, keys)
  const lines = ['a', 'b'].map((id, at) => ({
    line: at + 1,
    parsed: { ok: true, value: registration(id, { tags: ['x'], vars: { v: '1' } }) } as const,
  }))
  expect(await importRegistrations(registry, NEWS, lines)).toMatchObject({ created: 2 })
  expect(await registry.get(NEWS, channelId('a'))).toMatchObject({ tags: ['x'] })
  expect(await registry.markActive(NEWS, channelId('a'))).toBe(true)
  expect(await new Lists(redis, keys).put(NEWS, 'vip' as ListName, ids('a'))).toEqual({ size: 1, unknown: 0 })
  const audiences = new Audiences(redis, keys)
  const target = keys.targets(NEWS, 'c1')
  expect(
    await audiences.freeze(NEWS, { tags: 'x and not y' }, target, { sample: { share: 0.999, seed: 1 } }),
  ).toBeDefined()
  expect(await new Permits(redis, keys).take(NEWS, 1, { ratePerSecond: 1, burst: 1 })).toMatchObject({ granted: 1 })
  const tokens = new TokenPool(redis, keys, keyring(), async () => ({
    ok: true,
    token: new Secret('t'),
    expiresInSeconds: 60,
  }))
  await tokens.renew(NEWS, (await tokens.get(NEWS)).token)
  const { key } = await new ApiKeys(redis, keys).create({ name: 'n', apps: ['*'], verbs: ['read'] })
  expect(await new ApiKeys(redis, keys).verify(key)).not.toBeNull()
  const trail = new AuditTrail(redis, keys, 'control', { maxEntries: 10, maxDays: 1 })
  const time = new Date().toISOString()
  expect(await trail.append({ time, actor: 'a', action: 'app.put', outcome: 'done' })).toMatchObject({ seq: 1 })
  for await (const { seq } of trail.read({ newestFirst: true })) expect(seq).toBe(1)
  const begun = await new Idempotency(redis, keys).begin(NEWS, 'key', 'hash')
  if (begun.kind === 'fresh') await begun.finish(200, '')
  await apps.setBreaker(NEWS, { kind: 'token', reason: 'refused', since: new Date().toISOString() })
  const events = new AppEvents(redis, keys)
  await redis.rpush(keys.removed(NEWS), 'c')
  expect(await events.report(NEWS)).toBe(1)
  expect((await events.read(NEWS, { limit: 9 })).items.map(({ type }) => type)).toEqual([
    'breaker.opened',
    'channels.removed',
  ])
  const webhooks = new Webhooks(redis, keys, keyring())
  const hook = await webhooks.put(NEWS, 'ops' as WebhookName, { url: 'https://example.com/' })
  expect(await webhooks.apps()).toEqual([NEWS])
  expect(await webhooks.disable(NEWS, hook, hook.progress, '410')).toBe(true)
  expect(await webhooks.delete(NEWS, hook.webhook)).toBe(true)
  await webhooks.forgetApp(NEWS)
  expect(await registry.unregister(NEWS, channelId('b'))).toBe(true)
  expect(await apps.delete(NEWS)).toBe(true)

  await expect(redis.flushall()).rejects.toThrow('NOPERM')
  await expect(redis.get('another-prefix')).rejects.toThrow('NOPERM')
  await expect(redis.eval("return redis.call('GET', KEYS[1])", 1, 'another-prefix')).rejects.toThrow(/NOPERM|ACL/)
})
