import type { TokenTrust } from './token-trust.ts'
import type { TokenSource } from './types.ts'

export interface TokenInUseOptions {
  readonly source: TokenSource
  readonly trust: TokenTrust
  /** Called after each request, successful or not. */
  readonly onDone: () => void
  /** Called when there is no token now. */
  readonly onFailed: (error: unknown) => void
  /** Gets what `onDone` and `onFailed` throw. */
  readonly onError: (error: unknown) => void
}

/** The token that the posts of one batch carry; at most one request for another one is under way. */
export class TokenInUse {
  readonly #options: TokenInUseOptions
  #isAsking = false
  /** The token that is being replaced. */
  #refused: string | undefined

  constructor(options: TokenInUseOptions) {
    this.#options = options
  }

  /** The token to post with now; undefined while there is none, and while this batch has it replaced. */
  current(): string | undefined {
    const token = this.#options.source.current()
    return this.#isAsking && token === this.#refused ? undefined : token
  }

  /** Get a token where there is none. */
  fetch(): void {
    this.#ask(undefined, () => this.#options.source.fetch())
  }

  /** Replace a token that WNS refused, unless another batch has had it replaced already. */
  renew(refused: string): void {
    const { source } = this.#options
    if (source.current() === refused) this.#ask(refused, () => this.#renew(refused))
  }

  /** Get the newest token that the app may have now. */
  refresh(): void {
    const { source } = this.#options
    this.#ask(source.current(), async () => {
      await source.fetch()
      const token = source.current()
      if (token === undefined) return
      this.#refused = token
      await this.#renew(token)
    })
  }

  async #renew(refused: string): Promise<void> {
    const { source, trust } = this.#options
    const waitMs = await source.renew(refused)
    const token = source.current()
    if (token !== undefined) trust.newest(token, performance.now() + waitMs)
  }

  #ask(refused: string | undefined, work: () => Promise<void>): void {
    if (this.#isAsking) return
    this.#isAsking = true
    this.#refused = refused
    void work()
      .catch((error: unknown) => this.#options.onFailed(error))
      .finally(() => {
        this.#isAsking = false
        this.#options.onDone()
      })
      .catch((error: unknown) => this.#options.onError(error))
  }
}
