import { createClient } from '@wns-fanout/client'
import type { AppId } from '@wns-fanout/domain'
import { createMetrics } from '@wns-fanout/runtime'
import { expect, test } from 'vitest'
import { AgeGauges } from '../src/age-gauges.ts'
import { collectGauges } from '../src/gauges.ts'
import { ndjson, setup, uriOf } from './support.ts'

const channels = '/v1/apps/news/channels'
const DAY_MS = 86_400_000

function daysAgo(days: number): string {
  return new Date(Date.now() - days * DAY_MS).toISOString()
}

/** Channels c0, c1, … that registered that number of days ago. */
async function start(ages: readonly number[]) {
  const api = await setup()
  await api.withApp()
  const lines = ages.map((days, at) =>
    JSON.stringify({ channel: `c${at}`, uri: uriOf(`c${at}`), registeredAt: daysAgo(days), tags: ['news'] }),
  )
  await api.call('POST', `${channels}:import`, { headers: ndjson, body: lines.join('\n') })
  const cleanup = async (body: object) => await api.call('POST', `${channels}:cleanup`, { body })
  const left = async () =>
    (await api.call('GET', channels)).json.items.map(({ channel }: { channel: string }) => channel)
  return { ...api, cleanup, left }
}

test('a cleanup shows the channels that have not registered for long, and removes them', async () => {
  const { cleanup, left, call } = await start([400, 100, 91, 89, 0])
  await call('PUT', `${channels}/c1/opt-out`)
  const registeredBefore = daysAgo(90)
  const shown = await cleanup({ registeredBefore, dryRun: true })
  expect(shown).toMatchObject({ status: 200, json: { registered: 5, matched: 3, removed: 0 } })
  expect(shown.json.sample).toMatchObject([
    { channel: 'c0', tags: ['news'] },
    { channel: 'c1', tags: ['news'] },
    { channel: 'c2', tags: ['news'] },
  ])
  expect(await left()).toHaveLength(5)
  // Its device starts the app before the cleanup.
  await call('PUT', `${channels}/c2`, { body: { uri: uriOf('c2') } })
  const done = await cleanup({ registeredBefore, maxShare: 0.5 })
  expect(done.json).toMatchObject({ registered: 5, matched: 2, removed: 2 })
  expect(await left()).toEqual(['c2', 'c3', 'c4'])
  expect((await call('GET', `${channels}?optedOut=true`)).json.items).toMatchObject([{ channel: 'c1' }])
  expect((await cleanup({ registeredBefore })).json).toMatchObject({ matched: 0, removed: 0, sample: [] })
})

test('a cleanup that would remove more than its share removes nothing', async () => {
  const { cleanup, left } = await start([100, 100, 0, 0, 0])
  const refused = await cleanup({ registeredBefore: daysAgo(90), maxShare: 0.3 })
  expect(refused).toMatchObject({ status: 409, json: { code: 'conflict' } })
  expect(refused.json.detail).toContain('2 of 5 channels have not registered since')
  expect((await cleanup({ registeredBefore: daysAgo(90) })).status).toBe(409)
  expect(await left()).toHaveLength(5)
  const wrong = await cleanup({ registeredBefore: 'last year', maxShare: 2, typo: 1 })
  expect(wrong).toMatchObject({ status: 422, json: { code: 'invalid' } })
  expect(wrong.json.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual([
    '/registeredBefore',
    '/maxShare',
    '/typo',
  ])
})

test('the sample of a cleanup is spread over all that match', async () => {
  const { cleanup } = await start(Array.from({ length: 40 }, () => 100))
  const { sample } = (await cleanup({ registeredBefore: daysAgo(90), dryRun: true })).json
  expect(sample.map(({ channel }: { channel: string }) => channel)).toEqual(
    Array.from({ length: 10 }, (_, at) => `c${at * 4}`),
  )
})

test('the client reports the progress of a cleanup and returns its result', async () => {
  const { url, admin } = await start([100, 0])
  const client = createClient({ url: `${url}/v1/`, apiKey: admin })
  const result = await client.cleanUpChannels('news', daysAgo(90), { maxShare: 0.5 })
  expect(result).toMatchObject({ registered: 2, matched: 1, removed: 1, sample: [{ channel: 'c0' }] })
})

test('the gauges show how many channels have not registered for how long', async () => {
  const { deps } = await start([400, 200, 100, 31, 0])
  const metrics = createMetrics()
  await collectGauges(metrics, deps, new AbortController().signal)
  const text = await metrics.registry.metrics()
  for (const [days, count] of [
    [30, 4],
    [90, 3],
    [180, 2],
    [365, 1],
  ])
    expect(text).toContain(`wns_fanout_channels_older_than{app="news",days="${days}"} ${count}`)
})

test('ages are read every ten minutes, twenty apps at a time', async () => {
  const read: string[] = []
  let nowMs = 0
  const registry = {
    ages: async (app: string) => {
      read.push(app)
      if (app === 'app-3') throw new Error('it cannot be read')
      return [read.length]
    },
  }
  const gauges = new AgeGauges(registry, () => nowMs)
  const apps = Array.from({ length: 30 }, (_, at) => `app-${at}` as AppId)
  const { signal } = new AbortController()
  await gauges.refresh(apps, signal)
  expect(read).toHaveLength(20)
  expect(gauges.of('app-3' as AppId)).toEqual([])
  expect(gauges.of('app-25' as AppId)).toEqual([])
  await gauges.refresh(apps, signal)
  await gauges.refresh(apps, signal)
  expect(read).toEqual(apps)
  expect(gauges.of('app-25' as AppId)).toEqual([26])
  nowMs = 600_000
  await gauges.refresh(apps.slice(0, 2), signal)
  expect(read.slice(30)).toEqual(['app-0', 'app-1'])
  expect(gauges.of('app-25' as AppId)).toEqual([])
})
