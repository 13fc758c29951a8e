import type { AppId } from '@wns-fanout/domain'
import { pagesFor } from '@wns-fanout/domain'
import { inChunks } from './chunks.ts'
import type { Keys } from './keys.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'

const agesScript = loadScript('channel-ages')

/** Pages of an app that are read: all channels of most apps, 32,768 of a larger one. */
const MAX_PAGES = 64
/** About 3 ms of Redis, so that others wait no longer. */
const PAGES_AT_ONCE = 8

/**
 * How many registered channels of an app last registered at least a number of seconds ago, one count for each age. Of
 * an app with more than 64 pages of 512 ordinals, an estimate from 64 pages that are spread evenly.
 */
export async function channelAges(
  redis: RedisConnection,
  keys: Keys,
  app: AppId,
  agesSeconds: readonly number[],
): Promise<number[]> {
  const [next, registered] = await Promise.all([redis.get(keys.next(app)), redis.bitcount(keys.occupied(app))])
  const pages = pagesFor(Number(next ?? 0))
  const read = Math.min(pages, MAX_PAGES)
  const chosen = Array.from({ length: read }, (_, at) => Math.floor((at * pages) / read))
  let counted = 0
  const older = agesSeconds.map(() => 0)
  for (const chunk of inChunks(chosen, PAGES_AT_ONCE)) {
    const args = [agesSeconds.length, ...agesSeconds, ...chunk]
    const reply = await agesScript.run(redis, [keys.base(app), keys.app(app)], args)
    const [all = 0, ...olderHere] = reply as readonly number[]
    counted += all
    for (const [at, count] of olderHere.entries()) older[at] = (older[at] ?? 0) + count
  }
  if (read === pages || counted === 0) return older
  return older.map((count) => Math.round((count / counted) * registered))
}
