import { randomUUID } from 'node:crypto'
import type { Keys } from './keys.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'

const noteScript = loadScript('loss-note')
const acceptScript = loadScript('loss-accept')

/** How a process stands to what Redis holds. `lost`: it must neither send nor write; `problem` is for people. */
export type Standing =
  | { readonly kind: 'well'; readonly dataSetId: string }
  | { readonly kind: 'lost'; readonly problem: string }

/** A data set that running processes miss. */
export interface Loss {
  readonly dataSetId: string
  /** When that was noted first, in milliseconds of Redis time. */
  readonly sinceMs: number
}

/** What Redis says about its data sets: the one that is there, and those that were lost. */
export interface Losses {
  readonly current: string | null
  /** Lost, and nobody has accepted it; the oldest first. */
  readonly missed: readonly Loss[]
  readonly accepted: ReadonlySet<string>
}

/**
 * The data set that a process works on. Each has a random name, its id, made by the first process that finds none.
 *
 * A process has *not begun* until it has found a data set of which nobody says that another one is missed; then it is
 * *well*. Once Redis holds another data set id or none, it is *lost*, and notes in Redis what it misses. That note keeps every
 * other process from working too, those that start later above all: so a restart never makes the loss be forgotten. It
 * is over when the same data is back, or when an operator accepts the loss: then the process has not begun, and begins.
 */
export class DataSet {
  readonly #redis: RedisConnection
  readonly #keys: Keys
  #dataSetId: string | undefined

  constructor(redis: RedisConnection, keys: Keys) {
    this.#redis = redis
    this.#keys = keys
  }

  /** Look at Redis now; to be called again and again, and not twice at once. Rejects when Redis does not answer. */
  async look(): Promise<Standing> {
    const losses = await readLosses(this.#redis, this.#keys)
    const verdict = standingOf(this.#dataSetId, losses)
    switch (verdict.kind) {
      case 'lost':
        // Again at every look: what was noted may be lost too.
        if (verdict.missing !== undefined) await noteScript.run(this.#redis, [this.#keys.losses], [verdict.missing])
        return { kind: 'lost', problem: verdict.problem }
      case 'empty':
        await this.#redis.set(this.#keys.dataSetId, randomUUID(), 'NX')
        return this.look()
      case 'well':
        this.#dataSetId = verdict.dataSetId
        // It is back, and whoever misses it next has a time of its own to tell.
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
  /** `missing`: what this process itself misses. */
  | { readonly kind: 'lost'; readonly problem: string; readonly missing?: string }

/** Where a process stands that began with `dataSetId`, or has not begun. Pure. */
export function standingOf(dataSetId: string | undefined, { current, missed, accepted }: Losses): Verdict {
  const begunWith = dataSetId !== undefined && accepted.has(dataSetId) ? undefined : dataSetId
  if (begunWith !== undefined && current !== begunWith)
    return {
      kind: 'lost',
      missing: begunWith,
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

/** What Redis says about its data sets now. */
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
 * Go on with what Redis holds: every loss that is noted is accepted. Resolves to the data set ids that were missed; none when
 * there was nothing to accept. Running processes begin on what is there within a second.
 */
export async function acceptLosses(redis: RedisConnection, keys: Keys): Promise<readonly string[]> {
  const { current, missed } = await readLosses(redis, keys)
  if (missed.every(({ dataSetId }) => dataSetId === current)) return []
  // First a data set to go on with; should this end here, the loss is still missed and can be accepted again.
  if (current === null) await redis.set(keys.dataSetId, randomUUID(), 'NX')
  const dataSetId = (await redis.get(keys.dataSetId)) ?? ''
  const accepted = await acceptScript.run(redis, [keys.losses], [dataSetId])
  return Array.isArray(accepted) ? accepted.map(String) : []
}

/** How much there is in Redis. */
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
