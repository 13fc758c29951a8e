import { afterEach, expect, test } from 'vitest'
import { createLifecycle, sleep } from '../src/index.ts'
import { endAll, listen, run, until } from './support.ts'

afterEach(endAll)

test('steps run one after another, the last registered first', async () => {
  const life = createLifecycle(listen().logger)
  const notes: string[] = []
  for (const name of ['redis', 'queue', 'server']) {
    life.onStop(name, async () => {
      notes.push(`${name} stopping`)
      await Promise.resolve()
      notes.push(`${name} stopped`)
    })
  }
  expect(await life.stop('test')).toEqual({ reason: 'test', clean: true })
  expect(notes).toEqual([
    'server stopping',
    'server stopped',
    'queue stopping',
    'queue stopped',
    'redis stopping',
    'redis stopped',
  ])
})

test('stop may be called any number of times; the steps run once and the first reason counts', async () => {
  const life = createLifecycle(listen().logger)
  let runs = 0
  life.onStop('server', () => {
    runs += 1
  })
  const reports = await Promise.all([life.stop('first'), life.stop('second')])
  reports.push(await life.stop('third'))
  expect(runs).toBe(1)
  expect(reports.map(({ reason }) => reason)).toEqual(['first', 'first', 'first'])
})

test('the signal is aborted as soon as stopping begins', async () => {
  const life = createLifecycle(listen().logger)
  const waiting = sleep(3_600_000, life.signal)
  const stopped = life.stop('test')
  await expect(waiting).rejects.toThrow('The operation was aborted')
  await stopped
})

test('a step that fails is logged and does not stop the others from stopping', async () => {
  const { logger, lines } = listen()
  const life = createLifecycle(logger)
  const notes: string[] = []
  life.onStop('redis', () => void notes.push('redis'))
  life.onStop('server', () => Promise.reject(new Error('stuck')))
  expect((await life.stop('test')).clean).toBe(false)
  expect(notes).toEqual(['redis'])
  expect(lines().find(({ level }) => level === 'error')).toMatchObject({ step: 'server', err: { message: 'stuck' } })
})

test('a step that overstays the deadline is told, left behind, and the rest still gets a chance', async () => {
  const { logger, lines } = listen()
  const life = createLifecycle(logger, { deadlineMs: 30 })
  const notes: string[] = []
  life.onStop('redis', async () => {
    await Promise.resolve()
    notes.push('redis')
  })
  life.onStop('worker', async (signal) => {
    signal.addEventListener('abort', () => notes.push('worker told'))
    await new Promise<void>(() => {})
  })
  expect((await life.stop('test')).clean).toBe(false)
  expect(notes).toEqual(['worker told', 'redis'])
  expect(lines().find(({ level }) => level === 'error')).toMatchObject({ step: 'worker', deadlineMs: 30 })
})

test.each(['SIGTERM', 'SIGINT'] as const)('a process stops in order at %s and exits with 0', async (signal) => {
  const child = run('process.ts', [])
  await until(() => child.said().includes('ready'))
  child.process.kill(signal)
  expect(await child.ended()).toEqual({ code: 0, signal: null })
  expect(child.said()).toEqual(['ready', 'server stopping', 'server stopped', 'redis stopped'])
  expect(child.logged()).toContain(`"reason":"${signal}"`)
  expect(child.logged()).toContain('"msg":"stopped"')
})

test('a second signal ends the process at once with 1', async () => {
  const child = run('process.ts', ['stubborn'])
  await until(() => child.said().includes('ready'))
  child.process.kill('SIGTERM')
  await until(() => child.said().includes('server stopping'))
  child.process.kill('SIGTERM')
  expect(await child.ended()).toEqual({ code: 1, signal: null })
  expect(child.said()).not.toContain('redis stopped')
})

test('a process whose step hangs ends after the deadline with 1', async () => {
  const child = run('process.ts', ['stubborn', 'impatient'])
  await until(() => child.said().includes('ready'))
  child.process.kill('SIGTERM')
  expect(await child.ended()).toEqual({ code: 1, signal: null })
  expect(child.said()).toContain('redis stopped')
})

test('a process whose step fails ends with 1', async () => {
  const child = run('process.ts', ['failing'])
  await until(() => child.said().includes('ready'))
  child.process.kill('SIGTERM')
  expect(await child.ended()).toEqual({ code: 1, signal: null })
  expect(child.said()).toContain('redis stopped')
})

test.each([
  ['throws', 'uncaughtException'],
  ['rejects', 'unhandledRejection'],
])('a process that %s out of turn logs it, stops and exits with 1', async (behaviour, kind) => {
  const child = run('process.ts', [behaviour])
  expect(await child.ended()).toEqual({ code: 1, signal: null })
  expect(child.said()).toEqual(['ready', 'server stopping', 'server stopped', 'redis stopped'])
  expect(child.logged()).toMatch(new RegExp(`"level":"fatal".*a bug.*"msg":"${kind}"`))
})

test('with the pipe to its parent gone, a child stops in order', async () => {
  const child = run('process.ts', [], { ...process.env, WNS_FANOUT_PARENT_PIPE: '1' })
  await until(() => child.said().includes('ready'))
  child.process.stdin?.end()
  expect(await child.ended()).toEqual({ code: 0, signal: null })
  expect(child.said()).toContain('redis stopped')
})

test('with the pipe to its parent gone, a child that cannot stop ends anyway', async () => {
  const child = run('process.ts', ['stubborn'], { ...process.env, WNS_FANOUT_PARENT_PIPE: '1' })
  await until(() => child.said().includes('ready'))
  child.process.stdin?.end()
  expect(await child.ended()).toEqual({ code: 1, signal: null })
})

test('without the variable the end of stdin means nothing', async () => {
  const child = run('process.ts', [], { ...process.env, WNS_FANOUT_PARENT_PIPE: '' })
  await until(() => child.said().includes('ready'))
  child.process.stdin?.end()
  child.process.kill('SIGTERM')
  expect(await child.ended()).toEqual({ code: 0, signal: null })
  expect(child.logged()).toContain('"reason":"SIGTERM"')
})

test('a pause lasts its time, and not a moment longer when it is aborted', async () => {
  const startedMs = performance.now()
  await sleep(20)
  // Timers may fire a millisecond early.
  expect(performance.now() - startedMs).toBeGreaterThanOrEqual(18)
  await expect(sleep(3_600_000, AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' })
  await sleep(-5)
})
