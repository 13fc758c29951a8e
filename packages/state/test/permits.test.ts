import { fc, test } from '@fast-check/vitest'
import type { PermitOptions } from '@wns-fanout/state'
import { PermitHandful, Permits } from '@wns-fanout/state'
import { describe, expect, onTestFinished } from 'vitest'
import { anotherConnection, NEWS, setup, until } from './support.ts'

const HOUR_MS = 3_600_000
const appLimit = { ratePerSecond: 100, burst: 10 }

function start(options: PermitOptions = {}) {
  const bench = setup()
  const permits = new Permits(bench.redis, bench.keys, options)
  /** Time passes for the bucket: every instant in it moves into the past. */
  const pass = async (ms: number) => {
    const key = bench.keys.bucket(NEWS)
    for (const [field, value] of Object.entries(await bench.redis.hgetall(key))) {
      // 0 stands for "not yet" in probeAtMs.
      if (/(At|Until|Since)Ms$/.test(field) && Number(value) > 0) await bench.redis.hset(key, field, Number(value) - ms)
    }
  }
  const rate = async () => (await permits.take(NEWS, 1, appLimit)).effectiveRate
  const throttle = async (retryAfterMs?: number) => {
    const { nowMs } = await permits.take(NEWS, 1, appLimit)
    return permits.slowDown(NEWS, { grantedAtMs: nowMs, retryAfterMs }, appLimit)
  }
  return { ...bench, permits, pass, rate, throttle }
}

interface Granted {
  readonly atMs: number
  readonly count: number
}

/** The most by which grants in any window exceed rate · t + burst. */
function overshoot(log: readonly Granted[], { ratePerSecond, burst }: typeof appLimit): number {
  const sorted = log.toSorted((left, right) => left.atMs - right.atMs)
  let worst = -Infinity
  for (let from = 0; from < sorted.length; from += 1) {
    let sum = 0
    for (let to = from; to < sorted.length; to += 1) {
      sum += sorted[to]?.count ?? 0
      const seconds = ((sorted[to]?.atMs ?? 0) - (sorted[from]?.atMs ?? 0)) / 1000
      worst = Math.max(worst, sum - ratePerSecond * seconds - burst)
    }
  }
  return worst
}

describe('permits', () => {
  test('a new bucket is full, then fills at its rate', async () => {
    const { permits, pass } = start()
    expect(await permits.take(NEWS, 50, appLimit)).toMatchObject({
      granted: 10,
      waitMs: 0,
      effectiveRate: 100,
      probe: false,
    })
    const empty = await permits.take(NEWS, 50, { ratePerSecond: 1, burst: 10 })
    expect(empty).toMatchObject({ granted: 0 })
    expect(empty.waitMs).toBeGreaterThan(900)
    await pass(50)
    const { granted } = await permits.take(NEWS, 50, appLimit)
    expect(granted).toBeGreaterThanOrEqual(5)
    expect(granted).toBeLessThanOrEqual(10)
    await pass(60_000)
    expect((await permits.take(NEWS, 50, appLimit)).granted).toBe(10)
  })

  test('two apps have buckets of their own', async () => {
    const { permits } = start()
    await permits.take(NEWS, 10, appLimit)
    expect((await permits.take('other' as typeof NEWS, 10, appLimit)).granted).toBe(10)
  })

  test.prop(
    [
      fc.integer({ min: 50, max: 4000 }),
      fc.integer({ min: 1, max: 300 }),
      fc.array(fc.integer({ min: 1, max: 80 }), { minLength: 30, maxLength: 120 }),
    ],
    { numRuns: 25 },
  )(
    'of any rate and burst, taken by many at once, never exceed rate · t + burst in any window',
    async (ratePerSecond, burst, wants) => {
      const { permits } = start()
      const limit = { ratePerSecond, burst }
      const log: Granted[] = []
      const queue = [...wants]
      const worker = async () => {
        for (let wanted = queue.pop(); wanted !== undefined; wanted = queue.pop()) {
          const { granted, nowMs } = await permits.take(NEWS, wanted, limit)
          if (granted > 0) log.push({ atMs: nowMs, count: granted })
        }
      }
      await Promise.all([worker(), worker(), worker(), worker()])
      expect(log.length).toBeGreaterThan(0)
      // Redis time comes in thousandths of a millisecond.
      expect(overshoot(log, limit)).toBeLessThanOrEqual((ratePerSecond * 0.002) / 1000)
    },
  )

  test('one long run reaches its rate and never exceeds it', async () => {
    const { permits } = start()
    const limit = { ratePerSecond: 2000, burst: 100 }
    const log: Granted[] = []
    const until1s = performance.now() + 1000
    const worker = async () => {
      while (performance.now() < until1s) {
        const { granted, nowMs, waitMs } = await permits.take(NEWS, 100, limit)
        if (granted > 0) log.push({ atMs: nowMs, count: granted })
        else await new Promise((resolve) => setTimeout(resolve, Math.min(waitMs, 20)))
      }
    }
    await Promise.all([worker(), worker(), worker()])
    const total = log.reduce((sum, { count }) => sum + count, 0)
    const spanMs = Math.max(...log.map(({ atMs }) => atMs)) - Math.min(...log.map(({ atMs }) => atMs))
    expect(overshoot(log, limit)).toBeLessThanOrEqual(0.01)
    // Less than all of it only because a busy machine wakes these timers late; the benchmark measures the rest.
    expect(total).toBeGreaterThan(2000 * (spanMs / 1000) * 0.7)
  })
})

