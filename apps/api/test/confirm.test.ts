import { expect, test } from 'vitest'
import type { Answer } from './support.ts'
import { ndjson, rawCampaign, setup, storeApp, uriOf } from './support.ts'

type Setup = Awaited<ReturnType<typeof setup>>

const path = '/v1/apps/news/campaigns'

async function benchWith(settings: object, channels = 5): Promise<Setup> {
  const bench = await setup()
  await bench.withApp('news', channels)
  expect((await bench.call('PATCH', '/v1/apps/news', { body: settings })).status).toBe(200)
  return bench
}

function scheduleOf(campaign: object) {
  return { cron: '30 8 * * *', timeZone: 'UTC', campaign }
}

function codeOf({ status, json }: Answer): string {
  return status < 300 ? 'ok' : String(json.code)
}

test('a campaign above the limit needs the digest of its own dry run, once', async () => {
  const { call, keyFor } = await benchWith({ confirmAbove: 4 })
  const key = await keyFor(['news'], ['send'])
  const send = (body: object) => call('POST', path, { body, key })
  const digestOf = async (body: object): Promise<string> =>
    (await send({ ...body, dryRun: true })).json.confirm.digest as string

  const refused = await send(rawCampaign)
  expect([refused.status, refused.json.code]).toEqual([409, 'confirmation-needed'])
  expect(refused.json.detail).toContain('5 recipients')
  expect(refused.json.detail).toContain('dryRun')
  const confirm = await digestOf(rawCampaign)
  const other = { ...rawCampaign, topic: 'other', notification: { type: 'raw', text: 'other' } }
  expect(codeOf(await send({ ...other, confirm }))).toBe('confirmation-needed')
  expect(codeOf(await send({ ...rawCampaign, confirm: 'A'.repeat(32) }))).toBe('confirmation-needed')
  expect(codeOf(await send({ ...rawCampaign, confirm }))).toBe('ok')
  expect((await send({ ...rawCampaign, confirm })).json.detail).toContain('was used')

  // Two at once use it once.
  const again = await digestOf(other)
  const both = await Promise.all([send({ ...other, confirm: again }), send({ ...other, confirm: again })])
  expect(both.map(codeOf).toSorted()).toEqual(['confirmation-needed', 'ok'])
  // Below the limit nothing is confirmed.
  const few = { ...rawCampaign, topic: 'few', audience: { channels: ['c0'] } }
  expect((await send({ ...few, dryRun: true })).json).not.toHaveProperty('confirm')
  expect(codeOf(await send(few))).toBe('ok')
})

test('a repeat with the same Idempotency-Key needs no other digest', async () => {
  const { call } = await benchWith({ confirmAbove: 4 })
  const { digest } = (await call('POST', path, { body: { ...rawCampaign, dryRun: true } })).json.confirm
  const headers = { 'idempotency-key': 'k' }
  const first = await call('POST', path, { body: { ...rawCampaign, confirm: digest }, headers })
  const second = await call('POST', path, { body: { ...rawCampaign, confirm: digest }, headers })
  expect([first.status, second.status, second.json.id]).toEqual([201, 201, first.json.id])
})

test('an audience that grew much since its dry run is not confirmed', async () => {
  const { call } = await benchWith({ confirmAbove: 4 })
  const { digest } = (await call('POST', path, { body: { ...rawCampaign, dryRun: true } })).json.confirm
  const lines = Array.from({ length: 200 }, (_, n) => JSON.stringify({ channel: `n${n}`, uri: uriOf(`n${n}`) }))
  await call('POST', '/v1/apps/news/channels:import', { headers: ndjson, body: lines.join('\n') })
  const { json } = await call('POST', path, { body: { ...rawCampaign, confirm: digest } })
  expect(json.detail).toContain('it has 205 recipients, and its dry run had 5')
})

test('an audience that cannot be counted yet is not confirmed', async () => {
  const { call } = await benchWith({ confirmAbove: 4 })
  const startAt = new Date(Date.now() + 3_600_000).toISOString()
  const later = { ...rawCampaign, audience: { list: 'later' }, startAt }
  expect((await call('POST', path, { body: later })).json.detail).toContain('cannot be counted yet')
})

