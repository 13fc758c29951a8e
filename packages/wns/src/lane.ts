import type { TLSSocket } from 'node:tls'
import type { Outcome } from '@wns-fanout/domain'
import { AnswerReader } from './answer-reader.ts'
import { classify } from './classify.ts'
import type { ConnectError } from './connect-error.ts'
import type { Transport } from './transport.ts'

/** The pool that a lane reports to. */
export interface LaneOwner {
  /** The lane is connected, or failed to connect. Called once, before `finished` and `closed`. */
  connected(): void
  /** The post ended, and the lane is free again unless `closed` was called before. */
  finished(outcome: Outcome, durationMs: number): void
  /** The lane is closed and will not be used again. */
  closed(): void
}

// How long a lane waits for a second answer, see `#awaitSecondAnswer`. Two small answers in a row arrive 40 ms apart if
// Nagle's algorithm meets a delayed acknowledgement.
const MIN_DOUBT_MS = 60
const MAX_DOUBT_MS = 1_000
/** Turns of the event loop; sockets are read in each of them. */
const DOUBT_TURNS = 3

/**
 * One keep-alive connection to one host that carries one post at a time. It writes to the TLS socket itself: for
 * requests and answers this small, a general HTTP client costs more CPU than TLS does.
 *
 * free → `post` → connecting (the first time) → waiting → [doubting] → free.
 * Every failure leads to closed, and so do bytes that answer no post. A closed lane ignores every event.
 */
export class Lane {
  readonly #owner: LaneOwner
  readonly #reader = new AnswerReader()
  #state: 'connecting' | 'free' | 'waiting' | 'doubting' | 'closed' = 'connecting'
  #isConnecting = true
  #giveUpConnecting: () => void
  #socket: TLSSocket | undefined
  #request: Buffer | undefined
  #postsOnConnection = 0
  #keepAliveMs = Number.POSITIVE_INFINITY
  #startedAtMs = 0
  #typicalMs = 0
  #doubted: { outcome: Outcome; durationMs: number; timer: NodeJS.Timeout } | undefined
  readonly #gone = Promise.withResolvers<void>()

  /** Start to connect. The first post may be given at once. */
  constructor(host: string, transport: Transport, owner: LaneOwner) {
    this.#owner = owner
    this.#giveUpConnecting = transport.open(host, (error, socket) => this.#connected(error, socket))
  }

  get isConnected(): boolean {
    return this.#socket !== undefined
  }

  /** Monotonic milliseconds at which the current or last post started. */
  get startedAtMs(): number {
    return this.#startedAtMs
  }

  /** How long the server keeps a free connection, as announced by its last answer. */
  get keepAliveMs(): number {
    return this.#keepAliveMs
  }

  /** Resolves when the lane and its socket are closed. */
  get gone(): Promise<void> {
    return this.#gone.promise
  }

