import { describe, expect, test } from 'vitest'
import type { Outcome } from '@wns-fanout/domain'
import { createLanePool } from '../src/index.ts'
import { HOST, headers, ORIGIN, setup, until, wnsCertificates } from './support/harness.ts'
import { makeCertificates } from './support/certificates.ts'
import type { Behaviour } from './support/raw-server.ts'
import { answer, received } from './support/raw-server.ts'

function always(text: string): Behaviour {
  return (socket) => void socket.write(text)
}
const never: Behaviour = () => {}
function noMatter(): void {}

describe('what goes over the wire', () => {
  test('the exact headers, nothing more, and the body as it is', async () => {
    await using wns = await setup(always(received))
    await wns.post('/?token=T', '<toast/>')
    const [request] = wns.server.requests
    expect(request?.requestLine).toBe('POST /?token=T HTTP/1.1')
    expect(request?.headers).toEqual([
      ['Host', HOST],
      ['Authorization', 'Bearer token-of-the-app'],
      ['Content-Type', 'text/xml'],
      ['X-WNS-Type', 'wns/toast'],
      ['MS-CV', 'abcdefghijklmnopqrstuv.0'],
      ['Content-Length', '8'],
    ])
    expect(request?.body.toString()).toBe('<toast/>')
  })

  test.each([
    '/?token=AQE%bU%2fSjZOCvRjjpILow%3d%3d',
    "/?token=a'b",
    '/a/../b/./?token=x',
    '//evil.example/?token=x',
    '/w/?token=BQYAAA%2b&x=1;2:@!$()*,~',
    '/',
  ])('the path %s, byte for byte', async (path) => {
    await using wns = await setup(always(received))
    expect((await wns.post(path)).outcome.kind).toBe('accepted')
    expect(wns.server.requests[0]?.requestLine).toBe(`POST ${path} HTTP/1.1`)
  })

  test.each(['Привет 👋', '🎉'.repeat(500), 'x'])('a length in bytes for %s', async (text) => {
    await using wns = await setup(always(received))
    await wns.post('/', text)
    const [request] = wns.server.requests
    expect(request?.headers).toContainEqual(['Content-Length', String(Buffer.byteLength(text))])
    expect(request?.headers.some(([name]) => name.toLowerCase() === 'transfer-encoding')).toBe(false)
    expect(request?.body.toString()).toBe(text)
  })

  test.each(['https://evil.example/', 'no-slash', '', '/with space', '/line\r\nX: y', '/über-ž'])(
    'nothing for the path %j, and the lane lives on',
    async (path) => {
      await using wns = await setup(always(received), { lanes: 1 })
      await wns.post()
      expect((await wns.post(path)).outcome).toEqual({ kind: 'not-sent', code: 'invalid-path' })
      await wns.post()
      expect(wns.server.requests.map(({ connection }) => connection)).toEqual([1, 1])
    },
  )

  test('nothing for a header that would smuggle another one', async () => {
    await using wns = await setup(always(received))
    const outcome = await new Promise<Outcome>((resolve) => {
      wns.pool.tryPost(
        ORIGIN,
        '/',
        ['X-WNS-Tag', 'a\r\nX-Other: b'],
        Buffer.from('x'),
        (_context, found) => resolve(found),
        0,
      )
    })
    expect(outcome).toEqual({ kind: 'not-sent', code: 'invalid-header' })
    expect(wns.server.requests).toEqual([])
  })

  test('one request at a time on each connection, and each answer goes to its post', async () => {
    await using wns = await setup(
      (socket, request) =>
        void setImmediate(() =>
          socket.write(answer(200, { 'X-WNS-MSG-ID': request.requestLine.split(/[ =]/)[2] ?? '' })),
        ),
      { lanes: 4, maxPerOriginShare: 1 },
    )
    const answers = new Map<number, string | undefined>()
    let next = 0
    await new Promise<void>((resolve) => {
      const done = (context: number, outcome: Outcome): void => {
        answers.set(context, outcome.kind === 'accepted' ? outcome.trace.msgId : outcome.kind)
        if (answers.size === 200) resolve()
        pump()
      }
      const pump = (): void => {
        while (next < 200 && wns.pool.tryPost(ORIGIN, `/?token=${next}`, headers, Buffer.from('x'), done, next))
          next += 1
      }
      pump()
    })
    expect([...answers].filter(([context, msgId]) => String(context) !== msgId)).toEqual([])
    expect(wns.server.pipelinedBytes).toBe(0)
    expect(wns.server.serverNames.length).toBeLessThanOrEqual(4)
  })
})

