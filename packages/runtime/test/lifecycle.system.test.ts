import { until } from '@wns-fanout/testing'
import { expect, test } from 'vitest'
import { linesOf, startFixture } from './support.ts'

test.each(['SIGTERM', 'SIGINT'] as const)('a process stops in order at %s and exits with 0', async (signal) => {
  const child = startFixture('process.ts', [])
  await until(() => linesOf(child).includes('ready'))
  child.process.kill(signal)
  expect(await child.ended()).toEqual({ code: 0, signal: null })
  expect(linesOf(child)).toEqual(['ready', 'server stopping', 'server stopped', 'redis stopped'])
  expect(child.stderr()).toContain(`"reason":"${signal}"`)
  expect(child.stderr()).toContain('"msg":"stopped"')
})

test('a second signal ends the process at once with 1', async () => {
  const child = startFixture('process.ts', ['stubborn'])
  await until(() => linesOf(child).includes('ready'))
  child.process.kill('SIGTERM')
  await until(() => linesOf(child).includes('server stopping'))
  child.process.kill('SIGTERM')
  expect(await child.ended()).toEqual({ code: 1, signal: null })
  expect(linesOf(child)).not.toContain('redis stopped')
})

test('a process whose step hangs ends after the deadline with 1', async () => {
  const child = startFixture('process.ts', ['stubborn', 'impatient'])
  await until(() => linesOf(child).includes('ready'))
  child.process.kill('SIGTERM')
  expect(await child.ended()).toEqual({ code: 1, signal: null })
  expect(linesOf(child)).toContain('redis stopped')
})

test('a process whose step fails ends with 1', async () => {
  const child = startFixture('process.ts', ['failing'])
  await until(() => linesOf(child).includes('ready'))
  child.process.kill('SIGTERM')
  expect(await child.ended()).toEqual({ code: 1, signal: null })
  expect(linesOf(child)).toContain('redis stopped')
})

test.each([
  ['throws', 'uncaughtException'],
  ['rejects', 'unhandledRejection'],
])('a process that %s outside its steps logs it, stops and exits with 1', async (behaviour, kind) => {
  const child = startFixture('process.ts', [behaviour])
  expect(await child.ended()).toEqual({ code: 1, signal: null })
  expect(linesOf(child)).toEqual(['ready', 'server stopping', 'server stopped', 'redis stopped'])
  expect(child.stderr()).toMatch(new RegExp(`"level":"fatal".*a bug.*"msg":"${kind}"`))
})

test('a child stops in order when the pipe to its parent closes', async () => {
  const child = startFixture('process.ts', [], { ...process.env, WNS_FANOUT_PARENT_PIPE: '1' })
  await until(() => linesOf(child).includes('ready'))
  child.process.stdin?.end()
  expect(await child.ended()).toEqual({ code: 0, signal: null })
  expect(linesOf(child)).toContain('redis stopped')
})

test('a child whose log has no reader any more ends too', async () => {
  const child = startFixture('process.ts', [], { ...process.env, WNS_FANOUT_PARENT_PIPE: '1' })
  await until(() => linesOf(child).includes('ready'))
  child.process.stderr?.destroy()
  child.process.stdin?.end()
  expect(await child.ended()).toEqual({ code: 0, signal: null })
})

test('a child that cannot stop ends anyway when the pipe to its parent closes', async () => {
  const child = startFixture('process.ts', ['stubborn'], { ...process.env, WNS_FANOUT_PARENT_PIPE: '1' })
  await until(() => linesOf(child).includes('ready'))
  child.process.stdin?.end()
  expect(await child.ended()).toEqual({ code: 1, signal: null })
})

test('without the variable the end of stdin is ignored', async () => {
  const child = startFixture('process.ts', [], { ...process.env, WNS_FANOUT_PARENT_PIPE: '' })
  await until(() => linesOf(child).includes('ready'))
  child.process.stdin?.end()
  child.process.kill('SIGTERM')
  expect(await child.ended()).toEqual({ code: 0, signal: null })
  expect(child.stderr()).toContain('"reason":"SIGTERM"')
})
