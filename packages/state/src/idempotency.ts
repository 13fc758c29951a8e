import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AppId } from '@wns-fanout/domain'
import { Problem } from '@wns-fanout/domain'
import type { Keys } from './keys.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'

const beginScript = loadScript('idempotency-begin')
const endScript = loadScript('idempotency-end')

export type Idempotent =
  | {
      readonly kind: 'fresh'
      /** Store the answer for 24 hours. Call it before the answer is sent. */
      readonly finish: (status: number, body: string) => Promise<void>
      /** The request was rejected or failed: the next one with this key is fresh again. */
      readonly abandon: () => Promise<void>
    }
  | { readonly kind: 'replay'; readonly status: number; readonly body: string }
  /** The key was used for another request. */
  | { readonly kind: 'mismatch' }

export interface IdempotencyOptions {
  /**
   * How long a request holds its key, and how long another request with the key waits for it. After a crash of the
   * process, its client waits this long at most. A request that takes longer creates no second campaign, since the
   * campaign id follows from the key. Default 10 s.
   */
  readonly runMs?: number
  readonly pollMs?: number
}

const KEPT_SECONDS = 86_400

/** Runs a request with an `Idempotency-Key` once: per app and key, for 24 hours. */
export class Idempotency {
  readonly #redis: RedisConnection
  readonly #keys: Keys
  readonly #runMs: number
  readonly #pollMs: number

  constructor(redis: RedisConnection, keys: Keys, { runMs = 10_000, pollMs = 100 }: IdempotencyOptions = {}) {
    this.#redis = redis
    this.#keys = keys
    this.#runMs = runMs
    this.#pollMs = pollMs
  }

  /**
   * @param requestHash a hash of the request
   * Throws the Problem `unavailable` if a request with the same key is still under way after `runMs`.
   */
  async begin(app: AppId, key: string, requestHash: string, signal?: AbortSignal): Promise<Idempotent> {
    const record = this.#keys.idempotency(app, key)
    const nonce = randomUUID()
    const deadline = performance.now() + this.#runMs
    for (;;) {
      const reply = (await beginScript.run(this.#redis, [record], [requestHash, nonce, this.#runMs])) as unknown[]
      switch (String(reply[0])) {
        case 'fresh':
          return {
            kind: 'fresh',
            finish: (status, body) => this.#end(record, [nonce, status, body]),
            abandon: () => this.#end(record, [nonce, '', '']),
          }
        case 'done':
          return { kind: 'replay', status: Number(reply[1]), body: String(reply[2]) }
        case 'mismatch':
          return { kind: 'mismatch' }
        default:
          if (performance.now() >= deadline)
            throw new Problem('unavailable', 'a request with this Idempotency-Key is still under way; retry later', {
              retryAfterSeconds: 5,
            })
          await sleep(this.#pollMs, undefined, signal === undefined ? {} : { signal })
      }
    }
  }

  async #end(record: string, [nonce, status, body]: readonly [string, number | '', string]): Promise<void> {
    await endScript.run(this.#redis, [record], [nonce, status, body, KEPT_SECONDS])
  }
}
