import type { CampaignRequest } from '@wns-fanout/domain'
import { parseImportLine } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import { NEWS, Stage } from './stage.ts'

const forecast: CampaignRequest = {
  notification: { type: 'raw', text: 'Now {{vars.temperature}}' },
  audience: { all: true },
  update: 'personalized',
}

/** Three channels: one with the variable, one with the tag that has a value, one with neither. */
async function start() {
  const stage = new Stage()
  const app = await stage.app(0)
  for (const [at, fields] of [{ vars: { temperature: '5' } }, { tags: ['rome'] }, { tags: ['oslo'] }].entries()) {
    const uri = `https://db5p.notify.windows.com/?token=${at}`
    const parsed = parseImportLine({ channel: `device-${at}`, uri, ...fields })
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.inputErrors))
    await stage.registry.register(NEWS, [parsed.value])
  }
  return { stage, app }
}

test('a request that leaves it open is accepted with a warning', async () => {
  const { stage, app } = await start()
  const { warnings } = await stage.campaigns.create(app, forecast)
  expect(warnings).toMatchObject([{ pointer: '/notification', code: 'missing-variable' }])
  expect(warnings?.[0]?.detail).toContain('vars.temperature')
  const chosen = await stage.campaigns.create(app, { ...forecast, missing: 'skip' })
  expect(chosen.warnings).toBeUndefined()
})

test('a dry run counts recipients without a value, values by tag considered', async () => {
  const { stage, app } = await start()
  const count = async (request: CampaignRequest) => (await stage.campaigns.forecast(app, request)).contents
  const none = { examined: 3, tooLarge: 0, invalid: 0 }
  expect(await count({ ...forecast, missing: 'skip' })).toEqual({ ...none, lackingVariables: 2 })
  const valuesByTag = { rome: { temperature: '21' } }
  expect(await count({ ...forecast, missing: 'skip', valuesByTag })).toEqual({ ...none, lackingVariables: 1 })
})

test('a campaign that refuses missing variables is rejected with their number', async () => {
  const { stage, app } = await start()
  const refused = stage.campaigns.create(app, { ...forecast, missing: 'refuse' })
  await expect(refused).rejects.toMatchObject({
    code: 'invalid',
    message: expect.stringContaining('2 recipients have no value for temperature'),
  })
  const valuesByTag = { rome: { temperature: '21' }, oslo: { temperature: '-3' } }
  expect(await stage.campaigns.create(app, { ...forecast, missing: 'refuse', valuesByTag })).toMatchObject({
    state: 'scheduled',
  })
})

test.each([
  [{ missing: 'fallback' }, [['fallbacks', 'missing']]],
  [{ missing: 'skip', fallbacks: { temperature: '?' } }, [['fallbacks', 'not-used']]],
  [
    { notification: { type: 'raw', text: 'x' }, update: 'generic', missing: 'skip', valuesByTag: {} },
    [
      ['missing', 'no-placeholder'],
      ['valuesByTag', 'no-placeholder'],
    ],
  ],
] as const)('what cannot be meant is an error: %j', async (fields, expected) => {
  const { stage, app } = await start()
  const request = { ...forecast, ...fields } as CampaignRequest
  const error: { inputErrors?: { path: string[]; code: string }[] } = await stage.campaigns
    .create(app, request)
    .then(() => ({}))
    .catch((problem: unknown) => problem as object)
  expect(error.inputErrors?.map(({ path, code }) => [path.join('/'), code])).toEqual(expected)
})
