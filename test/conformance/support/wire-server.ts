import type { AddressInfo, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { createServer } from 'node:tls'
import { generate } from 'selfsigned'

/** One request as it came over the wire, before any HTTP library touched it. */
export interface WireRequest {
  /** Head and body, byte for byte. */
  readonly bytes: Buffer
  readonly requestLine: string
  /** Names as they were sent, in the order in which they were sent. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
  /** The connection it came over, from 1. */
  readonly connection: number
  readonly serverName: string
  readonly protocol: string | false | null
}

/** The server's end of one connection. */
export interface Peer {
  readonly socket: TLSSocket
  /** Answers, wholly or in part; from now on the sender may write again. */
  write(bytes: Buffer | string, written?: () => void): void
  /** Ends the connection with RST instead of a farewell. */
  reset(): void
}

export type Behave = (peer: Peer, request: WireRequest) => void

/**
 * A TLS server that reads requests from the bare bytes: only what the sender really wrote can pass. Whatever breaks the
 * rules of WNS (chunks, a length that is not that of the body, a request before the answer to the one before) is listed
 * in `violations`.
 */
export class WireServer {
  readonly requests: WireRequest[] = []
  readonly violations: string[] = []
  readonly ca: string
  /** What is done about each request. */
  behave: Behave
  /** What is done about each connection before its handshake. */
  greet: (raw: Socket) => void = () => {}
  /** Called for connections in their handshake, after one of them has sent its hello. */
  hello: (raws: readonly Socket[]) => void = () => {}
  /** What is done about each connection after its handshake, before its first request. */
  welcome: (peer: Peer) => void = () => {}
  readonly #server
  readonly #raw = new Map<number | undefined, Socket>()
  readonly #handshaking = new Set<Socket>()
  readonly #sockets = new Set<TLSSocket>()
  #connections = 0

  static async start(behave: Behave): Promise<WireServer> {
    const { ca, cert, key } = await identity()
    const server = new WireServer(behave, ca, cert, key)
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve))
    return server
  }

  private constructor(behave: Behave, ca: string, cert: string, key: string) {
    this.behave = behave
    this.ca = ca
    this.#server = createServer({
      cert,
      key,
      ALPNProtocols: ['http/1.1'],
      SNICallback: (_name, proceed) => {
        this.hello([...this.#handshaking])
        proceed(null)
      },
    })
    // Before TLS's own listener, so that a connection can be lost before its handshake.
    this.#server.prependListener('connection', (raw: Socket) => {
      const { remotePort } = raw
      this.#raw.set(remotePort, raw)
      this.#handshaking.add(raw)
      raw
        .on('error', () => {})
        .on('close', () => {
          this.#raw.delete(remotePort)
          this.#handshaking.delete(raw)
        })
      this.greet(raw)
    })
    this.#server.on('tlsClientError', () => {})
    this.#server.on('secureConnection', (socket) => this.#open(socket))
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get connections(): number {
    return this.#connections
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#sockets.size
  }

  /** The only request so far; throws when there were none or more. */
  get only(): WireRequest {
    const [request, ...more] = this.requests
    if (request === undefined || more.length > 0)
      throw new Error(`there were ${this.requests.length} requests, not one`)
    return request
  }

  forget(): void {
    this.requests.length = 0
    this.violations.length = 0
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const raw of this.#raw.values()) raw.destroy()
    await closed
  }

  #open(socket: TLSSocket): void {
    this.#connections += 1
    const raw = this.#raw.get(socket.remotePort)
    if (raw !== undefined) this.#handshaking.delete(raw)
    const connection = this.#connections
    let isAnswering = false
    const peer: Peer = {
      socket,
      write: (bytes, written) => {
        isAnswering = false
        socket.write(bytes, written)
      },
      reset: () => void raw?.resetAndDestroy(),
    }
    this.#sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket))
    let buffered = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      if (isAnswering) this.violations.push('bytes of a request before the answer to the one before')
      buffered = Buffer.concat([buffered, chunk])
      const request = this.#take(buffered)
      if (request === undefined) return
      if (buffered.length > request.bytes.length) this.violations.push('bytes behind the body')
      buffered = buffered.subarray(request.bytes.length)
      const { servername, alpnProtocol } = socket
      const complete = {
        ...request,
        connection,
        serverName: typeof servername === 'string' ? servername : '',
        protocol: alpnProtocol,
      }
      this.requests.push(complete)
      isAnswering = true
      this.behave(peer, complete)
    })
    this.welcome(peer)
  }

  #take(buffered: Buffer): Pick<WireRequest, 'bytes' | 'requestLine' | 'headers' | 'body'> | undefined {
    const end = buffered.indexOf('\r\n\r\n')
    if (end === -1) return undefined
    const [requestLine = '', ...lines] = buffered.toString('latin1', 0, end).split('\r\n')
    const headers = lines.map((line) => {
      const colon = line.indexOf(': ')
      if (colon < 1) this.violations.push('a header line without a colon and a space')
      return [line.slice(0, colon), line.slice(colon + 2)] as const
    })
    const named = (wanted: string): string[] =>
      headers.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value)
    if (named('transfer-encoding').length > 0) this.violations.push('a Transfer-Encoding')
    if (named('expect').length > 0) this.violations.push('an Expect')
    const [length, ...others] = named('content-length')
    if (length === undefined || others.length > 0 || !/^\d+$/.test(length)) {
      this.violations.push('not exactly one Content-Length')
    }
    const total = end + 4 + Number(length ?? 0)
    if (buffered.length < total) return undefined
    const bytes = Buffer.from(buffered.subarray(0, total))
    return { bytes, requestLine, headers, body: bytes.subarray(end + 4) }
  }
}

/** The bytes of an answer; a Content-Length is added unless the headers bring one. */
export function answerBytes(
  status: number,
  headers: Readonly<Record<string, string>> = {},
  body: string | Buffer = '',
): Buffer {
  const length = Buffer.byteLength(body)
  const all = Object.keys(headers).some((name) => /^(?:content-length|transfer-encoding)$/i.test(name))
    ? headers
    : { ...headers, 'Content-Length': String(length) }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.concat([
    Buffer.from(`HTTP/1.1 ${status} Answer\r\n${lines.join('')}\r\n`, 'latin1'),
    Buffer.from(body as string),
  ])
}

let made: Promise<{ ca: string; cert: string; key: string }> | undefined

/** One authority and certificate for all servers of a test file. */
function identity(): Promise<{ ca: string; cert: string; key: string }> {
  return (made ??= makeIdentity())
}

async function makeIdentity(): Promise<{ ca: string; cert: string; key: string }> {
  const options = { algorithm: 'sha256', keyType: 'ec' } as const
  const authority = await generate([{ name: 'commonName', value: 'Conformance authority' }], {
    ...options,
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true },
    ],
  })
  const names = ['notify.windows.com', '*.notify.windows.com', 'login.live.com', 'login.microsoftonline.com']
  const leaf = await generate([{ name: 'commonName', value: 'Conformance server' }], {
    ...options,
    ca: { cert: authority.cert, key: authority.private },
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'subjectAltName', altNames: names.map((value) => ({ type: 2 as const, value })) },
    ],
  })
  return { ca: authority.cert, cert: leaf.cert, key: leaf.private }
}
