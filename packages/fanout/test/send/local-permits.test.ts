import type { AppId } from '@wns-fanout/domain'
import type { Decrease, Grant, RateLimit } from '@wns-fanout/state'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { LocalPermitsOptions, Permit, SharedPermits } from '../../src/send/local-permits.ts'
import { LocalPermits } from '../../src/send/local-permits.ts'

const APP = 'news' as AppId
const appLimit: RateLimit = { ratePerSecond: 1000, burst: 100 }
const REDIS_MS = 1_700_000_000_000

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** The permits of all workers, with answers by hand: each call waits until it is answered or fails. */
class RedisByHand implements SharedPermits {
  readonly wanted: number[] = []
  readonly refusals: number[] = []
  readonly probesEnded: number[] = []
  #answer: (grant: Grant) => void = () => {}
  #fail: (error: Error) => void = () => {}
  #decrease: (state: Decrease) => void = () => {}
  #failDecrease: (error: Error) => void = () => {}

  take(_app: AppId, wanted: number): Promise<Grant> {
    this.wanted.push(wanted)
    return new Promise((resolve, reject) => {
      this.#answer = resolve
      this.#fail = reject
    })
  }

  slowDown(_app: AppId, { grantedAtMs }: { readonly grantedAtMs: number }): Promise<Decrease> {
    this.refusals.push(grantedAtMs)
    return new Promise((resolve, reject) => {
      this.#decrease = resolve
      this.#failDecrease = reject
    })
  }

  async endProbe(_app: AppId, grantedAtMs: number): Promise<boolean> {
    this.probesEnded.push(grantedAtMs)
    return true
  }

  async grant(granted: number, rest: Partial<Grant> = {}): Promise<void> {
    this.#answer({
      granted,
      waitMs: 0,
      nowMs: REDIS_MS + this.wanted.length,
      probe: false,
      activeCampaigns: 1,
      effectiveRate: 1000,
      ...rest,
    })
    await settled()
  }

  async fail(): Promise<void> {
    this.#fail(new Error('Redis is away'))
    await settled()
  }

  async decrease(state: Partial<Decrease> = {}): Promise<void> {
    this.#decrease({ decreased: true, decreasedAtMs: REDIS_MS + 10, effectiveRate: 500, ...state })
    await settled()
  }

  async failDecrease(): Promise<void> {
    this.#failDecrease(new Error('Redis is away'))
    await settled()
  }
}

/** Let promises run that are settled. */
async function settled(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0)
}

function start(options: Partial<LocalPermitsOptions> = {}) {
  const redis = new RedisByHand()
  const errors: unknown[] = []
  const permits = new LocalPermits(redis, APP, {
    limit: () => appLimit,
    onError: (error) => errors.push(error),
    ...options,
  })
  const takeAll = (): Permit[] => {
    const taken: Permit[] = []
    for (let permit = permits.take(); permit !== undefined; permit = permits.take()) taken.push(permit)
    return taken
  }
  /** Ask for permits and get them. */
  const granted = async (count: number, rest: Partial<Grant> = {}): Promise<void> => {
    expect(permits.take()).toBeUndefined()
    await redis.grant(count, rest)
  }
  return { redis, permits, errors, takeAll, granted }
}