test('a schedule is confirmed when it is put, and stores no digest', async () => {
  const { call } = await benchWith({ confirmAbove: 4 })
  const put = (campaign: object) => call('PUT', '/v1/apps/news/schedules/morning', { body: scheduleOf(campaign) })
  expect(codeOf(await put(rawCampaign))).toBe('confirmation-needed')
  const { digest } = (await call('POST', path, { body: { ...rawCampaign, dryRun: true } })).json.confirm
  expect((await put({ ...rawCampaign, confirm: digest })).text).not.toContain(digest)
  expect(codeOf(await put({ ...rawCampaign, confirm: digest }))).toBe('confirmation-needed')
})

test('the recipients of a day are limited, for the app and for each key', async () => {
  const { call, keyFor } = await benchWith({ limits: { recipientsPerDay: 13, recipientsPerKeyAndDay: 8 } })
  const [one, other] = [await keyFor(['news'], ['send']), await keyFor(['news'], ['send'])]
  let topic = 0
  const send = (key: string, more: object = {}) =>
    call('POST', path, { body: { ...rawCampaign, ...more, topic: `t${(topic += 1)}` }, key })
  expect(codeOf(await send(one))).toBe('ok')
  const refused = await send(one)
  expect([refused.status, refused.json.code, refused.json.limit]).toEqual([429, 'app-limit', 'recipientsPerKeyAndDay'])
  expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(86_400)
  expect(codeOf(await send(other))).toBe('ok')
  const third = await keyFor(['news'], ['send'])
  expect((await send(third)).json.limit).toBe('recipientsPerDay')
  const few = { audience: { channels: ['c0', 'c1', 'c2'] } }
  const left = await Promise.all([send(third, few), send(third, few)])
  expect(left.map(codeOf).toSorted()).toEqual(['app-limit', 'ok'])
})

test('unfinished campaigns are limited', async () => {
  const { call } = await benchWith({ limits: { unfinishedCampaigns: 2 } })
  let topic = 0
  const send = () => call('POST', path, { body: { ...rawCampaign, topic: `t${(topic += 1)}` } })
  expect([codeOf(await send()), codeOf(await send())]).toEqual(['ok', 'ok'])
  const refused = await send()
  expect([refused.status, refused.json.limit]).toEqual([429, 'unfinishedCampaigns'])
})

test('a key of the app does not change what protects others from it', async () => {
  const { call, keyFor } = await setup()
  const key = await keyFor(['news'], ['read', 'admin'])
  const faster = { allowFasterThanGuideline: { reason: 'x' } }
  expect((await call('PUT', '/v1/apps/news', { key, body: { ...storeApp, ...faster } })).status).toBe(403)
  expect((await call('PUT', '/v1/apps/news', { key, body: storeApp })).status).toBe(201)
  await call('PATCH', '/v1/apps/news', { body: { confirmAbove: 4, limits: { recipientsPerDay: 9 } } })

  for (const body of [faster, { confirmAbove: null }, { confirmAbove: 5 }, { limits: null }])
    expect((await call('PATCH', '/v1/apps/news', { key, body })).status).toBe(403)
  expect((await call('PUT', '/v1/apps/news', { key, body: { ...storeApp, ratePerSecond: 7 } })).json).toMatchObject({
    ratePerSecond: 7,
    confirmAbove: 4,
    limits: { recipientsPerDay: 9 },
  })
  // To name the value that it has changes nothing.
  expect((await call('PATCH', '/v1/apps/news', { key, body: { confirmAbove: 4, burst: 3 } })).status).toBe(200)
  const replaced = (await call('PUT', '/v1/apps/news', { body: storeApp })).json
  expect(replaced).not.toHaveProperty('confirmAbove')
})

test('a placeholder that no recipient has a value for does not make a campaign personalized', async () => {
  const { call } = await benchWith({})
  await call('PATCH', '/v1/apps/news/channels/c3', { body: { vars: { name: 'Ada' } } })
  const send = (text: string, more: object = {}) =>
    call('POST', path, {
      body: {
        ...rawCampaign,
        notification: { type: 'toast', content: { title: text } },
        update: 'personalized',
        ...more,
      },
    })
  const refused = await send('{{vars.zzz}}')
  expect([refused.status, refused.json.errors[0].code]).toEqual([422, 'not-personalized'])
  expect((await send('{{vars.zzz}}', { dryRun: true })).status).toBe(422)
  expect(codeOf(await send('{{vars.zzz}} {{vars.name}}'))).toBe('ok')
  const others = { audience: { channels: ['c0', 'c1'] } }
  expect(codeOf(await send('{{vars.zzz}}', others))).toBe('ok')
})