  /** Start a post on a lane that is new or free. `finished` is called at its end, never before this returns. */
  post(request: Buffer, nowMs: number): void {
    this.#startedAtMs = nowMs
    if (this.#socket === undefined) this.#request = request
    else this.#write(this.#socket, request)
  }

  /** End the lane and the post it carries, if any. */
  abandon(code: 'timeout' | 'stopped'): void {
    switch (this.#state) {
      case 'connecting':
        return this.#fail({ kind: 'not-sent', code })
      case 'waiting':
        return this.#fail({ kind: 'ambiguous', code })
      case 'doubting':
        return this.#acceptDoubted()
      case 'free':
        return this.close()
      case 'closed':
        return
      default:
        return this.#state satisfies never
    }
  }

  /** Close the connection. A post under way is not reported; use `abandon` for that. */
  close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    clearTimeout(this.#doubted?.timer)
    const socket = this.#socket
    if (socket === undefined) {
      this.#reportConnected()
      this.#giveUpConnecting()
      this.#gone.resolve()
    } else {
      if (socket.closed) this.#gone.resolve()
      else socket.once('close', () => this.#gone.resolve())
      socket.destroy()
    }
    this.#owner.closed()
  }

  #connected(error: ConnectError | null, socket: TLSSocket | null): void {
    this.#reportConnected()
    if (socket === null) return this.#fail({ kind: 'not-sent', code: error?.code ?? 'connect' })
    if (this.#state === 'closed') return void socket.destroy()
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#received(chunk))
    socket.on('error', (cause) => this.#broken('code' in cause && cause.code === 'ETIMEDOUT' ? 'timeout' : 'reset'))
    socket.on('end', () => this.#ended())
    socket.on('close', () => this.#broken('closed'))
    this.#state = 'free'
    const request = this.#request
    this.#request = undefined
    if (request !== undefined) this.#write(socket, request)
  }

  #reportConnected(): void {
    if (this.#isConnecting) this.#owner.connected()
    this.#isConnecting = false
  }

  #write(socket: TLSSocket, request: Buffer): void {
    this.#state = 'waiting'
    this.#postsOnConnection += 1
    this.#reader.start()
    socket.write(request)
  }

  #received(chunk: Buffer): void {
    if (this.#state === 'waiting') {
      const progress = this.#reader.push(chunk)
      if (progress === 'complete') this.#answered()
      else if (progress !== 'more') this.#fail({ kind: 'ambiguous', code: progress })
    } else if (this.#state === 'doubting') {
      // There is one answer too many, and either could be the one to this post.
      this.#fail({ kind: 'ambiguous', code: 'desync' })
    } else this.close()
  }

  #ended(): void {
    if (this.#state === 'waiting' && this.#reader.end()) this.#answered()
    else this.#broken('closed')
  }

  #broken(code: 'reset' | 'timeout' | 'closed'): void {
    if (this.#state === 'waiting') this.#fail({ kind: 'ambiguous', code })
    else if (this.#state === 'doubting') this.#acceptDoubted()
    else this.close()
  }

  #answered(): void {
    const durationMs = performance.now() - this.#startedAtMs
    const outcome = classify(this.#reader.status, this.#reader.headers, Date.now())
    this.#keepAliveMs = keepAliveMsOf(this.#reader.headers['keep-alive'])
    if (outcome.kind === 'gone' && this.#postsOnConnection > 1) return this.#awaitSecondAnswer(outcome, durationMs)
    this.#typicalMs += (durationMs - this.#typicalMs) / Math.min(this.#postsOnConnection, 8)
    this.#finish(outcome, durationMs)
  }

  /**
   * A surplus answer that a proxy sends late looks like the answer to the post that was written meanwhile. In HTTP/1.1
   * the only difference is that the true answer follows. To remove a live channel is the one mistake that cannot be
   * repaired, so before a channel is reported as gone the lane waits briefly for a second answer.
   */
  #awaitSecondAnswer(outcome: Outcome, durationMs: number): void {
    if (this.#reader.hasSurplus) return this.#fail({ kind: 'ambiguous', code: 'desync' })
    if (!this.#reader.isReusable) return this.#finish(outcome, durationMs)
    const doubtMs = Math.min(Math.max(2 * this.#typicalMs, MIN_DOUBT_MS), MAX_DOUBT_MS)
    this.#state = 'doubting'
    const timer = setTimeout(() => this.#listenOn(DOUBT_TURNS, timer), doubtMs)
    this.#doubted = { outcome, durationMs, timer }
  }

  /** A busy process may have read nothing for a while: bytes that arrived meanwhile are read before the wait ends. */
  #listenOn(turns: number, timer: NodeJS.Timeout): void {
    if (this.#doubted?.timer !== timer) return
    if (turns === 0) this.#acceptDoubted()
    else setImmediate(() => this.#listenOn(turns - 1, timer))
  }

  #acceptDoubted(): void {
    const doubted = this.#doubted
    if (doubted === undefined || this.#state !== 'doubting') return
    this.#doubted = undefined
    clearTimeout(doubted.timer)
    if (this.#socket?.readable !== true) this.close()
    this.#finish(doubted.outcome, doubted.durationMs)
  }

  #finish(outcome: Outcome, durationMs: number): void {
    if (this.#state !== 'closed') {
      this.#state = 'free'
      if (!this.#reader.isReusable || this.#keepAliveMs <= 0) this.close()
    }
    this.#owner.finished(outcome, durationMs)
  }

  #fail(outcome: Outcome): void {
    if (this.#state === 'closed') return
    this.close()
    this.#owner.finished(outcome, performance.now() - this.#startedAtMs)
  }
}

// A post that is written while the server closes the connection has an unknown end, so the lane closes first.
const KEEP_ALIVE_MARGIN_MS = 1_000

function keepAliveMsOf(header: string | readonly string[] | undefined): number {
  if (header === undefined) return Number.POSITIVE_INFINITY
  const seconds = /timeout\s*=\s*(\d{1,6})/i.exec(String(header))?.[1]
  return seconds === undefined ? Number.POSITIVE_INFINITY : Number(seconds) * 1_000 - KEEP_ALIVE_MARGIN_MS
}