describe('taking', () => {
  test('without permits, those for 50 ms of the rate are requested, once', async () => {
    const { redis, permits } = start()
    expect([permits.take(), permits.take()]).toEqual([undefined, undefined])
    expect(redis.wanted).toEqual([50])
  })

  test('a grant gives as many permits as it has, and listeners are called when it arrives', async () => {
    const { redis, permits, takeAll } = start()
    let called = 0
    const off = permits.onGranted(() => void (called += 1))
    permits.take()
    await redis.grant(3)
    expect([called, takeAll()]).toEqual([1, Array(3).fill(expect.objectContaining({ grantedAtMs: REDIS_MS + 1 }))])
    off()
    await vi.advanceTimersByTimeAsync(100)
    permits.take()
    await redis.grant(3)
    expect(called).toBe(1)
  })

  test('a permit lapses 250 ms after the request left, however late the answer was', async () => {
    const { redis, permits } = start()
    const askedAtMs = performance.now()
    permits.take()
    await vi.advanceTimersByTimeAsync(200)
    await redis.grant(2)
    expect(permits.take()?.lapsesAtMs).toBe(askedAtMs + 250)
    await vi.advanceTimersByTimeAsync(49)
    expect(permits.take()).toBeDefined()
    permits.take()
    await redis.grant(2)
    await vi.advanceTimersByTimeAsync(250)
    expect(permits.take()).toBeUndefined()
  })

  test('the next request leaves once four fifths of a grant have refilled', async () => {
    const { redis, permits, takeAll } = start()
    permits.onGranted(() => {})
    permits.take()
    await redis.grant(50)
    takeAll()
    await vi.advanceTimersByTimeAsync(39)
    expect(redis.wanted).toEqual([50])
    await vi.advanceTimersByTimeAsync(1)
    expect(redis.wanted).toEqual([50, 50])
  })

  test.each([
    [120, 120],
    [60_000, 1000],
  ])('when Redis has none for %d ms, it is asked again after %d ms', async (waitMs, askedAgainMs) => {
    const { redis, permits } = start()
    permits.onGranted(() => {})
    permits.take()
    await redis.grant(0, { waitMs })
    await vi.advanceTimersByTimeAsync(askedAgainMs - 1)
    permits.take()
    expect(redis.wanted).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(redis.wanted).toHaveLength(2)
  })

  test('without a listener Redis is not asked again until a permit is wanted', async () => {
    const { redis, permits } = start()
    permits.take()
    await redis.grant(0, { waitMs: 100 })
    await vi.advanceTimersByTimeAsync(5000)
    expect(redis.wanted).toHaveLength(1)
    permits.take()
    expect(redis.wanted).toHaveLength(2)
  })

  test('when Redis fails, the error is reported and Redis is asked again after 500 ms', async () => {
    const { redis, permits, errors } = start()
    permits.onGranted(() => {})
    permits.take()
    await redis.fail()
    expect(errors).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(499)
    expect(redis.wanted).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(redis.wanted).toHaveLength(2)
  })

  test('a low rate is asked for one permit at a time', async () => {
    const { redis, permits } = start({ limit: () => ({ ratePerSecond: 1, burst: 1 }) })
    permits.take()
    expect(redis.wanted).toEqual([1])
  })

  test('a change of the limit takes effect with the next request', async () => {
    const limit = { ...appLimit }
    const { redis, permits, granted } = start({ limit: () => limit })
    await granted(0, { waitMs: 1, effectiveRate: 200 })
    await vi.advanceTimersByTimeAsync(50)
    permits.take()
    expect(redis.wanted).toEqual([50, 10])
  })

  test('fewer are requested after some lapsed here, twice as many after all were used', async () => {
    const { redis, permits } = start()
    for (const use of [3, 4, 8, 16, 32]) {
      expect(permits.take()).toBeUndefined()
      await redis.grant(redis.wanted.at(-1) ?? 0)
      for (let taken = 0; taken < use; taken += 1) expect(permits.take()).toBeDefined()
      await vi.advanceTimersByTimeAsync(250)
    }
    permits.take()
    expect(redis.wanted).toEqual([50, 4, 8, 16, 32, 50])
  })
})

describe('a refusal by WNS', () => {
  test('ends the permits in hand, the taken ones too, and lowers the rate for all workers', async () => {
    const decreases: Decrease[] = []
    const { redis, permits, granted } = start({ onDecrease: (state) => decreases.push(state) })
    await granted(10)
    const taken = permits.take()
    permits.slowDown(taken?.grantedAtMs ?? 0, 7000)
    expect([permits.take(), taken?.lapsesAtMs]).toEqual([undefined, 0])
    await redis.decrease({ pausedUntilMs: REDIS_MS + 7000 })
    expect([redis.refusals, decreases.length, permits.pausedUntilMs]).toEqual([[REDIS_MS + 1], 1, REDIS_MS + 7000])
  })

  test('that another worker reported first is not reported as a decrease', async () => {
    const decreases: Decrease[] = []
    const { redis, permits, granted } = start({ onDecrease: (state) => decreases.push(state) })
    await granted(1)
    permits.slowDown(REDIS_MS + 1, undefined)
    await redis.decrease({ decreased: false })
    expect(decreases).toEqual([])
  })

  test('is reported once for all posts that were permitted before the decrease', async () => {
    const { redis, permits, granted } = start()
    await granted(10)
    for (let post = 0; post < 10; post += 1) permits.slowDown(REDIS_MS + 1, undefined)
    await redis.decrease({ decreasedAtMs: REDIS_MS + 10 })
    permits.slowDown(REDIS_MS + 1, undefined)
    permits.slowDown(REDIS_MS + 10, undefined)
    expect(redis.refusals).toEqual([REDIS_MS + 1])
    permits.slowDown(REDIS_MS + 11, undefined)
    expect(redis.refusals).toEqual([REDIS_MS + 1, REDIS_MS + 11])
  })

  test('of an older grant leaves the permits that were granted since', async () => {
    const { permits, granted } = start()
    await granted(1, { nowMs: REDIS_MS + 100 })
    permits.slowDown(REDIS_MS + 99, undefined)
    expect(permits.take()).toBeDefined()
  })

  test('is reported again when Redis failed', async () => {
    const { redis, permits, errors, granted } = start()
    await granted(1)
    permits.slowDown(REDIS_MS + 1, undefined)
    await redis.failDecrease()
    permits.slowDown(REDIS_MS + 1, undefined)
    expect([redis.refusals.length, errors.length]).toEqual([2, 1])
  })

  test('counts after the clock of Redis stepped back', async () => {
    const { redis, permits, granted } = start()
    await granted(1)
    permits.slowDown(REDIS_MS + 1, undefined)
    await redis.decrease({ decreasedAtMs: REDIS_MS + 10 })
    await vi.advanceTimersByTimeAsync(50)
    await granted(1, { nowMs: REDIS_MS - 3_600_000 })
    permits.slowDown(REDIS_MS - 3_600_000, undefined)
    expect(redis.refusals).toEqual([REDIS_MS + 1, REDIS_MS - 3_600_000])
  })
})

