import { randomUUID } from 'node:crypto'
import { Cluster } from 'ioredis'
import type { Keys } from './keys.ts'
import { refusalOf } from './redis-refusals.ts'
import type { RedisConnection } from './redis.ts'
import { waitForRedis } from './redis.ts'
import { loadScript } from './scripts.ts'

const claimScript = loadScript('worker-claim')
const forgetScript = loadScript('worker-forget')

export interface DeathTimes {
  /** How long a registered connection has to be gone. A worker that lost its connection is back before. */
  readonly goneMs: number
  /** How long the own connection has to be up before it judges others: after an outage, all connections are new. */
  readonly graceMs: number
}

/** A worker whose connection is gone, and its entry in the register. */
export interface DeadWorker {
  readonly id: string
  readonly entry: string
}

const deathTimes: DeathTimes = { goneMs: 1500, graceMs: 5000 }
/** Time for the worker that found a death to act on it; then another one does. */
const CLAIM_MS = 5000
/** An entry of an earlier run of Redis: by then its worker has registered again, or its locks have lapsed. */
const OLD_ENTRY_MS = 600_000

/** Workers in the register: those that run, and those that died a moment ago. A Redis Cluster has no register: 0. */
export function registeredWorkers(redis: RedisConnection, keys: Keys): Promise<number> {
  return redis.hlen(keys.workers)
}

/**
 * The workers with the connection of each, by which the others distinguish death from slowness. The kernel closes the
 * sockets of a process that dies, so Redis drops its client at once. A worker that is frozen, slow or cut off without
 * notice stays connected, and one that lost its connection registers the next one.
 *
 * Each run of Redis numbers its clients from 1, so entries of another run are never judged. A cluster is not judged
 * either: its connections belong to nodes that change. Without a judgment, a death shows when the locks lapse.
 */
export class WorkerRegister {
  readonly id = randomUUID()
  readonly #redis: RedisConnection
  readonly #keys: Keys
  readonly #times: DeathTimes
  readonly #onError: (error: unknown) => void
  readonly #register = (): void => void this.#enter()
  /** When the entries without their connection were first seen so, monotonic. */
  readonly #goneSince = new Map<string, number>()
  readonly #oldSince = new Map<string, number>()
  /** Counts the connections, so that the answer of one is not taken for the next. */
  #connection = 0
  #own: { readonly client: string; readonly run: string; readonly sinceMs: number } | undefined
  #isBlind: boolean

  /** @param redis the connection that the ledger writes with: a worker without it can settle nothing */
  constructor(
    redis: RedisConnection,
    keys: Keys,
    { onError, ...times }: Partial<DeathTimes> & { readonly onError: (error: unknown) => void },
  ) {
    this.#redis = redis
    this.#keys = keys
    this.#times = { ...deathTimes, ...times }
    this.#onError = onError
    this.#isBlind = redis instanceof Cluster
  }

