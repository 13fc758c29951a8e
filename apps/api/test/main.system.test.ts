import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { type IncomingMessage, createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { spawn } from 'node:child_process'
import { ApiKeys, closeRedis, connectRedis, Keys } from '@wns-fanout/state'
import { startTcpProxy, until } from '@wns-fanout/testing'
import { expect, inject, onTestFinished, test } from 'vitest'
import { ensureKeyFile } from '../src/bootstrap-key.ts'

const script = fileURLToPath(new URL('../src/main.ts', import.meta.url))

/**
 * The API as a process of its own, on the test Redis (which forgets, and that is accepted) unless `env` changes that.
 */
async function start(env: Readonly<Record<string, string>> = {}, args: readonly string[] = []) {
  const folder = await mkdtemp(join(tmpdir(), 'wns-fanout-api-'))
  const keyring = join(folder, 'keyring')
  await writeFile(keyring, `k1 ${randomBytes(32).toString('base64')}\n`)
  const prefix = `t-${randomBytes(6).toString('hex')}:`
  const child = spawn(process.execPath, ['--conditions=@wns-fanout/source', script, ...args], {
    env: {
      PATH: process.env['PATH'],
      REDIS_URL: inject('redisUrl'),
      WNS_FANOUT_PREFIX: prefix,
      WNS_FANOUT_KEYRING_FILE: keyring,
      WNS_FANOUT_ALLOW_VOLATILE_REDIS: '1',
      WNS_FANOUT_BOOTSTRAP_KEY_FILE: join(folder, 'api-key'),
      PORT: '0',
      OPS_PORT: '0',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const seen = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (seen.stdout += piece))
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (seen.stderr += piece))
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve))
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exited
    await rm(folder, { recursive: true, force: true })
    const redis = connectRedis(inject('redisUrl'), { role: 'producer' })
    for (const name of ['keys', 'data-set', 'losses', 'apps']) await redis.unlink(`${prefix}${name}`)
    await closeRedis(redis)
  })
  return {
    child,
    exited,
    keyFile: join(folder, 'api-key'),
    seen,
    fatal: () =>
      seen.stderr
        .split('\n')
        .filter((line) => line.includes('"fatal"'))
        .map((line) => JSON.parse(line) as { msg: string }),
    ready: async () => {
      await until(() => readyLineIn(seen.stdout) !== undefined || child.exitCode !== null, 30_000)
      return JSON.parse(readyLineIn(seen.stdout) ?? '') as { ready: boolean; api: string; ops: string }
    },
  }
}

/** The other lines are entries of the audit log. */
function readyLineIn(stdout: string): string | undefined {
  return stdout
    .split('\n')
    .slice(0, -1)
    .find((line) => line.startsWith('{"ready"'))
}

async function closedPort(): Promise<number> {
  const closed = createServer()
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve))
  const { port } = closed.address() as AddressInfo
  await new Promise((resolve) => closed.close(resolve))
  return port
}

function fetchText(url: string, key = ''): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false, headers: { authorization: `Bearer ${key}` } }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (piece: string) => (text += piece))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    }).on('error', reject)
  })
}

test('it reports on stdout when it is ready, serves, leaves a key, shows gauges and stops on SIGTERM', async () => {
  const { child, ready, exited, keyFile, seen } = await start()
  const { ready: isReady, api, ops } = await ready()
  expect(isReady).toBe(true)
  const key = (await readFile(keyFile, 'utf8')).trim()
  expect((await stat(keyFile)).mode & 0o777).toBe(0o600)

  expect(await fetchText(`${api}/v1/apps`, key)).toEqual({ status: 200, text: '{"items":[]}' })
  expect((await fetchText(`${ops}/readyz`)).status).toBe(200)
  expect((await fetchText(`${ops}/metrics`)).text).toContain('# TYPE wns_fanout_backlog_seconds gauge')

  child.kill('SIGTERM')
  expect(await exited).toBe(0)
  expect(
    seen.stdout
      .split('\n')
      .map((line) => line.slice(0, 8))
      .toSorted(),
  ).toEqual(['', '{"audit"', '{"ready"'])
  expect(seen.stdout).toContain('"actor":"bootstrap","action":"key.create"')
  expect(seen.stdout).not.toContain(key)
  for (const line of seen.stderr.split('\n').filter((text) => text !== '')) expect(() => JSON.parse(line)).not.toThrow()
  expect(seen.stderr).not.toContain(key)
})