describe('the probe after a pause', () => {
  test('is ended by its answer, once, and permits are requested at once for the batches that wait', async () => {
    const { redis, permits, granted } = start()
    permits.onGranted(() => {})
    await granted(1, { probe: true })
    permits.answered(permits.take()?.grantedAtMs ?? 0)
    permits.answered(REDIS_MS + 1)
    expect(redis.probesEnded).toEqual([REDIS_MS + 1])
    await vi.advanceTimersByTimeAsync(50)
    expect(redis.wanted).toHaveLength(2)
  })

  test('is not ended by the answer to an older post', async () => {
    const { redis, permits, granted } = start()
    await granted(1, { probe: true })
    permits.answered(REDIS_MS)
    expect(redis.probesEnded).toEqual([])
  })

  test('is the only answer that costs a round trip', async () => {
    const { redis, permits, granted } = start()
    await granted(1)
    permits.answered(REDIS_MS + 1)
    expect(redis.probesEnded).toEqual([])
  })

  test('without a batch that waits, no permits are requested after it', async () => {
    const { redis, permits, granted } = start()
    await granted(1, { probe: true })
    permits.answered(REDIS_MS + 1)
    await vi.advanceTimersByTimeAsync(5000)
    expect(redis.wanted).toHaveLength(1)
  })
})

describe('what is reported', () => {
  test('each grant, in Redis time, and the rate of each round trip', async () => {
    const grants: unknown[] = []
    const rates: number[] = []
    const { granted } = start({
      onGrant: (grant) => grants.push(grant),
      onRate: (rate) => rates.push(rate.effectiveRate),
    })
    await granted(0, { waitMs: 10, effectiveRate: 70 })
    await vi.advanceTimersByTimeAsync(50)
    await granted(7, { effectiveRate: 80 })
    expect([grants, rates]).toEqual([[{ count: 7, atMs: REDIS_MS + 2 }], [70, 80]])
  })

  test('how long permits were missing, from the first try to the grant', async () => {
    const waits: number[] = []
    const { redis, permits, takeAll } = start({ onWaited: (waitMs) => waits.push(waitMs) })
    permits.onGranted(() => {})
    permits.take()
    await vi.advanceTimersByTimeAsync(5)
    permits.take()
    await redis.grant(0, { waitMs: 20 })
    await vi.advanceTimersByTimeAsync(40)
    await redis.grant(1)
    takeAll()
    await vi.advanceTimersByTimeAsync(60)
    await redis.grant(1)
    expect(waits).toEqual([45, 60])
  })
})

test('the end of a pause is taken from Redis, and a rate without a pause clears it', async () => {
  const { permits, granted } = start()
  expect(permits.pausedUntilMs).toBe(0)
  await granted(0, { waitMs: 10, pausedUntilMs: REDIS_MS + 500 })
  expect(permits.pausedUntilMs).toBe(REDIS_MS + 500)
  await vi.advanceTimersByTimeAsync(50)
  await granted(1)
  expect(permits.pausedUntilMs).toBe(0)
})

test('stopped permits give nothing and ask for nothing, even while a request is under way', async () => {
  const { redis, permits, granted } = start()
  await granted(5)
  permits.stop()
  permits.stop()
  expect(permits.take()).toBeUndefined()
  const other = start()
  other.permits.onGranted(() => {
    throw new Error('a stopped one called its listener')
  })
  other.permits.take()
  other.permits.stop()
  await other.redis.grant(5)
  expect(other.permits.take()).toBeUndefined()
  await vi.advanceTimersByTimeAsync(5000)
  expect([redis.wanted.length, other.redis.wanted.length]).toEqual([1, 1])
})
