import { byteOf, code, codeOf, pendingCode, prepareMessage } from '@wns-fanout/domain'
import type { Outcome } from '@wns-fanout/domain'
import { LedgerDamaged } from '@wns-fanout/state'
import { repeat } from '@wns-fanout/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { OneBatch, accepted, forbidden, serverError, throttled, unauthorized } from '../support/one-batch.ts'

function unreachable(): Outcome {
  return { kind: 'not-sent', code: 'ECONNREFUSED' }
}

function later(ms: number): Promise<unknown> {
  return vi.advanceTimersByTimeAsync(ms)
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('a batch', () => {
  test('whose recipients are all accepted is closed, each after one post', async () => {
    const batch = new OneBatch({ recipients: 5 })
    expect(await batch.start()).toEqual({
      kind: 'closed',
      leavesOthers: false,
      plan: { live: 1000, active: 1000, wakeAt: 0, planPosition: -1 },
    })
    expect(batch.postsByPosition).toEqual([1, 1, 1, 1, 1])
    expect(batch.codes).toEqual(Array.from({ length: 5 }, () => code.accepted))
    expect(batch.checkpoints.at(-1)).toMatchObject({ end: 'close', changed: [0, 1, 2, 3, 4] })
  })

  test('without recipients to post to is closed at once', async () => {
    const batch = new OneBatch({ before: [byteOf(code.accepted, 1), byteOf(code.suppressedGuard, 0)] })
    expect(await batch.start()).toMatchObject({ kind: 'closed' })
    expect(batch.posts).toEqual([])
    expect(batch.checkpoints.map(({ number }) => number)).toEqual([1])
  })

  test('posts in the order of the recipients, each with the address that it was opened with', async () => {
    const batch = new OneBatch({ recipients: 3 })
    await batch.start()
    expect(batch.posts.map(({ path }) => path)).toEqual(['/?token=0', '/?token=1', '/?token=2'])
  })

  test('has at most one checkpoint under way', async () => {
    const batch = new OneBatch({ recipients: 2, answer: () => undefined })
    const ended = batch.start()
    batch.run.check()
    batch.run.check()
    expect(batch.checkpoints).toHaveLength(1)
    await later(0)
    batch.answer(0, accepted)
    batch.answer(1, accepted)
    expect(await ended).toMatchObject({ kind: 'closed' })
    expect(batch.checkpoints.map(({ number }) => number)).toEqual([1, 2])
  })

  test('of a campaign that was cancelled meanwhile asks for a sweep', async () => {
    const batch = new OneBatch({ recipients: 2 })
    batch.state = 'cancelled'
    expect(await batch.start()).toMatchObject({ kind: 'closed', leavesOthers: true })
  })

  test('reports what each checkpoint settled, and how posts were answered', async () => {
    const batch = new OneBatch({ recipients: 2, answer: (position) => (position === 0 ? accepted : forbidden) })
    batch.answerWith = () => ({ settled: [{ class: 'accepted', count: 1 }] })
    await batch.start()
    expect(batch.eventsOf('batch.checkpointed')).toMatchObject([
      {
        settled: [{ class: 'accepted', count: 1 }],
        responses: new Map([
          [200, 1],
          [403, 1],
        ]),
      },
    ])
    expect(batch.eventsOf('post.refused')).toMatchObject([{ status: 403 }])
    expect(batch.checkpoints[0]?.samples).toHaveLength(1)
  })
})

describe('credit', () => {
  test('is never exceeded: posts under way and granted are at most the window', async () => {
    const batch = new OneBatch({ recipients: 10, terms: { window: 3 }, answer: () => undefined })
    const ended = batch.start()
    await later(300)
    expect(batch.posts).toHaveLength(3)
    batch.answer(0, accepted)
    await later(300)
    expect(batch.posts).toHaveLength(4)
    for (let position = 1; position < 10; position += 1) {
      batch.answer(position, accepted)
      await later(300)
    }
    expect(await ended).toMatchObject({ kind: 'closed' })
    for (const { vector } of batch.checkpoints)
      expect([...vector].filter((byte) => (byte & 31) === code.credited).length).toBeLessThanOrEqual(3)
  })

  test('is asked for after half a window of answers, without waiting for the timer', async () => {
    const batch = new OneBatch({ recipients: 8, terms: { window: 4 }, answer: () => undefined })
    const ended = batch.start()
    batch.answer(0, accepted)
    expect(batch.checkpoints).toHaveLength(0)
    batch.answer(1, accepted)
    expect(batch.checkpoints).toHaveLength(1)
    batch.stop()
    for (const position of [2, 3]) batch.answer(position, accepted)
    await later(0)
    for (const position of [4, 5]) batch.answer(position, accepted)
    expect(await ended).toMatchObject({ kind: 'parked', reason: 'stopping' })
  })

  test('that the ledger refuses is not used', async () => {
    const batch = new OneBatch({ recipients: 4, terms: { window: 2 } })
    batch.answerWith = ({ end, vector }) => {
      if (end !== undefined) return {}
      batch.state = 'paused'
      return {
        adjusted: [...vector].flatMap((byte, position) =>
          byte === code.credited ? [{ position, byte: code.pending }] : [],
        ),
      }
    }
    expect(await batch.start()).toMatchObject({ kind: 'parked', reason: 'paused', delayMs: 0 })
    expect(batch.posts).toHaveLength(2)
  })

  test('that is not used goes back when the batch is parked, with the attempts spent before it', async () => {
    const before = [byteOf(pendingCode(2), 2), code.pending]
    const batch = new OneBatch({ before, answer: () => undefined })
    batch.lanes = 0
    const ended = batch.start()
    batch.stop()
    expect(await ended).toMatchObject({ kind: 'parked', reason: 'stopping', delayMs: 0 })
    expect([...(batch.checkpoints[0]?.vector ?? [])]).toEqual(before)
  })

  test('of a slow start grows with the window that the ledger answers', async () => {
    const batch = new OneBatch({ recipients: 7, terms: { window: 256 }, credited: 1, opened: { firstWindow: 1 } })
    const windows = [2, 4, 8]
    batch.answerWith = () => ({ window: windows.shift() ?? 8 })
    expect(await batch.start()).toMatchObject({ kind: 'closed' })
    const credited = batch.checkpoints.map(({ vector }) => [...vector].filter((byte) => byte === code.credited).length)
    expect(credited).toEqual([1, 2, 3, 0])
  })
})

describe('the lease', () => {
  test('ends posting when no checkpoint was acknowledged for too long', async () => {
    const batch = new OneBatch({ recipients: 4, leaseMs: 1000, answer: () => undefined })
    batch.lanes = 0
    batch.answerWith = () => ({ replicated: false })
    void batch.start()
    await later(900)
    batch.lanes = Infinity
    batch.free()
    expect(batch.posts).toHaveLength(4)
    const late = new OneBatch({ recipients: 4, leaseMs: 1000, answer: () => undefined })
    late.lanes = 0
    void late.start()
    await later(1001)
    late.lanes = Infinity
    late.free()
    expect(late.posts).toHaveLength(0)
  })

  test('does not allow posts while others may take the process for dead', async () => {
    const batch = new OneBatch({ recipients: 4, answer: () => undefined })
    batch.registered = false
    void batch.start()
    await later(2000)
    expect(batch.posts).toHaveLength(0)
    batch.registered = true
    await later(500)
    expect(batch.posts).toHaveLength(4)
  })

  test('is renewed by a heartbeat that carries nothing', async () => {
    const batch = new OneBatch({ recipients: 1, leaseMs: 3000, answer: () => undefined })
    batch.lanes = 0
    void batch.start()
    await later(2300)
    expect(batch.checkpoints).toMatchObject([{ number: 1, changed: [] }])
    await later(2000)
    batch.lanes = 1
    batch.free()
    expect(batch.posts).toHaveLength(1)
  })
})

describe('a batch parks', () => {
  test.each([
    { reason: 'no-replica', delayMs: 2000, options: { opened: { replicated: false } } },
    { reason: 'suspected', delayMs: 2000, options: { anotherSuspectOpen: true } },
    { reason: 'server-error', delayMs: 750, options: { answer: () => serverError } },
    { reason: 'app-throttled', delayMs: 1000, options: { answer: () => throttled } },
    {
      reason: 'channel-throttled',
      delayMs: 600_000,
      options: { answer: () => ({ kind: 'channel-throttled', status: 200, trace: {} }) as const },
    },
    {
      reason: 'not-sent',
      delayMs: 750,
      options: { answer: () => ({ kind: 'not-sent', code: 'ECONNRESET' }) as const },
    },
    { reason: 'ambiguous', delayMs: 750, options: { answer: () => ({ kind: 'ambiguous', code: 'timeout' }) as const } },
  ])('with the reason $reason, due in $delayMs ms', async ({ reason, delayMs, options }) => {
    const batch = new OneBatch({ recipients: 2, ...options })
    expect(await batch.start()).toMatchObject({ kind: 'parked', reason, delayMs })
  })

  test('for the breaker when it is open, and posts nothing', async () => {
    const batch = new OneBatch()
    batch.breaker.follow({ kind: 'answers', reason: '403', since: '' })
    expect(await batch.start()).toMatchObject({ kind: 'parked', reason: 'breaker', delayMs: 60_000 })
    expect(batch.posts).toEqual([])
  })

  test('for the breaker when its answers open it', async () => {
    const batch = new OneBatch({ recipients: 100, answer: () => forbidden })
    batch.lanes = 10
    expect(await batch.start()).toMatchObject({ kind: 'parked', reason: 'breaker', delayMs: 60_000 })
    expect(batch.stored.opened).toEqual(['answers'])
    expect(batch.posts.length).toBeLessThanOrEqual(60)
  })

  test('without a token when the token service refuses, and reports why', async () => {
    const batch = new OneBatch()
    batch.token = undefined
    batch.fetchError = new Error('refused')
    expect(await batch.start()).toMatchObject({ kind: 'parked', reason: 'no-token', delayMs: 5000 })
    expect(batch.eventsOf('token.unavailable')).toHaveLength(1)
    expect(batch.posts).toEqual([])
  })

  test('at once when the app or the process stops, after the posts under way have their answers', async () => {
    const batch = new OneBatch({ recipients: 3, terms: { window: 2 }, answer: () => undefined })
    const ended = batch.start()
    batch.stop()
    await later(1000)
    expect(batch.checkpoints.some(({ end }) => end !== undefined)).toBe(false)
    batch.answer(0, accepted)
    batch.answer(1, accepted)
    expect(await ended).toMatchObject({ kind: 'parked', reason: 'stopping', delayMs: 0 })
    expect(batch.codes).toEqual([code.accepted, code.accepted, code.pending])
  })

  test('without a post when it is stopped before it begins', async () => {
    const batch = new OneBatch()
    batch.stop()
    expect(await batch.start()).toMatchObject({ kind: 'parked', reason: 'stopping' })
    expect(batch.posts).toEqual([])
  })

  test('when the campaign is paused, and clears the stamps of the recipients that are left', async () => {
    const batch = new OneBatch({ recipients: 4, terms: { window: 2 } })
    batch.state = 'paused'
    expect(await batch.start()).toMatchObject({ kind: 'parked', reason: 'paused', delayMs: 0 })
    expect(batch.checkpoints.at(-1)).toMatchObject({ end: { clearStamps: true }, changed: [2, 3] })
  })

  test('after a minute in hand', async () => {
    const batch = new OneBatch({ recipients: 1, leaseMs: Infinity })
    batch.lanes = 0
    const ended = batch.start()
    await later(59_900)
    expect(batch.checkpoints.some(({ end }) => end !== undefined)).toBe(false)
    await later(500)
    expect(await ended).toMatchObject({ kind: 'parked', reason: 'in-hand', delayMs: 0 })
  })

  test('when the app has to rest for longer than three seconds, not when it rests for less', async () => {
    const batch = new OneBatch({ recipients: 2 })
    batch.permits = 0
    batch.pausedUntilMs = 1_800_000_000_000 + 3100
    const ended = batch.start()
    await later(250)
    batch.pausedUntilMs = 1_800_000_000_000 + 20_000
    await later(250)
    expect(await ended).toMatchObject({ kind: 'parked', reason: 'app-throttled', delayMs: 19_500 })
    expect(batch.checkpoints.at(-1)).toMatchObject({ end: { clearStamps: true } })
  })

  test('until the first hold ends when every recipient is on hold', async () => {
    const batch = new OneBatch({ recipients: 1, uris: [''], opened: { heldUntilSecond: 1_800_000_009 } })
    expect(await batch.start()).toMatchObject({ kind: 'parked', reason: 'held', delayMs: 9000 })
  })

  test('for the longest wait of its recipients', async () => {
    const batch = new OneBatch({
      recipients: 3,
      answer: (position) => (position === 1 ? { ...serverError, retryAfterMs: 7000 } : serverError),
    })
    expect(await batch.start()).toMatchObject({ kind: 'parked', reason: 'server-error', delayMs: 7000 })
  })
})

describe('a recipient', () => {
  test.each([
    {
      name: 'a URI that no token may be sent to',
      uri: 'https://evil.example/?token=1',
      settled: code.rejectedUnexpected,
    },
    { name: 'variables that are not JSON', variables: '{', settled: code.rejectedInvalidContent },
    {
      name: 'variables that make the body too large',
      variables: JSON.stringify({ n: 'x'.repeat(6000) }),
      settled: code.rejectedTooLarge,
    },
  ])(
    'with $name is rejected without a post, and the others are not affected',
    async ({ uri, variables = '', settled }) => {
      const good = 'https://db5p.notify.windows.com/?token=1'
      const batch = new OneBatch({
        recipients: 2,
        uris: [uri ?? good, good],
        variables: [variables, JSON.stringify({ n: 'short' })],
        terms: { wantsVariables: true, type: 'raw' },
        message: prepareMessage({ type: 'raw', text: 'Hello {{vars.n}}' }),
      })
      expect(await batch.start()).toMatchObject({ kind: 'closed' })
      expect(batch.codes).toEqual([settled, code.accepted])
      expect(batch.postsByPosition).toEqual([0, 1])
    },
  )

  test('whose attempts are used up is failed', async () => {
    const batch = new OneBatch({ before: [byteOf(pendingCode(4), 4)], answer: () => serverError })
    expect(await batch.start()).toMatchObject({ kind: 'closed' })
    expect(batch.codes).toEqual([code.failedServerError])
  })

  test('that is dead is reported with the URI that was posted to', async () => {
    const batch = new OneBatch({ recipients: 1, answer: () => ({ kind: 'gone', status: 410, trace: {} }) })
    await batch.start()
    expect(batch.checkpoints.at(-1)?.dead).toEqual([
      { position: 0, ordinal: 0, uri: 'https://db5p.notify.windows.com/?token=0' },
    ])
  })

  test('whose URI changed meanwhile is tried again after a second', async () => {
    const gone = { kind: 'gone', status: 410, trace: {} } as const
    const batch = new OneBatch({
      recipients: 3,
      terms: { window: 2 },
      answer: (position) => (position === 0 ? gone : accepted),
    })
    batch.answerWith = ({ number }) =>
      number === 1 ? { adjusted: [{ position: 0, byte: byteOf(code.rotated, 1) }] } : {}
    expect(await batch.start()).toMatchObject({ kind: 'parked', delayMs: 1000 })
  })

  test('that WNS throttles is held until its Retry-After', async () => {
    const batch = new OneBatch({
      recipients: 1,
      answer: () => ({ kind: 'channel-throttled', status: 200, retryAfterMs: 2000, trace: {} }),
    })
    await batch.start()
    expect(batch.checkpoints.at(-1)?.gates).toEqual([
      {
        ordinal: 0,
        uri: 'https://db5p.notify.windows.com/?token=0',
        postedSecond: 1_800_000_000,
        closeRawGate: false,
        holdUntilSecond: 1_800_000_003,
      },
    ])
  })

  test.each([
    { name: 'dropped', outcome: { kind: 'dropped', status: 200, trace: {} } as const, isClosed: true },
    {
      name: 'accepted for a disconnected device',
      outcome: { ...accepted, device: 'disconnected' } as const,
      isClosed: true,
    },
    { name: 'accepted', outcome: accepted, isClosed: false },
  ])('whose raw notification was $name has its raw gate closed: $isClosed', async ({ outcome, isClosed }) => {
    const message = prepareMessage({ type: 'raw', text: 'x' })
    const batch = new OneBatch({ recipients: 1, message, answer: () => outcome })
    await batch.start()
    expect(batch.checkpoints.at(-1)?.gates.map((gate) => gate.closeRawGate)).toEqual(isClosed ? [true] : [])
  })

  test('whose cached raw notification WNS keeps for a disconnected device has its raw gate left open', async () => {
    const message = prepareMessage({ type: 'raw', text: 'x', cachePolicy: 'cache' })
    const outcome = { ...accepted, device: 'disconnected' } as const
    const batch = new OneBatch({ recipients: 1, message, answer: () => outcome })
    await batch.start()
    expect(batch.checkpoints.at(-1)?.gates).toEqual([])
  })

  test('of a campaign that keeps raw gates has its raw gate left open, whatever the answer', async () => {
    const message = prepareMessage({ type: 'raw', text: 'x' })
    const outcome = { kind: 'dropped', status: 200, trace: {} } as const
    const batch = new OneBatch({ recipients: 1, message, answer: () => outcome, keepRawGates: true })
    await batch.start()
    expect(batch.checkpoints.at(-1)?.gates).toEqual([])
  })

  test('of a host that rests is left for later, at no cost, and the others are posted to', async () => {
    const uris = [1, 2].map((n) => `https://${n === 1 ? 'db5p' : 'hk2'}.notify.windows.com/?token=${n}`)
    const batch = new OneBatch({ recipients: 2, uris })
    for (let at = 0; at < 60; at += 1) batch.hosts.record('https://db5p.notify.windows.com', true)
    expect(await batch.start()).toMatchObject({ kind: 'parked', reason: 'host-resting' })
    expect(batch.codes).toEqual([code.pending, code.accepted])
    expect(batch.postsByPosition).toEqual([0, 1])
  })

  test('of a host that rests are all left with one checkpoint, and count once', async () => {
    const batch = new OneBatch({ recipients: 512, terms: { window: 64 } })
    for (let at = 0; at < 60; at += 1) batch.hosts.record('https://db5p.notify.windows.com', true)
    expect(await batch.start()).toMatchObject({ kind: 'parked', reason: 'host-resting' })
    expect(batch.checkpoints).toHaveLength(1)
    expect(new Set(batch.codes)).toEqual(new Set([code.pending]))
    expect(batch.eventsOf('batch.checkpointed').map(({ retries }) => retries.get('host-resting'))).toEqual([1])
  })

  test('of other hosts are all posted to while one host rests', async () => {
    const uris = Array.from(
      { length: 512 },
      (_, n) => `https://${n % 2 ? 'db5p' : 'hk2'}.notify.windows.com/?token=${n}`,
    )
    const batch = new OneBatch({ recipients: 512, uris, terms: { window: 64 } })
    for (let at = 0; at < 60; at += 1) batch.hosts.record('https://db5p.notify.windows.com', true)
    expect(await batch.start()).toMatchObject({ kind: 'parked', reason: 'host-resting' })
    expect(batch.codes).toEqual(uris.map((_, n) => (n % 2 ? code.pending : code.accepted)))
  })

  test('of a host that begins to rest are left without credit from then on', async () => {
    const outcome = { kind: 'server-error', status: 503, trace: {} } as const
    const batch = new OneBatch({ recipients: 512, terms: { window: 64 }, answer: () => outcome })
    expect(await batch.start()).toMatchObject({ kind: 'parked' })
    expect(batch.posts.length).toBeLessThan(200)
    expect(batch.checkpoints.length).toBeLessThan(8)
    expect(batch.codes).not.toContain(code.credited)
  })
})

describe('permits and pace', () => {
  test('a post waits for a permit, and goes when permits arrive', async () => {
    const batch = new OneBatch({ recipients: 3 })
    batch.permits = 1
    const ended = batch.start()
    expect(batch.posts).toHaveLength(1)
    batch.grantPermits(2)
    expect(await ended).toMatchObject({ kind: 'closed' })
    expect(batch.answeredPermits).toHaveLength(3)
  })

  test('a permit that found no lane is used for the next post until it lapses', async () => {
    const batch = new OneBatch({ recipients: 1, answer: () => undefined })
    batch.lanes = 0
    batch.permits = 2
    void batch.start()
    batch.free()
    expect(batch.permits).toBe(1)
    await later(251)
    batch.free()
    expect(batch.permits).toBe(0)
  })

  test('a throttled app slows down by the permit of the post that was refused', async () => {
    const batch = new OneBatch({ recipients: 1, answer: () => ({ ...throttled, retryAfterMs: 4000 }) })
    expect(await batch.start()).toMatchObject({ kind: 'parked', reason: 'app-throttled', delayMs: 4000 })
    expect(batch.slowDowns).toEqual([1_800_000_000_007])
    expect(batch.answeredPermits).toEqual([])
    expect(batch.eventsOf('app.throttled')).toMatchObject([{ status: 429, retryAfterMs: 4000 }])
  })

  test('a campaign that is spread over a time posts no faster than that', async () => {
    const batch = new OneBatch({ recipients: 10, paceRatePerSecond: 2 })
    const ended = batch.start()
    await later(2000)
    expect(batch.posts.length).toBeGreaterThanOrEqual(4)
    expect(batch.posts.length).toBeLessThanOrEqual(5)
    await later(4000)
    expect(await ended).toMatchObject({ kind: 'closed' })
  })
})

describe('a 401', () => {
  test('of one channel among good ones rejects it after its second post, with the same token', async () => {
    const batch = new OneBatch({ recipients: 6, answer: (position) => (position === 0 ? unauthorized : accepted) })
    batch.lanes = 1
    expect(await batch.start()).toMatchObject({ kind: 'closed' })
    expect(batch.postsByPosition).toEqual([2, 1, 1, 1, 1, 1])
    expect(batch.codes[0]).toBe(code.rejectedUnauthorized)
    expect(batch.renewals).toBe(0)
    expect(batch.stored.opened).toEqual([])
  })

  test('of the only recipient renews the token, and a second one rejects it', async () => {
    const batch = new OneBatch({ recipients: 1, answer: () => unauthorized })
    expect(await batch.start()).toMatchObject({ kind: 'closed' })
    expect(batch.posts.map(({ token }) => token)).toEqual(['token-1', 'token-2'])
    expect(batch.codes).toEqual([code.rejectedUnauthorized])
    expect([batch.renewals, batch.stored.opened]).toEqual([1, []])
  })

  test('to a token that ended costs each recipient one post more, and one renewal', async () => {
    const batch = new OneBatch({
      recipients: 40,
      answer: (_, _nth, token) => (token === 'token-1' ? unauthorized : accepted),
    })
    expect(await batch.start()).toMatchObject({ kind: 'closed' })
    expect(batch.codes).toEqual(repeat(40, code.accepted))
    expect(batch.renewals).toBe(1)
    expect(Math.max(...batch.postsByPosition)).toBe(2)
  })

  test('of every recipient opens the breaker after one post each, and settles none', async () => {
    const batch = new OneBatch({ recipients: 200, terms: { window: 32 }, answer: () => unauthorized })
    expect(await batch.start()).toMatchObject({ kind: 'parked', reason: 'breaker', delayMs: 60_000 })
    expect(batch.stored.opened).toEqual(['token'])
    expect(Math.max(...batch.postsByPosition)).toBe(1)
    expect(batch.codes).toEqual(repeat(200, code.pending))
    expect(batch.renewals).toBe(1)
  })

  test('when the token was renewed within the last minute is tried with that token, one recipient at a time', async () => {
    const batch = new OneBatch({ recipients: 2, answer: (_, nth) => (nth === 1 ? unauthorized : accepted) })
    batch.renewal = { waitMs: 30_000, isKept: true }
    expect(await batch.start()).toMatchObject({ kind: 'closed' })
    expect(batch.posts.map(({ position, token }) => [position, token])).toEqual([
      [0, 'token-1'],
      [1, 'token-1'],
      [0, 'token-1'],
      [1, 'token-1'],
    ])
    expect(batch.renewals).toBe(0)
  })

  test('of a recipient that was posted to before rejects it without a third post', async () => {
    const before = [byteOf(code.pending, 1), ...repeat(5, code.pending)]
    const batch = new OneBatch({ before, answer: (position) => (position === 0 ? unauthorized : accepted) })
    batch.lanes = 1
    expect(await batch.start()).toMatchObject({ kind: 'closed' })
    expect(batch.postsByPosition[0]).toBe(1)
    expect(batch.codes[0]).toBe(code.rejectedUnauthorized)
  })

  test('parks the batch when the token service refuses a new token', async () => {
    const batch = new OneBatch({ recipients: 2, answer: () => unauthorized })
    batch.renewal = new Error('away')
    expect(await batch.start()).toMatchObject({ kind: 'parked', reason: 'no-token', delayMs: 5000 })
    expect(batch.codes).toEqual([code.pending, code.pending])
  })
})

describe('a probe', () => {
  const open = { kind: 'token', reason: '401', since: '' } as const

  test('posts once with a renewed token, and an accepted post closes the breaker', async () => {
    const batch = new OneBatch({ recipients: 3, isProbe: true, terms: { window: 1 } })
    batch.breaker.follow(open)
    expect(await batch.start()).toMatchObject({ kind: 'parked', reason: 'in-hand', delayMs: 0 })
    expect(batch.posts).toMatchObject([{ token: 'token-2' }])
    expect([batch.breaker.isOpen, batch.stored.cleared]).toEqual([false, 1])
  })

  test('that gets another 401 leaves the recipient pending and the breaker open', async () => {
    const batch = new OneBatch({ recipients: 3, isProbe: true, terms: { window: 1 }, answer: () => unauthorized })
    batch.breaker.follow(open)
    expect(await batch.start()).toMatchObject({ kind: 'parked', reason: 'breaker', delayMs: 60_000 })
    expect(batch.posts).toHaveLength(1)
    expect(batch.codes).toEqual([code.pending, code.pending, code.pending])
    expect(batch.breaker.isOpen).toBe(true)
  })

  test('whose connection fails continues with the next recipient, whose answer closes the breaker', async () => {
    const answers: Outcome[] = [
      { kind: 'not-sent', code: 'ECONNREFUSED' },
      { kind: 'ambiguous', code: 'reset' },
    ]
    const answer = (): Outcome => answers.shift() ?? accepted
    const batch = new OneBatch({ recipients: 5, isProbe: true, terms: { window: 1 }, answer })
    batch.breaker.follow(open)
    expect(await batch.start()).toMatchObject({ kind: 'parked', reason: 'in-hand', delayMs: 0 })
    expect(batch.posts).toHaveLength(3)
    expect(batch.breaker.isOpen).toBe(false)
    expect(batch.eventsOf('breaker.probed')).toMatchObject([
      { kind: 'token', answer: 'not-sent', verdict: 'unclear' },
      { kind: 'token', answer: 'ambiguous', verdict: 'unclear' },
      { kind: 'token', answer: 'accepted', verdict: 'closed' },
    ])
  })

  test('posts to five recipients at most, and waits for the next minute if no connection works', async () => {
    const batch = new OneBatch({ recipients: 9, isProbe: true, terms: { window: 1 }, answer: unreachable })
    batch.breaker.follow(open)
    expect(await batch.start()).toMatchObject({ kind: 'parked', reason: 'breaker', delayMs: 60_000 })
    expect(batch.posts).toHaveLength(5)
    expect(batch.breaker.isOpen).toBe(true)
  })

  test('to a recipient that was posted to before settles it: no recipient keeps a campaign open', async () => {
    const before = [byteOf(code.pending, 1)]
    const batch = new OneBatch({ before, isProbe: true, terms: { window: 1 }, answer: () => unauthorized })
    batch.breaker.follow(open)
    expect(await batch.start()).toMatchObject({ kind: 'closed' })
    expect(batch.codes).toEqual([code.rejectedUnauthorized])
  })

  test('without a token fetches one first', async () => {
    const batch = new OneBatch({ recipients: 1, isProbe: true, terms: { window: 1 } })
    batch.breaker.follow(open)
    batch.token = undefined
    await batch.start()
    expect(batch.posts).toMatchObject([{ token: 'token-2' }])
  })
})

describe('another owner', () => {
  test('ends the run at once, and it is reported once', async () => {
    const batch = new OneBatch({ recipients: 4, terms: { window: 2 } })
    batch.answerWith = () => ({ kind: 'fenced', rolledBack: false })
    expect(await batch.start()).toEqual({ kind: 'fenced', forgotten: false })
    expect(batch.eventsOf('batch.fenced')).toHaveLength(1)
    expect([batch.rollbacks, batch.merged.length]).toEqual([0, 0])
  })

  test('that closed the batch ends the run at once', async () => {
    const batch = new OneBatch({ recipients: 4, terms: { window: 2 } })
    batch.answerWith = () => ({ kind: 'closed' })
    expect(await batch.start()).toEqual({ kind: 'fenced', forgotten: false })
  })

  test('after Redis went back in time gets the outcomes of this run, once more when the last answer is there', async () => {
    const batch = new OneBatch({ recipients: 3, answer: (position) => (position === 2 ? undefined : accepted) })
    batch.answerWith = () => ({ kind: 'fenced', rolledBack: true })
    batch.mergeWith = () => Promise.resolve({ kind: 'ok', settled: [{ class: 'accepted', count: 2 }] })
    const ended = batch.start()
    await vi.waitFor(() => {
      expect(batch.posts).toHaveLength(3)
    })
    await later(300)
    expect([batch.rollbacks, batch.merged.length]).toEqual([1, 1])
    batch.answer(2, accepted)
    expect(await ended).toEqual({ kind: 'fenced', forgotten: true })
    expect(batch.merged.map((vector) => [...vector].map((byte) => byte & 31))).toEqual([
      [code.accepted, code.accepted, code.pending],
      [code.accepted, code.accepted, code.accepted],
    ])
    expect(batch.eventsOf('batch.outcomes-merged')).toHaveLength(2)
  })

  test('does not wait longer than fifteen seconds for the last answers', async () => {
    const batch = new OneBatch({ recipients: 2, answer: (position) => (position === 1 ? undefined : accepted) })
    batch.answerWith = () => ({ kind: 'fenced', rolledBack: true })
    const ended = batch.start()
    await later(16_000)
    expect(await ended).toEqual({ kind: 'fenced', forgotten: true })
    expect([...(batch.merged.at(-1) ?? [])].map((byte) => byte & 31)).toEqual([code.accepted, code.credited])
  })

  test('on another primary gets the outcomes too, and no rollback is reported before they are merged', async () => {
    const batch = new OneBatch({ recipients: 2 })
    batch.answerWith = () => ({ kind: 'fenced', rolledBack: false, isForgotten: true })
    expect(await batch.start()).toEqual({ kind: 'fenced', forgotten: true })
    expect([batch.merged.length, batch.rollbacks]).toEqual([1, 0])
    expect(batch.eventsOf('ledger.rolled-back')).toEqual([])
  })

  test('is noticed by a check, before anything was sent', async () => {
    const batch = new OneBatch({ recipients: 1, answer: () => undefined })
    batch.answerWith = () => ({ kind: 'fenced', rolledBack: false })
    const ended = batch.start()
    batch.run.check()
    expect(await ended).toEqual({ kind: 'fenced', forgotten: false })
  })
})

describe('a failure', () => {
  test('of the ledger ends the run with its error', async () => {
    const batch = new OneBatch({ recipients: 1 })
    batch.answerWith = () => {
      throw new Error('no Redis')
    }
    await expect(batch.start()).rejects.toThrow('no Redis')
  })

  test('leaves what the run knows, and what it still learns', async () => {
    const batch = new OneBatch({ recipients: 4, credited: 3, answer: (at) => (at === 0 ? accepted : undefined) })
    batch.permits = 2
    batch.answerWith = () => {
      throw new Error('no right')
    }
    const failed = expect(batch.start()).rejects.toThrow('no right')
    await later(300)
    await failed
    const codes = () => [...(batch.left?.vector() ?? [])].map(codeOf)
    expect(codes()).toEqual([code.accepted, code.credited, code.pending, code.pending])
    expect(batch.left?.inFlight()).toBe(1)
    batch.answer(1, accepted)
    expect(codes()).toEqual([code.accepted, code.accepted, code.pending, code.pending])
    expect(batch.left?.inFlight()).toBe(0)
    // The credit that is left is not used any more.
    batch.grantPermits(5)
    expect(batch.posts).toHaveLength(2)
  })

  test('that is an answer of the ledger leaves nothing', async () => {
    const batch = new OneBatch({ recipients: 1 })
    batch.answerWith = () => {
      throw new LedgerDamaged('batch 0')
    }
    await expect(batch.start()).rejects.toThrow('batch 0')
    expect(batch.left).toBeUndefined()
  })

  test('of a merge ends the run with its error', async () => {
    const batch = new OneBatch({ recipients: 1 })
    batch.answerWith = () => ({ kind: 'fenced', rolledBack: true })
    batch.mergeWith = () => Promise.reject(new Error('no Redis'))
    await expect(batch.start()).rejects.toThrow('no Redis')
    expect([...(batch.left?.vector() ?? [])].map(codeOf)).toEqual([code.accepted])
  })

  test('to replicate parks the batch, and grants no credit', async () => {
    const batch = new OneBatch({ recipients: 4, terms: { window: 2 } })
    batch.answerWith = () => ({ replicated: false })
    expect(await batch.start()).toMatchObject({ kind: 'parked', reason: 'no-replica', delayMs: 2000 })
    expect(batch.posts).toHaveLength(2)
  })

  test('that Redis lost and that is restored is reported, and the batch continues', async () => {
    const batch = new OneBatch({ recipients: 4, terms: { window: 2 } })
    batch.answerWith = ({ number }) => ({ rolledBack: number === 1 })
    expect(await batch.start()).toMatchObject({ kind: 'closed' })
    expect(batch.eventsOf('ledger.rolled-back')).toHaveLength(1)
    expect(batch.rollbacks).toBe(1)
  })
})
