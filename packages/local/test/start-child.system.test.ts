import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runScript, until } from '@wns-fanout/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  type Child,
  type StartChildOptions,
  type TemporaryFolder,
  isAlive,
  startChild,
  temporaryFolder,
} from '../src/index.ts'
import { fixture, gone, groupOf } from './support.ts'

let folder: TemporaryFolder
const started: Child[] = []

beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(async () => {
  await Promise.all(started.splice(0).map((child) => child.stop({ graceMs: 0 })))
  await folder.remove()
})

async function start(behavior: string, options: Partial<StartChildOptions> = {}): Promise<Child> {
  const child = await startChild({ name: 'worker 1', script: fixture('child.ts'), args: [behavior], ...options })
  started.push(child)
  return child
}

test('a child is ready at its ready line, which is returned', async () => {
  const child = await start('obedient', { args: ['obedient', 'a', 'b'], env: { GREETING: 'hello' } })
  expect(await child.ready).toEqual({
    ready: true,
    pid: child.pid,
    rest: ['a', 'b'],
    execArgv: ['--conditions=@wns-fanout/source'],
    greeting: 'hello',
  })
})

test('a variable set to undefined is not inherited', async () => {
  process.env['GREETING'] = 'from outside'
  try {
    const child = await start('obedient', { env: { GREETING: undefined } })
    expect(await child.ready).toMatchObject({ greeting: null })
  } finally {
    delete process.env['GREETING']
  }
})

test('a built .js file runs without the condition for sources', async () => {
  const script = join(folder.path, 'main.js')
  await writeFile(script, 'console.log(JSON.stringify({ ready: true, execArgv: process.execArgv }))\n')
  const child = await start('', { script })
  expect(await child.ready).toEqual({ ready: true, execArgv: [] })
})

test('a predicate decides which line means ready', async () => {
  const child = await start('obedient', {
    readyLine: (line) => typeof line === 'object' && line !== null && 'msg' in line,
  })
  expect(await child.ready).toEqual({ level: 'info', msg: 'not yet' })
})

test('a child without a ready line is ready at once', async () => {
  const child = await start('silent', { readyLine: false })
  expect(await child.ready).toBeUndefined()
})

test('an error about an early end shows how it ended and its last output', async () => {
  const child = await start('dies')
  await expect(child.ready).rejects.toThrow(
    'worker 1 ended before it was ready (exit code 3). Its output ends with:\nREDIS_URL: wanted a URL\nfound "nonsense"',
  )
  expect(await child.exited).toEqual({ code: 3, signal: null })
})

test('a child that is not ready in time is killed', async () => {
  const child = await start('silent', { readyTimeoutMs: 300 })
  await expect(child.ready).rejects.toThrow(/^worker 1 was not ready within 300 ms\. Its output ends with:/)
  expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' })
})

test('a folder that does not exist is an error of the start', async () => {
  await expect(start('obedient', { cwd: join(folder.path, 'nowhere') })).rejects.toThrow('ENOENT')
})

test('stop sends SIGTERM, is idempotent, and resolves when the child has ended', async () => {
  const child = await start('obedient')
  await child.ready
  const exits = await Promise.all([child.stop(), child.stop()])
  expect(exits).toEqual([
    { code: null, signal: 'SIGTERM' },
    { code: null, signal: 'SIGTERM' },
  ])
  expect(isAlive(child.pid)).toBe(false)
})

test('Ctrl-C in a terminal does not reach it, because the supervisor decides the order of stopping', async () => {
  const child = await start('obedient')
  expect(groupOf(child.pid)).toBe(child.pid)
})

test('a child that ignores SIGTERM is killed after the grace time', async () => {
  const heard: string[] = []
  const child = await start('deaf', { onLine: (line) => heard.push(line) })
  await child.ready
  expect(await child.stop({ graceMs: 300 })).toEqual({ code: null, signal: 'SIGKILL' })
  expect(heard).toContain('not listening')
})

test('its output goes to the log file and to the callback', async () => {
  const logFile = join(folder.path, 'logs/worker.log')
  const heard: string[] = []
  const child = await start('obedient', { logFile, onLine: (line, from) => heard.push(`${from} ${line}`) })
  await child.ready
  await until(async () => (await readFile(logFile, 'utf8')).split('\n').length === 4)
  const written = await readFile(logFile, 'utf8')
  expect(written).toContain('{"level":"info","msg":"listening"}\n')
  expect(written).toContain('"ready":true')
  expect((await stat(logFile)).mode & 0o777).toBe(0o600)
  expect(heard).toContain('stderr {"level":"info","msg":"listening"}')
  expect(heard.filter((line) => line.startsWith('stdout'))).toHaveLength(2)
})

test('a child ends when its parent is killed with SIGKILL', async () => {
  await using parent = runScript(fixture('child-parent.ts'))
  const pid = Number((await parent.firstObject())['pid'])
  expect(isAlive(pid)).toBe(true)
  parent.process.kill('SIGKILL')
  await gone(pid)
})

test('a watched child restarts when its source changes, and ends with its parent', async () => {
  const script = join(folder.path, 'main.js')
  await writeFile(script, versionScript(1))
  const lines: string[] = []
  const child = await start('', { script, watch: true, onLine: (line) => lines.push(line) })
  expect(await child.ready).toMatchObject({ version: 1 })
  // The first change may come before Node watches the file.
  let writtenAtMs = Number.NEGATIVE_INFINITY
  await until('the second version to run', async () => {
    if (performance.now() - writtenAtMs > 3000) {
      await writeFile(script, versionScript(2))
      writtenAtMs = performance.now()
    }
    return lines.some((line) => line.includes('"version":2'))
  })
  await child.stop()
  expect(isAlive(child.pid)).toBe(false)
})

function versionScript(version: number): string {
  return `console.log(JSON.stringify({ ready: true, version: ${version} })); process.stdin.resume()\n`
}
