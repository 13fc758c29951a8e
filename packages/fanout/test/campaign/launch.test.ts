import type { CampaignId } from '@wns-fanout/domain'
import { LedgerDamaged } from '@wns-fanout/state'
import { describe, expect, test } from 'vitest'
import { launch } from '../../src/campaign/launch.ts'
import { helloToAll, NEWS, refOf, Stage } from './stage.ts'

async function created(stage: Stage, request: Partial<typeof helloToAll> = {}): Promise<CampaignId> {
  const settings = await stage.apps.settings(NEWS)
  if (settings === null) throw new Error('the app must exist first')
  return (await stage.campaigns.create(settings, { ...helloToAll, ...request })).id as CampaignId
}

test('a launch freezes the audience, plans it and reports its size', async () => {
  const stage = new Stage()
  await stage.app(5)
  const id = await created(stage, { audience: { tags: 'even' } })
  expect(await launch(stage.deps, NEWS, id)).toEqual({})
  expect(await stage.record(id)).toMatchObject({ state: 'sending', audienceSize: 3, planComplete: true })
  expect(stage.events).toEqual([{ type: 'campaign.launched', app: NEWS, campaign: id, audienceSize: 3 }])
  expect(stage.queues.batches).toEqual([{ campaign: id, seq: 0, turn: 1, delayMs: 0 }])
})

test('a second launch changes nothing', async () => {
  const stage = new Stage()
  await stage.app(5)
  const id = await created(stage)
  await launch(stage.deps, NEWS, id)
  const before = await stage.record(id)
  await launch(stage.deps, NEWS, id)
  expect({ ...(await stage.record(id)), redisNowMs: 0 }).toEqual({ ...before, redisNowMs: 0 })
  expect(stage.events).toHaveLength(1)
})

test('a launch that died before the plan continues with the audience that was frozen', async () => {
  const stage = new Stage()
  await stage.app(2)
  const id = await created(stage)
  await stage.store.launch(NEWS, id)
  const draft = stage.keys.temporary(NEWS, 'draft')
  await stage.store.storeAudience(NEWS, id, draft, await stage.audiences.freeze(NEWS, { all: true }, draft))
  await stage.app(7)
  await launch(stage.deps, NEWS, id)
  expect(await stage.record(id)).toMatchObject({ audienceSize: 2, planComplete: true })
})

test('a campaign that is not due is launched later', async () => {
  const stage = new Stage()
  await stage.app(1)
  const id = await created(stage, { startAt: new Date(Date.now() + 3_600_000).toISOString() })
  const { waitMs = 0 } = await launch(stage.deps, NEWS, id)
  expect(waitMs).toBeGreaterThan(3_500_000)
  expect(await stage.record(id)).toMatchObject({ state: 'scheduled', audienceSize: null })
})

test('a cancelled campaign is not launched', async () => {
  const stage = new Stage()
  await stage.app(1)
  const id = await created(stage)
  await stage.campaigns.cancel(refOf(id))
  expect(await launch(stage.deps, NEWS, id)).toEqual({})
  expect(stage.queues.batches).toEqual([])
  expect(await stage.record(id)).toMatchObject({ state: 'cancelled' })
})

describe('an audience that is gone at the launch', () => {
  test('halts the campaign: a list that expired', async () => {
    const stage = new Stage()
    await stage.app(1)
    const id = await created(stage)
    await stage.redis.hset(stage.keys.campaign(NEWS, id), ...(await withAudience(stage, id, { list: 'expired' })))
    await launch(stage.deps, NEWS, id)
    expect(await stage.record(id)).toMatchObject({ state: 'halted', reason: 'audience-missing' })
    expect(stage.events).toEqual([])
  })
})

test('a damaged campaign is not launched', async () => {
  const stage = new Stage()
  await stage.app(1)
  const id = await created(stage)
  await stage.redis.hset(stage.keys.campaign(NEWS, id), 'definition', '{')
  await expect(launch(stage.deps, NEWS, id)).rejects.toThrow(LedgerDamaged)
})

describe('a campaign that exceeds the guideline', () => {
  test('is reported with the reason that the app gives', async () => {
    const stage = new Stage()
    await stage.app(1, { genericIntervalSeconds: 60, allowFasterThanGuideline: { reason: 'storm warnings' } })
    const id = await created(stage, { update: 'generic' })
    await launch(stage.deps, NEWS, id)
    expect(stage.events.at(-1)).toEqual({
      type: 'guideline.exceeded',
      app: NEWS,
      campaign: id,
      intervalSeconds: 62,
      reason: 'storm warnings',
    })
  })

  test('is reported also after the app withdrew its reason', async () => {
    const stage = new Stage()
    await stage.app(1, { genericIntervalSeconds: 60, allowFasterThanGuideline: { reason: 'storm warnings' } })
    const id = await created(stage, { update: 'generic' })
    await stage.app(1)
    await launch(stage.deps, NEWS, id)
    expect(stage.events.at(-1)).toMatchObject({ reason: 'the reason was removed from the app' })
  })
})

/** The field of a stored campaign that holds its definition, with another audience. */
async function withAudience(stage: Stage, id: CampaignId, audience: object): Promise<[string, string]> {
  const fields = Object.entries(await stage.redis.hgetall(stage.keys.campaign(NEWS, id)))
  for (const [field, value] of fields) {
    if (!value.startsWith('{')) continue
    const definition = JSON.parse(value) as { request: object }
    return [field, JSON.stringify({ ...definition, request: { ...definition.request, audience } })]
  }
  throw new Error('the campaign has no definition')
}
