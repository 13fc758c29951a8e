import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AppId, TokenAnswer } from '@wns-fanout/domain'
import type { AppStore } from './apps.ts'
import type { HeldToken, TokenHandle } from './held-token.ts'
import { isAlive, sealToken, unsealToken } from './held-token.ts'
import type { Keyring } from './keyring.ts'
import { UnsealError } from './keyring.ts'
import type { Keys } from './keys.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'
import { TokenLease } from './token-lease.ts'
import type { Refusal } from './token-refusal.ts'
import { TokenRefused, requestFailed, requestTimedOut } from './token-refusal.ts'

const takeLease = loadScript('token-take-lease')
const endLease = loadScript('token-end-lease')
const renewScript = loadScript('token-renew')

/** A request to the token service. `signal` aborts when it takes too long or the lease is lost. */
export type TokenRequest = (app: AppId, signal: AbortSignal) => Promise<TokenAnswer>

export interface TokenPoolOptions {
  /** A permanent refusal opens the app's breaker here, and the next token closes it. */
  readonly breaker?: Pick<AppStore, 'setBreaker' | 'clearBreaker'>
  /** Called after each request to the token service, for metrics. */
  readonly onRequest?: (app: AppId, result: 'ok' | 'refused' | 'failed') => void
  /** Called with failures of refreshes in the background. */
  readonly onError?: (error: unknown) => void
  /** How long the lease of a dead process delays the others; renewed while the process lives. Default 4 s. */
  readonly leaseMs?: number
  /** How long one request to the token service may take. Default 13.5 s. */
  readonly requestMs?: number
  /** Maximum wait of `get`. Default 30 s. */
  readonly waitMs?: number
  /** Between two requests while the token service refuses or rejects. Default a minute. */
  readonly refusedMs?: number
  readonly signal?: AbortSignal
}

interface Entry {
  current?: HeldToken | undefined
  refreshing?: Promise<HeldToken> | undefined
  /** The sealed token that was rejected last, which is not taken from Redis again. */
  rejected?: string
  /** No early refresh before this instant. */
  notBefore: number
  /** A refused token may be replaced from this instant on. */
  renewableAt: number
}

const FIRST_RETRY_MS = 1000
const POLL_MS = 100
/**
 * One token per app, shared by all processes through Redis, where it is sealed.
 *
 * A process that finds no token, or one that ends soon, takes a lease and requests a new one; the others use the old
 * token or wait. A token in memory is: held (used) → ending (used, while one process refreshes it) → expired or
 * rejected (removed; `get` waits for the next). A refusal is shared too, so that ten workers do not send ten requests.
 */
export class TokenPool {
  readonly #redis: RedisConnection
  readonly #keys: Keys
  readonly #keyring: Keyring
  readonly #request: TokenRequest
  readonly #options: TokenPoolOptions
  readonly #leaseMs: number
  readonly #requestMs: number
  readonly #waitMs: number
  readonly #refusedMs: number
  readonly #entries = new Map<AppId, Entry>()

  constructor(
    redis: RedisConnection,
    keys: Keys,
    keyring: Keyring,
    request: TokenRequest,
    options: TokenPoolOptions = {},
  ) {
    this.#redis = redis
    this.#keys = keys
    this.#keyring = keyring
    this.#request = request
    this.#options = options
    this.#leaseMs = options.leaseMs ?? 4000
    this.#requestMs = options.requestMs ?? 13_500
    this.#waitMs = options.waitMs ?? 30_000
    this.#refusedMs = options.refusedMs ?? 60_000
  }

  /** The token in memory, if there is one: synchronous, for the hot path. Starts a refresh if it ends soon. */
  peek(app: AppId): string | undefined {
    return this.#held(app)?.token
  }

  /** The app's token; waits for it if needed. Throws {@link TokenRefused} if there is none. */
  async get(app: AppId): Promise<TokenHandle> {
    return this.#held(app) ?? (await this.#refresh(app))
  }

