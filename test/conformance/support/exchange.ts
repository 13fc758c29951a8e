import type { Notification, Outcome, PreparedMessage } from '@wns-fanout/domain'
import { bodyFor, lintNotification, notificationSchema, parseChannelUri, prepareMessage } from '@wns-fanout/domain'
import type { LanePool, LanePoolOptions, Transport } from '@wns-fanout/wns'
import { createLanePool, createTransport, postHeaders } from '@wns-fanout/wns'
import type { Behave } from './wire-server.ts'
import { WireServer } from './wire-server.ts'

export const CHANNEL = 'https://db5p.notify.windows.com/?token=AwYAAABq%2fx%2bA%3d'
export const TOKEN = 'EgAcAQMAAAAALYAAY/c+Huwi3Fv4Ck10UrKNmtxRO6Njk2MgA='

export interface PostOptions {
  readonly uri?: string
  readonly token?: string
  readonly ttlSeconds?: number
  readonly msCv?: string
  readonly vars?: Readonly<Record<string, string>>
  readonly locale?: string
}

/** The sender as the worker wires it, without queue and ledger, in front of a test server. */
export interface Exchange extends AsyncDisposable {
  readonly server: WireServer
  readonly transport: Transport
  readonly pool: LanePool
  /** Lint, prepare, write headers and post one notification. */
  post(notification: unknown, options?: PostOptions): Promise<Outcome>
}

export const toast: Notification = {
  type: 'toast',
  xml: '<toast><visual><binding template="ToastGeneric"><text>Hello</text></binding></visual></toast>',
}

export async function startExchange(behave: Behave, options: LanePoolOptions = {}): Promise<Exchange> {
  const server = await WireServer.start(behave)
  const transport = createTransport({ routeTo: `127.0.0.1:${server.port}`, ca: server.ca })
  const pool = createLanePool(transport, options)
  return {
    server,
    transport,
    pool,
    post: (notification, post = {}) => postOne(pool, notification, post),
    [Symbol.asyncDispose]: async () => {
      pool.abortAll()
      await pool.stop()
      await server.stop()
    },
  }
}

function postOne(pool: LanePool, unknown: unknown, options: PostOptions): Promise<Outcome> {
  const notification = notificationSchema.parse(unknown)
  const errors = lintNotification(notification, { credentialsKind: 'store' })
  if (errors.length > 0) throw new Error(`the notification has errors: ${errors.map(({ code }) => code).join(', ')}`)
  const parsed = parseChannelUri(options.uri ?? CHANNEL)
  if (!parsed.ok) throw new Error(parsed.detail)
  const message = prepareMessage(notification)
  const headers = postHeaders(message, {
    token: options.token ?? TOKEN,
    ttlSeconds: options.ttlSeconds,
    msCv: options.msCv,
  })
  const body = bodyOf(message, options.vars, options.locale)
  const { origin, path } = parsed.uri
  return postBytes(pool, origin, path, headers, body)
}

/** The body for a recipient. Throws on one that the sender would not post. */
export function bodyOf(message: PreparedMessage, vars?: Readonly<Record<string, string>>, locale?: string): Buffer {
  const rendered = bodyFor(message, vars, locale)
  if (!rendered.ok) throw new Error(`the body is rejected: ${rendered.reason}`)
  return rendered.body
}

/** One post, as a promise; it waits for a lane as a sender does. */
export function postBytes(
  pool: LanePool,
  origin: string,
  path: string,
  headers: string[],
  body: Buffer,
): Promise<Outcome> {
  return new Promise((resolve) => {
    const start = (): void => void lanes.tryPost(origin, path, headers, body, 0)
    const done = (_context: number, outcome: Outcome): void => {
      lanes.leave()
      resolve(outcome)
    }
    const lanes = pool.join('news', { done, onFree: start })
    start()
  })
}