test('it waits for a Redis that goes away while it starts, and is ready once Redis is back', async () => {
  const url = new URL(inject('redisUrl'))
  const proxy = await startTcpProxy(Number(url.port))
  onTestFinished(() => proxy.close())
  url.port = String(proxy.port)
  let isCut = false
  // The first check of the start ends the connection, and the next attempts to connect fail until ioredis gives up.
  proxy.onRequest((bytes) => {
    if (isCut || !/evalsha/i.test(bytes)) return
    isCut = true
    proxy.cut({ refused: 6 })
  })
  const { ready, seen } = await start({ REDIS_URL: url.href })
  expect(await ready()).toMatchObject({ ready: true })
  expect(seen.stderr).toContain('went away while this process starts')
})

test('while Redis is away it keeps serving, and answers a problem with the time of a retry', async () => {
  const url = new URL(inject('redisUrl'))
  const proxy = await startTcpProxy(Number(url.port))
  url.port = String(proxy.port)
  const { ready, keyFile } = await start({ REDIS_URL: url.href })
  const { api, ops } = await ready()
  const key = (await readFile(keyFile, 'utf8')).trim()
  expect((await fetchText(`${ops}/servesz`)).status).toBe(200)
  await proxy.close()
  await until(async () => (await fetchText(`${ops}/readyz`)).status === 503)
  expect((await fetchText(`${ops}/servesz`)).status).toBe(200)
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    get(`${api}/v1/apps`, { agent: false, headers: { authorization: `Bearer ${key}` } }, resolve).on('error', reject)
  })
  answer.resume()
  expect(answer.statusCode).toBe(503)
  expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/)
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
})

test('it is not ready any more when Redis lost its data, and its key is good again when that is accepted', async () => {
  const prefix = `t-${randomBytes(6).toString('hex')}:`
  const { ready, keyFile, seen } = await start({ WNS_FANOUT_PREFIX: prefix })
  const { api, ops } = await ready()
  const key = (await readFile(keyFile, 'utf8')).trim()
  const redis = connectRedis(inject('redisUrl'), { role: 'producer' })
  onTestFinished(() => closeRedis(redis))
  await redis.unlink(`${prefix}data-set`, `${prefix}keys`)
  const { status, text } = await fetchText(`${ops}/readyz`)
  expect(status).toBe(503)
  expect(text).toContain('lost its data')
  // It may have been asked just before, and remembers a key for two seconds.
  await until(async () => (await fetchText(`${api}/v1/apps`, key)).status === 503)
  expect((await fetchText(`${api}/v1/apps`, key)).text).toContain('"unavailable"')

  const env = { WNS_FANOUT_PREFIX: prefix, WNS_FANOUT_KEYRING_FILE: '' }
  const look = await start(env, ['--accept-loss'])
  expect(await look.exited).toBe(0)
  expect(JSON.parse(look.seen.stdout)).toMatchObject({ missed: [{}], now: { apiKeys: 0 }, accepted: false })
  const accept = await start(env, ['--accept-loss', '--yes'])
  expect(await accept.exited).toBe(0)
  expect(JSON.parse(accept.seen.stdout)).toMatchObject({ missed: [{}], accepted: true })
  await until(async () => (await fetchText(`${ops}/readyz`)).status === 200)
  expect((await fetchText(`${api}/v1/apps`, key)).status).toBe(200)
  expect(seen.stderr.split('nothing is written: ')).toHaveLength(2)
})