describe('slowing down', () => {
  test('halves the rate and pauses; then one probe, and nothing else, is granted', async () => {
    const { permits, pass, throttle } = start()
    const { nowMs } = await permits.take(NEWS, 1, appLimit)
    const state = await throttle(5000)
    expect(state).toMatchObject({ decreased: true, effectiveRate: 50 })
    expect(Math.abs((state.pausedUntilMs ?? 0) - nowMs - 5000)).toBeLessThan(500)
    const paused = await permits.take(NEWS, 10, appLimit)
    expect(paused).toMatchObject({ granted: 0, pausedUntilMs: state.pausedUntilMs })
    expect(paused.waitMs).toBeGreaterThan(4000)
    await pass(5000)
    expect(await permits.take(NEWS, 10, appLimit)).toMatchObject({ granted: 1, probe: true })
    expect(await permits.take(NEWS, 10, appLimit)).toMatchObject({ granted: 0, probe: false })
  })

  test('a probe that is welcome lets the rate climb: 90 % of the refused one after 1.5 s, then 1 % a second, up to the full rate', async () => {
    const { permits, pass, rate, throttle, redis, keys } = start()
    await throttle(1000)
    await pass(1000)
    const { nowMs } = await permits.take(NEWS, 1, appLimit)
    expect(await permits.probed(NEWS, nowMs)).toBe(true)
    expect(await permits.probed(NEWS, nowMs)).toBe(false)
    const near = async (expected: number) => expect(Math.abs((await rate()) - expected)).toBeLessThan(3)
    await near(50)
    await pass(750)
    await near(70)
    await pass(750)
    await near(90)
    await pass(5000)
    await near(95)
    await pass(60_000)
    expect(await rate()).toBe(100)
    expect(await redis.hexists(keys.bucket(NEWS), 'refusedRate')).toBe(0)
  })

  test('a hundred refusals of one burst decrease the rate once', async () => {
    const { permits } = start()
    const { nowMs } = await permits.take(NEWS, 10, appLimit)
    const states = await Promise.all(
      Array.from({ length: 100 }, () => permits.slowDown(NEWS, { grantedAtMs: nowMs, retryAfterMs: 2000 }, appLimit)),
    )
    expect(states.filter(({ decreased }) => decreased)).toHaveLength(1)
    expect(new Set(states.map(({ effectiveRate }) => effectiveRate))).toEqual(new Set([50]))
  })

  test('an answer to a post permitted before the last decrease counts for nothing, however late', async () => {
    const { permits, pass, throttle } = start()
    const { nowMs } = await permits.take(NEWS, 1, appLimit)
    await throttle(1000)
    await pass(1000)
    const probe = await permits.take(NEWS, 1, appLimit)
    await permits.probed(NEWS, probe.nowMs)
    await pass(10_000)
    expect(await permits.slowDown(NEWS, { grantedAtMs: nowMs - 11_000 }, appLimit)).toMatchObject({ decreased: false })
  })

  test('pauses without Retry-After double while the probe is refused, and begin anew once one was welcome', async () => {
    const { permits, pass, throttle } = start({ firstPauseMs: 1000, maxPauseMs: 3000 })
    const pauseOf = async (state: { readonly pausedUntilMs?: number }) => {
      const { nowMs } = await permits.take(NEWS, 1, appLimit)
      return Math.round(((state.pausedUntilMs ?? 0) - nowMs) / 100) / 10
    }
    const seen = [await pauseOf(await throttle())]
    for (const pause of [1000, 2000, 3000]) {
      await pass(pause)
      seen.push(await pauseOf(await throttle()))
    }
    expect(seen).toEqual([1, 2, 3, 3])
    await pass(3000)
    const probe = await permits.take(NEWS, 1, appLimit)
    await permits.probed(NEWS, probe.nowMs)
    await pass(10_000)
    expect(await pauseOf(await throttle())).toBe(1)
  })

  test.each([
    [0, 1],
    [200, 1],
    [7000, 7],
    [86_400_000, 900],
  ])('a Retry-After of %d ms pauses for %d s', async (retryAfterMs, seconds) => {
    const { permits, throttle } = start()
    const state = await throttle(retryAfterMs)
    const { nowMs } = await permits.take(NEWS, 1, appLimit)
    expect(Math.round(((state.pausedUntilMs ?? 0) - nowMs) / 1000)).toBe(seconds)
  })

  test('can be looked at without taking a permit', async () => {
    const { permits, throttle, redis, keys } = start()
    expect(await permits.look(NEWS, appLimit)).toEqual({ effectiveRate: 100 })
    const state = await throttle(5000)
    const before = await redis.hgetall(keys.bucket(NEWS))
    expect(await permits.look(NEWS, appLimit)).toEqual({ effectiveRate: 50, pausedUntilMs: state.pausedUntilMs })
    expect(await redis.hgetall(keys.bucket(NEWS))).toEqual(before)
  })

  test('a probe whose worker died is granted again', async () => {
    const { permits, pass, throttle } = start({ probeLostMs: 2000 })
    await throttle(1000)
    await pass(1000)
    expect(await permits.take(NEWS, 1, appLimit)).toMatchObject({ probe: true })
    await pass(1500)
    expect(await permits.take(NEWS, 1, appLimit)).toMatchObject({ granted: 0 })
    await pass(600)
    expect(await permits.take(NEWS, 1, appLimit)).toMatchObject({ granted: 1, probe: true })
  })

  test('a clock of Redis that steps back an hour does not make a pause of seconds one of an hour', async () => {
    const { permits, pass, rate, throttle } = start()
    await throttle(5000)
    // Every instant that was written lies an hour ahead now.
    await pass(-HOUR_MS)
    const paused = await permits.take(NEWS, 1, appLimit)
    expect(paused.granted).toBe(0)
    expect(paused.waitMs).toBeGreaterThan(3000)
    expect(paused.waitMs).toBeLessThanOrEqual(5000)
    await pass(5000)
    const probe = await permits.take(NEWS, 1, appLimit)
    expect(probe).toMatchObject({ granted: 1, probe: true })
    await pass(-HOUR_MS)
    expect(await permits.probed(NEWS, probe.nowMs + HOUR_MS)).toBe(true)
    await pass(-HOUR_MS)
    await rate()
    await pass(5000)
    expect(await rate()).toBeGreaterThan(90)
    // A refusal counts, though the last one seems to be yet to come.
    expect(await throttle(1000)).toMatchObject({ decreased: true })
  })

  test('a clock of Redis that steps forward an hour ends a pause, and no more is granted than after any quiet time', async () => {
    const { permits, pass, throttle } = start()
    await throttle(5000)
    await pass(HOUR_MS)
    const probe = await permits.take(NEWS, 50, appLimit)
    expect(probe).toMatchObject({ granted: 1, probe: true })
    await permits.probed(NEWS, probe.nowMs)
    await pass(HOUR_MS)
    expect((await permits.take(NEWS, 50, appLimit)).granted).toBe(appLimit.burst)
  })

  test('a bucket that was filled in the future fills from now on, not from then', async () => {
    const { permits, pass } = start()
    await permits.take(NEWS, 10, appLimit)
    await pass(-HOUR_MS)
    expect((await permits.take(NEWS, 10, appLimit)).granted).toBeLessThanOrEqual(2)
    await pass(50)
    expect((await permits.take(NEWS, 10, appLimit)).granted).toBeGreaterThanOrEqual(4)
  })

  test('a rate that is refused again and again falls, but never below one a second', async () => {
    const { permits, pass, rate } = start()
    for (let round = 0; round < 12; round += 1) {
      const { nowMs } = await permits.take(NEWS, 1, appLimit)
      await permits.slowDown(NEWS, { grantedAtMs: nowMs, retryAfterMs: 1000 }, appLimit)
      await pass(1000)
      const probe = await permits.take(NEWS, 1, appLimit)
      await permits.probed(NEWS, probe.nowMs)
      await pass(1100)
    }
    expect(await rate()).toBeGreaterThanOrEqual(1)
    expect(await rate()).toBeLessThan(30)
  })
})

