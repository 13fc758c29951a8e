import { readFileSync } from 'node:fs'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { connect } from 'node:tls'

/** What a loop gets from the command line. */
export interface LoopOptions {
  /** Of the simulator. */
  readonly host: string
  readonly port: number
  readonly caFile: string
  readonly token: string
  readonly connections: number
  readonly redisUrl: string
}

/** A way to post that people write by hand, or take from npm. */
export interface Contender {
  /** Does what is not measured. */
  prepare?(posts: number): Promise<void>
  /** Resolves when that many posts are answered with 200; rejects at any other answer. */
  post(posts: number): Promise<void>
  close(): Promise<void>
}

export const HOST = 'db5p.notify.windows.com'
export const BODY = Buffer.from(
  '<tile><visual><binding template="TileMedium">' +
    '<text>Hello from the benchmark, a payload of usual size</text></binding></visual></tile>',
)

export function headersOf(token: string): Readonly<Record<string, string>> {
  return {
    Authorization: `Bearer ${token}`,
    'Content-Type': 'text/xml',
    'X-WNS-Type': 'wns/tile',
    'X-WNS-TTL': '86400',
    'MS-CV': 'AAAAAAAAAAAAAAAAAAAAAA.0',
  }
}

/** The request target of the nth post of a contender, with a channel of its own. */
export function pathOf(name: string, n: number): string {
  return `/?token=ok.any.${name}-${n}`
}

/** The connection of the simulator in place of WNS. */
export function tlsOptions({ host, port, caFile }: LoopOptions): ConnectionOptions {
  return { host, port, servername: HOST, ca: readFileSync(caFile), ALPNProtocols: ['http/1.1'] }
}

/** The same for a client that makes its connections itself. */
export function connector(options: LoopOptions) {
  const target = tlsOptions(options)
  return (
    _given: unknown,
    callback: (...args: [error: null, socket: TLSSocket] | [error: Error, socket: null]) => void,
  ): void => {
    const socket = connect(target)
    socket.once('secureConnect', () => callback(null, socket))
    socket.once('error', (error) => callback(error, null))
  }
}

/** As many promises in turn as there are connections. */
export async function inTurns(posts: number, connections: number, one: (n: number) => Promise<void>): Promise<void> {
  let next = 0
  const turn = async (): Promise<void> => {
    while (next < posts) {
      const n = next
      next += 1
      await one(n)
    }
  }
  await Promise.all(Array.from({ length: connections }, turn))
}

export function expectOk(status: number | undefined): void {
  if (status !== 200) throw new Error(`the simulator answered ${status}`)
}
