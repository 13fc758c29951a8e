import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Lookup } from '../src/index.ts'
import { createLanePool, createTransport, isPublicAddress } from '../src/index.ts'
import { HOST, postOn, setup, wnsCertificates } from './support/harness.ts'
import { received, startRawServer } from './support/raw-server.ts'

function answering(...addresses: readonly string[]): Lookup {
  return (_hostname, _options, callback) =>
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
}

test.each([
  '127.0.0.1',
  '127.8.9.10',
  '10.0.0.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '169.254.169.254',
  '100.64.0.1',
  '0.0.0.0',
  '0.1.2.3',
  '224.0.0.1',
  '239.255.255.250',
  '255.255.255.255',
  '198.18.0.1',
  '192.0.2.1',
  '::',
  '::1',
  '::ffff:127.0.0.1',
  '::ffff:13.107.4.50',
  '::127.0.0.1',
  'fe80::1',
  'fe80::1%eth0',
  'fc00::1',
  'fd12:3456::1',
  'ff02::1',
  'fec0::1',
  '64:ff9b::7f00:1',
  '64:ff9b::a83f:8110',
  '64:ff9b:1::1',
  '168.63.129.16',
  '2001:db8::1',
  '2002:7f00:1::',
  '2001::1',
  'not an address',
  '',
])('%s is not a public address', (address) => {
  expect(isPublicAddress(address)).toBe(false)
})

test.each(['13.107.4.50', '168.63.129.17', '1.1.1.1', '172.32.0.1', '100.128.0.1', '2603:1030::1', '2a01:111::1'])(
  '%s is a public address',
  (address) => {
    expect(isPublicAddress(address)).toBe(true)
  },
)

test.each([
  ['the machine itself', ['127.0.0.1']],
  ['the metadata service', ['169.254.169.254']],
  ['the host of an Azure machine', ['168.63.129.16']],
  ['that host through NAT64', ['64:ff9b::a83f:8110']],
  ['the machine itself in IPv6', ['::1']],
  ['a mapped address', ['::ffff:127.0.0.1']],
  ['a public and a private address', ['13.107.4.50', '10.0.0.1']],
])('a name that leads to %s is not connected to', async (_name, addresses) => {
  const { ca } = await wnsCertificates()
  await using wns = await setup((socket) => void socket.write(received))
  const pool = createLanePool(createTransport({ ca, lookup: answering(...addresses) }))
  expect((await postOn(pool, '/', 'x')).outcome).toEqual({ kind: 'not-sent', code: 'private-address' })
  await pool.stop()
  expect(wns.server.serverNames).toEqual([])
})

test.each([
  ['ENOTFOUND', 'name-not-found'],
  ['EAI_AGAIN', 'name-lookup'],
])('a name lookup that fails with %s is not sent', async (errno, code) => {
  const lookup: Lookup = (_hostname, _options, callback) =>
    callback(Object.assign(new Error(errno), { code: errno }), [])
  const pool = createLanePool(createTransport({ lookup }))
  expect((await postOn(pool, '/', 'x')).outcome).toEqual({ kind: 'not-sent', code })
  await pool.stop()
})

test('a name lookup that never answers ends with the connect timeout', async () => {
  const pool = createLanePool(createTransport({ lookup: () => {}, connectTimeoutMs: 50 }))
  expect((await postOn(pool, '/', 'x')).outcome).toEqual({ kind: 'not-sent', code: 'timeout' })
  await pool.stop()
})

test('an origin with an address instead of a name is not connected to', async () => {
  await using wns = await setup((socket) => void socket.write(received))
  expect((await wns.post('/', 'x', 'https://127.0.0.1')).outcome).toEqual({ kind: 'not-sent', code: 'private-address' })
  expect(wns.server.serverNames).toEqual([])
})

test.each([
  ['host', /WNS_ROUTE_TO must be host:port/],
  ['host:0', /WNS_ROUTE_TO must be host:port/],
  ['host:65536', /WNS_ROUTE_TO must be host:port/],
  ['ho st:1', /WNS_ROUTE_TO must be host:port/],
])('a route of %j is rejected', (routeTo, message) => {
  expect(() => createTransport({ routeTo, ca: 'x' })).toThrow(message)
})

test('a route without a certificate authority is rejected', () => {
  expect(() => createTransport({ routeTo: '127.0.0.1:1' })).toThrow('WNS_ROUTE_TO needs WNS_CA_FILE')
})

