import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { closeRedis, connectRedis, readRedisAccess, waitForRedis } from '@wns-fanout/state'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { TlsRedis } from '../support/tls-redis.ts'
import { startTlsRedis } from '../support/tls-redis.ts'
import { firstLine } from '../support/waiting-line.ts'

// Redis behind TLS with a private certificate authority, as platform teams run it.
let redis: TlsRedis
beforeAll(async () => {
  redis = await startTlsRedis({ host: 'localhost', wantsClientCertificate: true })
})
afterAll(async () => {
  await redis[Symbol.asyncDispose]()
})

function url(scheme: string, port: number, host = 'localhost'): string {
  return `${scheme}://:${redis.password}@${host}:${port}`
}
function withCa() {
  return { WNS_FANOUT_REDIS_TLS_CA_FILE: redis.caFile }
}
function withClient() {
  return {
    ...withCa(),
    WNS_FANOUT_REDIS_TLS_CERT_FILE: redis.certFile,
    WNS_FANOUT_REDIS_TLS_KEY_FILE: redis.keyFile,
  }
}

test('the certificate authority and the client certificate of the environment open a connection', async () => {
  const config = { REDIS_URL: url('rediss', redis.tlsPort), ...withClient() }
  const connection = connectRedis(config.REDIS_URL, { ...(await readRedisAccess(config)), role: 'worker' })
  onTestFinished(() => closeRedis(connection))
  await waitForRedis(connection)
  expect(await connection.ping()).toBe('PONG')
})

async function lineAboutTheWait(config: { readonly REDIS_URL: string }): Promise<string> {
  const connection = connectRedis(config.REDIS_URL, { ...(await readRedisAccess(config)), role: 'producer' })
  try {
    return await firstLine(connection)
  } finally {
    connection.disconnect()
  }
}

test('what is wrong with the connection is reported with its remedy', async () => {
  expect(await lineAboutTheWait({ REDIS_URL: url('rediss', redis.tlsPort) })).toContain(
    'set WNS_FANOUT_REDIS_TLS_CA_FILE',
  )
  expect(await lineAboutTheWait({ REDIS_URL: url('rediss', redis.plainPort), ...withClient() })).toContain(
    'if this port has no TLS, use redis://',
  )
  expect(await lineAboutTheWait({ REDIS_URL: url('redis', redis.tlsPort) })).toContain(
    'if this is a TLS port, use rediss://',
  )
  expect(await lineAboutTheWait({ REDIS_URL: url('rediss', redis.tlsPort, '127.0.0.1'), ...withClient() })).toContain(
    'use a host name in REDIS_URL that the certificate of Redis contains',
  )
  expect(await lineAboutTheWait({ REDIS_URL: url('rediss', redis.tlsPort), ...withCa() })).toContain(
    'set WNS_FANOUT_REDIS_TLS_CERT_FILE and',
  )
})

test('files that cannot be used are all named at once, without their content', async () => {
  const other = join(redis.folder, 'other.pem')
  await writeFile(other, 'canary-content')
  const text = await readRedisAccess({
    REDIS_URL: url('rediss', redis.tlsPort),
    WNS_FANOUT_REDIS_TLS_CA_FILE: other,
    WNS_FANOUT_REDIS_TLS_CERT_FILE: redis.certFile,
    WNS_FANOUT_REDIS_TLS_KEY_FILE: join(redis.folder, 'server.key'),
    WNS_FANOUT_SENTINEL_PASSWORD_FILE: '/nowhere/password',
  }).then(
    () => 'they were accepted',
    (error: unknown) => String(error),
  )
  expect(text).toContain('WNS_FANOUT_REDIS_TLS_CA_FILE: wanted certificates in PEM form')
  expect(text).toContain('wanted the key of WNS_FANOUT_REDIS_TLS_CERT_FILE; found another one')
  expect(text).toContain('wanted the path of a file that can be read; found /nowhere/password (ENOENT)')
  expect(text).toContain('WNS_FANOUT_SENTINEL_PASSWORD_FILE: wanted a REDIS_URL with redis+sentinel')
  expect(text).not.toContain('canary-content')
})

test.each([
  [{ WNS_FANOUT_REDIS_TLS_CA_FILE: '/ca' }, 'wanted a REDIS_URL with rediss; found redis'],
  [{ WNS_FANOUT_REDIS_TLS_KEY_FILE: '/key' }, 'wanted both; found one'],
])('%o with a plain URL is refused', async (variables, message) => {
  await expect(readRedisAccess({ REDIS_URL: 'redis://localhost', ...variables })).rejects.toThrow(message)
})