function handfulOf(permits: Permits, limit = { ratePerSecond: 1000, burst: 100 }, lapseMs?: number) {
  const handful = new PermitHandful(permits, NEWS, {
    limit: () => limit,
    ...(lapseMs === undefined ? {} : { lapseMs }),
  })
  onTestFinished(() => handful.stop())
  return handful
}

describe('a handful', () => {
  test('gives permits synchronously and tells when more have come', async () => {
    const { permits } = start()
    const handful = handfulOf(permits)
    expect(handful.tryTake()).toBe(false)
    await new Promise<void>((resolve) => handful.onGranted(resolve))
    let taken = 0
    while (handful.tryTake()) taken += 1
    // 50 ms worth of 1,000 a second.
    expect(taken).toBe(50)
    expect(handful.grantedAtMs).toBeGreaterThan(1_600_000_000_000)
    expect(handful.effectiveRate).toBe(1000)
  })

  test('lets permits lapse that were not used in time', async () => {
    const { permits } = start()
    const handful = handfulOf(permits, { ratePerSecond: 1000, burst: 100 }, 0)
    handful.tryTake()
    await new Promise<void>((resolve) => handful.onGranted(resolve))
    expect(handful.tryTake()).toBe(false)
  })

  test('asks again when most of a handful has come back, not for each permit that has', async () => {
    const { permits } = start()
    const asked: number[] = []
    const recording: Permits = Object.assign(Object.create(permits) as Permits, {
      take: async (...args: Parameters<Permits['take']>) => {
        asked.push(performance.now())
        return permits.take(...args)
      },
    })
    const handful = handfulOf(recording)
    for (let grants = 0; grants < 6; grants += 1) {
      const granted = new Promise<void>((resolve) => handful.onGranted(resolve))
      while (handful.tryTake());
      await granted
    }
    const pausesMs = asked.slice(1).map((atMs, at) => atMs - (asked[at] ?? 0))
    // 50 permits are worth 50 ms; timers may be a millisecond early.
    for (const pauseMs of pausesMs) expect(pauseMs).toBeGreaterThan(38)
  })

  test('asks for less after permits lapsed, and for more again once it uses them up', async () => {
    const { permits } = start()
    const asked: number[] = []
    const recording: Permits = Object.assign(Object.create(permits) as Permits, {
      take: async (...args: Parameters<Permits['take']>) => {
        asked.push(args[1])
        return { granted: args[1], waitMs: 0, nowMs: asked.length, probe: false, effectiveRate: 1000 }
      },
    })
    const handful = handfulOf(recording, { ratePerSecond: 1000, burst: 100 }, 30)
    const next = async (use: number) => {
      const granted = new Promise<void>((resolve) => handful.onGranted(resolve))
      expect(handful.tryTake()).toBe(false)
      await granted
      for (let taken = 0; taken < use; taken += 1) expect(handful.tryTake()).toBe(true)
      await until(() => performance.now() > handful.lapsesAtMs)
    }
    await next(3)
    await next(4)
    await next(8)
    await next(16)
    await next(32)
    await next(50)
    expect(asked).toEqual([50, 4, 8, 16, 32, 50])
  })

  test('tells Redis of a burst of refusals once', async () => {
    const { permits } = start()
    let told = 0
    const recording: Permits = Object.assign(Object.create(permits) as Permits, {
      take: (...args: Parameters<Permits['take']>) => permits.take(...args),
      slowDown: (...args: Parameters<Permits['slowDown']>) => {
        told += 1
        return permits.slowDown(...args)
      },
    })
    const handful = handfulOf(recording)
    handful.tryTake()
    await new Promise<void>((resolve) => handful.onGranted(resolve))
    handful.tryTake()
    const { grantedAtMs } = handful
    await Promise.all(Array.from({ length: 50 }, () => handful.slowDown(grantedAtMs, 1000)))
    await handful.slowDown(grantedAtMs, 1000)
    expect(told).toBe(1)
  })

  test('of four workers together reach the rate, and not more', async () => {
    const { keys, redis } = start()
    const limit = { ratePerSecond: 2000, burst: 200 }
    const log: Granted[] = []
    const recording = (permits: Permits): Permits =>
      Object.assign(Object.create(permits) as Permits, {
        take: async (...args: Parameters<Permits['take']>) => {
          const grant = await permits.take(...args)
          if (grant.granted > 0) log.push({ atMs: grant.nowMs, count: grant.granted })
          return grant
        },
      })
    await redis.ping()
    const handfuls = Array.from({ length: 4 }, () =>
      handfulOf(recording(new Permits(anotherConnection(), keys)), limit),
    )
    let posts = 0
    const startedAt = performance.now()
    const stopAt = startedAt + 1500
    for (const handful of handfuls) {
      const drain = () => {
        while (performance.now() < stopAt && handful.tryTake()) posts += 1
      }
      handful.onGranted(drain)
      drain()
    }
    await until(() => performance.now() >= stopAt)
    const seconds = 1.5
    expect(overshoot(log, limit)).toBeLessThanOrEqual(0.01)
    expect(posts).toBeGreaterThan(2000 * seconds * 0.7)
    expect(posts).toBeLessThanOrEqual(2000 * seconds * 1.02 + 200)
  })

  test('drops what it has when WNS says to slow down, and climbs once the probe was welcome', async () => {
    const { permits, pass } = start()
    const handful = handfulOf(permits)
    handful.tryTake()
    await new Promise<void>((resolve) => handful.onGranted(resolve))
    expect(handful.tryTake()).toBe(true)
    await handful.slowDown(handful.grantedAtMs, 60_000)
    expect(handful.tryTake()).toBe(false)
    expect(handful.effectiveRate).toBe(500)
    await pass(60_000)
    await until(() => handful.tryTake())
    expect(handful.probing).toBe(true)
    expect(handful.tryTake()).toBe(false)
    await handful.answered(handful.grantedAtMs)
    expect(handful.probing).toBe(false)
    await until(() => handful.tryTake())
    expect(handful.probing).toBe(false)
  })

  test('asks for nothing after it was stopped', async () => {
    const { permits, redis, keys } = start()
    const handful = handfulOf(permits)
    handful.stop()
    handful.stop()
    expect(handful.tryTake()).toBe(false)
    await permits.take('other' as typeof NEWS, 1, appLimit)
    expect(await redis.exists(keys.bucket(NEWS))).toBe(0)
  })
})