  /** Enter this process, now and whenever it connects again. */
  async start(): Promise<void> {
    if (this.#isBlind) return
    // Its first `ready` would enter it twice.
    await waitForRedis(this.#redis)
    this.#redis.on('ready', this.#register).on('close', this.#lost)
    await this.#enter()
  }

  /** May this process start posts? Not while the others may take it for dead. */
  get isHeld(): boolean {
    return this.#isBlind || this.#own !== undefined
  }

  /** Redis, or the rights of its user, do not show the connections; deaths then show when locks lapse. */
  get isBlind(): boolean {
    return this.#isBlind
  }

  /** The workers that are dead by now. Each is reported until it is forgotten. */
  async look(): Promise<readonly DeadWorker[]> {
    const own = this.#own
    if (this.#isBlind || own === undefined) return []
    const entries = await this.#redis.hgetall(this.#keys.workers)
    // Redis lost the entry, or another worker judged this one dead before it registered again.
    if (entries[this.id] !== `${own.client} ${own.run}`) await this.#enter()
    const here = Object.entries(entries).filter(([, entry]) => runOf(entry) === own.run)
    const connected = await this.#connected([own.client, ...here.map(([, entry]) => clientOf(entry))])
    // The list may be that of another server, after a reconnect.
    if (connected === undefined || this.#own !== own) return []
    // A proxy may hide the clients from each other.
    if (!connected.has(own.client)) {
      this.#goBlind(new Error(NOT_LISTED))
      return []
    }
    const nowMs = performance.now()
    await this.#removeOld(entries, own.run, nowMs)
    const gone = here
      .filter(([id, entry]) => id !== this.id && !connected.has(clientOf(entry)))
      .map(([id, entry]) => ({ id, entry }))
    const since = keepSince(
      this.#goneSince,
      gone.map(({ id, entry }) => `${id} ${entry}`),
      nowMs,
    )
    if (nowMs - own.sinceMs < this.#times.graceMs) return []
    return gone.filter(({ id, entry }) => nowMs - since(`${id} ${entry}`) >= this.#times.goneMs)
  }

  /**
   * True for the one worker that acts on a death. Another may, if it does not end within seconds. None may once the
   * worker has registered again.
   */
  async claim({ id, entry }: DeadWorker): Promise<boolean> {
    const keys = [this.#keys.workers, this.#keys.deadWorker(id)]
    return (await claimScript.run(this.#redis, keys, [id, entry, this.id, CLAIM_MS])) === 1
  }

  /** Remove a dead worker, unless it was alive after all and registered again. */
  async forget({ id, entry }: DeadWorker): Promise<void> {
    await forgetScript.run(this.#redis, [this.#keys.workers], [id, entry])
  }

  /** Leave in order: nothing of this process is in hand any more. */
  async leave(): Promise<void> {
    this.#redis.off('ready', this.#register).off('close', this.#lost)
    const wasEntered = this.#own !== undefined
    this.#lost()
    if (wasEntered && this.#redis.status === 'ready') await this.#redis.hdel(this.#keys.workers, this.id)
  }

  readonly #lost = (): void => {
    this.#connection += 1
    this.#own = undefined
  }

  async #enter(): Promise<void> {
    this.#lost()
    const connection = this.#connection
    try {
      const [client, info] = await Promise.all([this.#redis.call('CLIENT', 'ID'), this.#redis.info('server')])
      const run = /^run_id:(\w+)/m.exec(info)?.[1] ?? ''
      await this.#redis.hset(this.#keys.workers, this.id, `${String(client)} ${run}`)
      if (connection === this.#connection) this.#own = { client: String(client), run, sinceMs: performance.now() }
    } catch (error) {
      // The next connection enters it.
      if (isRefused(error)) this.#goBlind(error)
    }
  }

  async #connected(clients: readonly string[]): Promise<ReadonlySet<string> | undefined> {
    try {
      const list = String(await this.#redis.call('CLIENT', 'LIST', 'ID', ...new Set(clients)))
      return new Set([...list.matchAll(/^id=(\d+) /gm)].map(([, id = '']) => id))
    } catch (error) {
      if (!isRefused(error)) throw error
      this.#goBlind(error)
      return undefined
    }
  }

  async #removeOld(entries: Readonly<Record<string, string>>, run: string, nowMs: number): Promise<void> {
    const others = Object.entries(entries).filter(([, entry]) => runOf(entry) !== run)
    const since = keepSince(
      this.#oldSince,
      others.map(([id]) => id),
      nowMs,
    )
    const old = others.map(([id]) => id).filter((id) => nowMs - since(id) >= OLD_ENTRY_MS)
    if (old.length > 0) await this.#redis.hdel(this.#keys.workers, ...old)
  }

  #goBlind(cause: unknown): void {
    this.#isBlind = true
    this.#onError(new Error('deaths of other workers show only when their locks lapse', { cause }))
  }
}

const NOT_LISTED = 'CLIENT LIST does not contain the connection that asked for it; is there a proxy before Redis?'

/** Redis does not allow the command at all; other errors concern this attempt. */
function isRefused(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError' && refusalOf(error) === undefined
}

function clientOf(entry: string): string {
  return entry.split(' ', 1)[0] ?? ''
}

function runOf(entry: string): string {
  return entry.split(' ')[1] ?? ''
}

/** Keep when each of `present` was first seen, and forget the others. */
function keepSince(seen: Map<string, number>, present: readonly string[], nowMs: number): (name: string) => number {
  const still = new Set(present)
  for (const name of seen.keys()) if (!still.has(name)) seen.delete(name)
  for (const name of present) if (!seen.has(name)) seen.set(name, nowMs)
  return (name) => seen.get(name) ?? nowMs
}
