import { expect, test } from 'vitest'
import { createLifecycle, sleep } from '../src/index.ts'
import { listen } from './support.ts'

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

test('a step that exceeds the deadline is notified and skipped, and the other steps still run', async () => {
  const { logger, lines } = listen()
  const life = createLifecycle(logger, { deadlineMs: 30 })
  const notes: string[] = []
  life.onStop('redis', async () => {
    await Promise.resolve()
    notes.push('redis')
  })
  life.onStop('worker', async (signal) => {
    signal.addEventListener('abort', () => notes.push('worker notified'))
    await new Promise<void>(() => {})
  })
  expect((await life.stop('test')).clean).toBe(false)
  expect(notes).toEqual(['worker notified', 'redis'])
  expect(lines().find(({ level }) => level === 'error')).toMatchObject({ step: 'worker', deadlineMs: 30 })
})

test('a sleep lasts its time, and ends at once when it is aborted', async () => {
  const startedMs = performance.now()
  await sleep(20)
  // Timers may fire a millisecond early.
  expect(performance.now() - startedMs).toBeGreaterThanOrEqual(18)
  await expect(sleep(3_600_000, AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' })
  await sleep(-5)
})
