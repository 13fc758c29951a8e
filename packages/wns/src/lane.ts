import type { Outcome } from '@wns-fanout/domain'
import type { Dispatcher } from 'undici'
import { Client } from 'undici'
import type { AnswerHeaders } from './answer.ts'
import { classify } from './classify.ts'
import { ConnectError } from './connect-error.ts'
import type { Transport } from './transport.ts'

/** Whoever hears about the end of posts and of lanes. */
export interface LaneOwner {
  /** The post is over. The lane is free for the next one, unless `closed` was called before. */
  finished(lane: Lane, outcome: Outcome, durationMs: number): void
  /** The lane is finished for good and has given up its connection. */
  closed(lane: Lane): void
}

export interface LaneLimits {
  /** Close a connection that was silent for so long. */
  readonly idleMs: number
  readonly maxHeaderBytes: number
  readonly maxBodyBytes: number
}

/**
 * One keep-alive connection to one origin that carries one post at a time.
 *
 * free → `post` → connecting (when there is no connection yet) → written → answered → free.
 * Any failure ends in closed; so does the other side closing a free lane, and `close`. A closed lane ignores whatever
 * the library still reports.
 *
 * The lane itself is the handler of its posts: nothing is allocated for a post but what the library allocates. The
 * library answers for these, each shown by a test with a raw server: bytes that arrive while nothing is under way kill
 * the connection; before a used connection is written to again it lets one turn of the loop pass, so that bytes already
 * received are seen; a connection that dies before a post was written is replaced without writing that post twice.
 */
export class Lane implements Dispatcher.DispatchHandler {
  readonly origin: string
  readonly #owner: LaneOwner
  readonly #client: Client
  readonly #request: { method: 'POST'; path: string; headers: string[]; body: Buffer }
  #giveUpConnecting: (() => void) | undefined
  #closing: Promise<void> | undefined
  #isConnected = false
  #isDispatching = false
  /** Bytes of the post may have left. */
  #isWritten = false
  #isBusy = false
  #status = 0
  #answerHeaders: AnswerHeaders = {}
  #startedAtMs = 0

  constructor(host: string, transport: Transport, limits: LaneLimits, owner: LaneOwner) {
    this.origin = `https://${host}`
    this.#owner = owner
    this.#request = { method: 'POST', path: '/', headers: [], body: Buffer.alloc(0) }
    this.#client = new Client(this.origin, {
      allowH2: false,
      pipelining: 1,
      keepAliveTimeout: limits.idleMs,
      keepAliveMaxTimeout: limits.idleMs,
      maxHeaderSize: limits.maxHeaderBytes,
      maxResponseSize: limits.maxBodyBytes,
      // The owner's deadline covers the whole post; these would only restart with every dripping byte.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: (_options, callback) => {
        this.#giveUpConnecting = transport.open(host, (error, socket) => {
          this.#giveUpConnecting = undefined
          if (socket === null) callback(error ?? new ConnectError('connect', 'no connection'), null)
          else callback(null, socket)
        })
      },
    })
    this.#client.on('connect', () => {
      this.#isConnected = true
    })
    this.#client.on('disconnect', () => {
      this.#isConnected = false
      if (!this.#isBusy) void this.close()
    })
  }

  get isConnected(): boolean {
    return this.#isConnected
  }

  get isBusy(): boolean {
    return this.#isBusy
  }

  /** Monotonic milliseconds when the present post began. */
  get startedAtMs(): number {
    return this.#startedAtMs
  }

  /** Begin a post on a free lane; the owner hears of its end, never before this returned. */
  post(path: string, headers: string[], body: Buffer, nowMs: number): void {
    this.#isBusy = true
    this.#isWritten = false
    this.#status = 0
    this.#startedAtMs = nowMs
    if (path.charCodeAt(0) !== 47) {
      // The library would take `https://…` here and send it to the host of this lane.
      queueMicrotask(() => this.#fail({ kind: 'not-sent', code: 'invalid-path' }))
      return
    }
    const request = this.#request
    request.path = path
    request.headers = headers
    request.body = body
    this.#isDispatching = true
    this.#client.dispatch(request, this)
    this.#isDispatching = false
  }

  /** End the present post, if there is one, because of the deadline or a stop, and the lane with it. */
  abandon(code: 'timeout' | 'stopped'): void {
    if (this.#isBusy) this.#fail(this.#isWritten ? { kind: 'ambiguous', code } : { kind: 'not-sent', code })
    else void this.close()
  }

  /** Give up the connection; resolves when the socket is closed. */
  close(): Promise<void> {
    if (this.#closing !== undefined) return this.#closing
    this.#closing = new Promise((resolve) => {
      // Not at once: the library may be in the middle of telling this lane something.
      queueMicrotask(() => {
        this.#giveUpConnecting?.()
        this.#client.destroy(null, resolve)
      })
    })
    this.#owner.closed(this)
    return this.#closing
  }

  onRequestStart(): void {
    this.#isWritten = true
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: AnswerHeaders): void {
    // 100 to 199 only announce the answer.
    if (status < 200) return
    this.#status = status
    this.#answerHeaders = headers
  }

  /** The library requires it; what WNS answers is all in the headers. */
  onResponseData(): void {}

  onResponseEnd(): void {
    if (this.#isBusy) this.#finish(classify(this.#status, this.#answerHeaders, Date.now()))
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    const outcome = failureOf(error, this.#isWritten)
    if (this.#isDispatching) queueMicrotask(() => this.#fail(outcome))
    else this.#fail(outcome)
  }

  #fail(outcome: Outcome): void {
    if (!this.#isBusy) return
    // What the library refused to write at all says nothing about the connection.
    const isRefusal = outcome.kind === 'not-sent' && outcome.code.startsWith('invalid-')
    if (!isRefusal || !this.#isConnected) void this.close()
    this.#finish(outcome)
  }

  #finish(outcome: Outcome): void {
    this.#isBusy = false
    this.#owner.finished(this, outcome, performance.now() - this.#startedAtMs)
  }
}

const failureOf = (error: Error, isWritten: boolean): Outcome => {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (isWritten) return { kind: 'ambiguous', code: ambiguousCode(code) }
  if (error instanceof ConnectError) return { kind: 'not-sent', code: error.code }
  if (code === 'UND_ERR_INVALID_ARG')
    return { kind: 'not-sent', code: error.message.includes('path') ? 'invalid-path' : 'invalid-header' }
  return { kind: 'not-sent', code: 'connect' }
}

const ambiguousCode = (code: string): string => {
  switch (code) {
    case 'ECONNRESET':
    case 'EPIPE':
      return 'reset'
    case 'ETIMEDOUT':
      return 'timeout'
    case 'UND_ERR_HEADERS_OVERFLOW':
    case 'UND_ERR_RES_EXCEEDED_MAX_SIZE':
      return 'too-large'
    case 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH':
      return 'protocol'
    case 'UND_ERR_SOCKET':
      return 'closed'
    default:
      return code.startsWith('HPE_') ? 'protocol' : 'reset'
  }
}
