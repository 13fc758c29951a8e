import { randomBytes } from 'node:crypto'
import type { PreparedMessage } from '@wns-fanout/domain'
import { postHeaders } from '@wns-fanout/wns'
import type { OpenBatch } from '@wns-fanout/state'

/**
 * The headers of the posts of one opened batch. They are made once for each token. Only the correlation vector changes;
 * it is replaced in the same list. That is safe because a lane copies the list before `tryPost` returns.
 */
export class PostHeaders {
  readonly #message: PreparedMessage
  readonly #ttlSeconds: number | undefined
  readonly #base: string
  #count = 0
  #list: string[] = []
  #vectorAt = -1
  /** The token the current list was made with. */
  token = ''

  constructor(message: PreparedMessage, opened: OpenBatch) {
    this.#message = message
    const leftSeconds = Math.max(1, Math.floor((opened.expiresAtMs - opened.redisNowMs) / 1000))
    this.#ttlSeconds = message.ttlSeconds === undefined ? leftSeconds : Math.min(message.ttlSeconds, leftSeconds)
    // 16 random bytes are the 22 characters that a correlation vector of version 2 begins with.
    this.#base = randomBytes(16).toString('base64url').slice(0, 22).replaceAll('-', '+').replaceAll('_', '/')
  }

  next(token: string): string[] {
    if (token !== this.token) this.#make(token)
    this.#list[this.#vectorAt] = `${this.#base}.${this.#count}`
    this.#count += 1
    return this.#list
  }

  #make(token: string): void {
    this.token = token
    this.#list = postHeaders(this.#message, {
      token,
      msCv: `${this.#base}.0`,
      ...(this.#ttlSeconds === undefined ? {} : { ttlSeconds: this.#ttlSeconds }),
    })
    this.#vectorAt = this.#list.findIndex((name) => name.toLowerCase() === 'ms-cv') + 1
  }
}
