import type { Server as NetServer, Socket } from 'node:net'
import type { Server } from 'node:http'
import { createServer, type TLSSocket } from 'node:tls'
import { plainAction } from './action.ts'
import { makeCertificates, publishWhole, withdrawCa } from './certificate.ts'
import { Clients } from './clients.ts'
import { Clock } from './clock.ts'
import { type Connection, type Handler } from './connection.ts'
import { Connections } from './connections.ts'
import { createControl } from './control.ts'
import { loadIdentity } from './identity.ts'
import { Devices } from './devices.ts'
import { OfflineCache } from './offline-cache.ts'
import { Tally } from './tally.ts'
import { TokenService } from './token-service.ts'
import { Tokens } from './tokens.ts'
import { WnsService } from './wns.ts'

export interface SimulatorOptions {
  /** Address of both ports; default 127.0.0.1. */
  readonly host?: string
  /** TLS port; default 0, any free one. */
  readonly port?: number
  /** Control port; default 0, any free one. */
  readonly controlPort?: number
  /** File for the certificate of the authority (PEM, mode 0600); `stop` removes it. */
  readonly caFile: string
  /** File that keeps authority and key, so that senders trust a restarted simulator. Created when missing. */
  readonly identityFile?: string | undefined
}

/** A running simulator. */
export interface Simulator {
  readonly host: string
  readonly port: number
  readonly caFile: string
  /** Base URL of the control port, without a slash at the end. */
  readonly control: string
  /** Closes all connections and ports. Idempotent. */
  stop(): Promise<void>
}

/**
 * Starts both ports; resolves when they listen and the CA file is written. Rejects when a port is in use or the file
 * cannot be written.
 */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const host = options.host ?? '127.0.0.1'
  const certificates =
    options.identityFile === undefined ? await makeCertificates() : await loadIdentity(options.identityFile)
  const clock = new Clock()
  const clients = new Clients()
  const tokens = new Tokens()
  const tally = new Tally(clients, clock)
  const offline = new OfflineCache()
  const devices = new Devices()
  const connections = new Connections(clients, tally, clock)
  const handle = route(
    new WnsService(clients, tokens, tally, offline, devices, clock),
    new TokenService(clients, tokens, tally, clock),
    connections,
    clock,
  )

  const server = createServer({
    key: certificates.key,
    cert: certificates.cert,
    ALPNCallback: ({ protocols }) => {
      if (protocols.includes('h2')) tally.http2Attempts += 1
      return protocols.includes('http/1.1') ? 'http/1.1' : undefined
    },
  })
  server.on('connection', (raw: Socket) => connections.arrive(raw))
  server.on('secureConnection', (socket: TLSSocket) => connections.open(socket, handle))
  // A failed handshake is a problem of the sender.
  server.on('tlsClientError', (_error, socket: TLSSocket) => socket.destroy())
  const control = createControl(clients, tokens, tally, { offline, devices }, clock)

  const stop = async (): Promise<void> => {
    connections.stop()
    await Promise.all([closed(server), closed(control)])
    await withdrawCa(options.caFile, certificates.ca)
  }
  try {
    const port = await listen(server, host, options.port ?? 0)
    const controlPort = await listen(control, host, options.controlPort ?? 0)
    await publishWhole(options.caFile, certificates.ca)
    return { host, port, caFile: options.caFile, control: `http://${urlHost(host)}:${controlPort}`, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The service of a request by its Host header, which must equal the SNI name. */
function route(wns: WnsService, tokenService: TokenService, connections: Connections, clock: Clock): Handler {
  return (request, connection) => {
    const service = serviceOf(request.host, connection)
    if (service === 'none') {
      return plainAction(request.host === '' ? 400 : 421, clock.dateLine(clock.nowMs()))
    }
    if (service !== 'wns') return connections.limit(connection, request, tokenService.answer(service, request))
    if (!connections.admit(connection, connection.client ?? wns.clientOf(request))) {
      return { act: 'reset', text: '', delayMs: 0, overMs: 0, close: false }
    }
    return connections.limit(connection, request, wns.answer(request))
  }
}

function serviceOf(host: string, connection: Connection): 'wns' | 'store' | 'entra' | 'none' {
  if (connection.host !== '' && connection.host !== host) return 'none'
  if (host === 'login.live.com') return 'store'
  if (host === 'login.microsoftonline.com') return 'entra'
  return host === 'notify.windows.com' || host.endsWith('.notify.windows.com') ? 'wns' : 'none'
}

async function listen(server: NetServer, host: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, backlog: 4096 }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : port
}

async function closed(server: NetServer | Server): Promise<void> {
  if (!server.listening) return
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
    if ('closeAllConnections' in server) server.closeAllConnections()
  })
}

function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
