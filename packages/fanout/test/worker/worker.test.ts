import type { AppId, CampaignId } from '@wns-fanout/domain'
import { closeRedis, connectRedis } from '@wns-fanout/state'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { AppPermits } from '../../src/send/app-permits.ts'
import { Installation } from '../support/installation.ts'

async function until(condition: () => Promise<void> | void): Promise<void> {
  await vi.waitFor(condition, { timeout: 20_000, interval: 20 })
}

test('a worker sends a campaign from its launch to its end', async () => {
  const place = new Installation()
  const settings = await place.app('news', 700)
  await place.worker().start()
  const { id } = await place.create(settings)
  await until(async () => {
    expect(await place.view(id)).toMatchObject({
      state: 'completed',
      totals: { accepted: 700, pending: 0 },
    })
  })
  expect(new Set(place.posts).size).toBe(700)
  expect(place.posts).toHaveLength(700)
  await until(() => {
    expect(place.eventsOf('campaign.finished')).toMatchObject([{ campaign: id }])
  })
})

test.each(['normal', 'urgent'] as const)(
  'a small %s campaign is not behind a broadcast of its app',
  async (priority) => {
    const place = new Installation()
    const settings = await place.app('news', 4000)
    const limit = { ratePerSecond: 200, burst: 20 }
    for (const _ of [1, 2]) {
      const permits = new AppPermits(place.permits, settings.app, { limit: () => limit })
      onTestFinished(() => permits.stop())
      const condition = async () => ({ effectiveRatePerSecond: limit.ratePerSecond })
      await place.worker({ permits: () => permits, condition }).start()
    }
    const broadcast = await place.create(settings)
    await until(async () => {
      expect((await place.view(broadcast.id)).totals.accepted).toBeGreaterThan(0)
    })
    const channels = Array.from({ length: 40 }, (_, n) => `d${3900 + n}`)
    const small = await place.create(settings, { audience: { channels }, update: 'personalized', priority })
    await until(async () => {
      expect(await place.view(small.id)).toMatchObject({ state: 'completed', totals: { accepted: 40 } })
    })
    // At the rate of the app the broadcast takes twenty seconds.
    expect((await place.view(broadcast.id)).totals.pending).toBeGreaterThan(0)
  },
)

test('an app that is paused sends nothing until it is resumed', async () => {
  const place = new Installation()
  const settings = await place.app('news', 5)
  await place.apps.pause('news' as AppId)
  await place.worker().start()
  const { id } = await place.create(settings)
  await until(async () => {
    expect((await place.view(id)).audienceSize).toBe(5)
  })
  expect(place.posts).toEqual([])
  await place.apps.resume('news' as AppId)
  await until(async () => {
    expect((await place.view(id)).totals.accepted).toBe(5)
  })
})

test('a campaign that is paused parks its batches, and its resume sends the rest', async () => {
  const place = new Installation()
  const settings = await place.app('news', 5)
  place.answer = () => undefined
  await place.worker().start()
  const { id } = await place.create(settings)
  await until(() => {
    expect(place.posts).toHaveLength(5)
  })
  await place.pause(id)
  place.answer = () => ({ kind: 'server-error', status: 500, trace: {} })
  place.release()
  await until(() => {
    expect(place.eventsOf('batch.closed')).toHaveLength(1)
  })
  expect(await place.view(id)).toMatchObject({ totals: { accepted: 5 } })
})

test('a stop hands the batches back, and another worker continues', async () => {
  const place = new Installation()
  const settings = await place.app('news', 1200)
  place.answer = () => undefined
  const first = place.worker()
  await first.start()
  const { id } = await place.create(settings)
  await until(() => {
    expect(place.posts.length).toBeGreaterThan(0)
  })
  const stopped = first.stop()
  place.answer = () => ({ kind: 'accepted', status: 200, trace: {} })
  place.release()
  await stopped
  expect(place.eventsOf('batch.parked').some(({ reason }) => reason === 'stopping')).toBe(true)
  expect((await place.view(id)).state).toBe('sending')
  await place.worker().start()
  await until(async () => {
    expect((await place.view(id)).totals.accepted).toBe(1200)
  })
  expect(place.posts).toHaveLength(1200)
})

test('a worker registers the connection that its ledger writes with', async () => {
  const place = new Installation()
  const ledgerRedis = connectRedis(inject('redisUrl'), { role: 'worker' })
  onTestFinished(() => closeRedis(ledgerRedis))
  await place.worker({ ledgerRedis }).start()
  const client = String(await ledgerRedis.client('ID'))
  const entries = await place.redis.hvals(place.keys.workers)
  expect(entries.map((entry) => entry.split(' ')[0])).toEqual([client])
})

