import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { isIP } from 'node:net'
import type { SecureContext, TLSSocket } from 'node:tls'
import { connect as connectTls, createSecureContext } from 'node:tls'
import { bypassesProxy } from '@wns-fanout/domain'
import { ConnectError, connectErrorFrom } from './connect-error.ts'
import type { Lookup } from './public-address.ts'
import { publicLookup } from './public-address.ts'
import { openTunnel, parseProxy } from './proxy-tunnel.ts'

export interface TransportOptions {
  /** `host:port` for every connection, with the names in TLS and HTTP unchanged. Needs `caFile` or `ca`. */
  readonly routeTo?: string | undefined
  /** PEM file of the only certificate authorities to trust, instead of the system's. */
  readonly caFile?: string | undefined
  /** The certificate authorities as text. Overrides `caFile`. */
  readonly ca?: string | undefined
  /** `http://[user:password@]host:port` of a proxy; connections are tunneled through it with CONNECT. */
  readonly httpsProxy?: string | undefined
  /** Hosts that are reached without the proxy, in the grammar of `NO_PROXY`. */
  readonly noProxy?: string | undefined
  /** Host names whose addresses may be private, in lower case. Default none. */
  readonly privateHosts?: ReadonlySet<string>
  /** Limit for name resolution, TCP, proxy and TLS together. Default 5,000. */
  readonly connectTimeoutMs?: number
  /** Resolves names of direct connections; default is the system's. Private addresses are rejected all the same. */
  readonly lookup?: Lookup
}

export type Connected = (error: ConnectError | null, socket: TLSSocket | null) => void

/** Opens verified TLS connections. */
export interface Transport {
  /**
   * Connect to `host`, by default to its port 443; `connected` is called exactly once. The returned function cancels
   * the attempt.
   */
  open(host: string, connected: Connected, port?: number): () => void
}

// One session per host: a lane that reconnects skips half of the handshake. There are a few dozen hosts.
const MAX_SESSIONS = 256
// Most bytes that a socket reads at once: the largest TLS record.
const READ_BYTES = 16_384

/** Throws a RangeError that names the setting for an unusable option. */
export function createTransport(options: TransportOptions = {}): Transport {
  const connectTimeoutMs = options.connectTimeoutMs ?? 5_000
  if (!(connectTimeoutMs > 0)) throw new RangeError(`connectTimeoutMs must be above 0; found ${connectTimeoutMs}`)
  const ca = options.ca ?? readCa(options.caFile)
  const route = options.routeTo === undefined ? undefined : parseRoute(options.routeTo, ca)
  const proxy = options.httpsProxy === undefined ? undefined : parseProxy(options.httpsProxy)
  const secureContext = createSecureContext({ minVersion: 'TLSv1.2', ...(ca === undefined ? {} : { ca }) })
  const lookup = publicLookup(options.lookup)
  const sessions = new Map<string, Buffer>()

  const open = (host: string, connected: Connected, port = 443): (() => void) => {
    const session = `${host}:${port}`
    let raw: Socket | undefined
    let closeTunnel: (() => void) | undefined
    let settled = false

    const settle = (error: ConnectError | null, socket: TLSSocket | null): void => {
      if (settled) return
      settled = true
      clearTimeout(timer)
      if (error !== null) {
        sessions.delete(session)
        closeTunnel?.()
        raw?.destroy()
      }
      connected(error, socket)
    }
    const fail = (error: unknown): void => settle(connectErrorFrom(error), null)
    const timer = setTimeout(
      () => fail(new ConnectError('timeout', `no connection within ${connectTimeoutMs} ms`)),
      connectTimeoutMs,
    )

    const secure = (through: { socket: Socket } | Place): void => {
      const socket = connectTls({ ...through, ...tlsOptions(host, secureContext, sessions.get(session)) })
      raw = socket
      socket.setNoDelay(true).setKeepAlive(true, 60_000)
      socket.on('session', (ticket) => remember(sessions, session, ticket))
      socket.on('error', fail)
      socket.once('close', () => fail(new ConnectError('reset', 'the connection closed during the TLS handshake')))
      socket.once('secureConnect', () => settle(null, socket))
    }

    if (isIP(host) !== 0) {
      // A literal address would bypass the lookup and with it the refusal of private addresses.
      queueMicrotask(() => fail(new ConnectError('private-address', 'a host must be a name, not an address')))
    } else if (route !== undefined) secure(route)
    else if (options.privateHosts?.has(host) === true) secure({ host, port })
    else if (proxy === undefined || bypassesProxy(options.noProxy, host, port)) secure({ host, port, lookup })
    else {
      closeTunnel = openTunnel(proxy, host, port, (error, socket) => {
        if (socket === null) return fail(error)
        if (settled) socket.destroy()
        else secure({ socket })
      })
    }
    return () => settle(new ConnectError('stopped', 'the attempt to connect was cancelled'), null)
  }

  return { open }
}

interface Place {
  readonly host: string
  readonly port: number
  readonly lookup?: ReturnType<typeof publicLookup>
}

function tlsOptions(host: string, secureContext: SecureContext, session: Buffer | undefined) {
  return {
    servername: host,
    secureContext,
    // Explicit, so that NODE_TLS_REJECT_UNAUTHORIZED in the environment cannot turn verification off.
    rejectUnauthorized: true,
    ALPNProtocols: ['http/1.1'],
    highWaterMark: READ_BYTES,
    ...(session === undefined ? {} : { session }),
  }
}

function remember(sessions: Map<string, Buffer>, place: string, session: Buffer): void {
  sessions.delete(place)
  sessions.set(place, session)
  if (sessions.size > MAX_SESSIONS) for (const oldest of sessions.keys()) return void sessions.delete(oldest)
}

function readCa(caFile: string | undefined): string | undefined {
  if (caFile === undefined) return undefined
  let pem: string
  try {
    pem = readFileSync(caFile, 'utf8')
  } catch (cause) {
    throw new RangeError(`the CA file ${caFile} cannot be read; WNS_CA_FILE must name a PEM file`, { cause })
  }
  if (!pem.includes('-----BEGIN CERTIFICATE-----'))
    throw new RangeError(`the CA file ${caFile} contains no certificate; WNS_CA_FILE must name a PEM file`)
  return pem
}

function parseRoute(text: string, ca: string | undefined): Place {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  if (host === undefined || port < 1 || port > 65_535)
    throw new RangeError(`WNS_ROUTE_TO must be host:port; found ${JSON.stringify(text)}`)
  if (ca === undefined)
    throw new RangeError('WNS_ROUTE_TO needs WNS_CA_FILE, to verify the certificate of that address')
  return { host, port }
}
