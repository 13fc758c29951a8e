import { describe, expect, test } from 'vitest'
import { untilRight, postText, type Sender, setup, type Wire } from './sender.ts'

async function open(): Promise<{ sender: Sender; bearer: string; wire: Wire }> {
  const sender = await setup()
  return { sender, bearer: await sender.bearer(), wire: await sender.wire() }
}

describe('requests as they arrive', () => {
  test('a request may come in pieces of any size', async () => {
    const { bearer, wire, sender } = await open()
    const text = postText('ok.any.1', bearer)

    for (const character of text) {
      wire.send(character)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await wire.until(() => wire.answers() === 1)

    expect(wire.statuses()).toEqual([200])
    expect(await sender.stats()).toMatchObject({ posts: 1, pipelined: 0 })
  })

  test('requests sent before the answer to the one before are answered in order and counted as pipelined', async () => {
    const { bearer, wire, sender } = await open()

    wire.send(postText('slow-20.any.1', bearer) + postText('gone.any.2', bearer) + postText('ok.any.3', bearer))
    await wire.until(() => wire.answers() === 3)
    wire.send(postText('ok.any.4', bearer))
    await wire.until(() => wire.answers() === 4)

    expect(wire.statuses()).toEqual([200, 410, 200, 200])
    expect((await sender.stats())['pipelined']).toBe(2)
  })

  test('an empty line after a body is no pipelined request', async () => {
    const { bearer, wire, sender } = await open()

    wire.send(`${postText('ok.any.1', bearer)}\r\n`)
    await wire.until(() => wire.answers() === 1)
    wire.send(postText('ok.any.2', bearer))
    await wire.until(() => wire.answers() === 2)

    expect(await sender.stats()).toMatchObject({ posts: 2, pipelined: 0, wrongLength: 0 })
  })

  test('a second request that comes while the first is being answered is counted as pipelined', async () => {
    const { bearer, wire, sender } = await open()

    wire.send(postText('slow-50.any.1', bearer))
    await untilRight(
      () => sender.stats(),
      (stats) => stats['posts'] === 1,
    )
    wire.send(postText('ok.any.2', bearer))
    await wire.until(() => wire.answers() === 2)

    expect((await sender.stats())['pipelined']).toBe(1)
  })

  test('a chunked body is refused with 411 and counted', async () => {
    const { bearer, wire, sender } = await open()
    const head = postText('ok.any.1', bearer, {}, '').replace('Content-Length: 0', 'Transfer-Encoding: chunked')

    wire.send(`${head}8\r\n<toast/>\r\n0\r\n\r\n`)
    await wire.untilClosed()

    expect([wire.statuses(), wire.error]).toEqual([[411], undefined])
    expect(await sender.stats()).toMatchObject({ chunked: 1, posts: 0 })
  })

  test('a post without Content-Length is refused with 411', async () => {
    const { bearer, wire } = await open()

    wire.send(postText('ok.any.1', bearer, {}, '').replace('Content-Length: 0\r\n', ''))
    await wire.untilClosed()

    expect(wire.statuses()).toEqual([411])
  })

  test('a Content-Length that counts characters instead of bytes is refused and counted', async () => {
    const { bearer, wire, sender } = await open()
    const body = '<toast>öööööööööö</toast>'

    wire.socket.write(postText('ok.any.1', bearer, { 'Content-Length': String(body.length) }, body), 'utf8')
    await wire.untilClosed()

    expect(wire.statuses()).toEqual([400])
    expect(await sender.stats()).toMatchObject({ wrongLength: 1, badHeader: 1, acceptedPosts: 0 })
  })

  test.each([
    { what: 'no HTTP at all', text: 'hello\r\n\r\n', status: 400 },
    { what: 'another version', text: 'GET / HTTP/2.0\r\n\r\n', status: 400 },
    { what: 'a header without a colon', text: 'POST / HTTP/1.1\r\nHost\r\n\r\n', status: 400 },
    { what: 'two lengths', text: 'POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', status: 400 },
    { what: 'a length that is no number', text: 'POST / HTTP/1.1\r\nContent-Length: 0x10\r\n\r\n', status: 400 },
    { what: 'a huge body', text: 'POST / HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n', status: 413 },
    { what: 'an endless head', text: `POST / HTTP/1.1\r\nA: ${'a'.repeat(40_000)}`, status: 431 },
  ])('$what is answered $status and the connection closed', async ({ text, status }) => {
    const { wire, sender } = await open()

    wire.send(text)
    await wire.untilClosed()

    expect(wire.statuses()).toEqual([status])
    expect(await sender.stats()).toMatchObject({ badRequest: 1, posts: 0 })
  })

  test('a header sent twice is refused', async () => {
    const { bearer, wire } = await open()

    wire.send(postText('ok.any.1', bearer, { 'x-wns-type': 'wns/toast' }))
    await wire.until(() => wire.answers() === 1)

    expect(wire.statuses()).toEqual([400])
  })

  test('a client that asks for the end of the connection gets it with the answer', async () => {
    const { bearer, wire } = await open()

    wire.send(postText('ok.any.1', bearer, { Connection: 'close' }))
    await wire.untilClosed()

    expect(wire.statuses()).toEqual([200])
    expect(wire.received).toContain('Connection: close\r\n')
  })

  test('a client that waits for 100 Continue gets it', async () => {
    const { bearer, wire } = await open()
    const text = postText('ok.any.1', bearer, { Expect: '100-continue' })

    wire.send(text.slice(0, -'<toast/>'.length))
    await wire.until(() => wire.answers() === 1)
    wire.send('<toast/>')
    await wire.until(() => wire.answers() === 2)

    expect(wire.statuses()).toEqual([100, 200])
  })

  test.each(['GET', 'PUT', 'DELETE'])('%s of a channel is answered 405 and is no post', async (method) => {
    const { sender } = await open()

    const answer = await sender.post('ok.any.1', { method })

    expect([answer.status, answer.headers['allow']]).toEqual([405, 'POST'])
    expect((await sender.stats())['posts']).toBe(0)
  })
})

describe('hosts', () => {
  test('web push addresses and several host labels are served alike', async () => {
    const { bearer, wire, sender } = await open()

    wire.send(postText('ok.any.1', bearer).replace('/?token', '/w/?token'))
    await wire.until(() => wire.answers() === 1)
    const elsewhere = await sender.post('ok.any.2', { host: 'wns2-par02p.notify.windows.com' })

    expect([wire.statuses(), elsewhere.status]).toEqual([[200], 200])
  })

  test('an address that was encoded again is another, unknown one', async () => {
    const { sender } = await open()

    expect((await sender.post('ok%2eany%2e1')).status).toBe(404)
  })

  test.each([
    { host: 'example.com', status: 421 },
    { host: 'hk2.notify.windows.com', status: 421 },
    { host: 'notify.windows.com.example.com', status: 421 },
    { host: '', status: 400 },
  ])('a request for "$host" on a connection to db5 is answered $status', async ({ host, status }) => {
    const { bearer, wire } = await open()

    wire.send(postText('ok.any.1', bearer, { Host: host }))
    await wire.until(() => wire.answers() === 1)

    expect(wire.statuses()).toEqual([status])
  })

  test('a client that offers HTTP/2 gets HTTP/1.1 and is counted', async () => {
    const { sender } = await open()

    const wire = await sender.wire(undefined, ['h2', 'http/1.1'])

    expect(wire.socket.alpnProtocol).toBe('http/1.1')
    expect((await sender.stats())['http2Attempts']).toBe(1)
    await expect(sender.wire(undefined, ['h2'])).rejects.toThrow(/no application protocol/i)
    expect((await sender.stats())['http2Attempts']).toBe(2)
  })
})

describe('connections that fail', () => {
  test('reset sends RST after the request was read', async () => {
    const { bearer, wire, sender } = await open()

    wire.send(postText('reset.any.1', bearer))
    await wire.untilClosed()

    expect([wire.error, wire.received]).toEqual(['ECONNRESET', ''])
    expect(await sender.stats()).toMatchObject({ posts: 1, byStatus: {}, channels: { reset: 1 }, acceptedPosts: 0 })
    expect(await sender.posts()).toEqual([expect.objectContaining({ posts: 1, accepted: 0, lastStatus: null })])
  })

  test('stall never answers, and the client may go away', async () => {
    const { bearer, wire, sender } = await open()

    wire.send(postText('stall.any.1', bearer))
    await untilRight(
      () => sender.stats(),
      (stats) => stats['posts'] === 1,
    )
    expect([wire.received, wire.closed]).toEqual(['', false])
    wire.socket.destroy()

    expect((await sender.post('ok.any.1')).status).toBe(200)
    expect((await sender.stats())['channels']).toEqual({ stall: 1, received: 1 })
  })

  test('cut accepts, begins to answer and sends RST', async () => {
    const { bearer, wire, sender } = await open()

    wire.send(postText('cut.any.1', bearer))
    await wire.untilClosed()

    expect(wire.received).not.toContain('\r\n\r\n')
    expect(await sender.stats()).toMatchObject({ acceptedPosts: 1, channels: { cut: 1 } })
  })

  test('hangup closes politely without an answer', async () => {
    const { bearer, wire } = await open()

    wire.send(postText('hangup.any.1', bearer))
    await wire.untilClosed()

    expect([wire.error, wire.received]).toEqual([undefined, ''])
  })

  test('drip answers in many pieces', async () => {
    const { bearer, wire } = await open()
    let pieces = 0
    wire.socket.on('data', () => (pieces += 1))

    wire.send(postText('drip-80.any.1', bearer))
    await wire.until(() => wire.answers() === 1)

    expect(pieces).toBeGreaterThan(4)
    expect(wire.statuses()).toEqual([200])
  })

  test('a client that goes away before a slow answer has been accepted all the same', async () => {
    const { bearer, wire, sender } = await open()

    wire.send(postText('slow-600000.any.1', bearer))
    await untilRight(
      () => sender.stats(),
      (stats) => stats['acceptedPosts'] === 1,
    )
    wire.socket.destroy()

    expect((await sender.post('ok.any.1')).status).toBe(200)
  })
})

test('stop ends every connection, also those that are held, and may be called twice', async () => {
  const { bearer, wire, sender } = await open()
  wire.send(postText('stall.any.1', bearer))
  await untilRight(
    () => sender.stats(),
    (stats) => stats['posts'] === 1,
  )

  await Promise.all([sender.simulator.stop(), sender.simulator.stop()])
  await wire.untilClosed()

  await expect(sender.wire()).rejects.toThrow(/ECONNREFUSED/)
})
