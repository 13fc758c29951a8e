import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Action } from './action.ts'
import type { Client, Clients } from './clients.ts'
import type { Clock } from './clock.ts'
import { Connection, type Handler } from './connection.ts'
import type { Request } from './request.ts'
import type { Tally } from './tally.ts'

const SWEEP_MS = 100
/** A request that has begun must be complete within this time. */
const PARTIAL_MS = 30_000

/** All open connections, with their limits per host and client and their idle time. */
export class Connections {
  readonly #clients: Clients
  readonly #tally: Tally
  readonly #clock: Clock
  /** TCP sockets by the port of the peer; only they can be reset. */
  readonly #raw = new Map<number, Socket>()
  readonly #open = new Set<Connection>()
  readonly #perHost = new Map<string, number>()
  readonly #sweeper: NodeJS.Timeout
  #stopped = false

  constructor(clients: Clients, tally: Tally, clock: Clock) {
    this.#clients = clients
    this.#tally = tally
    this.#clock = clock
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS).unref()
  }

  arrive(raw: Socket): void {
    const { remotePort } = raw
    if (remotePort === undefined || this.#stopped) return void raw.destroy()
    this.#raw.set(remotePort, raw)
    raw.on('close', () => this.#raw.get(remotePort) === raw && this.#raw.delete(remotePort))
  }

  open(socket: TLSSocket, handle: Handler): void {
    const raw = this.#raw.get(socket.remotePort ?? 0)
    if (raw === undefined || this.#stopped) return void socket.destroy()
    this.#tally.connections += 1
    const connection = new Connection(raw, socket, handle, this.#tally, this.#clock)
    const { host } = connection
    if ((this.#perHost.get(host) ?? 0) >= (this.#clients.faults.maxConnectionsPerHost ?? Infinity)) {
      this.#tally.refusedConnections += 1
      return connection.reset()
    }
    this.#open.add(connection)
    this.#count(host, 1)
    socket.on('close', () => {
      this.#open.delete(connection)
      this.#count(host, -1)
      if (connection.client !== undefined) this.#count(perClient(connection.client, host), -1)
    })
  }

  /**
   * Records the client of a connection at its first request with a known token. False when the client has too many
   * connections to the host; the request is then dropped unread.
   */
  admit(connection: Connection, client: Client | undefined): boolean {
    if (connection.client !== undefined || client === undefined) return true
    const key = perClient(client, connection.host)
    if ((this.#perHost.get(key) ?? 0) >= (client.faults.maxConnectionsPerHost ?? Infinity)) {
      this.#tally.refusedConnections += 1
      return false
    }
    connection.client = client
    this.#count(key, 1)
    return true
  }

  /** Closes with this answer if the client asked for it, or the connection has served its number of requests. */
  limit(connection: Connection, request: Request, action: Action): Action {
    const most = (connection.client?.faults ?? this.#clients.faults).requestsPerConnection ?? Infinity
    if (action.act !== 'answer' || (connection.requests < most && !request.wantsClose)) return action
    return { ...action, text: action.text.replace('\r\n', '\r\nConnection: close\r\n'), close: true }
  }

  stop(): void {
    this.#stopped = true
    clearInterval(this.#sweeper)
    for (const raw of this.#raw.values()) raw.destroy()
    for (const connection of this.#open) connection.destroy()
  }

  #count(key: string, change: number): void {
    const count = (this.#perHost.get(key) ?? 0) + change
    if (count === 0) this.#perHost.delete(key)
    else this.#perHost.set(key, count)
  }

  #sweep(): void {
    const nowMs = this.#clock.nowMs()
    for (const connection of this.#open) {
      const faults = connection.client?.faults ?? this.#clients.faults
      connection.sweep(nowMs, faults.idleCloseMs ?? Infinity, PARTIAL_MS)
    }
  }
}

function perClient(client: Client, host: string): string {
  return `${client.id} ${host}`
}
