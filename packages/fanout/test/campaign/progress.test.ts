import { fc, test as property } from '@fast-check/vitest'
import type { AppId, CampaignId } from '@wns-fanout/domain'
import { emptyTotals } from '@wns-fanout/domain'
import type { CampaignRecord } from '@wns-fanout/state'
import { describe, expect, test } from 'vitest'
import type { Sender } from '../../src/campaign/progress.ts'
import { afterSeconds, progressOf, secondsLeft, sharedRates } from '../../src/campaign/progress.ts'

const NOW_MS = Date.parse('2026-03-01T12:00:00Z')
const app = { paused: false, effectiveRatePerSecond: 300 }

interface Change {
  readonly id?: string
  readonly priority?: 'normal' | 'urgent'
  readonly pace?: { readonly overSeconds: number }
  readonly canary?: { readonly size: number; readonly maxFailureShare: number }
  readonly audienceSize?: number
  readonly pending?: number
  readonly ratePerSecond?: number
  readonly sendingForMs?: number
  readonly canaryPassed?: boolean
}

function record({ id = 'c1', audienceSize = 3000, ...change }: Change = {}): CampaignRecord {
  const { pending = audienceSize, priority = 'normal', pace, canary } = change
  return {
    definition: {
      id: id as CampaignId,
      app: 'news' as AppId,
      request: {
        notification: { type: 'badge', value: 1 },
        audience: { all: true },
        ...(pace === undefined ? {} : { pace }),
        ...(canary === undefined ? {} : { canary }),
      },
      update: 'generic',
      topic: 'default',
      delivery: 'at-least-once',
      priority,
      guardSeconds: 1860,
      maxAttempts: 5,
      retentionDays: 30,
      rawGates: true,
    },
    state: 'sending',
    createdAtMs: NOW_MS - 100_000,
    startAtMs: NOW_MS - 100_000,
    startedAtMs: NOW_MS - (change.sendingForMs ?? 500),
    expiresAtMs: NOW_MS + 1_000_000,
    audienceSize,
    totals: { ...emptyTotals(), accepted: audienceSize - pending, pending },
    takeovers: 0,
    cursor: 1,
    cursorBefore: 0,
    turn: 0,
    planned: 1,
    closed: 0,
    planComplete: true,
    ratePerSecond: change.ratePerSecond ?? 0,
    canaryPassed: change.canaryPassed ?? false,
    accepted: [],
    plannedRecipients: audienceSize,
    redisNowMs: NOW_MS,
    version: 1,
    damaged: undefined,
  }
}

const sender = fc.record({
  pending: fc.integer({ min: 1, max: 10_000 }),
  weight: fc.constantFrom(1, 8),
  maxRate: fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 500 })),
})
const senders = fc
  .tuple(sender, fc.array(sender, { maxLength: 5 }))
  .map(([own, others]): [Sender, ...Sender[]] => [own, ...others])

