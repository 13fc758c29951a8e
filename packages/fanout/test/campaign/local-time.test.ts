import type { AppId, Campaign, CampaignId, CampaignRequest } from '@wns-fanout/domain'
import { channelId, PAGE_SIZE } from '@wns-fanout/domain'
import { divideIntoWaves } from '@wns-fanout/state'
import { until } from '@wns-fanout/testing'
import { describe, expect, test } from 'vitest'
import { launch } from '../../src/campaign/launch.ts'
import { pendingNow, secondsOfWaves, waitsForWave, waveAt, zoneGroups } from '../../src/campaign/local-waves.ts'
import { expiryOfWaves, requestErrors } from '../../src/campaign/request-errors.ts'
import type { PreparedCampaign } from '../../src/send/prepared-campaign.ts'
import { putOffIfClosed } from '../../src/send/send-window.ts'
import { Installation } from '../support/installation.ts'
import { helloToAll, NEWS, Stage } from './stage.ts'

const NOON = Date.parse('2026-07-01T12:00:00Z')
const HOUR_MS = 3_600_000
const zones = ['America/New_York', 'Asia/Kolkata', 'Asia/Tokyo', 'Europe/Berlin']

describe('time zones', () => {
  test('are grouped by the instant at which they get the campaign', () => {
    const request = { ...helloToAll, localTime: '16:30' }
    expect(zoneGroups({ request }, ['Europe/Berlin', 'Europe/Paris', 'Asia/Tokyo'], NOON)).toEqual([
      { dueAtMs: NOON + 4.5 * HOUR_MS, timeZones: ['UTC'], hasDefault: true },
      { dueAtMs: NOON + 2.5 * HOUR_MS, timeZones: ['Europe/Berlin', 'Europe/Paris'], hasDefault: false },
      { dueAtMs: NOON + 19.5 * HOUR_MS, timeZones: ['Asia/Tokyo'], hasDefault: false },
    ])
  })

  test('that have passed form one group', () => {
    const request = {
      ...helloToAll,
      localTime: '07:00',
      localTimePassed: 'skip' as const,
      defaultTimeZone: 'Asia/Tokyo',
    }
    const groups = zoneGroups({ request }, zones, NOON)
    expect(groups.map(({ dueAtMs, hasDefault }) => [dueAtMs, hasDefault])).toEqual([[undefined, true]])
  })
})

describe('waves', () => {
  const waves = [
    { dueAtMs: 1000, recipients: 30, timeZones: [] },
    { dueAtMs: 61_000, recipients: 20, timeZones: [] },
  ]
  const record = {
    definition: {},
    waves,
    wavePages: 4,
    audienceSize: 50,
    totals: { pending: 50 },
    redisNowMs: 1000,
  } as never

  test.each([
    [0, { wave: waves[0], endPage: 4, isLast: false }],
    [3, { wave: waves[0], endPage: 4, isLast: false }],
    [4, { wave: waves[1], endPage: 8, isLast: true }],
    [99, { wave: waves[1], endPage: 8, isLast: true }],
  ])('page %i belongs to the wave %o', (page, found) => {
    expect(waveAt(record, page)).toEqual(found)
  })

  test.each([
    { pending: 50, redisNowMs: 999, now: 0, waits: true },
    { pending: 50, redisNowMs: 1000, now: 30, waits: false },
    { pending: 20, redisNowMs: 1000, now: 0, waits: true },
    { pending: 20, redisNowMs: 61_000, now: 20, waits: false },
    { pending: 0, redisNowMs: 61_000, now: 0, waits: false },
  ])('$pending pending at $redisNowMs: $now may be sent to', ({ pending, redisNowMs, now, waits }) => {
    const at = { ...(record as object), totals: { pending }, redisNowMs } as never
    expect([pendingNow(at), waitsForWave(at)]).toEqual([now, waits])
  })

  test('the last one is settled after it is due, however fast the others were', () => {
    expect(secondsOfWaves(record, (recipients) => recipients / 10)).toBe(62)
    expect(secondsOfWaves(record, (recipients) => recipients * 10)).toBe(500)
  })
})

