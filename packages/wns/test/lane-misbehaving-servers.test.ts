import type { Outcome } from '@wns-fanout/domain'
import { until } from '@wns-fanout/testing'
import { describe, expect, test } from 'vitest'
import { oneAfterAnother, setup } from './support/harness.ts'
import type { Behavior } from './support/raw-server.ts'
import { always, answer, never, received } from './support/raw-server.ts'

describe('a server that misbehaves', () => {
  const cases: readonly (readonly [string, Behavior, Partial<Outcome>])[] = [
    ['answers garbage', always('SMTP ready\r\n\r\n'), { kind: 'ambiguous', code: 'protocol' }],
    ['answers with a broken status line', always('HTTP/1.1 abc\r\n\r\n'), { kind: 'ambiguous', code: 'protocol' }],
    ['answers in another version of HTTP', always('HTTP/3.7 200 OK\r\n\r\n'), { kind: 'ambiguous', code: 'protocol' }],
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
      'announces a negative length',
      always('HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'),
      { kind: 'ambiguous', code: 'protocol' },
    ],
    [
      'announces a length and chunks',
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
      'announces its answer without end',
      (socket) => endless(socket, '', 'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n'),
      { kind: 'ambiguous', code: 'too-large' },
    ],
    [
      'announces its answer again and again',
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
      'announces two lengths',
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
      { kind: 'ambiguous', code: 'protocol' },
    ],
    ['asks for more', always('HTTP/1.1 100 Continue\r\n\r\n'), { kind: 'ambiguous', code: 'timeout' }],
    [
      'redirects to this machine',
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

  // The test waits for a timeout only where it expects one, so that a slow machine gets the same outcomes.
  test.each(cases)('that %s leads to its outcome, and the next post is accepted', async (_name, behave, outcome) => {
    const expectsTimeout = 'code' in outcome && outcome.code === 'timeout'
    await using wns = await setup(behave, { deadlineMs: expectsTimeout ? 300 : 50_000, lanes: 1 })
    const { outcome: found } = await wns.post()
    expect(found).toMatchObject(outcome)
    expect(wns.server.requests.length).toBe(1)
    wns.server.behave = always(received)
    expect((await wns.post()).outcome.kind).toBe('accepted')
    expect(wns.pool.stats()).toEqual({ idle: 1, busy: 0, connecting: 0 })
  })

  test('that sends a second answer in the same write: it is ignored', async () => {
    await using wns = await setup(always(received + answer(410, { 'X-WNS-STATUS': 'dropped' })), { lanes: 1 })
    const outcomes = await oneAfterAnother(wns, 20)
    expect(outcomes.filter((kind) => kind !== 'accepted')).toEqual([])
  })

  test('that sends a second answer in its own TLS record: no channel is reported as gone', async () => {
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

  test('that sends a second answer just after the next post: that post is ambiguous', async () => {
    await using wns = await setup(
      (socket, request) => {
        // The extra answer arrives first, and the true answer to the post follows.
        if (request.numberOnConnection === 2) socket.write(answer(410, { 'X-WNS-STATUS': 'dropped' }))
        socket.write(received)
      },
      { lanes: 1 },
    )
    expect((await wns.post()).outcome.kind).toBe('accepted')
    expect((await wns.post()).outcome).toEqual({ kind: 'ambiguous', code: 'desync' })
    expect((await wns.post()).outcome.kind).toBe('accepted')
  })

  test('that answers 410 once to each post is believed', async () => {
    await using wns = await setup(always(answer(410, { 'X-WNS-STATUS': 'dropped' })), { lanes: 1 })
    expect(await oneAfterAnother(wns, 3)).toEqual(['gone', 'gone', 'gone'])
    expect(wns.server.serverNames.length).toBe(1)
  })

  test('that sends an answer on a free lane loses the connection', async () => {
    await using wns = await setup(always(received), { lanes: 1 })
    await wns.post()
    for (const socket of wns.server.sockets) socket.write(answer(410, { 'X-WNS-STATUS': 'dropped' }))
    await until('the lane is closed', () => wns.pool.open === 0)
    expect((await wns.post()).outcome.kind).toBe('accepted')
  })

  test('that closes after each answer gets a new connection for each post', async () => {
    await using wns = await setup((socket) => void socket.end(received), { lanes: 1 })
    expect(await oneAfterAnother(wns, 5)).toEqual(Array(5).fill('accepted'))
    expect(wns.server.serverNames.length).toBe(5)
  })
})

/** Write `first`, then `then` again and again. */
function endless(socket: Parameters<Behavior>[0], first: string, then: string, everyMs = 0): void {
  const more = (): void => {
    if (!socket.writable) return
    if (everyMs > 0) setTimeout(() => socket.write(then, more), everyMs)
    else socket.write(then, more)
  }
  socket.write(first === '' ? then : first, more)
}
