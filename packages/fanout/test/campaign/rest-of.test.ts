import type { CampaignId, CampaignRequest } from '@wns-fanout/domain'
import { code } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import { launch } from '../../src/campaign/launch.ts'
import { helloToAll, NEWS, refOf, Stage } from './stage.ts'

const generic: CampaignRequest = {
  notification: { type: 'tile', content: { medium: { lines: ['Hi'] } } },
  audience: { all: true },
}

async function launched(stage: Stage, request: CampaignRequest): Promise<CampaignId> {
  const settings = (await stage.apps.settings(NEWS)) ?? (await stage.app(100))
  const { id } = await stage.campaigns.create(settings, request)
  await launch(stage.deps, NEWS, id as CampaignId)
  return id as CampaignId
}

async function channelsOf(stage: Stage, id: CampaignId): Promise<string[]> {
  return (await Array.fromAsync(await stage.campaigns.results(refOf(id)))).map(({ channel }) => channel)
}

test('the rest of a sampled campaign is exactly the channels that it left out', async () => {
  const stage = new Stage()
  const first = await launched(stage, { ...generic, sample: { share: 0.1, seed: 1 } })
  await stage.settle(first, 0, (at) => (at === 0 ? code.failedServerError : code.accepted))
  const rest = await launched(stage, { ...generic, audience: { restOf: first } })
  const [sampled, others] = [await channelsOf(stage, first), await channelsOf(stage, rest)]
  expect(sampled.length).toBeGreaterThan(0)
  expect(others).toHaveLength(100 - sampled.length)
  expect(new Set([...sampled, ...others]).size).toBe(100)
  await stage.settle(rest, 0, () => code.accepted)
  const nothing = stage.campaigns.create(await stage.app(0), { ...generic, audience: { restOf: rest } })
  await expect(nothing).rejects.toMatchObject({
    code: 'empty-audience',
    message: expect.stringContaining(rest) as string,
  })
})

test('recipients that were cancelled belong to the rest', async () => {
  const stage = new Stage()
  const settings = await stage.app(100)
  const { id } = await stage.campaigns.create(settings, { ...generic, audience: { tags: 'even' }, canary: { size: 5 } })
  await launch(stage.deps, NEWS, id as CampaignId)
  await stage.settle(id, 0, () => code.accepted)
  await stage.campaigns.cancel(refOf(id))
  expect(await stage.campaigns.audienceCounts(NEWS, { restOf: id })).toMatchObject({ size: 45 })
})

test('the rest takes over the slot of the topic, which then holds off other campaigns', async () => {
  const stage = new Stage()
  const first = await launched(stage, { ...generic, sample: { share: 0.1, seed: 1 } })
  await stage.settle(first, 0, () => code.accepted)
  const settings = await stage.app(0)
  await expect(stage.campaigns.create(settings, generic)).rejects.toMatchObject({ code: 'guard-interval' })
  expect(await stage.campaigns.forecast(settings, { ...generic, audience: { restOf: first } })).not.toHaveProperty(
    'slot',
  )
  const rest = await launched(stage, { ...generic, audience: { restOf: first } })
  expect(await stage.record(rest)).toMatchObject({ state: 'sending' })
  for (const audience of [{ all: true } as const, { restOf: first }])
    await expect(stage.campaigns.create(settings, { ...generic, audience })).rejects.toMatchObject({
      code: 'guard-interval',
      message: expect.stringContaining(rest) as string,
    })
})

test('a rest that starts later takes over the slot then', async () => {
  const stage = new Stage()
  const first = await launched(stage, { ...generic, sample: { share: 0.1, seed: 1 } })
  await stage.settle(first, 0, () => code.accepted)
  const nowMs = await stage.store.redisNowMs()
  const { id } = await stage.campaigns.create(await stage.app(0), {
    ...generic,
    audience: { restOf: first },
    startAt: new Date(nowMs + 60_000).toISOString(),
  })
  await stage.redis.hset(stage.keys.campaign(NEWS, id), 'startAt', nowMs)
  await launch(stage.deps, NEWS, id as CampaignId)
  expect(await stage.record(id)).toMatchObject({ state: 'sending' })
})

test('a campaign that is unfinished, halted, unknown or of another app has no rest', async () => {
  const stage = new Stage()
  const id = await launched(stage, helloToAll)
  const settings = await stage.app(0)
  const fault = async (restOf: string): Promise<unknown> => {
    const error: unknown = await stage.campaigns
      .create(settings, { ...helloToAll, audience: { restOf }, startAt: '2020-01-01T00:00:00Z' })
      .catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'invalid' })
    return (error as { inputErrors: { path: string[]; detail: string }[] }).inputErrors.map(
      ({ path, detail }) => `${path.join('.')}: ${detail}`,
    )
  }
  const early = 'startAt: startAt is more than 24 hours ago, so the campaign has ended; give an expiresAt too'
  expect(await fault(id)).toEqual([
    early,
    `audience.restOf: campaign ${id} is sending; its rest is known once it is finished`,
  ])
  expect(await fault('c0')).toEqual([early, 'audience.restOf: app news has no campaign c0'])
  await stage.store.steer(NEWS, id, 'hold', 'canary')
  expect(await fault(id)).toEqual([
    early,
    `audience.restOf: campaign ${id} is halted by canary; cancel it first, or resume it instead`,
  ])
  const forecast = stage.campaigns.forecast(settings, { ...helloToAll, audience: { restOf: id } })
  await expect(forecast).rejects.toMatchObject({ code: 'invalid' })
})