describe('a server that misbehaves', () => {
  const deadlineMs = 300
  const cases: readonly (readonly [string, Behaviour, Partial<Outcome>])[] = [
    ['answers garbage', always('SMTP ready\r\n\r\n'), { kind: 'ambiguous', code: 'protocol' }],
    ['has a status line of garbage', always('HTTP/1.1 abc\r\n\r\n'), { kind: 'ambiguous', code: 'protocol' }],
    ['speaks another version', always('HTTP/3.7 200 OK\r\n\r\n'), { kind: 'ambiguous', code: 'protocol' }],
    [
      'sends a header of 20 kB',
      always(answer(200, { 'X-Long': 'x'.repeat(20_000) })),
      { kind: 'ambiguous', code: 'too-large' },
    ],
    [
      'sends 10,000 headers',
      always(`HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(10_000)}\r\n`),
      { kind: 'ambiguous', code: 'too-large' },
    ],
    [
      'names a negative length',
      always('HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'),
      { kind: 'ambiguous', code: 'protocol' },
    ],
    [
      'names a length and chunks',
      always('HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
      { kind: 'ambiguous', code: 'protocol' },
    ],
    ['sends a body of 100 kB', always(answer(200, {}, 'x'.repeat(100_000))), { kind: 'ambiguous', code: 'too-large' }],
    [
      'sends a body without end',
      (socket) => endless(socket, 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n', 'x'.repeat(1_000)),
      { kind: 'ambiguous', code: 'too-large' },
    ],
    [
      'announces the answer for ever',
      (socket) => endless(socket, '', 'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n'),
      { kind: 'ambiguous', code: 'too-large' },
    ],
    [
      'announces the answer again and again',
      (socket) => endless(socket, '', 'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n', 20),
      { kind: 'ambiguous', code: 'timeout' },
    ],
    ['folds a header', always('HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\n\r\n'), { kind: 'ambiguous', code: 'protocol' }],
    [
      'ends its lines in LF',
      always('HTTP/1.1 200 OK\nContent-Length: 0\n\n\r\n\r\n'),
      { kind: 'ambiguous', code: 'protocol' },
    ],
    [
      'names two lengths',
      always('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 9\r\n\r\n'),
      { kind: 'ambiguous', code: 'protocol' },
    ],
    [
      'drips its headers',
      (socket) => endless(socket, 'HTTP/1.1 200 OK\r\nX-Drip: ', 'x', 20),
      { kind: 'ambiguous', code: 'timeout' },
    ],
    [
      'drips its body',
      (socket) => endless(socket, 'HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n', 'x', 20),
      { kind: 'ambiguous', code: 'timeout' },
    ],
    ['never answers', never, { kind: 'ambiguous', code: 'timeout' }],
    [
      'resets after the request',
      (socket, _request, server) => server.reset(socket),
      { kind: 'ambiguous', code: 'reset' },
    ],
    [
      'resets within the headers',
      (socket, _request, server) => void socket.write('HTTP/1.1 200 OK\r\nX-', () => server.reset(socket)),
      { kind: 'ambiguous', code: 'reset' },
    ],
    ['closes without an answer', (socket) => void socket.end(), { kind: 'ambiguous', code: 'closed' }],
    [
      'closes within the body',
      (socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'),
      { kind: 'ambiguous', code: 'closed' },
    ],
    [
      'upgrades the protocol',
      always('HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n'),
      { kind: 'ambiguous' },
    ],
    ['asks for more', always('HTTP/1.1 100 Continue\r\n\r\n'), { kind: 'ambiguous' }],
    [
      'redirects to the machine itself',
      always(answer(307, { Location: 'https://127.0.0.1:1/' })),
      { kind: 'bad-request', status: 307 },
    ],
    ['answers 410 as a proxy would', always(answer(410)), { kind: 'ambiguous', code: 'not-from-wns' }],
    [
      'answers early hints first',
      always(`HTTP/1.1 103 Early Hints\r\nX-WNS-STATUS: dropped\r\n\r\n${received}`),
      { kind: 'accepted' },
    ],
    [
      'answers in chunks',
      always('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'),
      { kind: 'accepted' },
    ],
    [
      'answers without a length',
      (socket) => void socket.end('HTTP/1.1 200 OK\r\nX-WNS-STATUS: received\r\n\r\n'),
      { kind: 'accepted' },
    ],
  ]

  test.each(cases)(
    'that %s leads to its outcome within the deadline, and the next post is well',
    async (_name, behave, outcome) => {
      await using wns = await setup(behave, { deadlineMs, lanes: 1 })
      const { outcome: found, durationMs } = await wns.post()
      expect(found).toMatchObject(outcome)
      expect(durationMs).toBeLessThan(deadlineMs + 1_000)
      expect(wns.server.requests.length).toBe(1)
      wns.server.behave = always(received)
      expect((await wns.post()).outcome.kind).toBe('accepted')
      expect(wns.pool.stats()).toEqual({ idle: 1, busy: 0, connecting: 0 })
    },
  )

  test("that sends a second answer in the same breath: it is nobody's", async () => {
    await using wns = await setup(always(received + answer(410, { 'X-WNS-STATUS': 'dropped' })), { lanes: 1 })
    const outcomes = await oneAfterAnother(wns, 20)
    expect(outcomes.filter((kind) => kind !== 'accepted')).toEqual([])
  })

  test('that sends a second answer in a record of its own: no channel dies of it', async () => {
    await using wns = await setup(
      (socket) => {
        socket.write(received)
        socket.write(answer(410, { 'X-WNS-STATUS': 'dropped' }))
      },
      { lanes: 1 },
    )
    const outcomes = await oneAfterAnother(wns, 20)
    expect(outcomes.filter((kind) => kind !== 'accepted' && kind !== 'ambiguous')).toEqual([])
  })

  test('that sends a second answer just after the next post: it is in doubt', async () => {
    await using wns = await setup(
      (socket, request) => {
        // The answer that nobody asked for reaches the post after it, and the true one follows.
        if (request.numberOnConnection === 2) socket.write(answer(410, { 'X-WNS-STATUS': 'dropped' }))
        socket.write(received)
      },
      { lanes: 1 },
    )
    expect((await wns.post()).outcome.kind).toBe('accepted')
    expect((await wns.post()).outcome).toEqual({ kind: 'ambiguous', code: 'desync' })
    expect((await wns.post()).outcome.kind).toBe('accepted')
  })

  test('that says twice that a channel is gone is believed', async () => {
    await using wns = await setup(always(answer(410, { 'X-WNS-STATUS': 'dropped' })), { lanes: 1 })
    expect(await oneAfterAnother(wns, 3)).toEqual(['gone', 'gone', 'gone'])
    expect(wns.server.serverNames.length).toBe(1)
  })

  test('that sends an answer to a free lane loses the connection', async () => {
    await using wns = await setup(always(received), { lanes: 1 })
    await wns.post()
    for (const socket of wns.server.sockets) socket.write(answer(410, { 'X-WNS-STATUS': 'dropped' }))
    await until(() => wns.pool.open === 0, 'the lane is closed')
    expect((await wns.post()).outcome.kind).toBe('accepted')
  })

  test('that closes after each answer gets a new connection for each post', async () => {
    await using wns = await setup((socket) => void socket.end(received), { lanes: 1 })
    expect(await oneAfterAnother(wns, 5)).toEqual(Array(5).fill('accepted'))
    expect(wns.server.serverNames.length).toBe(5)
  })
})

describe('connecting', () => {
  test('goes to the route while the name in TLS and HTTP stays', async () => {
    await using wns = await setup(always(received))
    await wns.post()
    expect(wns.server.serverNames).toEqual([HOST])
    expect(wns.server.requests[0]?.headers).toContainEqual(['Host', HOST])
  })

  test.each([
    ['another name', ['*.example.com'], undefined, 'certificate'],
    ['an expired certificate', ['*.notify.windows.com'], 'expired', 'certificate'],
    ['an authority that is not trusted', ['*.notify.windows.com'], undefined, 'certificate'],
  ] as const)('is refused with %s', async (_name, names, validity, code) => {
    const certificates = await makeCertificates(names, validity)
    const isTrusted = _name !== 'an authority that is not trusted'
    await using wns = await setup(always(received), {
      certificates,
      ...(isTrusted && { transport: { ca: certificates.ca } }),
    })
    expect((await wns.post()).outcome).toEqual({ kind: 'not-sent', code })
    expect(wns.server.requests).toEqual([])
  })

  test('is refused with TLS 1.1', async () => {
    await using wns = await setup(always(received), { server: { maxVersion: 'TLSv1.1' } })
    expect((await wns.post()).outcome).toEqual({ kind: 'not-sent', code: 'tls' })
  })

  test('is not-sent where nobody listens, and when the handshake stalls', async () => {
    const { ca } = await wnsCertificates()
    await using wns = await setup(always(received), { transport: { routeTo: '127.0.0.1:1', ca } })
    expect((await wns.post()).outcome).toEqual({ kind: 'not-sent', code: 'refused' })
  })

  test('reuses the TLS session of the host', async () => {
    await using wns = await setup((socket) => void socket.end(received), { lanes: 1 })
    await oneAfterAnother(wns, 3)
    expect(wns.server.resumed).toBe(2)
  })
})

describe('the budget of lanes', () => {
  const stalling = 'https://slow.notify.windows.com'

  test('a host that stalls does not keep another host from its lanes', async () => {
    await using wns = await setup(
      (socket, request) => {
        if (!request.serverName.startsWith('slow')) socket.write(received)
      },
      { lanes: 8, deadlineMs: 2_000, connectingAtFirst: 8 },
    )
    let stalled = 0
    while (wns.pool.tryPost(stalling, '/', headers, Buffer.from('x'), () => {}, 0)) stalled += 1
    expect(stalled).toBe(4)
    expect(await oneAfterAnother(wns, 50)).toEqual(Array(50).fill('accepted'))
  })

  test('lanes of an origin at most double at a time, and the sender is told when they stand', async () => {
    await using wns = await setup(never, { lanes: 32, maxPerOriginShare: 1 })
    const grow = (): number => {
      let started = 0
      while (wns.pool.tryPost(ORIGIN, '/', headers, Buffer.from('x'), () => {}, 0)) started += 1
      return started
    }
    let told = 0
    const unsubscribe = wns.pool.onFree(() => void (told += 1))
    for (const lanes of [2, 2, 4, 8]) {
      told = 0
      expect(grow()).toBe(lanes)
      await until(() => wns.pool.stats().connecting === 0 && told > 0, 'the lanes stand')
    }
    unsubscribe()
  })

  test('an origin that answers may have all lanes', async () => {
    await using wns = await setup(always(received), { lanes: 8, connectingAtFirst: 8 })
    await Promise.all([1, 2, 3, 4].map(() => wns.post()))
    wns.server.behave = never
    let started = 0
    while (wns.pool.tryPost(ORIGIN, '/', headers, Buffer.from('x'), () => {}, 0)) started += 1
    expect(started).toBe(8)
    expect([wns.pool.busy, wns.pool.open, wns.pool.limit]).toEqual([8, 8, 8])
  })

  test('a free lane of one origin makes room for another origin', async () => {
    await using wns = await setup(always(received), { lanes: 1 })
    await wns.post('/', 'x', ORIGIN)
    await wns.post('/', 'x', stalling)
    expect(wns.pool.open).toBe(1)
    expect(wns.server.serverNames).toEqual([HOST, 'slow.notify.windows.com'])
  })

  test('two senders share the lanes, whoever came first', async () => {
    await using wns = await setup(always(received), { lanes: 4, maxPerOriginShare: 1 })
    const counts = { first: 0, second: 0 }
    const run = { isStopped: false }
    const senders = (['first', 'second'] as const).map((name) => {
      const done = (): void => {
        counts[name] += 1
        pump()
      }
      const pump = (): void => {
        while (!run.isStopped && wns.pool.tryPost(ORIGIN, '/', headers, Buffer.from('x'), done, 0));
      }
      wns.pool.onFree(pump)
      return pump
    })
    for (const pump of senders) pump()
    await until(() => counts.first + counts.second > 1_000, 'a thousand posts are done')
    run.isStopped = true
    await until(() => wns.pool.busy === 0, 'the lanes are free')
    expect(counts.second / counts.first).toBeGreaterThan(0.5)
    expect(counts.second / counts.first).toBeLessThan(2)
  })

  test('who was refused is told when it is worth trying again', async () => {
    const waiting: (() => void)[] = []
    await using wns = await setup((socket) => void waiting.push(() => socket.write(received)), { lanes: 1 })
    let told = 0
    const unsubscribe = wns.pool.onFree(() => void (told += 1))
    const first = wns.post()
    await expect(wns.post()).rejects.toThrow('no lane')
    await until(() => waiting.length === 1, 'the request is there')
    expect(told).toBe(0)
    for (const release of waiting) release()
    await first
    await until(() => told > 0, 'the listener is told')
    unsubscribe()
    expect(told).toBe(1)
  })

  test('a sender that was refused and never came back holds nobody up for long', async () => {
    await using wns = await setup(always(received), { lanes: 2, maxPerOriginShare: 1 })
    const held: (() => void)[] = []
    wns.server.behave = (socket) => void held.push(() => socket.write(received))
    const posts = [wns.post(), wns.post()]
    await expect(wns.post()).rejects.toThrow('no lane')
    await until(() => held.length === 2, 'both lanes are busy')
    wns.server.behave = never
    for (const release of held) release()
    await Promise.all(posts)
    const post = (): boolean => wns.pool.tryPost(ORIGIN, '/', headers, Buffer.from('x'), noMatter, 0)
    expect(post()).toBe(true)
    await until(post, 'the second lane is free for the one sender that is left')
  })

  test('a lane is closed before the other side does it, as far as that was announced', async () => {
    await using wns = await setup(always(answer(200, { 'Keep-Alive': 'timeout=1' })))
    expect((await wns.post()).outcome.kind).toBe('accepted')
    expect(wns.pool.open).toBe(0)
  })

  test('a lane without work is closed after its time', async () => {
    await using wns = await setup(always(received), { idleMs: 50 })
    await wns.post()
    expect(wns.pool.open).toBe(1)
    await until(() => wns.pool.open === 0, 'the lane is closed')
    await until(() => wns.server.sockets.size === 0, 'the connection is closed')
  })
})

describe('the end', () => {
  test('stop lets posts end, refuses new ones and closes every connection', async () => {
    const waiting: (() => void)[] = []
    await using wns = await setup((socket) => void waiting.push(() => socket.write(received)))
    const post = wns.post()
    await until(() => waiting.length === 1, 'the request is there')
    const stopped = wns.pool.stop()
    await expect(wns.post()).rejects.toThrow('no lane')
    for (const release of waiting) release()
    expect((await post).outcome.kind).toBe('accepted')
    await stopped
    await wns.pool.stop()
    expect(wns.pool.open).toBe(0)
    await until(() => wns.server.sockets.size === 0, 'the server sees no connection')
  })

  test('abortAll ends written posts as ambiguous and unwritten ones as not sent', async () => {
    await using wns = await setup(never)
    const written = wns.post()
    await until(() => wns.server.requests.length === 1, 'the request is there')
    const unwritten = wns.post()
    wns.pool.abortAll()
    expect((await written).outcome).toEqual({ kind: 'ambiguous', code: 'stopped' })
    expect((await unwritten).outcome).toEqual({ kind: 'not-sent', code: 'stopped' })
    await wns.pool.stop()
  })

  test('stop holds the deadline when the server never answers', async () => {
    await using wns = await setup(never, { deadlineMs: 100 })
    const post = wns.post()
    await wns.pool.stop()
    expect((await post).outcome).toEqual({ kind: 'ambiguous', code: 'timeout' })
  })

  test('options out of range are refused', async () => {
    await using wns = await setup(never)
    expect(() => createLanePool(wns.transport, { lanes: 0 })).toThrow('lanes must be')
    expect(() => createLanePool(wns.transport, { maxPerOriginShare: 2 })).toThrow('maxPerOriginShare')
    expect(() => createLanePool(wns.transport, { deadlineMs: 0 })).toThrow('deadlineMs')
  })
})

function oneAfterAnother(wns: Awaited<ReturnType<typeof setup>>, count: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const kinds: string[] = []
    const done = (_context: number, outcome: Outcome): void => {
      kinds.push(outcome.kind)
      if (kinds.length === count) resolve(kinds)
      // At once, from within the answer to the one before: the hardest case for the lane.
      else if (!wns.pool.tryPost(ORIGIN, '/', headers, Buffer.from('x'), done, 0)) reject(new Error('no lane'))
    }
    wns.pool.tryPost(ORIGIN, '/', headers, Buffer.from('x'), done, 0)
  })
}

function endless(socket: Parameters<Behaviour>[0], first: string, then: string, everyMs = 0): void {
  const more = (): void => {
    if (!socket.writable) return
    if (everyMs > 0) setTimeout(() => socket.write(then, more), everyMs)
    else socket.write(then, more)
  }
  socket.write(first === '' ? then : first, more)
}
