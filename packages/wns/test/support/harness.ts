import type { Outcome } from '@wns-fanout/domain'
import type { LanePool, LanePoolOptions, Transport, TransportOptions } from '../../src/index.ts'
import { createLanePool, createTransport, postHeaders } from '../../src/index.ts'
import type { Certificates } from './certificates.ts'
import { makeCertificates } from './certificates.ts'
import type { Behaviour, RawServer, RawServerOptions } from './raw-server.ts'
import { startRawServer } from './raw-server.ts'

export const HOST = 'db5p.notify.windows.com'
export const ORIGIN = `https://${HOST}`
const names = ['*.notify.windows.com', 'login.live.com', 'login.microsoftonline.com']

let shared: Promise<Certificates> | undefined
/** Made once for each test file: keys cost time. */
export function wnsCertificates(): Promise<Certificates> {
  return (shared ??= makeCertificates(names))
}

export interface Finished {
  readonly outcome: Outcome
  readonly durationMs: number
}

export interface Setup {
  readonly server: RawServer
  readonly transport: Transport
  readonly pool: LanePool
  /** Post and wait; fails when no lane is free. */
  post(path?: string, body?: Buffer | string, origin?: string): Promise<Finished>
  [Symbol.asyncDispose](): Promise<void>
}

export const headers = postHeaders(
  { type: 'toast', contentType: 'text/xml', headers: { 'X-WNS-Type': 'wns/toast' } },
  { token: 'token-of-the-app', msCv: 'abcdefghijklmnopqrstuv.0' },
)

export async function setup(
  behave: Behaviour,
  options: LanePoolOptions & {
    transport?: TransportOptions
    server?: RawServerOptions
    certificates?: Certificates
  } = {},
): Promise<Setup> {
  const { ca } = await wnsCertificates()
  const server = await startRawServer(options.certificates ?? (await wnsCertificates()), behave, options.server)
  const transport = createTransport({ routeTo: `127.0.0.1:${server.port}`, ca, ...options.transport })
  const pool = createLanePool(transport, options)
  return {
    server,
    transport,
    pool,
    post: (path = '/?token=T', body = '<toast/>', origin = ORIGIN) => postOn(pool, path, body, origin),
    [Symbol.asyncDispose]: async () => {
      pool.abortAll()
      await pool.stop()
      await server.stop()
    },
  }
}

export function postOn(pool: LanePool, path: string, body: Buffer | string, origin = ORIGIN): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const started = pool.tryPost(
      origin,
      path,
      headers,
      Buffer.from(body),
      (_context, outcome, durationMs) => {
        resolve({ outcome, durationMs })
      },
      0,
    )
    if (!started) reject(new Error('the pool had no lane for this post'))
  })
}

/** Wait until something holds; fails after ten seconds. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  const endMs = performance.now() + 10_000
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`waited ten seconds until ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