describe('campaigns that share a rate', () => {
  test.each([
    { name: 'equal ones get equal shares', given: [[1], [1], [1]], rates: [100, 100, 100] },
    { name: 'an urgent one gets eight times as much', given: [[1], [8]], rates: [300 / 9, 2400 / 9] },
    { name: 'what a pace leaves goes to the others', given: [[1, 20], [1], [1]], rates: [20, 140, 140] },
    {
      name: 'paces may leave a part of the rate unused',
      given: [
        [1, 20],
        [8, 30],
      ],
      rates: [20, 30],
    },
  ])('$name', ({ given, rates }) => {
    const found = sharedRates(
      given.map(([weight = 1, maxRate = Infinity]) => ({ weight, maxRate })),
      300,
    )
    found.forEach((rate, at) => expect(rate).toBeCloseTo(rates[at] ?? 0, 6))
  })

  property.prop([senders, fc.integer({ min: 1, max: 2000 })])(
    'use all of it unless paces forbid that, and none is above its pace or below a smaller share',
    (given, ratePerSecond) => {
      const rates = sharedRates(given, ratePerSecond)
      const used = rates.reduce((sum, rate) => sum + rate, 0)
      const possible = given.reduce((sum, { maxRate }) => sum + maxRate, 0)
      expect(used).toBeCloseTo(Math.min(ratePerSecond, possible), 3)
      for (const [at, { weight, maxRate }] of given.entries()) {
        expect(rates[at]).toBeLessThanOrEqual(maxRate + 1e-6)
        if ((rates[at] ?? 0) < maxRate - 1e-6)
          for (const [other, rate] of rates.entries())
            expect((rates[at] ?? 0) / weight).toBeGreaterThanOrEqual(rate / (given[other]?.weight ?? 1) - 1e-6)
      }
    },
  )

  property.prop([senders, fc.integer({ min: 100, max: 2000 })])(
    'the time left is what then passes, step by step',
    (given, ratePerSecond) => {
      const left = given.map(({ pending }) => pending)
      const step = 0.02
      let seconds = 0
      while ((left[0] ?? 0) > 0 && seconds < 60) {
        const open = given.map((_, at) => at).filter((at) => (left[at] ?? 0) > 0)
        const rates = sharedRates(
          open.map((at) => given[at] ?? { weight: 1, maxRate: 0 }),
          ratePerSecond,
        )
        open.forEach((at, index) => (left[at] = (left[at] ?? 0) - (rates[index] ?? 0) * step))
        seconds += step
      }
      const expected = secondsLeft(given, ratePerSecond)
      if (seconds < 60) expect(Math.abs(expected - seconds)).toBeLessThanOrEqual(0.2 + 0.02 * seconds)
      else expect(expected).toBeGreaterThan(58)
    },
  )

  test('a rate of nothing leaves no time that could be named', () => {
    expect(secondsLeft([{ pending: 5, weight: 1, maxRate: Infinity }], 0)).toBe(Infinity)
  })
})

describe('the time left', () => {
  test.each([
    { name: 'alone, by the rate of the app', own: {}, others: [], seconds: 10 },
    { name: 'beside a larger one, by half of the rate', own: {}, others: [{ audienceSize: 9000 }], seconds: 20 },
    { name: 'beside a smaller one, until that has ended', own: {}, others: [{ audienceSize: 300 }], seconds: 11 },
    {
      name: 'beside an urgent one, behind it',
      own: {},
      others: [{ audienceSize: 3000, priority: 'urgent' }],
      seconds: 20,
    },
    { name: 'urgent, hardly slower', own: { priority: 'urgent' }, others: [{ audienceSize: 90_000 }], seconds: 12 },
    { name: 'by its pace, if that is slower', own: { pace: { overSeconds: 60 } }, others: [], seconds: 60 },
    {
      name: 'beside one with a pace, by what that leaves',
      own: {},
      others: [{ pace: { overSeconds: 30 } }],
      seconds: 15,
    },
    {
      name: 'by the measured rate of both, once they have sent for a while',
      own: { ratePerSecond: 50, sendingForMs: 9000 },
      others: [{ audienceSize: 9000, ratePerSecond: 50, sendingForMs: 9000 }],
      seconds: 60,
    },
  ] as const)('is given $name', ({ own, others, seconds }) => {
    const sending = others.map((other, at) => record({ ...other, id: `other-${at}` }))
    expect(progressOf(record(own), [record(own), ...sending], app).etaSeconds).toBe(seconds)
  })

  test('of a throttled app is given by a rate between the measured one, with its pauses, and the allowed one', () => {
    const own = record({ ratePerSecond: 100, sendingForMs: 9000 })
    expect(progressOf(own, [own], { ...app, isThrottled: true }).etaSeconds).toBe(12)
    expect(progressOf(own, [own], { ...app, isThrottled: false }).etaSeconds).toBe(30)
    const refused = { ...app, isThrottled: true, effectiveRatePerSecond: 50 }
    expect(progressOf(own, [own], refused).etaSeconds).toBe(30)
  })

  test('is longer by the pause that WNS asked for', () => {
    expect(progressOf(record(), [], { ...app, throttledUntilMs: NOW_MS + 5000 }).etaSeconds).toBe(15)
  })
})

test('the rate is not zero from the first second on', () => {
  expect(progressOf(record(), [], app).ratePerSecond).toBe(300)
  expect(progressOf(record({ pending: 2900 }), [], app).ratePerSecond).toBe(100)
})

