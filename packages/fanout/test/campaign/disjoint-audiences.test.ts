import type { AppSettings, Audience, CampaignId, CampaignRequest, ListName } from '@wns-fanout/domain'
import { channelId, code, parseImportLine } from '@wns-fanout/domain'
import { Lists } from '@wns-fanout/state'
import { describe, expect, test } from 'vitest'
import { launch } from '../../src/campaign/launch.ts'
import { NEWS, Stage } from './stage.ts'

function badgeTo(audience: Audience, rest: Partial<CampaignRequest> = {}): CampaignRequest {
  return { notification: { type: 'badge', value: 1 }, audience, ...rest }
}

/** Six channels: two in Rome, two in Oslo, one in both, one in neither. */
async function cities(): Promise<{ readonly stage: Stage; readonly app: AppSettings }> {
  const stage = new Stage()
  const app = await stage.app(0)
  const tags = [['rome'], ['rome'], ['oslo'], ['oslo'], ['rome', 'oslo'], []]
  const lines = tags.map((names, at) => {
    const uri = `https://db5p.notify.windows.com/?token=${at}`
    const parsed = parseImportLine({ channel: `device-${at}`, uri, tags: names })
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.inputErrors))
    return parsed.value
  })
  await stage.registry.register(NEWS, lines)
  return { stage, app }
}

describe('campaigns of one topic', () => {
  test.each<[string, Audience, Audience]>([
    ['tag expressions', { tags: 'rome and not oslo' }, { tags: 'oslo and not rome' }],
    ['listed channels', { channels: ['device-0'] }, { channels: ['device-1'] }],
    ['a list and the other channels', { list: 'vip' }, { tags: 'oslo and not rome' }],
  ])('do not block each other while their audiences are disjoint: %s', async (_, one, other) => {
    const { stage, app } = await cities()
    await new Lists(stage.redis, stage.keys).put(NEWS, 'vip' as ListName, [channelId('device-5')])
    await stage.campaigns.create(app, badgeTo(one))
    const { id } = await stage.campaigns.create(app, badgeTo(other))
    await launch(stage.deps, NEWS, id as CampaignId)
    expect(await stage.record(id)).toMatchObject({ state: 'sending' })
    await expect(stage.campaigns.create(app, badgeTo({ all: true }))).rejects.toMatchObject({ code: 'guard-interval' })
  })

  test('block each other if they share a channel, and the answer and the dry run name the campaign', async () => {
    const { stage, app } = await cities()
    const { id } = await stage.campaigns.create(app, badgeTo({ tags: 'rome' }))
    const overlapping = badgeTo({ tags: 'oslo' })
    await expect(stage.campaigns.create(app, overlapping)).rejects.toMatchObject({ extra: { campaign: id } })
    expect(await stage.campaigns.forecast(app, overlapping)).toMatchObject({ slot: { campaign: id } })
    expect(await stage.campaigns.forecast(app, badgeTo({ tags: 'oslo and not rome' }))).not.toHaveProperty('slot')
  })

  test('to different samples of one audience do not block each other', async () => {
    const stage = new Stage()
    const app = await stage.app(400)
    const half = { share: 0.5, seed: 'a' }
    const first = await stage.campaigns.create(app, badgeTo({ all: true }, { sample: half }))
    await launch(stage.deps, NEWS, first.id as CampaignId)
    const { audienceSize } = await stage.record(first.id)
    const records = Array.from({ length: Math.ceil((audienceSize ?? 0) / 512) }, (_, seq) => seq)
    for (const seq of records) await stage.settle(first.id, seq, () => code.accepted)
    const rest = await stage.campaigns.create(app, badgeTo({ restOf: first.id }))
    await launch(stage.deps, NEWS, rest.id as CampaignId)
    expect((await stage.record(rest.id)).audienceSize).toBe(400 - (audienceSize ?? 0))
  })

  test('of a campaign that starts later are judged at its start', async () => {
    const { stage, app } = await cities()
    const startAt = new Date((await stage.store.redisNowMs()) + 50).toISOString()
    const later = await stage.campaigns.create(app, badgeTo({ tags: 'rome' }, { startAt, overLimit: 'defer' }))
    const apart = await stage.campaigns.create(app, badgeTo({ tags: 'oslo and not rome' }, { startAt }))
    await stage.campaigns.create(app, badgeTo({ channels: ['device-0', 'device-5'] }))
    for (;;) {
      const { waitMs = 0 } = await launch(stage.deps, NEWS, later.id as CampaignId)
      if (waitMs > 1000) break
    }
    await launch(stage.deps, NEWS, apart.id as CampaignId)
    expect(await stage.record(later.id)).toMatchObject({ state: 'scheduled', reason: 'guard' })
    expect(await stage.record(apart.id)).toMatchObject({ state: 'sending', audienceSize: 2 })
  })
})

describe('a dry run', () => {
  test('counts recipients and opt-outs exactly as the campaign does, with a sample too', async () => {
    const stage = new Stage()
    const app = await stage.app(300)
    for (let at = 0; at < 100; at += 1) await stage.redis.setbit(stage.keys.optOut(NEWS), at, 1)
    for (let at = 90; at < 150; at += 1) await stage.registry.setOptOut(NEWS, channelId(`device-${at}`), true, 'sport')
    for (const sample of [undefined, { share: 0.3, seed: 7 }]) {
      const request = badgeTo({ tags: 'even' }, { topic: 'sport', ...(sample === undefined ? {} : { sample }) })
      const { audienceSize, optedOut, optedOutOfTopic } = await stage.campaigns.forecast(app, request)
      const { id } = await stage.campaigns.create(app, request)
      await launch(stage.deps, NEWS, id as CampaignId)
      expect(await stage.record(id)).toMatchObject({ audienceSize, optedOut, optedOutOfTopic })
      expect([optedOut, optedOutOfTopic]).toEqual([50, 25])
      await stage.campaigns.cancel({ app: NEWS, campaign: id as CampaignId })
    }
  })

  test('stores nothing', async () => {
    const { stage, app } = await cities()
    const before = (await stage.redis.keys(`${stage.keys.prefix}*`)).toSorted()
    await stage.campaigns.forecast(app, badgeTo({ tags: 'rome' }, { sample: { share: 0.5, seed: 1 } }))
    await expect(stage.campaigns.create(app, badgeTo({ tags: 'nowhere' }))).rejects.toMatchObject({
      code: 'empty-audience',
    })
    expect((await stage.redis.keys(`${stage.keys.prefix}*`)).toSorted()).toEqual(before)
  })
})
