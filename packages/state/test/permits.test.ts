import { fc, test } from '@fast-check/vitest'
import type { AppId, CampaignId } from '@wns-fanout/domain'
import type { Decrease, PermitOptions } from '@wns-fanout/state'
import { Permits } from '@wns-fanout/state'
import { describe, expect } from 'vitest'
import { NEWS, setup } from './support.ts'

const HOUR_MS = 3_600_000
const appLimit = { ratePerSecond: 100, burst: 10 }

function start(options: PermitOptions = {}) {
  const bench = setup()
  const permits = new Permits(bench.redis, bench.keys, options)
  /** Time passes for the bucket: every time in it moves into the past. */
  const pass = async (ms: number) => {
    const key = bench.keys.bucket(NEWS)
    for (const [field, value] of Object.entries(await bench.redis.hgetall(key))) {
      // 0 means "not yet" in probeAtMs.
      if (/(At|Until|Since)Ms$/.test(field) && Number(value) > 0) await bench.redis.hset(key, field, Number(value) - ms)
    }
  }
  const take = (wanted: number, limit = appLimit) => permits.take(NEWS, wanted, limit)
  const throttle = async (retryAfterMs?: number) => {
    const { nowMs } = await take(1)
    return permits.slowDown(NEWS, { grantedAtMs: nowMs, retryAfterMs }, appLimit)
  }
  /** WNS accepts the probe that may be granted now. */
  const acceptProbe = async () => {
    const probe = await take(1)
    expect(probe).toMatchObject({ granted: 1, probe: true })
    expect(await permits.endProbe(NEWS, probe.nowMs)).toBe(true)
    return probe
  }
  return { ...bench, permits, pass, take, throttle, acceptProbe }
}

/** The rate after this number of seconds of climbing, where 100 a second was refused at once. */
function climbed(seconds: number): number {
  if (seconds < 1.5) return 50 + (30 * seconds) / 1.5
  const left = 1 - (seconds - 1.5) / 30
  return left > 0 ? 100 - 20 * left ** 3 : 100 * (1 + 0.01 * (left * 30) ** 2)
}

