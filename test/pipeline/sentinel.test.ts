import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { closeRedis, connectRedis, Keys, readRedisAccess, waitForFitRedis, waitForRedis } from '@wns-fanout/state'
import { startTcpProxy, until } from '@wns-fanout/testing'
import { Cluster } from 'ioredis'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { SentinelGroup } from '../support/sentinels.ts'
import { startSentinels } from '../support/sentinels.ts'
import { firstLine } from '../support/waiting-line.ts'

// Sentinels with a password of their own, as they are deployed.
let group: SentinelGroup
let passwordFile = ''
beforeAll(async () => {
  group = await startSentinels()
  passwordFile = join(group.folder, 'password')
  await writeFile(passwordFile, `${group.sentinelPassword}\n`)
})
afterAll(async () => {
  await group[Symbol.asyncDispose]()
})

async function connect(variables: Readonly<Record<string, string>> = {}, url = group.url) {
  const config = { REDIS_URL: url, ...variables }
  const connection = connectRedis(url, { ...(await readRedisAccess(config)), role: 'worker' })
  onTestFinished(() => closeRedis(connection))
  if (connection instanceof Cluster) throw new Error('a single primary was expected')
  return connection
}

test('the password of the Sentinels comes from a file, or from the URL', async () => {
  const byFile = await connect({ WNS_FANOUT_SENTINEL_PASSWORD_FILE: passwordFile })
  expect(await byFile.ping()).toBe('PONG')
  const byUrl = await connect({}, `${group.url}?sentinelPassword=${group.sentinelPassword}`)
  expect(await byUrl.ping()).toBe('PONG')
})

test('without it the line about the wait names the variables', async () => {
  expect(await firstLine(await connect())).toContain(
    'WNS_FANOUT_SENTINEL_PASSWORD_FILE: Sentinels have users of their own',
  )
})

test('all connections of a process follow a failover, and share one connection to each Sentinel', async () => {
  const connection = await connect({ WNS_FANOUT_SENTINEL_PASSWORD_FILE: passwordFile })
  await waitForRedis(connection)
  const copies = Array.from({ length: 20 }, () => connection.duplicate())
  onTestFinished(async () => {
    await Promise.all(copies.map((copy) => closeRedis(copy)))
  })
  const all = [connection, ...copies]
  await Promise.all(all.map((one) => one.ping()))
  const watching = async () =>
    Promise.all([0, 1, 2].map(async (n) => (await group.clientsOf(n)).filter((name) => name.startsWith('wns-fanout'))))
  await until(
    'only the shared connections are left',
    async () =>
      (await watching()).every((names) => names.length === 1 && names[0] === 'wns-fanout-failovers') || undefined,
  )
  const reconnected = Promise.all(all.map((one) => new Promise((resolve) => one.once('close', resolve))))
  await group.failOver()
  await reconnected
  const port = String(await group.primaryPort())
  await until('every connection is at the new primary', async () => {
    const infos = await Promise.all(all.map((one) => one.info('server')))
    return infos.every((info) => info.includes(`tcp_port:${port}`)) || undefined
  })
})

test('a connection to a Sentinel that went silent is replaced', async () => {
  const proxies = await Promise.all(group.sentinelPorts.map((port) => startTcpProxy(port)))
  onTestFinished(async () => {
    await Promise.all(proxies.map((proxy) => proxy.close()))
  })
  const hosts = proxies.map(({ port }) => `127.0.0.1:${port}`).join(',')
  const url = group.url.replace(/@[^/]*/, `@${hosts}`)
  const connection = await connect({ WNS_FANOUT_SENTINEL_PASSWORD_FILE: passwordFile }, url)
  await waitForRedis(connection)
  await until('it listens to every Sentinel', async () => proxies.every(({ connections }) => connections > 0))
  const before = proxies.map(({ connections }) => connections)
  for (const proxy of proxies) proxy.silence()
  await until('new connections', async () => proxies.every(({ connections }, n) => connections > (before[n] ?? 0)))
  const reconnected = new Promise((resolve) => connection.once('close', resolve))
  await group.failOver()
  await reconnected
})

test('a Sentinel in place of Redis, and Redis in place of a Sentinel, are named', async () => {
  const [port = 0] = group.sentinelPorts
  const options = {
    keys: new Keys('t:'),
    allowVolatile: true,
    signal: new AbortController().signal,
    onWarning: () => {},
  }
  const sentinel = await connect({}, `redis://:${group.sentinelPassword}@127.0.0.1:${port}`)
  await expect(waitForFitRedis(sentinel, options)).rejects.toThrow('REDIS_URL names a Sentinel as if it were Redis')
  const redisPort = await group.primaryPort()
  const line = await firstLine(
    await connect({}, `redis+sentinel://:redis-secret@127.0.0.1:${redisPort}/main?sentinelPassword=redis-secret`),
  )
  expect(line).toContain('is this a Sentinel? Use redis://')
})