describe('a request', () => {
  const app = { app: NEWS, credentialsKind: 'store' } as never
  const faults = (more: Partial<CampaignRequest>): unknown[] =>
    requestErrors(app, { ...helloToAll, ...more }, NOON).map(({ path, code }) => [path.join('.'), code])

  test.each([
    [{ localTime: '07:00', localDate: '2026-07-03', localTimePassed: 'skip', defaultTimeZone: 'Asia/Tokyo' }, []],
    [
      { localDate: '2026-07-03', defaultTimeZone: 'UTC' },
      [
        ['localDate', 'without-local-time'],
        ['defaultTimeZone', 'without-local-time'],
      ],
    ],
    [
      { localTime: '07:00', pace: { overSeconds: 60 }, localDate: '2026-06-29' },
      [
        ['pace', 'pace-and-local-time'],
        ['localDate', 'out-of-range'],
      ],
    ],
    [{ localTime: '07:00', localDate: '2026-07-06' }, [['localDate', 'out-of-range']]],
  ] as const)('%o has the faults %o', (more, expected) => {
    expect(faults(more as Partial<CampaignRequest>)).toEqual(expected)
  })

  test('expires a day after the last zone gets it', () => {
    expect(expiryOfWaves({}, NOON)).toBe(NOON + 49 * HOUR_MS)
    const later = expiryOfWaves({ localDate: '2026-07-03' }, NOON)
    expect(new Date(later).toISOString()).toBe('2026-07-05T13:00:00.000Z')
  })
})

/** A local time that the clocks of UTC show within this minute, so that UTC is due. */
function nowInUtc(): string {
  return new Date().toISOString().slice(11, 16)
}

/** Give the channels of an app, in order, these time zones. */
async function inZones(
  { registry }: Pick<Installation, 'registry'>,
  app: AppId,
  prefix: string,
  names: readonly (string | null)[],
): Promise<void> {
  await registry.register(
    app,
    names.map((timeZone, n) => ({ channel: channelId(`${prefix}${n}`), timeZone })),
  )
}

describe('the plan', () => {
  test('has no batch with recipients of two waves, and later waves wait for their time', async () => {
    const stage = new Stage()
    const settings = await stage.app(PAGE_SIZE + 300)
    const three = ['Asia/Tokyo', 'Asia/Kolkata', null]
    const names = Array.from({ length: PAGE_SIZE + 300 }, (_, n) => three[n % 3] ?? null)
    await inZones(stage, NEWS, 'device-', names)
    const { id } = await stage.campaigns.create(settings, { ...helloToAll, localTime: nowInUtc() })
    const campaign = id as CampaignId
    await launch(stage.deps, NEWS, campaign)
    const record = await stage.record(id)
    expect(record).toMatchObject({ planComplete: true, wavePages: 2, audienceSize: PAGE_SIZE + 300 })
    const now = Math.floor((PAGE_SIZE + 300) / 3)
    expect(record.waves?.map(({ timeZones }) => timeZones)).toEqual([['UTC'], ['Asia/Tokyo'], ['Asia/Kolkata']])
    const seqs = Array.from({ length: record.planned }, (_, seq) => seq)
    const batches = await stage.ledger.batches({ app: NEWS, campaign }, seqs)
    expect(batches.map((batch) => waveOf(batch?.fromPage))).toEqual(batches.map((batch) => waveOf(batch?.toPage)))
    expect(batches[0]?.recipients).toBe(now)
    const isDue = stage.queues.batches.map(({ delayMs = 0 }) => delayMs === 0)
    expect(isDue).toEqual(batches.map((batch) => waveOf(batch?.fromPage) === 0))
    const view = await stage.campaigns.get({ app: NEWS, campaign })
    expect(view?.waves).toMatchObject([{ recipients: now }, {}, {}])
    expect(view?.etaSeconds).toBeGreaterThan(14 * 3600)
  })

  test('of a campaign without recipients in any zone is complete', async () => {
    const stage = new Stage()
    const settings = await stage.app(3)
    await inZones(stage, NEWS, 'device-', ['Asia/Tokyo', 'Asia/Tokyo', 'Asia/Tokyo'])
    const request = { ...helloToAll, localTime: nowInUtc(), localTimePassed: 'skip' as const, localDate: yesterday() }
    const { id } = await stage.campaigns.create(settings, request)
    await launch(stage.deps, NEWS, id as CampaignId)
    expect(await stage.record(id)).toMatchObject({ audienceSize: 0, localTimePassed: 3, state: 'completed' })
  })
})

