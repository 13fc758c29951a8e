import type { AppId, ChannelId } from '@wns-fanout/domain'
import { inChunks } from './chunks.ts'
import type { Keys } from './keys.ts'
import { packId } from './packed-id.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'

const markScript = loadScript('mark-channels')

/** How long a bitmap under construction outlives the process that builds it. */
export const TEMPORARY_SECONDS = 3600
export const MARKING_CHUNK = 500

/** Set the bits of `ids` in `bitmap`, which lives an hour from now. Returns how many ids no registered channel has. */
export async function markChannels(
  redis: RedisConnection,
  keys: Keys,
  app: AppId,
  bitmap: string,
  ids: readonly ChannelId[],
): Promise<number> {
  const base = keys.base(app)
  let unknown = 0
  for (const chunk of inChunks(ids, MARKING_CHUNK)) {
    const args = chunk.flatMap((id) => [packId(id), keys.device(app, id).slice(base.length)])
    unknown += Number(await markScript.run(redis, [base, bitmap], [TEMPORARY_SECONDS, ...args]))
  }
  return unknown
}
