import { ApiKeys } from '@wns-fanout/state'
import { expect, test } from 'vitest'
import { anotherConnection, dumpOf, setup } from './support.ts'

function start() {
  const bench = setup()
  return { ...bench, apiKeys: new ApiKeys(bench.redis, bench.keys) }
}

test('a key is shown once, verifies to what it may do, and is not in Redis', async () => {
  const bench = start()
  const { apiKey, key } = await bench.apiKeys.create({ name: 'cron', apps: ['news'], verbs: ['send', 'read'] })
  expect(key).toMatch(/^wnsf_[a-z0-9]{12}_[A-Za-z0-9_-]{43}$/)
  expect(await bench.apiKeys.verify(key)).toEqual(apiKey)
  expect(apiKey).toEqual({
    id: key.slice(5, 17),
    name: 'cron',
    apps: ['news'],
    verbs: ['send', 'read'],
    createdAt: expect.stringMatching(/Z$/),
  })
  const dump = await dumpOf(bench)
  expect(dump).toContain(apiKey.id)
  expect(dump).not.toContain(key.slice(18))
  expect(await bench.apiKeys.count()).toBe(1)
})

test('any other text is no key', async () => {
  const { apiKeys } = start()
  const { key, apiKey } = await apiKeys.create({ name: 'a', apps: ['*'], verbs: ['admin'] })
  const other = await apiKeys.create({ name: 'b', apps: ['*'], verbs: ['read'] })
  const wrong = [
    '',
    'wnsf_',
    key.slice(0, -1),
    `${key}A`,
    ` ${key}`,
    key.toUpperCase(),
    `wnsf_000000000000_${key.slice(18)}`,
    `wnsf_${apiKey.id}_${other.key.slice(18)}`,
    `wnsf___proto__0000_${key.slice(18)}`,
    'é'.repeat(61),
  ]
  for (const text of wrong) expect(await apiKeys.verify(text)).toBeNull()
  expect(await apiKeys.verify(key)).toEqual(apiKey)
})

test('a key ends at its time', async () => {
  const { apiKeys } = start()
  const ended = await apiKeys.create({
    name: 'a',
    apps: ['*'],
    verbs: ['read'],
    expiresAt: new Date(Date.now() - 1).toISOString(),
  })
  const lasting = await apiKeys.create({
    name: 'a',
    apps: ['*'],
    verbs: ['read'],
    expiresAt: new Date(Date.now() + 60_000).toISOString(),
  })
  expect(await apiKeys.verify(ended.key)).toBeNull()
  expect(await apiKeys.verify(lasting.key)).toEqual(lasting.apiKey)
})

test('a revoked key is refused at once here and within two seconds elsewhere', async () => {
  const { apiKeys, keys } = start()
  let nowMs = 0
  const elsewhere = new ApiKeys(anotherConnection(), keys, () => nowMs)
  const { key, apiKey } = await apiKeys.create({ name: 'a', apps: ['*'], verbs: ['read'] })
  expect(await elsewhere.verify(key)).toEqual(apiKey)
  expect(await apiKeys.revoke(apiKey.id)).toBe(true)
  expect(await apiKeys.revoke(apiKey.id)).toBe(false)
  expect(await apiKeys.verify(key)).toBeNull()
  nowMs = 1999
  expect(await elsewhere.verify(key)).toEqual(apiKey)
  nowMs = 2000
  expect(await elsewhere.verify(key)).toBeNull()
})

test('keys are listed without what could be used', async () => {
  const { apiKeys } = start()
  const made = [
    await apiKeys.create({ name: 'first', apps: ['*'], verbs: ['read'] }),
    await apiKeys.create({ name: 'second', apps: ['news'], verbs: ['admin'] }),
  ]
  const listed = await apiKeys.list()
  expect(listed.toSorted((a, b) => a.name.localeCompare(b.name))).toEqual(made.map(({ apiKey }) => apiKey))
  expect(JSON.stringify(listed)).not.toContain('sha256')
})

test('a key whose record cannot be read fits nothing, is listed with its problem and can be revoked', async () => {
  const { apiKeys, redis, keys } = start()
  const { apiKey } = await apiKeys.create({ name: 'a', apps: ['*'], verbs: ['read'] })
  const { key, apiKey: torn } = await apiKeys.create({ name: 'b', apps: ['*'], verbs: ['read'] })
  await redis.hset(keys.apiKeys, torn.id, '{"name":"b"')
  apiKeys.forget()
  expect(await apiKeys.verify(key)).toBeNull()
  expect(await apiKeys.list()).toEqual([
    expect.objectContaining({ id: torn.id, apps: [], problem: 'its stored record cannot be read; revoke it' }),
    apiKey,
  ])
  expect(await apiKeys.revoke(torn.id)).toBe(true)
})

test('ten thousand guesses push no valid key out of what a process knows', async () => {
  const { apiKeys } = start()
  const { key, apiKey } = await apiKeys.create({ name: 'a', apps: ['*'], verbs: ['read'] })
  expect(await apiKeys.verify(key)).toEqual(apiKey)
  const secret = 'A'.repeat(43)
  for (let first = 0; first < 10_000; first += 500) {
    const ids = Array.from({ length: 500 }, (_, n) => String(first + n).padStart(12, '0'))
    const found = await Promise.all(ids.map((id) => apiKeys.verify(`wnsf_${id}_${secret}`)))
    expect(found.every((one) => one === null)).toBe(true)
  }
  // Nor do guesses of the secret of a key that exists.
  expect(await apiKeys.verify(`wnsf_${apiKey.id}_${secret}`)).toBeNull()
  expect(apiKeys.isFamiliar(key)).toBe(true)
  expect(apiKeys.isFamiliar(`wnsf_${apiKey.id}_${secret}`)).toBe(false)
})
