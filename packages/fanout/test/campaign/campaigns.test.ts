import type { AppSettings, CampaignId } from '@wns-fanout/domain'
import { code } from '@wns-fanout/domain'
import { describe, expect, test } from 'vitest'
import { campaignIdOf } from '../../src/campaign/campaign-id.ts'
import { keyOfAnother } from '../../src/campaign/campaign-id.ts'
import { launch } from '../../src/campaign/launch.ts'
import { helloToAll, NEWS, refOf, Stage } from './stage.ts'

/** A campaign that was launched and whose only batch was settled. */
async function finished(stage: Stage, app: AppSettings, codeAt: (position: number) => number): Promise<string> {
  const { id } = await stage.campaigns.create(app, helloToAll)
  await launch(stage.deps, NEWS, id as CampaignId)
  await stage.settle(id, 0, codeAt)
  return id
}

describe('creating', () => {
  test('stores a campaign, enqueues its launch and shows it', async () => {
    const stage = new Stage()
    const app = await stage.app(3)
    const campaign = await stage.campaigns.create(app, { ...helloToAll, name: 'Spring' })
    expect(campaign).toMatchObject({ app: 'news', name: 'Spring', state: 'scheduled', audienceSize: null })
    expect(stage.queues.enqueued[0]?.slice(0, 2)).toEqual(['launch', { app: NEWS, campaign: campaign.id }])
    expect(await stage.campaigns.get(refOf(campaign.id))).toEqual(campaign)
    expect(await stage.campaigns.appOf(campaign.id as CampaignId)).toBe(NEWS)
  })

  test('reports every error at once and stores nothing', async () => {
    const stage = new Stage()
    const app = await stage.app(0)
    const create = stage.campaigns.create(app, {
      notification: { type: 'toast', xml: '<toast>' },
      audience: { list: 'missing' },
      expiresAt: '2020-01-01T00:00:00Z',
    })
    await expect(create).rejects.toMatchObject({
      code: 'invalid',
      inputErrors: expect.arrayContaining([
        expect.objectContaining({ path: ['notification', 'xml'] }),
        expect.objectContaining({ path: ['expiresAt'] }),
        expect.objectContaining({ path: ['audience', 'list'], code: 'missing' }),
      ]) as unknown,
    })
    expect(await stage.campaigns.list(NEWS, { limit: 10 })).toEqual({ items: [] })
    expect(stage.queues.enqueued).toEqual([])
  })

  test('accepts a list that may still be uploaded before the start', async () => {
    const stage = new Stage()
    const startAt = new Date(Date.now() + 3_600_000).toISOString()
    const request = { ...helloToAll, audience: { list: 'later' }, startAt }
    expect(await stage.campaigns.create(await stage.app(0), request)).toMatchObject({ state: 'scheduled', startAt })
  })

  test('rejects the failed recipients of a campaign that does not exist', async () => {
    const stage = new Stage()
    const create = stage.campaigns.create(await stage.app(0), { ...helloToAll, audience: { failedOf: 'c0' } })
    await expect(create).rejects.toMatchObject({ inputErrors: [{ path: ['audience', 'failedOf'], code: 'missing' }] })
  })

  test('rejects a sample that thins its audience out to nothing', async () => {
    const stage = new Stage()
    const app = await stage.app(3)
    const request = { ...helloToAll, sample: { share: 1e-9, seed: 1 } }
    await expect(stage.campaigns.create(app, request)).rejects.toMatchObject({
      code: 'empty-audience',
      message: expect.stringContaining('the sample holds none of the 3 channels that match') as string,
    })
    const { warnings } = await stage.campaigns.forecast(app, request)
    expect(warnings?.[0]?.detail).toContain('the sample holds none of the 3 channels')
  })

  test('of a second generic update within the interval names the time at which it is admitted', async () => {
    const stage = new Stage()
    const app = await stage.app(1)
    const generic = { ...helloToAll, update: 'generic' } as const
    await stage.campaigns.create(app, generic)
    const problem = await stage.campaigns.create(app, generic).catch((error: unknown) => error)
    expect(problem).toMatchObject({ code: 'guard-interval', message: expect.stringContaining('default') as string })
    const { extra, retryAfterSeconds } = problem as { extra: { admissibleAt: string }; retryAfterSeconds: number }
    expect(problem).toHaveProperty('message', expect.stringContaining(extra.admissibleAt))
    expect(retryAfterSeconds).toBeGreaterThan(0)
    expect(retryAfterSeconds).toBeLessThanOrEqual(1860)
  })

  test('of a campaign that replaces a deferred one cancels that one', async () => {
    const stage = new Stage()
    const app = await stage.app(1)
    const generic = { ...helloToAll, update: 'generic', overLimit: 'coalesce' } as const
    const [, second, third] = [
      await stage.campaigns.create(app, generic),
      await stage.campaigns.create(app, generic),
      await stage.campaigns.create(app, generic),
    ]
    expect(await stage.campaigns.get(refOf(second.id))).toMatchObject({
      state: 'cancelled',
      reason: 'superseded',
    })
    expect(third.state).toBe('scheduled')
  })
})

