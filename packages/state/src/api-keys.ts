import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { ApiKey, ApiKeyRequest } from '@wns-fanout/domain'
import type { Keys } from './keys.ts'
import type { RedisConnection } from './redis.ts'

interface StoredKey extends Omit<ApiKey, 'id'> {
  /** Hex of SHA-256 over the whole key text; it has 256 random bits, so a slow hash would protect nothing. */
  readonly sha256: string
}

/** A revoked key stops working everywhere within this. */
const CACHE_MS = 2000
const CACHE_SIZE = 10_000
const keyForm = /^wnsf_([a-z0-9]{12})_([A-Za-z0-9_-]{43})$/
const unknownKeyHash = createHash('sha256').update(randomBytes(32)).digest()

/** The keys of the HTTP API: `wnsf_<id>_<32 random bytes>`. Redis holds hashes only. */
export class ApiKeys {
  readonly #redis: RedisConnection
  readonly #keys: Keys
  // Only keys that exist, so that guesses of ids cannot fill it or push a key out.
  readonly #cache = new Map<string, { readonly stored: StoredKey; readonly until: number }>()
  // Hash of each key text that was right here, by id.
  readonly #familiar = new Map<string, Buffer>()
  readonly #nowMs: () => number

  /** @param nowMs a clock that only moves forward; default that of the process */
  constructor(redis: RedisConnection, keys: Keys, nowMs: () => number = () => performance.now()) {
    this.#redis = redis
    this.#keys = keys
    this.#nowMs = nowMs
  }