test('an app that cannot be served does not keep the others from being served', async () => {
  const place = new Installation()
  const [bad, good] = [await place.app('bad', 3), await place.app('good', 3)]
  await place
    .worker({
      onApp: ({ settings }) => {
        if (settings.app === bad.app) throw new Error('bad app')
      },
    })
    .start()
  const { id } = await place.create(good)
  await until(async () => {
    expect((await place.view(id)).totals.accepted).toBe(3)
  })
  expect(place.eventsOf('operation.failed')[0]).toMatchObject({ operation: 'watch of bad' })
})

test('a worker of some apps serves no other one', async () => {
  const place = new Installation()
  const [mine, other] = [await place.app('mine', 2), await place.app('other', 2)]
  await place.worker({ only: new Set(['mine']) }).start()
  const [served, unserved] = [await place.create(mine), await place.create(other)]
  await until(async () => {
    expect((await place.view(served.id)).totals.accepted).toBe(2)
  })
  expect((await place.view(unserved.id)).totals.accepted).toBe(0)
})

test('an app that is removed is let go, and its campaigns get no posts', async () => {
  const place = new Installation()
  await place.app('news', 2)
  const gone: AppId[] = []
  await place.worker({ onAppGone: (app) => gone.push(app) }).start()
  await place.apps.delete('news' as AppId)
  await until(() => {
    expect(gone).toEqual(['news'])
  })
})

test('schedules that fail do not keep campaigns from being reconciled', async () => {
  const place = new Installation()
  const settings = await place.app('news', 2)
  await place.worker({ runSchedules: () => Promise.reject(new Error('bad schedule')) }).start()
  const { id } = await place.create(settings)
  await until(() => {
    expect(place.eventsOf('campaign.finished')).toMatchObject([{ campaign: id }])
  })
  expect(place.eventsOf('operation.failed')).toContainEqual(expect.objectContaining({ operation: 'schedules' }))
})

test('a worker whose data is lost sends nothing and reports why, until the data is back', async () => {
  const place = new Installation()
  const settings = await place.app('news', 2)
  let problem: string | undefined = 'the data is lost'
  const worker = place.worker({
    dataSet: {
      look: async () => (problem === undefined ? { kind: 'well', dataSetId: 'one' } : { kind: 'lost', problem }),
    },
  })
  await worker.start()
  expect(worker.problem).toBe('the data is lost')
  const { id } = await place.create(settings)
  problem = undefined
  await until(async () => {
    expect((await place.view(id)).totals.accepted).toBe(2)
  })
  expect(worker.problem).toBeUndefined()
  expect(place.eventsOf('data-set.changed').map((event) => event.problem)).toEqual(['the data is lost', undefined])
  problem = 'lost again'
  await until(() => {
    expect(worker.problem).toBe('lost again')
  })
})

test('a campaign of another ledger version is reported once and left alone', async () => {
  const place = new Installation()
  const settings = await place.app('news', 2)
  await place.apps.pause('news' as AppId)
  const { id } = await place.create(settings)
  await place.redis.hset(place.keys.campaign('news', id), 'version', '9')
  await place.worker().start()
  await until(() => {
    expect(place.eventsOf('ledger.other-version')).toHaveLength(1)
  })
  expect(place.eventsOf('ledger.other-version')[0]).toMatchObject({ campaign: id as CampaignId })
  expect(place.posts).toEqual([])
})

test('a host that answers 503 to one app does not rest for the others, and its batches take turns', async () => {
  const place = new Installation()
  const [bad, good] = [await place.app('bad', 3000), await place.app('good', 1000)]
  place.answer = (path) =>
    path.includes('bad-')
      ? { kind: 'server-error', status: 503, trace: {} }
      : { kind: 'accepted', status: 200, trace: {} }
  await place.worker().start()
  await place.create(bad)
  await until(() => {
    const parked = place.eventsOf('batch.parked').filter(({ reason }) => reason === 'host-resting')
    expect(new Set(parked.map(({ seq }) => seq)).size).toBeGreaterThan(2)
    expect(new Set(parked.map(({ delayMs }) => Math.round(delayMs / 50))).size).toBeGreaterThan(2)
  })
  const { id } = await place.create(good)
  await until(async () => {
    expect(await place.view(id)).toMatchObject({ state: 'completed', totals: { accepted: 1000 } })
  })
  const retries = place.eventsOf('batch.checkpointed').filter(({ app }) => app === 'good')
  expect(retries.filter(({ retries: each }) => each.has('host-resting'))).toEqual([])
  expect(place.posts.filter((path) => path.includes('good-'))).toHaveLength(1000)
})
