import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { type Action, plainAction } from './action.ts'
import type { Client } from './clients.ts'
import type { Clock } from './clock.ts'
import { parseHead, type Request } from './request.ts'
import type { Tally } from './tally.ts'

const MAX_HEAD_BYTES = 32_768
const MAX_BODY_BYTES = 1_048_576
const DRIPS = 16
const headEnd = Buffer.from('\r\n\r\n')
const CR = 13
const LF = 10
const methodStart = /^(?:POST|GET|PUT|HEAD|DELETE|OPTIONS|PATCH|TRACE|CONNECT) /

/** Answers the requests of a connection. */
export type Handler = (request: Request, connection: Connection) => Action

/**
 * One TLS connection. It is `reading` (a request is incomplete), `busy` (a request is read and not yet answered; data
 * that arrives meanwhile was pipelined) or `done` (the last answer is written; data that arrives is dropped).
 */
export class Connection {
  readonly host: string
  /** The client of the connection, known after its first authenticated request. */
  client: Client | undefined
  /** Requests answered or being answered. */
  requests = 0
  readonly #raw: Socket
  readonly #socket: TLSSocket
  readonly #handle: Handler
  readonly #tally: Tally
  readonly #clock: Clock
  #state: 'reading' | 'busy' | 'done' = 'reading'
  #received: Buffer | undefined
  #request: Request | undefined
  /** Bytes of the request being read came before the answer to the one before. */
  #early = false
  #timer: NodeJS.Timeout | undefined
  /** When the last answer was written or, if later, the request being read began. */
  #sinceMs: number