/** How long a decrease pauses the app; Redis rounds the end of a pause up to a millisecond. */
function pauseMs({ pausedUntilMs = 0, decreasedAtMs }: Decrease): number {
  return Math.floor(pausedUntilMs - decreasedAtMs)
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

/** Redis reports time in microseconds, and grants carry it in thousandths of a millisecond: two may differ by two. */
function clockError(ratePerSecond: number): number {
  return ratePerSecond * 0.000_002
}

describe('granting', () => {
  test('a new bucket is full, then fills at its rate up to the burst', async () => {
    const { take, pass } = start()
    expect(await take(50)).toMatchObject({ granted: 10, waitMs: 0, effectiveRate: 100, probe: false })
    await pass(50)
    const { granted } = await take(50)
    expect(granted).toBeGreaterThanOrEqual(5)
    expect(granted).toBeLessThanOrEqual(10)
    await pass(60_000)
    expect((await take(50)).granted).toBe(10)
  })

  test('an empty bucket reports when it holds the next permit', async () => {
    const { take } = start()
    const limit = { ratePerSecond: 1, burst: 10 }
    const { nowMs } = await take(10, limit)
    const empty = await take(10, limit)
    expect(empty.granted).toBe(0)
    expect(empty.waitMs).toBe(Math.ceil(1000 - (empty.nowMs - nowMs)))
  })

  test('two apps have buckets of their own', async () => {
    const { permits, take } = start()
    await take(10)
    expect((await permits.take('other' as AppId, 10, appLimit)).granted).toBe(10)
  })

  test.prop(
    [
      fc.integer({ min: 50, max: 4000 }),
      fc.integer({ min: 1, max: 300 }),
      fc.array(fc.integer({ min: 1, max: 80 }), { minLength: 30, maxLength: 120 }),
    ],
    { numRuns: 25 },
  )(
    'four workers that take at once never get more than rate · t + burst in any window',
    async (ratePerSecond, burst, wants) => {
      const { take } = start()
      const limit = { ratePerSecond, burst }
      const log: Granted[] = []
      const queue = [...wants]
      const worker = async () => {
        for (let wanted = queue.pop(); wanted !== undefined; wanted = queue.pop()) {
          const { granted, nowMs } = await take(wanted, limit)
          if (granted > 0) log.push({ atMs: nowMs, count: granted })
        }
      }
      await Promise.all([worker(), worker(), worker(), worker()])
      expect(log.length).toBeGreaterThan(0)
      expect(overshoot(log, limit)).toBeLessThanOrEqual(clockError(ratePerSecond))
    },
  )

  test('a long run gets all of its rate and never exceeds it', async () => {
    const { take, pass } = start()
    const limit = { ratePerSecond: 2000, burst: 100 }
    const log: Granted[] = []
    let passedMs = 0
    for (let round = 0; round < 100; round += 1) {
      const { granted, nowMs } = await take(100, limit)
      log.push({ atMs: nowMs + passedMs, count: granted })
      await pass(20)
      passedMs += 20
    }
    const total = log.reduce((sum, { count }) => sum + count, 0)
    expect(total).toBeGreaterThanOrEqual(100 + 99 * 40)
    expect(overshoot(log, limit)).toBeLessThanOrEqual(0.1)
  })
})

describe('a refusal by WNS', () => {
  test('halves the rate and pauses; then one probe is granted, and nothing else', async () => {
    const { pass, take, throttle } = start()
    const state = await throttle(5000)
    expect(state).toMatchObject({ decreased: true, effectiveRate: 50 })
    expect(pauseMs(state)).toBe(5000)
    const paused = await take(10)
    expect(paused).toMatchObject({ granted: 0, pausedUntilMs: state.pausedUntilMs })
    expect(paused.waitMs).toBe(Math.ceil(state.decreasedAtMs + 5000 - paused.nowMs))
    await pass(5000)
    expect(await take(10)).toMatchObject({ granted: 1, probe: true })
    expect(await take(10)).toMatchObject({ granted: 0, probe: false })
  })

  test('after an accepted probe the rate climbs to 80 % in 1.5 s, in 30 s to the refused rate, then faster', async () => {
    const { acceptProbe, pass, permits, redis, keys, take, throttle } = start()
    await throttle(1000)
    await pass(1000)
    const { nowMs } = await acceptProbe()
    expect(await permits.endProbe(NEWS, nowMs)).toBe(false)
    const wide = { ratePerSecond: 1000, burst: 10 }
    for (const afterMs of [0, 750, 750, 5000, 25_000, 10_000]) {
      await pass(afterMs)
      const since = Number(await redis.hget(keys.bucket(NEWS), 'climbingSinceMs'))
      const grant = await take(1, wide)
      expect(grant.effectiveRate).toBeCloseTo(climbed((grant.nowMs - since) / 1000), 1)
    }
    await pass(60_000)
    expect((await take(1)).effectiveRate).toBe(100)
    expect(await redis.hexists(keys.bucket(NEWS), 'refusedRate')).toBe(0)
  })

  test('after seconds of climbing lowers the rate a little, and keeps it just below the limit from then on', async () => {
    const { acceptProbe, pass, permits, take, throttle } = start()
    await throttle(1000)
    await pass(1000)
    await acceptProbe()
    await pass(31_500)
    const wide = { ratePerSecond: 1000, burst: 10 }
    const { nowMs, effectiveRate: limit } = await take(1, wide)
    expect(limit).toBeCloseTo(100, 1)
    const held = await permits.slowDown(NEWS, { grantedAtMs: nowMs, retryAfterMs: 1000 }, wide)
    expect(held.effectiveRate).toBeCloseTo(90, 0)
    await pass(1000)
    await acceptProbe()
    await pass(1500)
    expect((await take(1, wide)).effectiveRate).toBeCloseTo(98.5 * 0.95, 0)
    await pass(29_000)
    expect((await take(1, wide)).effectiveRate).toBeCloseTo(98.5, 0)
  })

  test('soon after the climb began halves the rate again: the limit has moved down', async () => {
    const { acceptProbe, pass, permits, take, throttle } = start()
    await throttle(1000)
    await pass(1000)
    await acceptProbe()
    await pass(1500)
    const { nowMs, effectiveRate } = await take(1)
    const state = await permits.slowDown(NEWS, { grantedAtMs: nowMs, retryAfterMs: 1000 }, appLimit)
    expect(state.effectiveRate).toBeCloseTo(effectiveRate / 2, 0)
  })

  test('counts once for a burst of a hundred', async () => {
    const { permits, take } = start()
    const { nowMs } = await take(10)
    const states = await Promise.all(
      Array.from({ length: 100 }, () => permits.slowDown(NEWS, { grantedAtMs: nowMs, retryAfterMs: 2000 }, appLimit)),
    )
    expect(states.filter(({ decreased }) => decreased)).toHaveLength(1)
    expect(new Set(states.map(({ effectiveRate }) => effectiveRate))).toEqual(new Set([50]))
  })

  test('of a post that was permitted before the last decrease is ignored, however late', async () => {
    const { acceptProbe, permits, pass, take, throttle } = start()
    const { nowMs } = await take(1)
    await throttle(1000)
    await pass(1000)
    await acceptProbe()
    await pass(10_000)
    expect(await permits.slowDown(NEWS, { grantedAtMs: nowMs - 11_000 }, appLimit)).toMatchObject({ decreased: false })
  })

  test('without Retry-After pauses twice as long while the probe is refused, and as at first after an accepted one', async () => {
    const { acceptProbe, pass, throttle } = start({ firstPauseMs: 1000, maxPauseMs: 3000 })
    const seen = [pauseMs(await throttle())]
    for (const ms of [1000, 2000, 3000]) {
      await pass(ms)
      seen.push(pauseMs(await throttle()))
    }
    expect(seen).toEqual([1000, 2000, 3000, 3000])
    await pass(3000)
    await acceptProbe()
    await pass(10_000)
    expect(pauseMs(await throttle())).toBe(1000)
  })

  test.each([
    [0, 1000],
    [200, 1000],
    [7000, 7000],
    [86_400_000, 900_000],
  ])('with a Retry-After of %d ms pauses for %d ms', async (retryAfterMs, expectedMs) => {
    const { throttle } = start()
    expect(pauseMs(await throttle(retryAfterMs))).toBe(expectedMs)
  })

  test('again and again lowers the rate, but never below one a second', async () => {
    const { acceptProbe, pass, permits, take } = start()
    for (let round = 0; round < 12; round += 1) {
      const { nowMs } = await take(1)
      await permits.slowDown(NEWS, { grantedAtMs: nowMs, retryAfterMs: 1000 }, appLimit)
      await pass(1000)
      await acceptProbe()
      await pass(1100)
    }
    const { effectiveRate } = await take(1)
    expect(effectiveRate).toBeGreaterThanOrEqual(1)
    expect(effectiveRate).toBeLessThan(30)
  })

  test('shows in the rate, which can be read without taking a permit', async () => {
    const { permits, throttle, redis, keys } = start()
    expect(await permits.look(NEWS, appLimit)).toEqual({ effectiveRate: 100 })
    const state = await throttle(5000)
    const before = await redis.hgetall(keys.bucket(NEWS))
    expect(await permits.look(NEWS, appLimit)).toEqual({ effectiveRate: 50, pausedUntilMs: state.pausedUntilMs })
    expect(await redis.hgetall(keys.bucket(NEWS))).toEqual(before)
  })
})

test('a probe whose worker died is granted again', async () => {
  const { pass, take, throttle } = start({ probeLostMs: 20_000 })
  await throttle(1000)
  await pass(1000)
  expect(await take(1)).toMatchObject({ probe: true })
  await pass(5000)
  expect(await take(1)).toMatchObject({ granted: 0 })
  await pass(15_000)
  expect(await take(1)).toMatchObject({ granted: 1, probe: true })
})

describe('when the clock of Redis steps', () => {
  test('back an hour, a pause of seconds does not become one of an hour', async () => {
    const { pass, permits, take, throttle } = start()
    const beganAtMs = performance.now()
    await throttle(5000)
    // Every time that was written is an hour ahead now.
    await pass(-HOUR_MS)
    const paused = await take(1)
    expect(paused.granted).toBe(0)
    expect(paused.waitMs).toBeGreaterThanOrEqual(5000 - (performance.now() - beganAtMs))
    expect(paused.waitMs).toBeLessThanOrEqual(5000)
    await pass(5000)
    const probe = await take(1)
    expect(probe).toMatchObject({ granted: 1, probe: true })
    await pass(-HOUR_MS)
    expect(await permits.endProbe(NEWS, probe.nowMs + HOUR_MS)).toBe(true)
    await pass(-HOUR_MS)
    await take(1)
    await pass(20_000)
    expect((await take(1)).effectiveRate).toBeGreaterThan(90)
    // A refusal counts, though the last one seems to be in the future.
    expect(await throttle(1000)).toMatchObject({ decreased: true })
  })

  test('forward an hour, a pause ends, and no more is granted than after any time without posts', async () => {
    const { acceptProbe, pass, take, throttle } = start()
    await throttle(5000)
    await pass(HOUR_MS)
    await acceptProbe()
    await pass(HOUR_MS)
    expect((await take(50)).granted).toBe(appLimit.burst)
  })

  test('back an hour, an empty bucket fills from now on', async () => {
    const { pass, take } = start()
    const beganAtMs = performance.now()
    await take(10)
    await pass(-HOUR_MS)
    const { granted } = await take(10)
    expect(granted).toBeLessThanOrEqual((performance.now() - beganAtMs) / 10 + 1)
    await pass(50)
    expect((await take(10)).granted).toBeGreaterThanOrEqual(4)
  })
})

describe('campaigns that share an app', () => {
  /** Only what a test puts into the bucket is granted: the rate adds a permit in 20 minutes. */
  const slow = { ratePerSecond: 0.001, burst: 10_000 }

  function sharing() {
    const bench = start()
    const take = (campaign: string, wanted: number, weight = 1) =>
      bench.permits.take(NEWS, wanted, slow, { campaign: campaign as CampaignId, weight })
    const refill = (permits: number) => bench.redis.hset(bench.keys.bucket(NEWS), 'permits', permits)
    /** Every campaign wants `wanted` each time; what each got of `permits`, which arrive in small amounts. */
    const rounds = async (weights: Readonly<Record<string, number>>, permits: number, wanted = 50) => {
      const got: Record<string, number> = Object.fromEntries(Object.keys(weights).map((name) => [name, 0]))
      await refill(0)
      for (const [name, weight] of Object.entries(weights)) await take(name, wanted, weight)
      for (let left = permits; left > 0; left -= 20) {
        await bench.redis.hincrbyfloat(bench.keys.bucket(NEWS), 'permits', 20)
        for (const [name, weight] of Object.entries(weights))
          got[name] = (got[name] ?? 0) + (await take(name, wanted, weight)).granted
      }
      return got
    }
    return { ...bench, take, refill, rounds }
  }

  test('one campaign alone gets all that it wants', async () => {
    const { take, refill } = sharing()
    await refill(100)
    expect(await take('c1', 60)).toMatchObject({ granted: 60, activeCampaigns: 1 })
    expect(await take('c1', 60)).toMatchObject({ granted: 40 })
  })

  test('equal campaigns get equal shares', async () => {
    const { rounds } = sharing()
    const got = await rounds({ c1: 1, c2: 1, c3: 1, c4: 1, c5: 1 }, 1000)
    for (const permits of Object.values(got)) expect(Math.abs(permits - 200)).toBeLessThanOrEqual(10)
  })

  test('an urgent campaign gets eight times the share of a normal one', async () => {
    const { rounds } = sharing()
    const { normal = 0, urgent = 0 } = await rounds({ normal: 1, urgent: 8 }, 1800)
    expect(normal).toBeGreaterThanOrEqual(180)
    expect(urgent).toBeGreaterThanOrEqual(1500)
  })

  test('several urgent campaigns together leave a tenth to a normal one', async () => {
    const { rounds } = sharing()
    const { normal } = await rounds({ normal: 1, u1: 8, u2: 8, u3: 8, u4: 8 }, 2000)
    expect(normal).toBeGreaterThanOrEqual(190)
  })

  test('a campaign that wants less than its share leaves the rest to the others', async () => {
    const { take, refill } = sharing()
    await refill(0)
    await take('large', 500)
    await take('small', 5)
    await refill(100)
    expect(await take('small', 5)).toMatchObject({ granted: 5 })
    expect(await take('large', 500)).toMatchObject({ granted: 95 })
  })

  test('a newcomer is served first, and does not catch up on the time before', async () => {
    const { rounds, take, refill } = sharing()
    await rounds({ c1: 1, c2: 1 }, 2000)
    await refill(0)
    await take('newcomer', 50)
    await refill(30)
    expect(await take('newcomer', 50)).toMatchObject({ granted: 10 })
  })

  test('what is due to another campaign that waits stays for it', async () => {
    const { take, refill } = sharing()
    await refill(0)
    await take('c1', 50)
    await take('c2', 50)
    await refill(20)
    const first = await take('c1', 50)
    expect(first.granted).toBe(10)
    expect(await take('c1', 50)).toMatchObject({ granted: 0 })
    expect(await take('c2', 50)).toMatchObject({ granted: 10, activeCampaigns: 2 })
  })

  test('a campaign that stopped asking holds nothing back', async () => {
    const { take, refill, redis, keys } = sharing()
    await refill(0)
    await take('gone', 50)
    // As if it had asked an hour ago.
    const [turn, askedAtMs, ...rest] = ((await redis.hget(keys.shares(NEWS), 'gone')) ?? '').split(',')
    await redis.hset(keys.shares(NEWS), 'gone', [turn, Number(askedAtMs) - HOUR_MS * 24, ...rest].join(','))
    await refill(40)
    expect(await take('c1', 50)).toMatchObject({ granted: 40, activeCampaigns: 1 })
  })
})