test('a key that was revoked does not come back with a restart; one whose Redis lost all keys does', async () => {
  const prefix = `t-${randomBytes(6).toString('hex')}:`
  const redis = connectRedis(inject('redisUrl'), { role: 'producer' })
  onTestFinished(() => closeRedis(redis))
  const keys = new ApiKeys(redis, new Keys(prefix))
  const folder = await mkdtemp(join(tmpdir(), 'wns-fanout-key-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'api-key')
  const keyIn = async (): Promise<string> => (await readFile(file, 'utf8')).trim()
  await ensureKeyFile(keys, file)
  const first = await keyIn()

  await redis.unlink(`${prefix}keys`)
  // Another process, which remembers nothing.
  await ensureKeyFile(new ApiKeys(redis, new Keys(prefix)), file)
  expect(await keyIn()).toBe(first)
  const restored = await new ApiKeys(redis, new Keys(prefix)).verify(first)
  expect(restored).toMatchObject({ name: 'local-stack', verbs: expect.arrayContaining(['admin']) })

  await keys.create({ name: 'other', apps: ['*'], verbs: ['read'] })
  await keys.revoke(restored?.id ?? '')
  await ensureKeyFile(new ApiKeys(redis, new Keys(prefix)), file)
  expect(await keyIn()).not.toBe(first)
  expect(await new ApiKeys(redis, new Keys(prefix)).verify(first)).toBeNull()

  await redis.unlink(`${prefix}keys`)
  await writeFile(file, 'no key of ours\n')
  await ensureKeyFile(new ApiKeys(redis, new Keys(prefix)), file)
  expect(await keyIn()).toMatch(/^wnsf_/)
  await redis.unlink(`${prefix}keys`)
})

test('a port in use is reported with its number and variable, in one line', async () => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void other.close())
  const { port } = other.address() as AddressInfo
  const { exited, fatal, seen } = await start({ PORT: String(port) })
  expect(await exited).toBe(1)
  expect(fatal()).toHaveLength(1)
  expect(fatal()[0]?.msg).toMatch(new RegExp(`^PORT: port ${port} on 127.0.0.1 is in use`))
  expect(seen.stdout).toBe('')
  expect(seen.stderr).not.toContain('node_modules')
})

test('a Redis that forgets is refused unless that is accepted', async () => {
  const { exited, fatal } = await start({ WNS_FANOUT_ALLOW_VOLATILE_REDIS: '0' })
  expect(await exited).toBe(1)
  expect(fatal()[0]?.msg).toContain('appendonly yes')
})

test('without a keyring it does not start, and reports how to make one', async () => {
  const missing = await start({ WNS_FANOUT_KEYRING_FILE: '/nowhere/keyring' })
  expect(await missing.exited).toBe(1)
  expect(missing.fatal()[0]?.msg).toContain('/nowhere/keyring cannot be read (ENOENT)')
  const unset = await start({ WNS_FANOUT_KEYRING_FILE: '', PORT: 'x' })
  expect(await unset.exited).toBe(1)
  expect(unset.fatal()[0]?.msg).toMatch(/2 problems[^]*WNS_FANOUT_KEYRING_FILE[^]*PORT/)
})

test('while Redis is unavailable it waits and logs that, without a stack trace, and stops on a signal', async () => {
  const port = await closedPort()
  const opsPort = await closedPort()
  const ops = `http://127.0.0.1:${opsPort}`
  const { child, exited, seen } = await start({ REDIS_URL: `redis://127.0.0.1:${port}`, OPS_PORT: String(opsPort) })
  await until(() => seen.stderr.includes('cannot be used yet'), 30_000)
  // A restart would not help, and Prometheus sees the reason.
  expect((await fetchText(`${ops}/healthz`)).status).toBe(200)
  expect((await fetchText(`${ops}/servesz`)).status).toBe(503)
  expect(await fetchText(`${ops}/readyz`)).toMatchObject({
    status: 503,
    text: expect.stringContaining('starting') as string,
  })
  expect((await fetchText(`${ops}/metrics`)).text).toMatch(/^wns_fanout_redis_up 0$/m)
  expect(seen.stderr).toContain(`Redis at 127.0.0.1:${port} cannot be used yet`)
  expect(seen.stderr).not.toContain('    at ')
  child.kill('SIGTERM')
  expect(await exited).toBe(0)
})

test('the first key of an installation is made once', async () => {
  const prefix = `t-${randomBytes(6).toString('hex')}:`
  const first = await start({ WNS_FANOUT_PREFIX: prefix }, ['--bootstrap-key', 'ops'])
  expect(await first.exited).toBe(0)
  expect(JSON.parse(first.seen.stdout)).toMatchObject({
    name: 'ops',
    apps: ['*'],
    key: expect.stringMatching(/^wnsf_/),
  })
  const second = await start({ WNS_FANOUT_PREFIX: prefix }, ['--bootstrap-key', 'ops'])
  expect(await second.exited).toBe(1)
  expect(second.fatal()[0]?.msg).toContain('there is 1 API key already')
  const redis = connectRedis(inject('redisUrl'), { role: 'producer' })
  await redis.unlink(`${prefix}keys`)
  await closeRedis(redis)
})
