import type { Outcome } from '@wns-fanout/domain'
import type { LanePool, LanePoolOptions, LaneSender, Transport, TransportOptions } from '../../src/index.ts'
import { createLanePool, createTransport, postHeaders } from '../../src/index.ts'
import type { Certificates } from './certificates.ts'
import { makeCertificates } from './certificates.ts'
import type { Behavior, RawServer, RawServerOptions } from './raw-server.ts'
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
  /** A sender that starts posts until none is accepted, and counts. */
  sender(group?: string, options?: SenderOptions): TestSender
  [Symbol.asyncDispose](): Promise<void>
}

export const headers = postHeaders(
  { type: 'toast', contentType: 'text/xml', headers: { 'X-WNS-Type': 'wns/toast' } },
  { token: 'token-of-the-app', msCv: 'abcdefghijklmnopqrstuv.0' },
)

export async function setup(
  behave: Behavior,
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
    sender: (group = 'news', senderOptions = {}) => new TestSender(pool, group, senderOptions),
    [Symbol.asyncDispose]: async () => {
      pool.abortAll()
      await pool.stop()
      await server.stop()
    },
  }
}

export interface SenderOptions {
  readonly origin?: string
  /** Post again whenever a post ended or a lane became free. */
  readonly isEager?: boolean
}

/** One sender of a pool, with counts of its posts and calls. */
export class TestSender {
  readonly #lanes: LaneSender
  readonly #origin: string
  #isEager: boolean
  started = 0
  done = 0
  /** Calls of `onFree`. */
  called = 0

  constructor(pool: LanePool, group: string, { origin = ORIGIN, isEager = false }: SenderOptions) {
    this.#origin = origin
    this.#isEager = isEager
    this.#lanes = pool.join(group, {
      done: () => {
        this.done += 1
        if (this.#isEager) this.fill()
      },
      onFree: () => {
        this.called += 1
        if (this.#isEager) this.fill()
      },
    })
  }

  /** Start one post; false when the sender was refused. */
  tryPost(): boolean {
    const isStarted = this.#lanes.tryPost(this.#origin, '/', headers, Buffer.from('x'), this.started)
    if (isStarted) this.started += 1
    return isStarted
  }

  /** Start posts until one is refused; returns how many started. */
  fill(): number {
    const before = this.started
    while (this.tryPost());
    return this.started - before
  }

  /** Start no more posts on its own. */
  rest(): void {
    this.#isEager = false
  }

  leave(): void {
    this.#lanes.leave()
  }
}

/** One post of a sender of its own; rejects when no lane is free. */
export function postOn(pool: LanePool, path: string, body: Buffer | string, origin = ORIGIN): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const lanes = pool.join('news', {
      done: (_context, outcome, durationMs) => {
        lanes.leave()
        resolve({ outcome, durationMs })
      },
      onFree: () => {},
    })
    if (lanes.tryPost(origin, path, headers, Buffer.from(body), 0)) return
    lanes.leave()
    reject(new Error('the pool had no lane for this post'))
  })
}

/** Post `count` times, each post from within the answer to the one before: the hardest case for a lane. */
export function oneAfterAnother({ pool }: Setup, count: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const kinds: string[] = []
    const post = (): void => {
      if (!lanes.tryPost(ORIGIN, '/', headers, Buffer.from('x'), 0)) reject(new Error('no lane'))
    }
    const lanes = pool.join('news', {
      done: (_context, outcome) => {
        kinds.push(outcome.kind)
        if (kinds.length < count) return post()
        lanes.leave()
        resolve(kinds)
      },
      onFree: () => {},
    })
    post()
  })
}