describe('an idempotency key', () => {
  test('creates one campaign, however often it is given', async () => {
    const stage = new Stage()
    const app = await stage.app(1)
    const options = { idempotencyKey: 'order-1' }
    const first = await stage.campaigns.create(app, helloToAll, options)
    expect(first.id).toBe(campaignIdOf(NEWS, 'order-1'))
    expect((await stage.campaigns.create(app, helloToAll, options)).id).toBe(first.id)
    expect((await stage.campaigns.list(NEWS, { limit: 10 })).items).toHaveLength(1)
  })

  test('is rejected for another request', async () => {
    const stage = new Stage()
    const app = await stage.app(1)
    const options = { idempotencyKey: 'order-1' }
    await stage.campaigns.create(app, helloToAll, options)
    const other = stage.campaigns.create(app, { ...helloToAll, name: 'other' }, options)
    await expect(other).rejects.toThrow(keyOfAnother().message)
  })

  test('stands for another campaign after a day', async () => {
    const stage = new Stage()
    const app = await stage.app(1)
    const options = { idempotencyKey: 'order-1' }
    const first = await stage.campaigns.create(app, helloToAll, options)
    const key = stage.keys.campaign(NEWS, first.id)
    await stage.redis.hset(key, 'createdAt', (await stage.record(first.id)).createdAtMs - 86_400_000)
    const second = await stage.campaigns.create(app, { ...helloToAll, name: 'next day' }, options)
    expect(second.id).not.toBe(first.id)
  })
})

describe('estimating', () => {
  test('counts the audience and divides by the rate of the app', async () => {
    const stage = new Stage()
    const app = await stage.app(10)
    stage.condition = { paused: false, effectiveRatePerSecond: 3 }
    expect(await stage.campaigns.forecast(app, helloToAll)).toEqual({
      audienceSize: 10,
      optedOut: 0,
      optedOutOfTopic: 0,
      suppressed: 0,
      gated: 0,
      contents: { examined: 10, lackingVariables: 0, tooLarge: 0, invalid: 0 },
      estimate: { seconds: 4, ratePerSecond: 3 },
    })
    expect(await stage.campaigns.audienceCounts(NEWS, { tags: 'even' })).toMatchObject({ size: 5 })
  })

  test('takes no less time than the pace of the campaign, and a share of the audience where it is a sample', async () => {
    const stage = new Stage()
    const app = await stage.app(10)
    expect(await stage.campaigns.forecast(app, { ...helloToAll, pace: { overSeconds: 60 } })).toMatchObject({
      estimate: { seconds: 60 },
    })
    const { audienceSize } = await stage.campaigns.forecast(app, { ...helloToAll, sample: { share: 0.5, seed: 1 } })
    expect(audienceSize).toBeLessThan(10)
  })

  test('of a request with errors is rejected', async () => {
    const stage = new Stage()
    const app = await stage.app(0)
    const estimate = stage.campaigns.forecast(app, { ...helloToAll, expiresAt: '2020-01-01T00:00:00Z' })
    await expect(estimate).rejects.toMatchObject({ code: 'invalid' })
  })
})