/** The wave of a page where a wave has two pages. */
function waveOf(page = 0): number {
  return Math.floor(page / 2)
}

/** A date on which the local time has passed in Asia, and not in all zones. */
function yesterday(): string {
  return new Date(Date.now() - 12 * HOUR_MS).toISOString().slice(0, 10)
}

describe('a worker', () => {
  test('sends each wave at its time and to each channel once, and its results have all channels', async () => {
    const place = new Installation()
    const settings = await place.app('shop', 700)
    const shop = settings.app
    const names = Array.from({ length: 700 }, (_, n) => zones[n % 5] ?? null)
    await inZones(place, shop, 'd', names)
    const sent: { readonly n: number; readonly atMs: number }[] = []
    place.answer = (path) => {
      sent.push({ n: Number(path.split('-')[1]), atMs: Date.now() })
      return { kind: 'accepted', status: 200, trace: {} }
    }
    const { id } = await place.create(settings, { localTime: nowInUtc() })
    const dueMs = await launchInWaves(place, shop, id as CampaignId)
    await place.worker().start()
    const finished = await ended(place, id)
    expect(finished).toMatchObject({ state: 'completed', totals: { accepted: 700 } })
    expect(sent.map(({ n }) => n).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 700 }, (_, n) => n))
    for (const { n, atMs } of sent) expect(atMs).toBeGreaterThanOrEqual(dueMs(names[n] ?? 'UTC'))
    const results = await Array.fromAsync(await place.campaigns.results({ app: shop, campaign: id as CampaignId }))
    expect(new Set(results.map(({ channel }) => channel)).size).toBe(700)

    // It leaves the slot of the topic alone: the stamps of the devices hold the guideline.
    const next = await place.create(settings, { notification: { type: 'badge', value: 2 } })
    expect((await ended(place, next.id)).totals).toMatchObject({ suppressed: 700, accepted: 0 })
  })

  test('leaves the waves that are not due when the campaign is cancelled, and a replay sends to all of them', async () => {
    const place = new Installation()
    const settings = await place.app('shop', 20)
    const shop = settings.app
    await inZones(
      place,
      shop,
      'd',
      Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? 'Asia/Tokyo' : null)),
    )
    await place.worker().start()
    const { id } = await place.create(settings, { localTime: nowInUtc() })
    await until('the first wave to be sent', async () => (await place.view(id)).totals.accepted === 10)
    expect(await place.view(id)).toMatchObject({ state: 'sending', reason: 'local-time', totals: { pending: 10 } })
    await place.campaigns.cancel({ app: shop, campaign: id as CampaignId })
    expect((await ended(place, id)).totals).toMatchObject({ accepted: 10, cancelled: 10 })
    const replay = await place.campaigns.retry({ app: shop, campaign: id as CampaignId }, { classes: ['cancelled'] })
    expect(replay.waves).toBeUndefined()
    expect((await ended(place, replay.id)).totals).toMatchObject({ accepted: 10, suppressed: 0 })
    expect(new Set(place.posts).size).toBe(20)
    expect(place.posts).toHaveLength(20)
  })
})

function timeAt(ms: number): string {
  return new Date(ms).toISOString().slice(11, 16)
}

/** Hours around now in UTC, an hour before and after; the same in all tests, also if a minute ends between them. */
const aroundNow = { from: timeAt(Date.now() - HOUR_MS), to: timeAt(Date.now() + HOUR_MS), zone: 'UTC' }