test('the certificate authority is read from its file, and the error for a bad file names it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'wns-ca-'))
  try {
    const { ca } = await wnsCertificates()
    const caFile = join(folder, 'ca.pem')
    expect(() => createTransport({ caFile })).toThrow(`the CA file ${caFile} cannot be read`)
    await writeFile(caFile, 'nothing')
    expect(() => createTransport({ caFile })).toThrow(`the CA file ${caFile} contains no certificate`)
    await writeFile(caFile, ca)
    const server = await startRawServer(await wnsCertificates(), (socket) => void socket.write(received))
    const pool = createLanePool(createTransport({ routeTo: `127.0.0.1:${server.port}`, caFile }))
    expect((await postOn(pool, '/', 'x')).outcome.kind).toBe('accepted')
    await pool.stop()
    await server.stop()
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('a connection through a proxy: CONNECT to the real name, credentials from the URL, then TLS end to end', async () => {
  const { ca } = await wnsCertificates()
  await using wns = await setup((socket) => void socket.write(received))
  await using proxy = await startProxy((request, socket) => {
    expect(request).toBe(
      `CONNECT ${HOST}:443 HTTP/1.1\r\nHost: ${HOST}:443\r\nProxy-Authorization: Basic ${Buffer.from('us er:p@ss').toString('base64')}\r\n\r\n`,
    )
    return relay(socket, wns.server.port)
  })
  const pool = createLanePool(createTransport({ ca, httpsProxy: `http://us%20er:p%40ss@127.0.0.1:${proxy.port}` }))
  expect((await postOn(pool, '/?token=a%bU', 'x')).outcome.kind).toBe('accepted')
  expect((await postOn(pool, '/', 'x')).outcome.kind).toBe('accepted')
  expect(wns.server.serverNames).toEqual([HOST])
  expect(wns.server.requests[0]?.requestLine).toBe('POST /?token=a%bU HTTP/1.1')
  await pool.stop()
})

test.each([
  ['refuses', 'HTTP/1.1 407 Proxy Authentication Required\r\n\r\n', 'proxy-refused'],
  ['answers nonsense', 'hello\r\n\r\n', 'proxy-protocol'],
  ['sends more after its answer', 'HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 410 Gone\r\n\r\n', 'proxy-protocol'],
  ['answers without end', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}`, 'proxy-protocol'],
])('a post through a proxy that %s is not sent', async (_name, answer, code) => {
  await using proxy = await startProxy((_request, socket) => void socket.write(answer))
  const pool = createLanePool(createTransport({ httpsProxy: `http://127.0.0.1:${proxy.port}` }))
  expect((await postOn(pool, '/', 'x')).outcome).toEqual({ kind: 'not-sent', code })
  await pool.stop()
})

test('a post through a proxy that stalls or closes is not sent', async () => {
  await using stalling = await startProxy(() => {})
  const patient = createLanePool(
    createTransport({ httpsProxy: `http://127.0.0.1:${stalling.port}`, connectTimeoutMs: 50 }),
  )
  expect((await postOn(patient, '/', 'x')).outcome).toEqual({ kind: 'not-sent', code: 'timeout' })
  await patient.stop()
  await using closing = await startProxy((_request, socket) => void socket.end())
  const pool = createLanePool(createTransport({ httpsProxy: `http://127.0.0.1:${closing.port}` }))
  expect((await postOn(pool, '/', 'x')).outcome).toEqual({ kind: 'not-sent', code: 'proxy-protocol' })
  await pool.stop()
})

test('a host that NO_PROXY excludes is reached without the proxy', async () => {
  let asked = 0
  await using proxy = await startProxy((_request, socket) => {
    asked += 1
    socket.destroy()
  })
  const httpsProxy = `http://127.0.0.1:${proxy.port}`
  const lookup = answering('10.0.0.1')
  const direct = createLanePool(createTransport({ httpsProxy, lookup, noProxy: 'example.com,.notify.windows.com' }))
  expect((await postOn(direct, '/', 'x')).outcome).toEqual({ kind: 'not-sent', code: 'private-address' })
  await direct.stop()
  expect(asked).toBe(0)
  const through = createLanePool(createTransport({ httpsProxy, lookup, noProxy: 'example.com' }))
  expect((await postOn(through, '/', 'x')).outcome).toEqual({ kind: 'not-sent', code: 'proxy-protocol' })
  await through.stop()
  expect(asked).toBe(1)
})

test('an invalid proxy URL is rejected without showing its password', () => {
  expect(() => createTransport({ httpsProxy: 'socks5://user:secret@host:1' })).toThrow(
    /^(?!.*secret).*HTTPS_PROXY must be/,
  )
})

interface Proxy extends AsyncDisposable {
  readonly port: number
}

async function startProxy(answer: (request: string, socket: Socket) => void): Promise<Proxy> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => {})
    socket.once('data', (request: Buffer) => answer(request.toString('latin1'), socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: portOf(server.address()),
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

function relay(socket: Socket, port: number): void {
  const onward = connect({ host: '127.0.0.1', port }, () => {
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
    socket.pipe(onward).pipe(socket)
  })
  onward.on('error', () => socket.destroy())
  socket.on('close', () => onward.destroy())
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('the proxy does not listen on TCP')
  return address.port
}