describe('steering', () => {
  test('pauses, resumes and cancels a campaign that sends, with the jobs that each needs', async () => {
    const stage = new Stage()
    const { id } = await stage.campaigns.create(await stage.app(3), helloToAll)
    const campaign = id as CampaignId
    await launch(stage.deps, NEWS, campaign)
    stage.queues.enqueued.length = 0
    expect(await stage.campaigns.pause(refOf(campaign))).toMatchObject({ state: 'paused' })
    expect(await stage.campaigns.resume(refOf(campaign))).toMatchObject({ state: 'sending' })
    expect(await stage.campaigns.cancel(refOf(campaign))).toMatchObject({
      state: 'cancelled',
      totals: { cancelled: 3 },
    })
    expect(stage.queues.names).toEqual(['reconcile', 'sweep'])
  })

  test('of a campaign in another state is a conflict that names the state it needs', async () => {
    const stage = new Stage()
    const { id } = await stage.campaigns.create(await stage.app(1), helloToAll)
    await expect(stage.campaigns.resume(refOf(id))).rejects.toThrow(
      `campaign ${id} is scheduled; this needs one that is paused`,
    )
  })

  test('of a campaign that does not exist is not found', async () => {
    const stage = new Stage()
    const id = 'nothing' as CampaignId
    await expect(stage.campaigns.cancel(refOf(id))).rejects.toMatchObject({ code: 'not-found' })
    expect(await stage.campaigns.get(refOf(id))).toBeNull()
  })
})

describe('repeating for failed recipients', () => {
  test('makes a campaign to those alone, with the first one as its parent', async () => {
    const stage = new Stage()
    const id = await finished(stage, await stage.app(4), (at) => (at === 2 ? code.failedServerError : code.accepted))
    const again = await stage.campaigns.retryFailed(refOf(id), {})
    expect(again.parent).toBe(id)
    await launch(stage.deps, NEWS, again.id as CampaignId)
    expect(await stage.totals(again.id)).toEqual({ pending: 1 })
  })

  test('needs a finished campaign', async () => {
    const stage = new Stage()
    const { id } = await stage.campaigns.create(await stage.app(1), helloToAll)
    await expect(stage.campaigns.retryFailed(refOf(id), {})).rejects.toMatchObject({ code: 'conflict' })
  })
})

describe('listing', () => {
  test('shows the newest first, page by page, and only those in a state where asked', async () => {
    const stage = new Stage()
    const app = await stage.app(1)
    const ids: string[] = []
    for (let count = 0; count < 5; count += 1) ids.unshift((await stage.campaigns.create(app, helloToAll)).id)
    await stage.campaigns.cancel(refOf(ids[1] ?? ''))
    const first = await stage.campaigns.list(NEWS, { limit: 3 })
    expect(first.items.map(({ id }) => id)).toEqual(ids.slice(0, 3))
    const second = await stage.campaigns.list(NEWS, { limit: 3, after: first.next })
    expect(second.items.map(({ id }) => id)).toEqual(ids.slice(3))
    expect(second.next).toBeUndefined()
    const scheduled = await stage.campaigns.list(NEWS, { limit: 10, state: 'scheduled' })
    expect(scheduled.items.map(({ id }) => id)).toEqual(ids.filter((_, at) => at !== 1))
  })

  test('leaves out a campaign whose ledger is damaged, which is unavailable by itself', async () => {
    const stage = new Stage()
    const app = await stage.app(1)
    const { id } = await stage.campaigns.create(app, helloToAll)
    const sound = await stage.campaigns.create(app, helloToAll)
    await stage.redis.del(stage.keys.campaign(NEWS, id))
    await stage.redis.set(stage.keys.campaign(NEWS, id), 'not a hash')
    await expect(stage.campaigns.get(refOf(id))).rejects.toMatchObject({ code: 'unavailable' })
    expect((await stage.campaigns.list(NEWS, { limit: 10 })).items.map((campaign) => campaign.id)).toEqual([sound.id])
    expect((await stage.campaigns.unfinished(NEWS)).map(({ definition }) => definition.id)).toEqual([sound.id])
  })
})

test('samples name channels, failures first', async () => {
  const stage = new Stage()
  const at = '2026-03-01T12:00:00.000Z'
  stage.samples = [
    { ordinal: 0, status: 200, device: 'inactive', at },
    { ordinal: 1, status: 403, at },
    { ordinal: 2, status: null, at },
    { ordinal: 900, status: 410, at },
  ].map((sample) => JSON.stringify(sample))
  const id = await finished(stage, await stage.app(3), () => code.accepted)
  const { items } = await stage.campaigns.samples(refOf(id))
  expect(items).toEqual([
    { channel: 'device-1', status: 403, at },
    { channel: 'device-2', status: null, at },
    { channel: '', status: 410, at },
    { channel: 'device-0', status: 200, device: 'inactive', at },
  ])
})