  /**
   * Replace a token that WNS rejected with 401, at most once a minute for the app over all processes. A burst of 401s
   * costs one request. Afterwards {@link peek} returns another token, or the same one if the minute has not passed.
   *
   * @returns milliseconds until the app's token may be replaced again
   */
  async renew(app: AppId, refused: string): Promise<number> {
    const entry = this.#entryOf(app)
    const held = entry.current
    if (held?.token === refused) {
      const keys = [this.#keys.token(app), this.#keys.tokenRenewed(app)]
      const reply = (await renewScript.run(this.#redis, keys, [held.sealed, this.#refusedMs])) as [number, number]
      const [isToReplace, waitMs] = reply
      entry.renewableAt = performance.now() + waitMs
      if (isToReplace === 1 && entry.current === held) {
        entry.current = undefined
        entry.rejected = held.sealed
      }
    }
    await this.get(app)
    return Math.max(0, entry.renewableAt - performance.now())
  }

  /** Forget the token in memory: the app got the credentials of another client, or was deleted. */
  forget(app: AppId): void {
    this.#entries.delete(app)
  }

  #held(app: AppId): HeldToken | undefined {
    const entry = this.#entries.get(app)
    const held = entry?.current
    if (entry === undefined || held === undefined) return undefined
    const now = performance.now()
    if (now >= held.expiresAt) {
      entry.current = undefined
      return undefined
    }
    if (now >= held.refreshAt && now >= entry.notBefore && entry.refreshing === undefined)
      this.#refresh(app).catch((error: unknown) => this.#options.onError?.(error))
    return held
  }

  /** One refresh at a time in this process; other callers wait for the same one. */
  #refresh(app: AppId): Promise<HeldToken> {
    const entry = this.#entryOf(app)
    entry.refreshing ??= this.#obtain(app, entry).finally(() => {
      entry.refreshing = undefined
    })
    return entry.refreshing
  }

  async #obtain(app: AppId, entry: Entry): Promise<HeldToken> {
    const deadline = performance.now() + this.#waitMs
    let unusable = entry.current?.sealed ?? entry.rejected ?? ''
    while (performance.now() < deadline) {
      const nonce = randomUUID()
      const reply = (await takeLease.run(this.#redis, this.#keysOf(app), [nonce, this.#leaseMs, unusable])) as unknown[]
      const [kind, text, ms] = [String(reply[0]), String(reply[1]), Number(reply[2])]
      if (kind === 'have') {
        const held = this.#unseal(app, text, ms)
        if (isAlive(held)) return this.#adopt(entry, held)
        // It is at its end, or its key was removed from the keyring: request a new one.
        unusable = text
      } else if (kind === 'refused') {
        throw this.#refused(app, entry, JSON.parse(text) as Refusal, ms)
      } else if (kind === 'leased') {
        const held = await this.#fetch(app, entry, nonce)
        if (held !== undefined) return this.#adopt(entry, held)
      } else {
        const held = entry.current
        if (isAlive(held)) return held
        await sleep(POLL_MS, undefined, this.#options.signal === undefined ? {} : { signal: this.#options.signal })
      }
    }
    throw this.#refused(app, entry, requestTimedOut, FIRST_RETRY_MS)
  }

  /** Request a token under our lease. Undefined if the lease was lost meanwhile. */
  async #fetch(app: AppId, entry: Entry, nonce: string): Promise<HeldToken | undefined> {
    const askedAt = performance.now()
    const answer = await this.#ask(app, nonce)
    if (answer === undefined) return undefined
    this.#options.onRequest?.(app, answer.ok ? 'ok' : answer.permanent ? 'refused' : 'failed')
    if (!answer.ok) {
      const { permanent, code, explanation } = answer
      const refusal = { permanent, code, explanation: explanation.slice(0, 500) }
      const againMs = permanent ? this.#refusedMs : Math.min(answer.retryAfterMs ?? FIRST_RETRY_MS, this.#refusedMs)
      await endLease.run(this.#redis, this.#keysOf(app), [nonce, 'refusal', JSON.stringify(refusal), againMs])
      if (permanent && !isAlive(entry.current))
        await this.#options.breaker?.setBreaker(app, {
          kind: 'credentials',
          reason: refusal.explanation,
          since: new Date().toISOString(),
        })
      throw this.#refused(app, entry, refusal, againMs)
    }
    const lifeMs = Math.max(1000, Math.floor(answer.expiresInSeconds * 1000))
    const held = sealToken(this.#keyring, app, { token: answer.token.reveal(), lifeMs }, askedAt + lifeMs)
    const stored = await endLease.run(this.#redis, this.#keysOf(app), [nonce, 'token', held.sealed, lifeMs])
    if (stored !== 1) return undefined
    await this.#options.breaker?.clearBreaker(app, 'credentials')
    return held
  }

  /** Undefined if the lease was lost, since another process may send the request too. */
  async #ask(app: AppId, nonce: string): Promise<TokenAnswer | undefined> {
    const tooLong = AbortSignal.timeout(this.#requestMs)
    const lease = new TokenLease(this.#redis, this.#keys.tokenLease(app), nonce, this.#leaseMs, (error) =>
      this.#options.onError?.(error),
    )
    const signal = AbortSignal.any([tooLong, lease.lost])
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    })
    try {
      return await Promise.race([this.#request(app, signal), aborted])
    } catch (error) {
      if (lease.lost.aborted) return undefined
      this.#options.onError?.(error)
      return { ok: false, ...(signal.aborted ? requestTimedOut : requestFailed) }
    } finally {
      lease.stop()
    }
  }

  #unseal(app: AppId, sealed: string, leftMs: number): HeldToken | undefined {
    try {
      return unsealToken(this.#keyring, app, sealed, leftMs)
    } catch (error) {
      if (!(error instanceof UnsealError)) throw error
      this.#options.onError?.(error)
      return undefined
    }
  }

  #adopt(entry: Entry, held: HeldToken): HeldToken {
    entry.current = held
    entry.notBefore = 0
    return held
  }

  #refused(app: AppId, entry: Entry, refusal: Refusal, retryAfterMs: number): TokenRefused {
    entry.notBefore = performance.now() + retryAfterMs
    return new TokenRefused(app, refusal, retryAfterMs)
  }

  #entryOf(app: AppId): Entry {
    const known = this.#entries.get(app)
    if (known !== undefined) return known
    const entry: Entry = { notBefore: 0, renewableAt: 0 }
    this.#entries.set(app, entry)
    return entry
  }

  #keysOf(app: AppId): readonly string[] {
    return [this.#keys.token(app), this.#keys.tokenLease(app), this.#keys.tokenRefusal(app)]
  }
}
