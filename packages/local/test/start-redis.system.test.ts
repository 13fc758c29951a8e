import { execFileSync } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { runScript, until } from '@wns-fanout/testing'
import { afterAll, beforeAll, beforeEach, afterEach, expect, test } from 'vitest'
import {
  type LocalRedis,
  type RedisCommand,
  type StartRedisOptions,
  type TemporaryFolder,
  findRedis,
  freePort,
  isAlive,
  startRedis,
  temporaryFolder,
} from '../src/index.ts'
import { askRedis, cacheDir, fixture, gone, groupOf } from './support.ts'

let redis: RedisCommand
let folder: TemporaryFolder
const started: LocalRedis[] = []

beforeAll(async () => {
  redis = await findRedis({ cacheDir })
}, 300_000)
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(async () => {
  await Promise.all(started.splice(0).map((server) => server.stop()))
  await folder.remove()
})
afterAll(() => {
  expect(started).toEqual([])
})

async function start(options: Partial<StartRedisOptions> = {}): Promise<LocalRedis> {
  const server = await startRedis({ redis, dir: folder.path, persistence: 'none', ...options })
  started.push(server)
  return server
}

test('a Redis serves as soon as the start resolves', async () => {
  const server = await start()
  expect(await askRedis(server.url, 'PING')).toBe('+PONG')
})

test('the folder of its log is created too', async () => {
  const logFile = join(folder.path, 'logs', 'redis.log')
  await start({ logFile })
  expect(await readFile(logFile, 'utf8')).toContain('Ready to accept connections')
})

test('two Redis servers run at once on ports of their own', async () => {
  const [one, two] = await Promise.all([start({ dir: `${folder.path}/1` }), start({ dir: `${folder.path}/2` })])
  expect(one.port).not.toBe(two.port)
  await askRedis(one.url, 'SET', 'name', 'one')
  expect(await askRedis(two.url, 'GET', 'name')).toBe('$-1')
})

test('the folder of its data is closed to others', async () => {
  const dir = join(folder.path, 'data')
  await start({ dir })
  expect((await stat(dir)).mode & 0o777).toBe(0o700)
})

test('a folder may have any name', async () => {
  const server = await start({ dir: join(folder.path, `it's "här" \\ #1\t$x`), persistence: 'aof' })
  expect(await askRedis(server.url, 'SET', 'name', 'value')).toBe('+OK')
})

test('access needs the password, which is in no argument list', async () => {
  const server = await start()
  const { port, password } = new URL(server.url)
  expect(await askRedis(`redis://:wrong@127.0.0.1:${port}`, 'PING')).toMatch(/WRONGPASS[^]*NOAUTH/)
  const commandLine = execFileSync('ps', ['-ww', '-o', 'args=', '-p', String(server.pid)], { encoding: 'utf8' })
  expect(commandLine).toContain('redis')
  expect(commandLine).not.toContain(password)
  expect(await readFile(server.logFile, 'utf8')).not.toContain(password)
  expect((await stat(server.logFile)).mode & 0o777).toBe(0o600)
})

test.each([
  ['bind', '127.0.0.1'],
  ['maxmemory-policy', 'noeviction'],
  ['maxmemory', '33554432'],
  ['save', ''],
  ['appendonly', 'yes'],
  ['appendfsync', 'everysec'],
  ['hash-max-listpack-entries', '512'],
  ['hash-max-listpack-value', '160'],
  ['loglevel', 'verbose'],
])('it runs with %s = "%s"', async (name, value) => {
  const server = await start({
    persistence: 'aof',
    maxmemoryBytes: 32 * 1024 * 1024,
    extraArgs: ['--loglevel', 'verbose'],
  })
  const reply = `*2\r\n$${name.length}\r\n${name}\r\n$${value.length}\r\n${value}`
  expect(await askRedis(server.url, 'CONFIG', 'GET', name)).toBe(reply.trimEnd())
})

test('with "aof" the data survives a restart, with "none" it does not', async () => {
  const kept = await start({ persistence: 'aof', dir: `${folder.path}/aof` })
  const lost = await start({ persistence: 'none', dir: `${folder.path}/none` })
  for (const server of [kept, lost]) {
    expect(await askRedis(server.url, 'SET', 'name', 'value')).toBe('+OK')
    expect(await server.stop()).toEqual({ code: 0, signal: null })
  }
  const keptAgain = await start({ persistence: 'aof', dir: `${folder.path}/aof` })
  const lostAgain = await start({ persistence: 'none', dir: `${folder.path}/none` })
  expect(await askRedis(keptAgain.url, 'GET', 'name')).toContain('value')
  expect(await askRedis(lostAgain.url, 'GET', 'name')).toBe('$-1')
})

test('an error about a taken port names the port and what to do', async () => {
  const port = await freePort()
  const squatter = createServer().listen(port, '127.0.0.1')
  try {
    await until(() => squatter.listening)
    await expect(start({ port })).rejects.toThrow(
      `Redis cannot listen on port ${port} of 127.0.0.1, which another process uses; ` +
        'choose another port, or 0 for a free one',
    )
  } finally {
    squatter.close()
  }
})

test('an error about a failed start shows the end of the log', async () => {
  await expect(start({ extraArgs: ['--no-such-option', '1'] })).rejects.toThrow(
    /Redis did not start \(.*\): exit code 1\. Its log ends with:\n[^]*no-such-option/,
  )
})

test('an error about a missing program names it', async () => {
  const command = `${folder.path}/no-such-server`
  await expect(start({ redis: { command, args: [], env: {}, origin: 'path' } })).rejects.toThrow(command)
})

test('stop may be called twice and is complete when it resolves', async () => {
  const server = await start()
  await Promise.all([server.stop(), server.stop()])
  expect(isAlive(server.pid)).toBe(false)
  expect(await server.exited).toEqual({ code: 0, signal: null })
})

test('Ctrl-C in a terminal does not reach it, because others may still need it', async () => {
  const server = await start()
  expect(groupOf(server.pid)).toBe(server.pid)
})

test('a Redis that was killed is reported', async () => {
  const server = await start()
  process.kill(server.pid, 'SIGKILL')
  expect(await server.exited).toEqual({ code: null, signal: 'SIGKILL' })
})

test('a watchdog ends with the Redis that it watches', async () => {
  const path = process.env['PATH'] ?? ''
  process.env['PATH'] = ''
  const server = await start().finally(() => {
    process.env['PATH'] = path
  })
  const watchdogs = (): string[] =>
    execFileSync('ps', ['-A', '-ww', '-o', 'stat=,args='], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line.trimEnd().endsWith(` ${server.pid}`) && !line.startsWith('Z'))
  expect(watchdogs()).toHaveLength(1)
  await server.stop()
  await until(() => watchdogs().length === 0)
})

// Without setpriv on PATH (as on macOS) a watchdog process does what the kernel does on Linux.
test.each([
  ['as the machine does it', process.env],
  ['by a watchdog', { ...process.env, PATH: '' }],
])('a Redis ends when its parent is killed with SIGKILL, %s', async (_how, env) => {
  await using parent = runScript(fixture('redis-parent.ts'), { args: [folder.path, JSON.stringify(redis)], env })
  const pid = Number((await parent.firstObject())['pid'])
  expect(isAlive(pid)).toBe(true)
  parent.process.kill('SIGKILL')
  await gone(pid)
})
