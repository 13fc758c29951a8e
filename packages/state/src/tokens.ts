import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AppId, Secret } from '@wns-fanout/domain'
import type { AppStore } from './apps.ts'
import type { Keyring } from './keyring.ts'
import { UnsealError } from './keyring.ts'
import type { Keys } from './keys.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'

const takeLease = loadScript('token-take-lease')
const renewLease = loadScript('token-renew-lease')
const endLease = loadScript('token-end-lease')
const renewScript = loadScript('token-renew')

/** What the token service said. `permanent`: asking again with the same credentials will not help. */
export type TokenAnswer =
  | { readonly ok: true; readonly token: Secret; readonly expiresInSeconds: number }
  | {
      readonly ok: false
      readonly permanent: boolean
      readonly code: string
      readonly explanation: string
      readonly retryAfterMs?: number | undefined
    }

/** Asks the token service; ends when `signal` is aborted: it took too long, or the lease was lost. */
export type TokenRequest = (app: AppId, signal: AbortSignal) => Promise<TokenAnswer>

export interface TokenHandle {
  /** What goes behind `Bearer`. */
  readonly token: string
  /** Tells tokens apart in logs. */
  readonly id: string
}

/** No token is to be had now. `permanent`: the credentials are refused and the app needs an operator. */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused'
  readonly app: AppId
  readonly permanent: boolean
  readonly code: string
  readonly explanation: string
  /** When asking again may help, in milliseconds. */
  readonly retryAfterMs: number

  constructor(app: AppId, refusal: Refusal, retryAfterMs: number) {
    super(`there is no token for app ${app}: ${refusal.explanation}`)
    this.app = app
    this.permanent = refusal.permanent
    this.code = refusal.code
    this.explanation = refusal.explanation
    this.retryAfterMs = retryAfterMs
  }
}

export interface TokenPoolOptions {
  /** Where a permanent refusal opens the app's breaker, and the next token closes it. */
  readonly breaker?: Pick<AppStore, 'setBreaker' | 'clearBreaker'>
  /** Called after each request to the token service, for metrics. */
  readonly onRequest?: (app: AppId, result: 'ok' | 'refused' | 'failed') => void
  /** Gets failures of refreshes that nobody waits for. */
  readonly onError?: (error: unknown) => void
  /** How long nobody else asks after a process that fetches has died; renewed while it lives. Default 4 s. */
  readonly leaseMs?: number
  /** How long one request to the token service may take. Default 13.5 s. */
  readonly requestMs?: number
  /** How long `get` waits for a token at the most. Default 30 s. */
  readonly waitMs?: number
  /** Between two requests while the token service refuses or rejects. Default a minute. */
  readonly refusedMs?: number
  readonly signal?: AbortSignal
}

interface Refusal {
  readonly permanent: boolean
  readonly code: string
  readonly explanation: string
}

/** A token in memory; instants are monotonic (`performance.now`). */
interface Held extends TokenHandle {
  readonly sealed: string
  readonly expiresAt: number
  readonly refreshAt: number
}

interface Entry {
  current?: Held | undefined
  refreshing?: Promise<Held> | undefined
  /** The sealed token that was rejected last: not to be taken from Redis again before that learns of it. */
  rejected?: string
  /** No refresh ahead of time before this. */
  notBefore: number
  /** A refused token may be replaced from this instant on. */
  renewableAt: number
}

const AHEAD_AT_MOST_MS = 300_000
const AHEAD_SHARE = 0.2
const FIRST_RETRY_MS = 1000
const POLL_MS = 100
/** A lease is renewed so often before it would be over. */
const RENEWALS = 4

