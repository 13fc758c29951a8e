import type { AppId, AppSettings, CampaignRequest } from '@wns-fanout/domain'
import { Keys } from '@wns-fanout/state'
import { Worker } from 'bullmq'
import { expect, onTestFinished, test, vi } from 'vitest'
import { Queues, sendQueueName } from '../../src/worker/queues.ts'
import { workerOptions } from '../../src/worker/run-worker.ts'
import type { FanoutWorker } from '../../src/worker/worker.ts'
import { Installation } from '../support/installation.ts'

const news = 'news' as AppId
/** Exempt from the guard, so that a recipient may get several. */
const personalized: Partial<CampaignRequest> = {
  notification: { type: 'tile', content: { medium: { lines: ['Hello {{vars.name|there}}'] } } },
  update: 'personalized',
}

async function until(condition: () => Promise<void> | void): Promise<void> {
  await vi.waitFor(condition, { timeout: 20_000, interval: 20 })
}

async function isCompleted(place: Installation, id: string): Promise<void> {
  await until(async () => {
    expect(await place.view(id)).toMatchObject({ state: 'completed', totals: { pending: 0 } })
  })
}

/** A campaign whose batch is in the queue of a paused app, which the worker finds paused when it starts. */
async function plannedWhilePaused(place: Installation, settings: AppSettings, worker: FanoutWorker): Promise<string> {
  await place.apps.pause(news)
  await worker.start()
  const { id } = await place.create(settings)
  await until(async () => {
    expect(await place.queues.sendQueue(news).getJobCountByTypes('prioritized')).toBe(1)
  })
  return id
}

/** Queues of a process whose announcements reach no worker, as if each was lost. */
function silentQueues(place: Installation): Queues {
  class SilentKeys extends Keys {
    override get readyAnnouncements(): string {
      return `${this.prefix}nowhere`
    }
  }
  const queues = new Queues(place.redis, new SilentKeys(place.keys.prefix), () => {})
  onTestFinished(() => queues.close())
  return queues
}

test('a worker lets a queue go once it has no work, and serves it again for the next campaign', async () => {
  const place = new Installation()
  const settings = await place.app('news', 3)
  await place.worker({ lingerMs: 0 }).start()
  for (const _ of [1, 2, 3]) {
    const { id } = await place.create(settings, personalized)
    await isCompleted(place, id)
    await until(async () => {
      expect(await place.queues.ready.all()).toEqual([])
    })
  }
  expect(place.posts).toHaveLength(9)
})

test('campaigns of many apps on workers that let queues go at once are all sent, each recipient once', async () => {
  const place = new Installation()
  const apps = await Promise.all(Array.from({ length: 20 }, (_, n) => place.app(`app-${n}`, 40)))
  await Promise.all([1, 2, 3].map(() => place.worker({ lingerMs: 0 }).start()))
  const ids: string[] = []
  for (const _ of [1, 2, 3]) {
    const made = await Promise.all(apps.map((settings) => place.create(settings, personalized)))
    ids.push(...made.map(({ id }) => id))
  }
  for (const id of ids) await isCompleted(place, id)
  expect(place.posts).toHaveLength(20 * 40 * 3)
  expect(place.eventsOf('reconciled')).toEqual([])
})

test('a campaign whose announcements are lost starts when the workers look', async () => {
  const place = new Installation()
  const settings = await place.app('news', 5)
  const queues = silentQueues(place)
  await place.worker({ queues, lingerMs: 0 }).start()
  const { id } = await place.create(settings)
  await isCompleted(place, id)
  expect(place.eventsOf('reconciled')).toEqual([])
  expect(await place.redis.exists(place.keys.readyAnnouncements)).toBe(0)
})

test('a batch that is due later is sent then, although its announcement is lost', async () => {
  const place = new Installation()
  const settings = await place.app('news', 5)
  const queues = silentQueues(place)
  const id = await plannedWhilePaused(place, settings, place.worker({ queues, lingerMs: 0 }))
  const [job] = await queues.sendQueue(news).getJobs(['prioritized'])
  if (job === undefined) throw new Error('there is no job')
  await job.remove()
  await queues.addBatches(news, [{ ...job.data, turn: 1, delayMs: 1500 }])
  await queues.ready.forget(news)
  await queues.ready.note(news, Date.now() + 1500)
  await place.apps.resume(news)
  await isCompleted(place, id)
})

test('a campaign that is announced nowhere starts when the leader reconciles it', async () => {
  const place = new Installation()
  const settings = await place.app('news', 5)
  const id = await plannedWhilePaused(place, settings, place.worker())
  await place.queues.ready.forget(news)
  await place.apps.resume(news)
  await isCompleted(place, id)
})

test('a batch in the hand of a worker that died alone is taken by the next one', async () => {
  const place = new Installation()
  const settings = await place.app('news', 5)
  const id = await plannedWhilePaused(place, settings, place.worker())
  const dead = new Worker(sendQueueName(news), null, {
    ...workerOptions(place.redis, 1000),
    prefix: place.keys.sendQueuePrefix(news),
  })
  onTestFinished(() => dead.close())
  expect(await dead.getNextJob('token of the dead')).toBeDefined()
  await place.apps.resume(news)
  await isCompleted(place, id)
})

test('an app that was removed is not listed as ready any more', async () => {
  const place = new Installation()
  await place.app('news', 1)
  await place.queues.ready.announce(news)
  await place.apps.delete(news)
  expect(await place.queues.ready.all()).toEqual([])
  // A worker that hands a batch back may be late.
  await place.queues.ready.announce(news)
  await place.worker().start()
  await until(async () => {
    expect(await place.queues.ready.all()).toEqual([])
  })
})
