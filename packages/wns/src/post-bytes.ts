/** Why a post cannot be written. */
export type PostProblem = 'invalid-path' | 'invalid-header'

const pathPattern = /^\/[\x21-\x7e]*$/
const namePattern = /^[A-Za-z0-9-]{1,64}$/
const valuePattern = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/
// The lane writes these itself; a second one could end the request at another place.
const ownNames = /^(?:host|content-length|transfer-encoding|connection|expect|upgrade|trailer|te)$/i

/**
 * Turns the posts of one sender into bytes. The posts of a batch share their headers, so the text of the headers is
 * made again only when one of them differs.
 */
export class PostWriter {
  #headers: readonly string[] = []
  #text: string | undefined = ''

  /** Why a post with this path and these headers cannot be written; undefined when it can. */
  problem(path: string, headers: readonly string[]): PostProblem | undefined {
    if (!pathPattern.test(path)) return 'invalid-path'
    if (!isSameList(this.#headers, headers)) {
      this.#headers = headers.slice()
      this.#text = headerText(headers)
    }
    return this.#text === undefined ? 'invalid-header' : undefined
  }

  /**
   * The whole request as one buffer, with the headers that `problem` checked last. Path and body are not changed, and
   * the length is in bytes.
   */
  bytes(host: string, path: string, body: Buffer): Buffer {
    const head = `POST ${path} HTTP/1.1\r\nHost: ${host}\r\n${this.#text ?? ''}Content-Length: ${body.length}\r\n\r\n`
    const bytes = Buffer.allocUnsafe(head.length + body.length)
    bytes.write(head, 0, 'latin1')
    bytes.set(body, head.length)
    return bytes
  }
}

function isSameList(one: readonly string[], other: readonly string[]): boolean {
  if (one.length !== other.length) return false
  for (let index = 0; index < one.length; index += 1) if (one[index] !== other[index]) return false
  return true
}

function headerText(headers: readonly string[]): string | undefined {
  let text = ''
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? ''
    const value = headers[index + 1] ?? ''
    if (!namePattern.test(name) || ownNames.test(name) || !valuePattern.test(value)) return undefined
    text += `${name}: ${value}\r\n`
  }
  return text
}
