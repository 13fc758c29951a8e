import type { CampaignId, CampaignRequest } from '@wns-fanout/domain'
import { parseImportLine } from '@wns-fanout/domain'
import { describe, expect, test } from 'vitest'
import { launch } from '../../src/campaign/launch.ts'
import { helloToAll, NEWS, Stage } from './stage.ts'

const badge: CampaignRequest = { notification: { type: 'badge', value: 1 }, audience: { all: true } }
const raw: CampaignRequest = { notification: { type: 'raw', text: 'sync' }, audience: { all: true } }

function toast(title: string): CampaignRequest {
  return { ...helloToAll, notification: { type: 'toast', content: { title } } }
}

/** Numbers of a page, four bytes each, as stamps are stored. */
function packed(...numbers: number[]): Buffer {
  const bytes = Buffer.alloc(numbers.length * 4)
  numbers.forEach((number, at) => bytes.writeUInt32BE(number, at * 4))
  return bytes
}

async function register(stage: Stage, at: number, fields: object): Promise<void> {
  const uri = `https://db5p.notify.windows.com/?token=${at}`
  const parsed = parseImportLine({ channel: `device-${at}`, uri, ...fields })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.inputErrors))
  await stage.registry.register(NEWS, [parsed.value])
}

describe('a dry run shows', () => {
  test('recipients that would be suppressed by the guard at the start', async () => {
    const stage = new Stage()
    const app = await stage.app(4)
    const now = Math.floor((await stage.store.redisNowMs()) / 1000)
    await stage.redis.set(stage.keys.stamp(NEWS, 'badge', 0), packed(now - 10, 0, now - 1_000_000, now - 600))
    expect(await stage.campaigns.forecast(app, badge)).toMatchObject({ audienceSize: 4, suppressed: 2, gated: 0 })
    const startAt = new Date((now + 1300) * 1000).toISOString()
    expect(await stage.campaigns.forecast(app, { ...badge, startAt })).toMatchObject({ suppressed: 1 })
    expect(await stage.campaigns.forecast(app, { ...helloToAll, audience: { all: true } })).toMatchObject({
      suppressed: 0,
    })
  })

  test('whose raw gate is closed, and only for a raw notification', async () => {
    const stage = new Stage()
    const app = await stage.app(3)
    for (const ordinal of [0, 2]) await stage.redis.setbit(stage.keys.gated(NEWS), ordinal, 1)
    expect(await stage.campaigns.forecast(app, raw)).toMatchObject({ audienceSize: 3, gated: 2, suppressed: 0 })
    expect(await stage.campaigns.forecast(app, badge)).toMatchObject({ gated: 0 })
  })

  test('recipients that opted out', async () => {
    const stage = new Stage()
    const app = await stage.app(5)
    await stage.redis.setbit(stage.keys.optOut(NEWS), 2, 1)
    await stage.redis.setbit(stage.keys.optOut(NEWS), 3, 1)
    expect(await stage.campaigns.forecast(app, badge)).toMatchObject({ audienceSize: 3, optedOut: 2 })
    const even = { ...badge, audience: { tags: 'even' } } as const
    expect(await stage.campaigns.forecast(app, even)).toMatchObject({ audienceSize: 2, optedOut: 1 })
  })

  test('recipients that lack variables, and those whose content would be too large once filled in', async () => {
    const stage = new Stage()
    const app = await stage.app(3)
    await register(stage, 1, { vars: { name: 'Ann' } })
    await register(stage, 2, { vars: { name: '&'.repeat(1000) } })
    const filledIn = { examined: 3, lackingVariables: 1, tooLarge: 1, invalid: 0 }
    expect((await stage.campaigns.forecast(app, toast('Hello {{vars.name}}'))).contents).toEqual(filledIn)
    const withFallback = await stage.campaigns.forecast(app, toast('Hello {{vars.name|you}}'))
    expect(withFallback.contents).toEqual({ ...filledIn, lackingVariables: 0 })
  })

  test('the time that the campaign takes beside those that are sending', async () => {
    const stage = new Stage()
    const app = await stage.app(100)
    stage.condition = { paused: false, effectiveRatePerSecond: 10 }
    expect(await stage.campaigns.forecast(app, badge)).toMatchObject({ estimate: { seconds: 10, ratePerSecond: 10 } })
    const { id } = await stage.campaigns.create(app, helloToAll)
    await launch(stage.deps, NEWS, id as CampaignId)
    expect(await stage.campaigns.forecast(app, badge)).toMatchObject({ estimate: { seconds: 20, ratePerSecond: 5 } })
    const urgent = { ...badge, priority: 'urgent' } as const
    expect(await stage.campaigns.forecast(app, urgent)).toMatchObject({ estimate: { seconds: 12, ratePerSecond: 8.9 } })
  })

  test('what is posted to those that the guard leaves, in its duration', async () => {
    const stage = new Stage()
    const app = await stage.app(4)
    const now = Math.floor((await stage.store.redisNowMs()) / 1000)
    stage.condition = { paused: false, effectiveRatePerSecond: 1 }
    await stage.redis.set(stage.keys.stamp(NEWS, 'badge', 0), packed(now, now, now))
    expect(await stage.campaigns.forecast(app, badge)).toMatchObject({ suppressed: 3, estimate: { seconds: 1 } })
  })
})
