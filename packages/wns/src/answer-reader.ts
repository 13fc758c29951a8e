import type { AnswerHeaders } from './answer.ts'

/** Largest head and largest body of an answer. WNS sends a head of a few hundred bytes and no body. */
export const MAX_HEAD_BYTES = 16_384
export const MAX_BODY_BYTES = 65_536

export type AnswerProblem = 'protocol' | 'too-large'
/** `more`: not complete yet. `complete`: `status` and `headers` are set. A problem: the connection is unusable. */
export type Progress = 'more' | 'complete' | AnswerProblem

/** A line of a head, with its name if the header is kept. */
interface HeaderLine {
  readonly text: string
  readonly name: string | undefined
  readonly value: string
}

const endOfHead = Buffer.from('\r\n\r\n')
const empty = Buffer.alloc(0)

/**
 * Reads the answers to posts from the bytes of one connection, one after another: `start`, then `push` each chunk until
 * the answer is complete. It is stricter than RFC 9112: bytes that two readers could read differently are a problem,
 * because the rest of a wrongly cut answer would be taken for the answer to the next post.
 *
 * Only the headers that `classify` and the lane use are kept, with names in lower case. Bodies are skipped.
 */
export class AnswerReader {
  status = 0
  headers: Record<string, string | string[]> & AnswerHeaders = {}
  /** May the connection carry another post after this answer? */
  isReusable = false
  /** Did more bytes arrive than the answer has? They answer no post. */
  hasSurplus = false

  #phase: 'head' | 'length' | 'chunks' | 'until-end' = 'head'
  /** Unread bytes of a head or of chunks. */
  #held: Buffer = empty
  #bodyBytesLeft = 0
  #bodyBytes = 0
  #announcementBytes = 0
  /** The lines of the last head: most are the same in the next one, and are not read again. */
  #statusLine = ''
  #status: Pick<AnswerReader, 'status' | 'isReusable'> | undefined
  #lines: HeaderLine[] = []

  start(): void {
    this.status = 0
    this.headers = {}
    this.isReusable = false
    this.hasSurplus = false
    this.#phase = 'head'
    this.#held = empty
    this.#bodyBytes = 0
    this.#announcementBytes = 0
  }

  push(chunk: Buffer): Progress {
    switch (this.#phase) {
      case 'head':
        return this.#readHead(this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]))
      case 'length':
        return this.#skip(chunk.length)
      case 'chunks':
        return this.#readChunks(Buffer.concat([this.#held, chunk]))
      case 'until-end':
        this.#bodyBytes += chunk.length
        return this.#bodyBytes > MAX_BODY_BYTES ? 'too-large' : 'more'
      default:
        return this.#phase satisfies never
    }
  }

  /** The server closed the connection: did that complete the answer? */
  end(): boolean {
    return this.#phase === 'until-end'
  }

  #readHead(bytes: Buffer): Progress {
    const end = bytes.indexOf(endOfHead)
    if (end === -1 || end > MAX_HEAD_BYTES) {
      if (bytes.length > MAX_HEAD_BYTES) return 'too-large'
      // Bytes that are no HTTP are reported at once, not after a whole head.
      if (!looksLikeHttp(bytes)) return 'protocol'
      this.#held = bytes
      return 'more'
    }
    if (!this.#parseHead(bytes.toString('latin1', 0, end))) return 'protocol'
    const rest = bytes.length === end + 4 ? empty : bytes.subarray(end + 4)
    if (this.status < 200) {
      // 100 to 199 only announce the answer; 101 would end HTTP on this connection.
      this.#announcementBytes += end
      if (this.status === 101) return 'protocol'
      if (this.#announcementBytes > MAX_HEAD_BYTES) return 'too-large'
      this.#held = empty
      return rest.length === 0 ? 'more' : this.#readHead(rest)
    }
    return this.#startBody(rest)
  }

  #startBody(rest: Buffer): Progress {
    const length = this.headers['content-length']
    const coding = this.headers['transfer-encoding']
    if (coding !== undefined) {
      if (length !== undefined || typeof coding !== 'string' || coding.toLowerCase() !== 'chunked') return 'protocol'
      // Too rare to be worth finding the exact end and reusing the connection.
      this.isReusable = false
      this.#phase = 'chunks'
      return this.#readChunks(rest)
    }
    if (length !== undefined && (typeof length !== 'string' || !/^\d{1,15}$/.test(length))) return 'protocol'
    if (this.status === 204 || this.status === 304) return this.#completeWith(rest.length)
    if (length === undefined) {
      this.isReusable = false
      this.#phase = 'until-end'
      return rest.length === 0 ? 'more' : this.push(rest)
    }
    this.#bodyBytesLeft = Number(length)
    if (this.#bodyBytesLeft > MAX_BODY_BYTES) return 'too-large'
    this.#phase = 'length'
    return this.#skip(rest.length)
  }

  #skip(count: number): Progress {
    if (count < this.#bodyBytesLeft) {
      this.#bodyBytesLeft -= count
      return 'more'
    }
    return this.#completeWith(count - this.#bodyBytesLeft)
  }