  constructor(raw: Socket, socket: TLSSocket, handle: Handler, tally: Tally, clock: Clock) {
    this.#raw = raw
    this.#socket = socket
    this.#handle = handle
    this.#tally = tally
    this.#clock = clock
    this.#sinceMs = clock.nowMs()
    this.host = typeof socket.servername === 'string' ? socket.servername.toLowerCase() : ''
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    // An error of a peer that has left is not relevant.
    socket.on('error', () => socket.destroy())
    socket.on('end', () => socket.end())
    socket.on('close', () => clearTimeout(this.#timer))
  }

  /** Resets the connection without a TLS close. Idempotent. */
  reset(): void {
    this.#state = 'done'
    this.#raw.resetAndDestroy()
  }

  destroy(): void {
    this.#state = 'done'
    this.#socket.destroy()
  }

  /** Closes a connection that is idle for too long, or stops in the middle of a request. */
  sweep(nowMs: number, idleMs: number, partialMs: number): void {
    if (this.#state === 'busy') return
    const sinceMs = nowMs - this.#sinceMs
    const isIdle = this.#state === 'reading' && this.#received === undefined
    if (isIdle ? sinceMs > idleMs : sinceMs > partialMs) this.#leave(isIdle)
  }

  #leave(politely: boolean): void {
    if (!politely) return this.destroy()
    this.#state = 'done'
    this.#socket.end()
  }

  #receive(chunk: Buffer): void {
    if (this.#state === 'done') return
    if (this.#state === 'busy') this.#early = true
    if (this.#received === undefined) {
      this.#received = chunk
      this.#sinceMs = this.#clock.nowMs()
    } else {
      this.#received = Buffer.concat([this.#received, chunk])
    }
    if (this.#state === 'reading') this.#read()
  }

  #read(): void {
    while (this.#state === 'reading' && this.#received !== undefined) {
      const request = this.#nextRequest(this.#received)
      if (request === undefined) return
      if (this.#early) this.#tally.pipelined += 1
      this.#early = this.#received !== undefined
      this.requests += 1
      this.#act(this.#handle(request, this))
    }
  }

  /** Takes one whole request from the received data; undefined when it is incomplete or the connection is lost. */
  #nextRequest(received: Buffer): Request | undefined {
    let rest = received
    if (this.#request === undefined) {
      let start = 0
      while (rest[start] === CR || rest[start] === LF) start += 1
      const end = rest.indexOf(headEnd, start)
      if (end < 0) {
        if (rest.length > MAX_HEAD_BYTES) return this.#refuse(431)
        if (start === rest.length) {
          // Some clients send an empty line after a body; it does not start a request.
          this.#received = undefined
          this.#early = false
        }
        return undefined
      }
      const request = parseHead(rest.toString('latin1', start, end))
      rest = rest.subarray(end + headEnd.length)
      this.#received = rest
      if (typeof request === 'string') return this.#refuse(400)
      if (!this.#isLengthKnown(request)) return this.#refuse(411)
      if (request.contentLength > MAX_BODY_BYTES) return this.#refuse(413)
      this.#request = request
      if (request.expectsContinue && rest.length < request.contentLength) {
        this.#socket.write('HTTP/1.1 100 Continue\r\n\r\n', 'latin1')
      }
    }
    const request = this.#request
    const length = Math.max(0, request.contentLength)
    if (rest.length < length) return undefined
    request.body = rest.subarray(0, length)
    this.#request = undefined
    this.#received = rest.length === length ? undefined : rest.subarray(length)
    if (this.#received !== undefined && isLeftover(this.#received)) {
      // Most likely a Content-Length that counted characters, not bytes.
      this.#tally.wrongLength += 1
      this.#tally.badHeader += 1
      return this.#refuse(400)
    }
    return request
  }

  #isLengthKnown(request: Request): boolean {
    if (request.chunked) this.#tally.chunked += 1
    return !request.chunked && (request.contentLength >= 0 || request.method !== 'POST')
  }

  /** Answers an unreadable request with `Connection: close` and reads no further. */
  #refuse(status: number): undefined {
    this.#tally.badRequest += 1
    this.#received = undefined
    this.#act(plainAction(status, this.#clock.dateLine(this.#clock.nowMs()), '', true))
    return undefined
  }

  #act(action: Action): void {
    this.#state = 'busy'
    if (action.delayMs > 0) this.#timer = setTimeout(() => this.#carryOut(action), action.delayMs)
    else this.#carryOut(action)
  }

  #carryOut(action: Action): void {
    switch (action.act) {
      case 'answer':
        this.#answer(action)
        break
      case 'drip':
        this.#drip(action, 0)
        break
      case 'reset':
        this.reset()
        break
      case 'cut':
        this.#socket.write(action.text.slice(0, action.text.length >> 1), 'latin1', () => this.reset())
        break
      case 'hangup':
        this.#leave(true)
        break
      case 'stall':
        break
      default:
        action.act satisfies never
    }
  }

  #answer(action: Action): void {
    this.#sinceMs = this.#clock.nowMs()
    if (action.close) {
      this.#state = 'done'
      this.#socket.end(action.text, 'latin1')
    } else if (this.#socket.write(action.text, 'latin1')) {
      this.#resume()
    } else {
      this.#socket.once('drain', () => this.#resume())
    }
  }

  #drip(action: Action, piece: number): void {
    const size = Math.ceil(action.text.length / DRIPS)
    const text = action.text.slice(piece * size, (piece + 1) * size)
    if (piece + 1 === DRIPS) return this.#answer({ ...action, act: 'answer', text })
    this.#socket.write(text, 'latin1')
    this.#timer = setTimeout(() => this.#drip(action, piece + 1), action.overMs / DRIPS)
  }

  #resume(): void {
    if (this.#state !== 'busy') return
    this.#state = 'reading'
    // Inside #read its loop continues; after a timer there is no loop.
    if (this.#received !== undefined) queueMicrotask(() => this.#read())
  }
}

/** Whether bytes after a complete body cannot be the start of another request. */
function isLeftover(bytes: Buffer): boolean {
  const start = bytes.toString('latin1', 0, 16).replace(/^[\r\n]+/, '')
  return start !== '' && start.length >= 8 && !methodStart.test(start)
}
