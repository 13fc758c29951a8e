import type { AppId, FanoutEvent } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import type { CrashPoint } from '../../src/crash-points.ts'
import type { DeathWatchDeps } from '../../src/worker/death-watch.ts'
import { DeathWatch } from '../../src/worker/death-watch.ts'

const dead = { id: 'w1', entry: '7 run' }

/** The steps of a watch that finds one dead worker, in order. */
async function watch(change: Partial<DeathWatchDeps> = {}) {
  const steps: string[] = []
  const events: FanoutEvent[] = []
  const deps: DeathWatchDeps = {
    register: {
      look: async () => [dead],
      claim: async () => steps.push('claim') > 0,
      forget: async () => void steps.push('forget'),
    },
    leader: { depose: async (id) => void steps.push(`depose ${id}`) },
    queues: {
      releaseJobsOf: async (process, apps) => {
        steps.push(`release ${process} of ${apps.join()}`)
        return 3
      },
    },
    apps: { list: async () => ['news' as AppId, 'mail' as AppId] },
    emit: (event) => events.push(event),
    reached: (point: CrashPoint) => void steps.push(point),
    ...change,
  }
  const ended = await new DeathWatch(deps).look().then(
    () => 'done',
    (error: Error) => error.message,
  )
  return { steps, events, ended }
}

test('a dead worker is claimed, deposed, its jobs are released, and only then is it forgotten', async () => {
  const { steps, events } = await watch()
  expect(steps).toEqual(['claim', 'death-claimed', 'depose w1', 'release w1 of news,mail', 'jobs-released', 'forget'])
  expect(events).toEqual([{ type: 'worker.died', worker: 'w1', jobs: 3 }])
})

test('a dead worker that another process has claimed is left to it', async () => {
  const register = { look: async () => [dead], claim: async () => false, forget: () => Promise.reject(new Error('no')) }
  expect(await watch({ register })).toEqual({ steps: [], events: [], ended: 'done' })
})

test('a dead worker whose jobs could not be released stays registered for the next claim', async () => {
  const queues = { releaseJobsOf: () => Promise.reject(new Error('no Redis')) }
  const { steps, events, ended } = await watch({ queues })
  expect([steps.includes('forget'), events, ended]).toEqual([false, [], 'no Redis'])
})
