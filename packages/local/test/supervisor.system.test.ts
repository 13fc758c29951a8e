import { until } from '@wns-fanout/testing'
import { afterEach, expect, test } from 'vitest'
import {
  type Child,
  type Exit,
  type Part,
  type Supervisor,
  createSupervisor,
  isAlive,
  startChild,
} from '../src/index.ts'
import { fixture } from './support.ts'

const supervisors: Supervisor[] = []
afterEach(async () => {
  await Promise.all(supervisors.splice(0).map((supervisor) => supervisor.stop()))
})

function setup(): { supervisor: Supervisor; heard: string[] } {
  const heard: string[] = []
  const supervisor = createSupervisor({ log: (message) => heard.push(message) })
  supervisors.push(supervisor)
  return { supervisor, heard }
}

function noted(name: string, notes: string[]): () => Promise<Part> {
  return async () => {
    notes.push(`start ${name}`)
    return await Promise.resolve({
      stop: async () => {
        await Promise.resolve()
        notes.push(`stopped ${name}`)
      },
    })
  }
}

async function startObedient(): Promise<Child> {
  const child = await startChild({ name: 'worker', script: fixture('child.ts') })
  await child.ready
  return child
}

test('parts start in order and stop in the opposite order, once', async () => {
  const { supervisor } = setup()
  const notes: string[] = []
  for (const name of ['redis', 'api', 'worker']) await supervisor.add(name, noted(name, notes))
  await Promise.all([supervisor.stop(), supervisor.stop()])
  await supervisor.stop()
  expect(notes).toEqual(['start redis', 'start api', 'start worker', 'stopped worker', 'stopped api', 'stopped redis'])
})

test('a part that fails to stop does not keep the others running', async () => {
  const { supervisor, heard } = setup()
  const notes: string[] = []
  await supervisor.add('redis', noted('redis', notes))
  await supervisor.add('api', async () => await Promise.resolve({ stop: () => Promise.reject(new Error('stuck')) }))
  await supervisor.stop()
  expect(notes).toEqual(['start redis', 'stopped redis'])
  expect(heard).toEqual(['stopping api failed: stuck'])
})

test('a part that fails to start is the error of add, and the rest can be stopped', async () => {
  const { supervisor } = setup()
  const notes: string[] = []
  await supervisor.add('redis', noted('redis', notes))
  await expect(supervisor.add('api', () => Promise.reject(new Error('port taken')))).rejects.toThrow('port taken')
  await supervisor.stop()
  expect(notes).toEqual(['start redis', 'stopped redis'])
})

test('after stop nothing is started', async () => {
  const { supervisor } = setup()
  await supervisor.stop()
  const notes: string[] = []
  await expect(supervisor.add('api', noted('api', notes))).rejects.toThrow('api was not started')
  expect(notes).toEqual([])
})

test('a part that starts while everything stops is stopped too', async () => {
  const { supervisor } = setup()
  const { promise, resolve } = Promise.withResolvers<Part>()
  const notes: string[] = []
  const adding = supervisor.add('api', () => promise)
  await supervisor.stop()
  resolve(await noted('api', notes)())
  await expect(adding).rejects.toThrow('api was stopped again')
  expect(notes).toEqual(['start api', 'stopped api'])
})

test('a killed part with restart starts again, and stop ends the new one', async () => {
  const { supervisor, heard } = setup()
  const restarted: { child: Child; exit: Exit }[] = []
  const first = await supervisor.add('worker', startObedient, {
    restart: { afterMs: 10, onRestart: (child, exit) => void restarted.push({ child, exit }) },
  })
  process.kill(first.pid, 'SIGKILL')
  await until(() => restarted.length === 1)
  const second = restarted[0]
  expect(second?.exit).toEqual({ code: null, signal: 'SIGKILL' })
  expect(heard).toEqual(['worker ended (SIGKILL); restarting in 10 ms'])
  expect(isAlive(second?.child.pid ?? 0)).toBe(true)
  await supervisor.stop()
  expect(isAlive(second?.child.pid ?? 0)).toBe(false)
  expect(restarted).toHaveLength(1)
})

test('a failed restart is retried', async () => {
  const { supervisor, heard } = setup()
  let starts = 0
  const restarted: Part[] = []
  const { promise: exited, resolve: die } = Promise.withResolvers<Exit>()
  const { promise: living, resolve: end } = Promise.withResolvers<Exit>()
  const start = async (): Promise<Part> => {
    starts += 1
    if (starts === 2) throw new Error('no memory')
    return await Promise.resolve(
      starts === 1
        ? { exited, stop: () => exited }
        : { exited: living, stop: async () => end({ code: 0, signal: null }) },
    )
  }
  await supervisor.add('worker', start, { restart: { afterMs: 1, onRestart: (part) => void restarted.push(part) } })
  die({ code: 1, signal: null })
  await until(() => restarted.length === 1)
  expect(starts).toBe(3)
  expect(heard).toContain('restarting worker failed: no memory')
})

test('a part that ended does not restart while everything stops', async () => {
  const { supervisor, heard } = setup()
  let starts = 0
  const first = await supervisor.add(
    'worker',
    async () => {
      starts += 1
      return await startObedient()
    },
    { restart: { afterMs: 3_600_000 } },
  )
  process.kill(first.pid, 'SIGKILL')
  await until(() => heard.length === 1)
  await supervisor.stop()
  expect(starts).toBe(1)
})

test('a restart in progress leaves nothing behind when everything stops', async () => {
  const { supervisor } = setup()
  const started: Child[] = []
  const { promise: secondStart, resolve: onSecondStart } = Promise.withResolvers<void>()
  const start = async (): Promise<Child> => {
    const child = await startChild({ name: 'worker', script: fixture('child.ts') })
    started.push(child)
    if (started.length === 2) onSecondStart()
    await child.ready
    return child
  }
  let restarts = 0
  const first = await supervisor.add('worker', start, {
    restart: {
      afterMs: 1,
      onRestart: () => {
        restarts += 1
      },
    },
  })
  process.kill(first.pid, 'SIGKILL')
  await secondStart
  await supervisor.stop()
  expect(started.map(({ pid }) => isAlive(pid))).toEqual([false, false])
  expect(restarts).toBe(0)
})

test('the end of a part without restart is reported', async () => {
  const { supervisor } = setup()
  const child = await supervisor.add('api', startObedient)
  process.kill(child.pid, 'SIGKILL')
  expect(await supervisor.failed).toEqual({ name: 'api', exit: { code: null, signal: 'SIGKILL' } })
})
