import type { Outcome } from '@wns-fanout/domain'
import { describe, expect, test } from 'vitest'
import { headers, HOST, ORIGIN, setup } from './support/harness.ts'
import { always, answer, received } from './support/raw-server.ts'

describe('a request', () => {
  test('has exactly its headers, and the body byte for byte', async () => {
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
  ])('has the path %s byte for byte', async (path) => {
    await using wns = await setup(always(received))
    expect((await wns.post(path)).outcome.kind).toBe('accepted')
    expect(wns.server.requests[0]?.requestLine).toBe(`POST ${path} HTTP/1.1`)
  })

  test.each(['Привет 👋', '🎉'.repeat(500), 'x'])('has its length in bytes for %s', async (text) => {
    await using wns = await setup(always(received))
    await wns.post('/', text)
    const [request] = wns.server.requests
    expect(request?.headers).toContainEqual(['Content-Length', String(Buffer.byteLength(text))])
    expect(request?.headers.some(([name]) => name.toLowerCase() === 'transfer-encoding')).toBe(false)
    expect(request?.body.toString()).toBe(text)
  })

  test.each(['https://evil.example/', 'no-slash', '', '/with space', '/line\r\nX: y', '/über-ž'])(
    'with the path %j is not sent, and the lane stays open',
    async (path) => {
      await using wns = await setup(always(received), { lanes: 1 })
      await wns.post()
      expect((await wns.post(path)).outcome).toEqual({ kind: 'not-sent', code: 'invalid-path' })
      await wns.post()
      expect(wns.server.requests.map(({ connection }) => connection)).toEqual([1, 1])
    },
  )

  test('with a header that would smuggle another one is not sent', async () => {
    await using wns = await setup(always(received))
    const outcome = await new Promise<Outcome>((resolve) => {
      const lanes = wns.pool.join('news', { done: (_context, found) => resolve(found), onFree: () => {} })
      lanes.tryPost(ORIGIN, '/', ['X-WNS-Tag', 'a\r\nX-Other: b'], Buffer.from('x'), 0)
    })
    expect(outcome).toEqual({ kind: 'not-sent', code: 'invalid-header' })
    expect(wns.server.requests).toEqual([])
  })

  test('is the only one on its connection, and its answer goes to its post', async () => {
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
      const pump = (): void => {
        while (next < 200 && lanes.tryPost(ORIGIN, `/?token=${next}`, headers, Buffer.from('x'), next)) next += 1
      }
      const lanes = wns.pool.join('news', {
        done: (context, outcome) => {
          answers.set(context, outcome.kind === 'accepted' ? outcome.trace.msgId : outcome.kind)
          if (answers.size === 200) resolve()
          pump()
        },
        onFree: pump,
      })
      pump()
    })
    expect([...answers].filter(([context, msgId]) => String(context) !== msgId)).toEqual([])
    expect(wns.server.pipelinedBytes).toBe(0)
    expect(wns.server.serverNames.length).toBeLessThanOrEqual(4)
  })
})