  #completeWith(surplusBytes: number): Progress {
    this.hasSurplus = surplusBytes > 0
    if (this.hasSurplus) this.isReusable = false
    return 'complete'
  }

  #readChunks(bytes: Buffer): Progress {
    let at = 0
    for (;;) {
      const lineEnd = bytes.indexOf('\r\n', at)
      if (lineEnd === -1) break
      const size = /^([0-9a-fA-F]{1,6})(?:[ \t]*;[\t\x20-\x7e]*)?$/.exec(bytes.toString('latin1', at, lineEnd))?.[1]
      if (size === undefined) return 'protocol'
      const chunkBytes = Number.parseInt(size, 16)
      if (chunkBytes === 0) return bytes.indexOf(endOfHead, lineEnd) === -1 ? this.#hold(bytes, at) : 'complete'
      if (this.#bodyBytes + chunkBytes > MAX_BODY_BYTES) return 'too-large'
      const next = lineEnd + 2 + chunkBytes + 2
      if (bytes.length < next) break
      if (bytes.toString('latin1', next - 2, next) !== '\r\n') return 'protocol'
      this.#bodyBytes += chunkBytes
      at = next
    }
    return this.#hold(bytes, at)
  }

  #hold(bytes: Buffer, from: number): Progress {
    this.#held = bytes.subarray(from)
    return this.#held.length > MAX_BODY_BYTES + MAX_HEAD_BYTES ? 'too-large' : 'more'
  }

  #parseHead(head: string): boolean {
    const firstEnd = head.indexOf('\r\n')
    if (!this.#parseStatusLine(firstEnd === -1 ? head : head.slice(0, firstEnd))) return false
    this.headers = {}
    let count = 0
    for (let at = firstEnd + 2; at > 1 && at <= head.length;) {
      const line = this.#lineAt(head, at, count)
      if (line === undefined) return false
      this.#lines[count] = line
      count += 1
      if (line.name !== undefined) this.#keep(line.name, line.value)
      at += line.text.length + 2
    }
    this.#lines.length = count
    const connection = this.headers['connection']
    if (connection !== undefined && /close/i.test(String(connection))) this.isReusable = false
    return true
  }

  #parseStatusLine(text: string): boolean {
    if (text !== this.#statusLine || this.#status === undefined) {
      const found = statusLinePattern.exec(text)
      if (found === null) return false
      this.#statusLine = text
      this.#status = { status: Number(found[2]), isReusable: found[1] === '1' }
    }
    this.status = this.#status.status
    this.isReusable = this.#status.isReusable
    return true
  }

  /** The line that begins at `at`; undefined for one that is no header. */
  #lineAt(head: string, at: number, count: number): HeaderLine | undefined {
    const known = this.#lines[count]
    if (known !== undefined && head.startsWith(known.text, at)) {
      const end = at + known.text.length
      if (end === head.length || head.startsWith('\r\n', end)) return known
    }
    const lineEnd = head.indexOf('\r\n', at)
    return parseLine(head.slice(at, lineEnd === -1 ? head.length : lineEnd))
  }

  #keep(name: string, value: string): void {
    const found = this.headers[name]
    if (found === undefined) this.headers[name] = value
    else if (typeof found === 'string') this.headers[name] = [found, value]
    else found.push(value)
  }
}

function parseLine(text: string): HeaderLine | undefined {
  const colon = text.indexOf(':')
  if (colon === -1) return undefined
  const name = text.slice(0, colon)
  // A folded line begins with a space, which no name contains.
  if (!namePattern.test(name)) return undefined
  const value = text.slice(colon + 1)
  if (!valuePattern.test(value)) return undefined
  const key = name.toLowerCase()
  return { text, name: isKept(key) ? key : undefined, value: value.trim() }
}

const statusLinePattern = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/
const namePattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const valuePattern = /^[\t\x20-\x7e\x80-\xff]*$/
const keptNames = new Set(['content-length', 'transfer-encoding', 'connection', 'keep-alive', 'ms-cv', 'retry-after'])

function isKept(name: string): boolean {
  return name.startsWith('x-wns-') || keptNames.has(name)
}

function looksLikeHttp(bytes: Buffer): boolean {
  const beginning = bytes.toString('latin1', 0, 7)
  return beginning === 'HTTP/1.'.slice(0, beginning.length)
}
