import { randomUUID } from 'node:crypto'
import type { Keys } from './keys.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'

const noteScript = loadScript('loss-note')
const acceptScript = loadScript('loss-accept')

/**
 * Whether the data in Redis is that of this process. `lost`: it must neither send nor write; `problem` is for people.
 */
export type Standing =
  | { readonly kind: 'well'; readonly dataSetId: string }
  | { readonly kind: 'lost'; readonly problem: string }

/** A data set that running processes miss. */
export interface Loss {
  readonly dataSetId: string
  /** When the loss was recorded first, in milliseconds of Redis time. */
  readonly sinceMs: number
}

/** The data sets that Redis has recorded: the current one, and lost ones. */
export interface Losses {
  readonly current: string | null
  /** Lost and not accepted; oldest first. */
  readonly missed: readonly Loss[]
  readonly accepted: ReadonlySet<string>
}

/**
 * The data set that a process works on. The first process that finds none creates one with a random id.
 *
 * - A process has *not started* until it finds a data set while no process misses another one; then it is *well*.
 * - Once Redis holds another data set id or none, the process is *lost*, and records in Redis which data set it misses.
 *   The record stops every other process too, including those that start later, so a restart does not hide the loss.
 * - The loss ends when the same data is back, or when an operator accepts it: the process then has not started again.
 */
export class DataSet {
  readonly #redis: RedisConnection
  readonly #keys: Keys
  #dataSetId: string | undefined

  constructor(redis: RedisConnection, keys: Keys) {
    this.#redis = redis
    this.#keys = keys
  }

  /** Compare with Redis now. Called regularly, never twice at once. Rejects if Redis does not answer. */
  async look(): Promise<Standing> {
    const losses = await readLosses(this.#redis, this.#keys)
    const verdict = standingOf(this.#dataSetId, losses)
    switch (verdict.kind) {
      case 'lost':
        // At every look, since the record may be lost too.
        if (verdict.missing !== undefined) await noteScript.run(this.#redis, [this.#keys.losses], [verdict.missing])
        return { kind: 'lost', problem: verdict.problem }
      case 'empty':
        await this.#redis.set(this.#keys.dataSetId, randomUUID(), 'NX')
        return this.look()
      case 'well':
        this.#dataSetId = verdict.dataSetId
        // The data is back: a later loss of it gets its own time.
        if (
          losses.missed.some(({ dataSetId }) => dataSetId === verdict.dataSetId) ||
          losses.accepted.has(verdict.dataSetId)
        )
          await this.#redis.hdel(this.#keys.losses, verdict.dataSetId)
        return verdict
      default:
        return verdict satisfies never
    }
  }
}

type Verdict =
  | { readonly kind: 'well'; readonly dataSetId: string }
  /** There is no data set, and none is missed. */
  | { readonly kind: 'empty' }
  /** `missing`: the data set that this process itself misses. */
  | { readonly kind: 'lost'; readonly problem: string; readonly missing?: string }

/** The verdict for a process that started with `dataSetId`, or has not started. Pure. */
export function standingOf(dataSetId: string | undefined, { current, missed, accepted }: Losses): Verdict {
  const startedWith = dataSetId !== undefined && accepted.has(dataSetId) ? undefined : dataSetId
  if (startedWith !== undefined && current !== startedWith)
    return {
      kind: 'lost',
      missing: startedWith,
      problem:
        current === null
          ? `Redis lost its data (the key data-set is missing); ${WHAT_TO_DO}`
          : `Redis holds other data than when this process started (the key data-set changed); ${WHAT_TO_DO}`,
    }
  const [loss] = missed.filter((one) => one.dataSetId !== current)
  if (loss !== undefined)
    return {
      kind: 'lost',
      problem: `Redis lost data (another process has missed its data set since ${new Date(loss.sinceMs).toISOString()}); ${WHAT_TO_DO}`,
    }
  return current === null ? { kind: 'empty' } : { kind: 'well', dataSetId: current }
}

const WHAT_TO_DO = 'restore it, or accept the loss with "wns-fanout doctor --accept-loss"'

/** The data sets that Redis has recorded now. */
export async function readLosses(redis: RedisConnection, keys: Keys): Promise<Losses> {
  const [current, notes] = await Promise.all([redis.get(keys.dataSetId), redis.hgetall(keys.losses)])
  const missed: Loss[] = []
  const accepted = new Set<string>()
  for (const [dataSetId, note] of Object.entries(notes)) {
    const [word, at] = note.split(' ')
    if (word === 'accepted') accepted.add(dataSetId)
    else missed.push({ dataSetId, sinceMs: Number(at) || 0 })
  }
  return { current, missed: missed.toSorted((left, right) => left.sinceMs - right.sinceMs), accepted }
}

/**
 * Accept every recorded loss and continue with the data in Redis. Resolves to the data set ids that were missed; none
 * if there was nothing to accept. Running processes start on the current data within a second.
 */
export async function acceptLosses(redis: RedisConnection, keys: Keys): Promise<readonly string[]> {
  const { current, missed } = await readLosses(redis, keys)
  if (missed.every(({ dataSetId }) => dataSetId === current)) return []
  // First create a data set. If this process dies here, the loss is still recorded and can be accepted again.
  if (current === null) await redis.set(keys.dataSetId, randomUUID(), 'NX')
  const dataSetId = (await redis.get(keys.dataSetId)) ?? ''
  const accepted = await acceptScript.run(redis, [keys.losses], [dataSetId])
  return Array.isArray(accepted) ? accepted.map(String) : []
}

/** How much Redis holds. */
export interface Inventory {
  readonly apps: number
  readonly channels: number
  readonly campaigns: number
  readonly apiKeys: number
}

/** Count what Redis holds, app by app. */
export async function takeInventory(redis: RedisConnection, keys: Keys): Promise<Inventory> {
  const [apps, apiKeys] = await Promise.all([redis.hkeys(keys.apps), redis.hlen(keys.apiKeys)])
  let channels = 0
  let campaigns = 0
  for (const app of apps) {
    channels += await redis.bitcount(keys.occupied(app))
    campaigns += await redis.zcard(keys.campaigns(app))
  }
  return { apps: apps.length, channels, campaigns, apiKeys }
}