  /**
   * Make a key. `key` is its whole text, to be shown this once.
   *
   * @param createdBy the id of the key that makes it, or `bootstrap`
   */
  async create(request: ApiKeyRequest, createdBy?: string): Promise<{ readonly apiKey: ApiKey; readonly key: string }> {
    const id = randomBytes(6).toString('hex')
    const key = `wnsf_${id}_${randomBytes(32).toString('base64url')}`
    return { apiKey: await this.#store(id, key, request, createdBy), key }
  }

  /** Enter a key that was made before and is unknown here, under its old id. Null when the text is no key. */
  async restore(key: string, request: ApiKeyRequest, createdBy?: string): Promise<ApiKey | null> {
    const [, id] = keyForm.exec(key) ?? []
    return id === undefined ? null : this.#store(id, key, request, createdBy)
  }

  /** Remember nothing of any key: what is known of them here may be of data that was lost. */
  forget(): void {
    this.#cache.clear()
    this.#familiar.clear()
  }

  /** Was this text a valid key when this process last saw it? Asks nothing of Redis. */
  isFamiliar(text: string): boolean {
    const [, id = ''] = keyForm.exec(text) ?? []
    const hash = this.#familiar.get(id)
    return timingSafeEqual(sha256(text), hash ?? unknownKeyHash)
  }

  /**
   * Whose key this text is; null for anything that is no valid key now. A wrong key of a known id and one of an unknown
   * id take the same steps.
   */
  async verify(text: string): Promise<ApiKey | null> {
    const [, id = ''] = keyForm.exec(text) ?? []
    if (id === '') return null
    const hash = sha256(text)
    const cached = this.#cached(id)
    // A wrong key is never judged by the cache: an answer without Redis would show that its id exists.
    const stored = cached !== undefined && isHashOf(cached, hash) ? cached : await this.#read(id)
    const matches = isHashOf(stored, hash)
    if (!matches || stored === null || isOver(stored)) {
      if (this.#familiar.get(id)?.equals(hash) === true) this.#familiar.delete(id)
      return null
    }
    remember(this.#familiar, id, hash)
    return withoutHash(id, stored)
  }

  /** Is this the id of a key that is valid now? Another process may have revoked it up to two seconds ago. */
  async isUsable(id: string): Promise<boolean> {
    const stored = this.#cached(id) ?? (await this.#read(id))
    return stored !== null && !isOver(stored)
  }

  /** All keys, oldest first; those that expired too. */
  async list(): Promise<ApiKey[]> {
    const entries = Object.entries(await this.#redis.hgetall(this.#keys.apiKeys))
    return entries
      .map(([id, text]) => {
        const stored = parseKey(text)
        return stored === null ? unreadable(id) : withoutHash(id, stored)
      })
      .toSorted((left, right) => left.createdAt.localeCompare(right.createdAt) || left.id.localeCompare(right.id))
  }

  /** False when there was none. Other processes refuse it within two seconds. */
  async revoke(id: string): Promise<boolean> {
    this.#cache.delete(id)
    this.#familiar.delete(id)
    return (await this.#redis.hdel(this.#keys.apiKeys, id)) === 1
  }

  count(): Promise<number> {
    return this.#redis.hlen(this.#keys.apiKeys)
  }

  async #store(id: string, key: string, request: ApiKeyRequest, createdBy?: string): Promise<ApiKey> {
    const { name, apps, verbs, expiresAt } = request
    const stored: StoredKey = {
      name,
      apps: [...apps],
      verbs: [...verbs],
      ...(expiresAt === undefined ? {} : { expiresAt }),
      createdAt: new Date().toISOString(),
      ...(createdBy === undefined ? {} : { createdBy }),
      sha256: sha256(key).toString('hex'),
    }
    await this.#redis.hset(this.#keys.apiKeys, id, JSON.stringify(stored))
    this.#cache.delete(id)
    return withoutHash(id, stored)
  }

  async #read(id: string): Promise<StoredKey | null> {
    const text = await this.#redis.hget(this.#keys.apiKeys, id)
    // The stand-in costs what a stored key costs.
    const parsed = parseKey(text ?? standIn)
    const stored = text === null ? null : parsed
    if (stored === null) this.#cache.delete(id)
    else remember(this.#cache, id, { stored, until: this.#nowMs() + CACHE_MS })
    return stored
  }

  #cached(id: string): StoredKey | undefined {
    const known = this.#cache.get(id)
    return known !== undefined && this.#nowMs() < known.until ? known.stored : undefined
  }
}

const standIn = JSON.stringify({
  name: 'stand-in',
  apps: ['*'],
  verbs: ['read'],
  createdAt: new Date(0).toISOString(),
  sha256: unknownKeyHash.toString('hex'),
})

function isHashOf(stored: StoredKey | null, hash: Buffer): boolean {
  return timingSafeEqual(hash, stored === null ? unknownKeyHash : Buffer.from(stored.sha256, 'hex'))
}

/** Set an entry as the newest; beyond the size, the oldest goes. */
function remember<T>(map: Map<string, T>, id: string, value: T): void {
  map.delete(id)
  map.set(id, value)
  if (map.size <= CACHE_SIZE) return
  for (const oldest of map.keys()) {
    map.delete(oldest)
    return
  }
}

/** Null for a text that `#store` cannot have written: no key fits it. */
function parseKey(text: string): StoredKey | null {
  try {
    const stored = JSON.parse(text) as Partial<StoredKey> | null
    const isIntact =
      typeof stored?.name === 'string' &&
      Array.isArray(stored.apps) &&
      Array.isArray(stored.verbs) &&
      typeof stored.createdAt === 'string' &&
      /^[0-9a-f]{64}$/.test(stored.sha256 ?? '')
    return isIntact ? (stored as StoredKey) : null
  } catch {
    return null
  }
}

function unreadable(id: string): ApiKey {
  const problem = 'its stored record cannot be read; revoke it'
  return { id, name: '', apps: [], verbs: [], createdAt: new Date(0).toISOString(), problem }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest()
}

function isOver({ expiresAt }: StoredKey): boolean {
  return expiresAt !== undefined && Date.parse(expiresAt) <= Date.now()
}

function withoutHash(id: string, { sha256: _, ...rest }: StoredKey): ApiKey {
  return { id, ...rest }
}