/**
 * One token per app, shared by all processes through Redis, where it lies sealed.
 *
 * Whoever finds none, or one that ends soon, takes a lease and fetches; the others use the old one or wait. In memory a
 * token is: held (used as it is) → ending (still used, while one process refreshes it) → expired or rejected (gone;
 * `get` waits for the next). A refusal is shared too, so that ten workers do not ask ten times.
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

  /** The token in memory, if there is one: synchronous, for the hot path. Starts a refresh when it ends soon. */
  peek(app: AppId): string | undefined {
    return this.#held(app)?.token
  }

  /** The app's token; waits for it if needed. Throws {@link TokenRefused} when none is to be had. */
  async get(app: AppId): Promise<TokenHandle> {
    return this.#held(app) ?? (await this.#refresh(app))
  }

  /**
   * Replace a token that WNS refused with 401, at most once a minute for the app, whichever process asks. A burst of
   * 401s costs one request. Afterwards {@link peek} answers another token, or the same one where the minute is not over.
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

  /** Forget what is in memory: after the app's credentials became another client's, or the app was deleted. */
  forget(app: AppId): void {
    this.#entries.delete(app)
  }

  #held(app: AppId): Held | undefined {
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

  /** One refresh at a time in this process; who comes meanwhile waits for the same. */
  #refresh(app: AppId): Promise<Held> {
    const entry = this.#entryOf(app)
    entry.refreshing ??= this.#obtain(app, entry).finally(() => {
      entry.refreshing = undefined
    })
    return entry.refreshing
  }

  async #obtain(app: AppId, entry: Entry): Promise<Held> {
    const deadline = performance.now() + this.#waitMs
    let useless = entry.current?.sealed ?? entry.rejected ?? ''
    while (performance.now() < deadline) {
      const nonce = randomUUID()
      const reply = (await takeLease.run(this.#redis, this.#keysOf(app), [nonce, this.#leaseMs, useless])) as unknown[]
      const [kind, text, ms] = [String(reply[0]), String(reply[1]), Number(reply[2])]
      if (kind === 'have') {
        const held = this.#unseal(app, text, ms)
        if (isAlive(held)) return this.#adopt(entry, held)
        // At its end, or sealed by a key that is gone: fetch a new one in its place.
        useless = text
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
    throw this.#refused(app, entry, tookTooLong, FIRST_RETRY_MS)
  }

  /** Ask the token service under our lease. Undefined when the lease was lost meanwhile: look again. */
  async #fetch(app: AppId, entry: Entry, nonce: string): Promise<Held | undefined> {
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
    const content: SealedToken = { token: answer.token.reveal(), lifeMs }
    const sealed = this.#keyring.seal(sealedFor(app), JSON.stringify(content))
    const stored = await endLease.run(this.#redis, this.#keysOf(app), [nonce, 'token', sealed, lifeMs])
    if (stored !== 1) return undefined
    await this.#options.breaker?.clearBreaker(app, 'credentials')
    return holdToken(content, sealed, askedAt + lifeMs)
  }

  /** Undefined when the lease was lost, so that somebody else may be asking too. */
  async #ask(app: AppId, nonce: string): Promise<TokenAnswer | undefined> {
    const tooLong = AbortSignal.timeout(this.#requestMs)
    const lease = this.#holdLease(app, nonce)
    const signal = AbortSignal.any([tooLong, lease.lost])
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    })
    try {
      return await Promise.race([this.#request(app, signal), aborted])
    } catch (error) {
      if (lease.lost.aborted) return undefined
      this.#options.onError?.(error)
      return { ok: false, ...(signal.aborted ? tookTooLong : failed) }
    } finally {
      lease.stop()
    }
  }

  /**
   * Renews the lease until it is stopped. It is lost when Redis says that it is another's, after this process was frozen,
   * and when Redis has not been reached for as long as it lasts.
   */
  #holdLease(app: AppId, nonce: string): { readonly lost: AbortSignal; stop(): void } {
    const lost = new AbortController()
    let renewedAt = performance.now()
    let renewing = false
    const renew = async (): Promise<void> => {
      const sentAt = performance.now()
      try {
        const isOurs = await renewLease.run(this.#redis, [this.#keys.tokenLease(app)], [nonce, this.#leaseMs])
        if (isOurs === 1) renewedAt = sentAt
        else lost.abort()
      } catch (error) {
        this.#options.onError?.(error)
      }
    }
    const timer = setInterval(() => {
      if (performance.now() - renewedAt > this.#leaseMs) lost.abort()
      if (renewing || lost.signal.aborted) return
      renewing = true
      void renew().finally(() => {
        renewing = false
      })
    }, this.#leaseMs / RENEWALS)
    return { lost: lost.signal, stop: () => clearInterval(timer) }
  }

  #unseal(app: AppId, sealed: string, livesMs: number): Held | undefined {
    try {
      const content = JSON.parse(this.#keyring.open(sealedFor(app), sealed)) as SealedToken
      return holdToken(content, sealed, performance.now() + livesMs)
    } catch (error) {
      if (!(error instanceof UnsealError)) throw error
      this.#options.onError?.(error)
      return undefined
    }
  }

  #adopt(entry: Entry, held: Held): Held {
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

interface SealedToken {
  readonly token: string
  /** Its whole life from when it was fetched, in milliseconds. */
  readonly lifeMs: number
}

function holdToken({ token, lifeMs }: SealedToken, sealed: string, endsAt: number): Held {
  const aheadMs = Math.min(AHEAD_AT_MOST_MS, lifeMs * AHEAD_SHARE)
  return {
    token,
    id: sealed.slice(-12),
    sealed,
    // A little before its end, so that no post is under way with a token that ends meanwhile.
    expiresAt: endsAt - Math.min(5000, lifeMs * 0.05),
    // Not all processes at the same moment.
    refreshAt: endsAt - aheadMs * (1 + Math.random() * 0.25),
  }
}

function isAlive(held: Held | undefined): held is Held {
  return held !== undefined && performance.now() < held.expiresAt
}

function sealedFor(app: AppId): string {
  return `wns-token|${app}`
}

const tookTooLong: Refusal = {
  permanent: false,
  code: 'token-timeout',
  explanation: 'the token service did not answer in time',
}
const failed: Refusal = {
  permanent: false,
  code: 'token-request-failed',
  explanation: 'the request to the token service failed; see the log for its reason',
}
