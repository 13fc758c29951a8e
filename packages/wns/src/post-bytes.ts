/** Why a post cannot be written. */
export type PostProblem = 'invalid-path' | 'invalid-header'

const pathPattern = /^\/[\x21-\x7e]*$/
const namePattern = /^[A-Za-z0-9-]{1,64}$/
const valuePattern = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/
// The lane writes these itself; a second one could end the request at another place.
const ownNames = /^(?:host|content-length|transfer-encoding|connection|expect|upgrade|trailer|te)$/i

/**
 * Turns the posts of one sender into bytes. The posts of a batch share their headers except for one value, so what
 * comes before and after that value is checked and joined once.
 */
export class PostWriter {
  #path = ''
  #isPathValid = false
  #headers: (string | undefined)[] = []
  /** The lines of the headers; undefined for one that is not valid. */
  #lines: (string | undefined)[] = []
  #areHeadersValid = true
  /** The header that changed last. */
  #changed = 0
  #before = ''
  #after = ''

  /** Why a post with this path and these headers cannot be written; undefined when it can. */
  problem(path: string, headers: readonly string[]): PostProblem | undefined {
    // The same path comes again after a post that found no lane.
    if (path !== this.#path) {
      this.#path = path
      this.#isPathValid = pathPattern.test(path)
    }
    if (!this.#isPathValid) return 'invalid-path'
    this.#readHeaders(headers)
    return this.#areHeadersValid ? undefined : 'invalid-header'
  }

  /**
   * The whole request as one buffer, with the headers that `problem` checked last. Path and body are not changed, and
   * the length is in bytes.
   */
  bytes(host: string, path: string, body: Buffer): Buffer {
    const line = this.#lines[this.#changed] ?? ''
    const head = `POST ${path} HTTP/1.1\r\nHost: ${host}\r\n${this.#before}${line}${this.#after}Content-Length: ${body.length}\r\n\r\n`
    const bytes = Buffer.allocUnsafe(head.length + body.length)
    bytes.write(head, 0, 'latin1')
    bytes.set(body, head.length)
    return bytes
  }

  #readHeaders(headers: readonly string[]): void {
    let isOtherChanged = headers.length !== this.#headers.length
    let isChanged = isOtherChanged
    if (isOtherChanged) {
      this.#headers = Array.from(headers, () => undefined)
      this.#lines = []
    }
    for (let at = 0; at < headers.length; at += 2) {
      const name = headers[at] ?? ''
      const value = headers[at + 1] ?? ''
      const line = at / 2
      const isSameName = name === this.#headers[at]
      if (isSameName && value === this.#headers[at + 1]) continue
      const isKnownName = isSameName && this.#lines[line] !== undefined
      this.#lines[line] = isKnownName || isName(name) ? headerLine(name, value) : undefined
      this.#headers[at] = name
      this.#headers[at + 1] = value
      isChanged = true
      if (line !== this.#changed) isOtherChanged = true
      this.#changed = line
    }
    if (isOtherChanged) this.#joinOthers()
    if (isChanged) this.#areHeadersValid = !this.#lines.includes(undefined)
  }

  #joinOthers(): void {
    this.#before = this.#lines.slice(0, this.#changed).join('')
    this.#after = this.#lines.slice(this.#changed + 1).join('')
  }
}

function isName(name: string): boolean {
  return namePattern.test(name) && !ownNames.test(name)
}

/** Undefined for a value that must not be written. */
function headerLine(name: string, value: string): string | undefined {
  return valuePattern.test(value) ? `${name}: ${value}\r\n` : undefined
}
