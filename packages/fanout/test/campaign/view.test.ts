import type { AppId, CampaignId } from '@wns-fanout/domain'
import { emptyTotals } from '@wns-fanout/domain'
import type { CampaignRecord } from '@wns-fanout/state'
import { describe, expect, test } from 'vitest'
import type { AppCondition } from '../../src/campaign/view.ts'
import { viewOf } from '../../src/campaign/view.ts'

const NOW_MS = Date.parse('2026-03-01T12:00:00Z')
const idle: AppCondition = { paused: false, effectiveRatePerSecond: 100 }

/** A campaign to ten recipients that sends, of which six are pending. */
function record(change: Partial<CampaignRecord> = {}): CampaignRecord {
  return {
    definition: {
      id: 'c1' as CampaignId,
      app: 'news' as AppId,
      request: { notification: { type: 'badge', value: 1 }, audience: { all: true } },
      update: 'generic',
      topic: 'default',
      delivery: 'at-least-once',
      priority: 'normal',
      guardSeconds: 1860,
      maxAttempts: 5,
      retentionDays: 30,
      rawGates: true,
    },
    state: 'sending',
    createdAtMs: NOW_MS - 10_000,
    startAtMs: NOW_MS - 10_000,
    startedAtMs: NOW_MS - 8000,
    expiresAtMs: NOW_MS + 1000,
    audienceSize: 10,
    totals: { ...emptyTotals(), accepted: 4, pending: 6 },
    takeovers: 0,
    cursor: 1,
    cursorBefore: 0,
    turn: 0,
    planned: 1,
    closed: 0,
    planComplete: true,
    ratePerSecond: 2,
    canaryPassed: false,
    accepted: [],
    plannedRecipients: 10,
    redisNowMs: NOW_MS,
    version: 1,
    damaged: undefined,
    ...change,
  }
}

test('a campaign is shown with its definition, its times and its counts', () => {
  expect(viewOf(record(), idle)).toEqual({
    id: 'c1',
    app: 'news',
    state: 'sending',
    update: 'generic',
    topic: 'default',
    delivery: 'at-least-once',
    priority: 'normal',
    type: 'badge',
    createdAt: '2026-03-01T11:59:50.000Z',
    expiresAt: '2026-03-01T12:00:01.000Z',
    audienceSize: 10,
    totals: { ...emptyTotals(), accepted: 4, pending: 6 },
    ratePerSecond: 2,
    etaSeconds: 3,
  })
})

test('what a campaign may have is shown where it has it', () => {
  const { definition } = record()
  const shown = viewOf(
    record({
      definition: { ...definition, request: { ...definition.request, name: 'Spring' }, parent: 'c0' as CampaignId },
      unknownChannels: 2,
    }),
    idle,
  )
  expect(shown).toMatchObject({ name: 'Spring', parent: 'c0', unknownChannels: 2 })
})

describe('the start', () => {
  const asked = { ...record().definition.request, startAt: '2026-03-01T11:59:50.000Z' }
  test.each([
    ['was asked for', { definition: { ...record().definition, request: asked } }, '2026-03-01T11:59:50.000Z'],
    ['is in the future', { startAtMs: NOW_MS + 5000 }, '2026-03-01T12:00:05.000Z'],
    ['is now', {}, undefined],
  ])('that %s is shown as it is', (_, change, startAt) => {
    expect(viewOf(record(change), idle).startAt).toBe(startAt)
  })
})

describe('the rate', () => {
  test.each([
    ['while sending, as the ledger measured it', {}, 2],
    ['while paused, none', { state: 'paused' }, 0],
    ['of a finished campaign, over its whole life', { state: 'completed', finishedAtMs: NOW_MS }, 0.5],
    ['of one that never started, none', { state: 'cancelled', finishedAtMs: NOW_MS, startedAtMs: undefined }, 0],
  ] as const)('is given %s', (_, change, ratePerSecond) => {
    expect(viewOf(record(change), idle).ratePerSecond).toBe(ratePerSecond)
  })
})

describe('the time left', () => {
  test.each([
    ['by its own rate', {}, {}, 3],
    ['by the rate of the app, while its own is not known', { ratePerSecond: 0 }, {}, 1],
    ['after the pause that WNS asked for', {}, { throttledUntilMs: NOW_MS + 4500 }, 8],
    ['unknown without any rate', { ratePerSecond: 0 }, { effectiveRatePerSecond: 0 }, null],
    ['unknown while the app is paused', {}, { paused: true }, null],
    ['unknown while the campaign is paused', { state: 'paused' }, {}, null],
    ['unknown before the audience is frozen', { audienceSize: null }, {}, null],
    ['none for a campaign in a final state', { state: 'cancelled' }, {}, 0],
  ] as const)('is %s', (_, change, condition, etaSeconds) => {
    expect(viewOf(record(change), { ...idle, ...condition }).etaSeconds).toBe(etaSeconds)
  })
})

describe('the reason', () => {
  const breaker = { reason: 'WNS rejects fresh tokens' }
  test.each([
    ['its own, before all others', { reason: 'canary' }, { paused: true, breaker }, 'canary'],
    ['app-paused, before the breaker', {}, { paused: true, breaker }, 'app-paused'],
    ['breaker, before a throttle', {}, { breaker, throttledUntilMs: NOW_MS + 1 }, 'breaker'],
    ['throttled, while the pause lasts', {}, { throttledUntilMs: NOW_MS + 1 }, 'throttled'],
    ['none, once the pause has ended', {}, { throttledUntilMs: NOW_MS }, undefined],
    ['none, unless the campaign sends', { state: 'scheduled' }, { paused: true, breaker }, undefined],
  ] as const)('is %s', (_, change, condition, reason) => {
    expect(viewOf(record(change), { ...idle, ...condition }).reason).toBe(reason)
  })
})