describe('the reason', () => {
  const canary = { size: 100, maxFailureShare: 0.1 }
  test.each([
    { name: 'queued, before its first outcome beside others', own: {}, others: [{}], reason: 'queued' },
    { name: 'none, alone', own: {}, others: [], reason: undefined },
    { name: 'canary, while its outcomes are awaited', own: { canary }, others: [], reason: 'canary' },
    { name: 'none, once the canary passed', own: { canary, canaryPassed: true }, others: [], reason: undefined },
    { name: 'pace, where that is the limit', own: { pace: { overSeconds: 60 } }, others: [], reason: 'pace' },
    {
      name: 'none, where the pace allows more than the app',
      own: { pace: { overSeconds: 5 } },
      others: [],
      reason: undefined,
    },
  ])('is $name', ({ own, others, reason }) => {
    const sending = others.map((other, at) => record({ ...other, id: `other-${at}` }))
    expect(progressOf(record(own), sending, app).reason).toBe(reason)
  })
})

function waiting(change: Partial<CampaignRecord> = {}, request: object = {}): CampaignRecord {
  const { definition, ...rest } = record({ id: 'later' })
  const scheduled = { state: 'scheduled', audienceSize: null, totals: emptyTotals(), startedAtMs: undefined } as const
  const own = { ...definition, request: { ...definition.request, ...request } }
  return { ...rest, definition: own, ...scheduled, expectedRecipients: 3000, startAtMs: NOW_MS + 60_000, ...change }
}

describe('the time left of a campaign that waits for its start', () => {
  test('is the time to the start and that of its recipients, whether it is scheduled or deferred', () => {
    expect(progressOf(waiting(), [], app)).toEqual({ ratePerSecond: 0, etaSeconds: 70, reason: undefined })
    expect(progressOf(waiting({ reason: 'guard' }), [], app)).toMatchObject({ etaSeconds: 70, reason: 'guard' })
    expect(progressOf(waiting({ startAtMs: NOW_MS - 5 }), [], app).etaSeconds).toBe(10)
  })

  test('counts what other campaigns have left at its start', () => {
    // 60 s at 300 a second are 18,000; of 21,000 are 3,000 left, and each gets half of the rate.
    expect(progressOf(waiting(), [record({ audienceSize: 21_000 })], app).etaSeconds).toBe(80)
    expect(progressOf(waiting(), [record({ audienceSize: 18_000 })], app).etaSeconds).toBe(70)
  })

  test('respects its pace and a throttled app', () => {
    expect(progressOf(waiting({}, { pace: { overSeconds: 100 } }), [], app).etaSeconds).toBe(160)
    const throttledUntilMs = NOW_MS + 90_000
    expect(progressOf(waiting(), [], { ...app, throttledUntilMs }).etaSeconds).toBe(100)
  })

  test.each<[string, Partial<CampaignRecord>, object, object]>([
    ['recipients that are not known', { expectedRecipients: undefined }, {}, {}],
    ['a paused app', {}, {}, { paused: true }],
    ['an open breaker', {}, {}, { breaker: { reason: 'x' } }],
    ['a canary that a person approves', {}, { canary: { size: 10, approve: 'manual' } }, {}],
    ['local times', {}, { localTime: '08:00' }, {}],
  ])('cannot be predicted with %s', (_, change, request, condition) => {
    expect(progressOf(waiting(change, request), [], { ...app, ...condition }).etaSeconds).toBeNull()
  })

  property.prop([senders, fc.integer({ min: 1, max: 1000 }), fc.nat(100)], { numRuns: 200 })(
    'is consistent: what is left after a time takes the rest of the time',
    (all, rate, seconds) => {
      const whole = secondsLeft(all, rate)
      const rest = afterSeconds(all, rate, seconds)
      const [first] = rest
      if (whole <= seconds) return
      expect(first).toBeDefined()
      const left = secondsLeft(rest as [Sender, ...Sender[]], rate)
      expect(Math.abs(left + seconds - whole)).toBeLessThan(0.01 * whole + 0.01)
    },
  )
})