describe('quiet hours', () => {
  async function quietApp() {
    const place = new Installation()
    await place.app('shop', 20)
    const { settings } = await place.apps.put('shop' as AppId, {
      credentials: { kind: 'store', packageSid: 'S-1-15-2-1-2-3-4-5-6-7', clientSecret: 's' },
      quietHours: aroundNow,
    })
    await place.worker().start()
    return { place, settings }
  }

  test('keep a campaign waiting until they end, and an urgent one may ignore them', async () => {
    const { place, settings } = await quietApp()
    const { id } = await place.create(settings, { topic: 'later' })
    const waiting = await until('the campaign to be planned', async () => {
      const view = await place.view(id)
      return view.waves === undefined ? undefined : view
    })
    expect(waiting).toMatchObject({
      state: 'sending',
      reason: 'send-window',
      ratePerSecond: 0,
      totals: { pending: 20 },
    })
    expect(waiting.etaSeconds).toBeGreaterThan(1800)
    const urgent = await place.create(settings, { priority: 'urgent', ignoreQuietHours: true })
    expect((await ended(place, urgent.id)).totals.accepted).toBe(20)
    expect(place.posts).toHaveLength(20)
  })

  test.each([
    [{ ignoreQuietHours: true }, ['not-urgent']],
    [{ sendWindow: aroundNow }, ['never-open']],
    [{ sendWindow: { from: '00:00', to: '23:59', zone: 'device' }, pace: { overSeconds: 60 } }, ['pace-and-window']],
    [{ sendWindow: { from: '00:00', to: '23:59', zone: 'UTC' } }, []],
  ])('%o has the faults %o', async (more, codes) => {
    const app = { app: NEWS, credentialsKind: 'store', quietHours: aroundNow } as never
    expect(requestErrors(app, { ...helloToAll, ...more }, NOON).map(({ code }) => code)).toEqual(codes)
  })
})

describe('a send window', () => {
  test('that closed puts off its batches until it opens again, and they stay as they are', async () => {
    const stage = new Stage()
    const settings = await stage.app(3)
    const sendWindow = aroundNow
    const { id } = await stage.campaigns.create(settings, { ...helloToAll, sendWindow })
    const ref = { app: NEWS, campaign: id as CampaignId, seq: 0 }
    await launch(stage.deps, NEWS, ref.campaign)
    const { definition, waves = [], wavePages, redisNowMs } = await stage.record(id)
    expect(waves).toMatchObject([{ recipients: 3 }])
    const prepared = (wave: object) =>
      ({ definition, windowed: { waves: [{ ...waves[0], ...wave }], wavePages } }) as unknown as PreparedCampaign
    const deps = { ledger: stage.ledger, campaigns: stage.store }
    expect(await putOffIfClosed(deps, ref, prepared({}))).toBe(0)
    expect(await putOffIfClosed(deps, ref, { definition } as unknown as PreparedCampaign)).toBe(0)
    // Of a window that is about to open.
    const later = { ...definition, windows: [{ ...sendWindow, from: sendWindow.to, to: sendWindow.from }] }
    const closed = { ...prepared({ closesAtMs: redisNowMs - 1 }), definition: later }
    const waitMs = await putOffIfClosed(deps, ref, closed)
    expect(waitMs).toBeGreaterThan(30 * 60_000)
    expect(waitMs).toBeLessThan(2 * HOUR_MS)
    const [batch] = await stage.ledger.batches(ref, [0])
    expect(batch).toMatchObject({ state: 'parked', recipients: 3, closed: false })
    expect((batch?.dueAtMs ?? 0) - redisNowMs).toBeGreaterThanOrEqual(30 * 60_000)
  })
})

function ended(place: Installation, id: string): Promise<Campaign> {
  return until(`campaign ${id} to end`, async () => {
    const view = await place.view(id)
    return view.finishedAt === undefined ? undefined : view
  })
}

/** The waves of a request are hours apart; these are 300 ms apart. */
async function launchInWaves(
  { store, audiences, redis, keys }: Installation,
  app: AppId,
  campaign: CampaignId,
): Promise<(timeZone: string) => number> {
  await store.launch(app, campaign)
  const startMs = await store.redisNowMs()
  const dueMs = (timeZone: string): number => startMs + ['UTC', ...zones].indexOf(timeZone) * 300
  const groups = ['UTC', ...zones].map((zone) => ({
    dueAtMs: dueMs(zone),
    timeZones: [zone],
    hasDefault: zone === 'UTC',
  }))
  const [source, destination] = [keys.temporary(app, 'source'), keys.temporary(app, 'destination')]
  const frozen = await audiences.freeze(app, { all: true }, source)
  const divided = await divideIntoWaves(redis, keys, app, { source, destination }, groups)
  await store.storeAudience(app, campaign, destination, { ...frozen, divided })
  return dueMs
}
