import type { AddressInfo, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { createServer } from 'node:tls'
import type { Certificates } from './certificates.ts'

/** One request as received. */
export interface RawRequest {
  /** Head and body, byte for byte. */
  readonly bytes: Buffer
  readonly requestLine: string
  /** Names as sent. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
  /** Counted from 1 over all connections, and on this connection. */
  readonly number: number
  readonly numberOnConnection: number
  readonly connection: number
  readonly serverName: string
}

export type Behavior = (socket: TLSSocket, request: RawRequest, server: RawServer) => void

export interface RawServer {
  readonly port: number
  readonly requests: RawRequest[]
  /** Server names of the handshakes, one for each connection. */
  readonly serverNames: string[]
  /** Handshakes that resumed a session. */
  resumed: number
  /** Bytes of requests that arrived before the previous request was answered. */
  pipelinedBytes: number
  readonly sockets: Set<TLSSocket>
  /** Answer with a TCP reset. */
  reset(socket: TLSSocket): void
  behave: Behavior
  stop(): Promise<void>
}

export interface RawServerOptions {
  readonly maxVersion?: 'TLSv1.3' | 'TLSv1.2' | 'TLSv1.1'
}

/** A TLS server that reads requests with a Content-Length and leaves everything else to `behave`. */
export async function startRawServer(
  certificates: Certificates,
  behave: Behavior,
  options: RawServerOptions = {},
): Promise<RawServer> {
  const requests: RawRequest[] = []
  const serverNames: string[] = []
  const sockets = new Set<TLSSocket>()
  const connections = new Map<number | undefined, Socket>()
  let connectionCount = 0

  const server = createServer({
    cert: certificates.cert,
    key: certificates.key,
    ALPNProtocols: ['http/1.1'],
    // Old versions need the lower security level to be offered at all.
    ...(options.maxVersion === 'TLSv1.1' && { minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    ...(options.maxVersion !== undefined && { maxVersion: options.maxVersion }),
  })
  server.on('connection', (socket: Socket) => {
    const { remotePort } = socket
    connections.set(remotePort, socket)
    socket.on('close', () => connections.delete(remotePort)).on('error', () => {})
  })
  server.on('tlsClientError', () => {})
  server.on('secureConnection', (socket) => {
    connectionCount += 1
    const connection = connectionCount
    const serverName = socket.servername === false ? '' : (socket.servername ?? '')
    serverNames.push(serverName)
    if (socket.isSessionReused()) raw.resumed += 1
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => {})
    let buffered = Buffer.alloc(0)
    let onConnection = 0
    socket.on('data', (chunk: Buffer) => {
      buffered = Buffer.concat([buffered, chunk])
      const request = takeRequest(buffered)
      if (request === undefined) return
      raw.pipelinedBytes += buffered.length - request.bytes.length
      buffered = buffered.subarray(request.bytes.length)
      onConnection += 1
      const complete = {
        ...request,
        number: requests.length + 1,
        numberOnConnection: onConnection,
        connection,
        serverName,
      }
      requests.push(complete)
      raw.behave(socket, complete, raw)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const raw: RawServer = {
    port: portOf(server.address()),
    requests,
    serverNames,
    resumed: 0,
    pipelinedBytes: 0,
    sockets,
    reset: (socket) => void connections.get(socket.remotePort)?.resetAndDestroy(),
    behave,
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of connections.values()) socket.destroy()
      await closed
    },
  }
  return raw
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('the server does not listen on TCP')
  return address.port
}

function takeRequest(buffered: Buffer) {
  const end = buffered.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const [requestLine = '', ...lines] = buffered.toString('latin1', 0, end).split('\r\n')
  const headers = lines.map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()] as const
  })
  const length = Number(headers.find(([name]) => name.toLowerCase() === 'content-length')?.[1] ?? 0)
  const total = end + 4 + length
  if (buffered.length < total) return undefined
  const bytes = Buffer.from(buffered.subarray(0, total))
  return { bytes, requestLine, headers, body: bytes.subarray(end + 4) }
}

/** A complete answer of WNS with these extra headers. */
export function answer(status: number, headers: Readonly<Record<string, string>> = {}, body = ''): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} Answer\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${lines.join('')}\r\n${body}`
}

export const received = answer(200, { 'X-WNS-STATUS': 'received', 'X-WNS-MSG-ID': '3CE38FF109E03A74' })

/** A behavior that answers every request with this text. */
export function always(text: string): Behavior {
  return (socket) => void socket.write(text)
}

/** A behavior that answers no request. */
export const never: Behavior = () => {}
