import type { AppId } from '@wns-fanout/domain'
import { pagesFor } from '@wns-fanout/domain'
import { inChunks } from './chunks.ts'
import type { Keys } from './keys.ts'
import { TEMPORARY_SECONDS } from './marking.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'

const markScript = loadScript('mark-registered')

/** Pages that one call reads: about 3 ms of Redis, so that others wait no longer. */
const PAGES_AT_ONCE = 8

/** Times of registrations as ISO 8601; a bound that is absent is none. */
export interface RegistrationTimes {
  /** The first time. */
  readonly registeredAfter?: string | undefined
  /** The first time that is too late. */
  readonly registeredBefore?: string | undefined
}

/**
 * Set the bits of channels that were registered in a time in `bitmap`, which lives an hour from now. Reads every
 * channel of the app: the times have no index, which would cost each registration and 4 bytes for each channel.
 */
export async function markRegistered(
  redis: RedisConnection,
  keys: Keys,
  app: AppId,
  bitmap: string,
  { registeredAfter, registeredBefore }: RegistrationTimes,
): Promise<void> {
  const pages = pagesFor(Number((await redis.get(keys.next(app))) ?? 0))
  const limits = [TEMPORARY_SECONDS, secondOf(registeredAfter) ?? 0, secondOf(registeredBefore) ?? 2 ** 53]
  for (const chunk of inChunks([...Array.from({ length: pages }).keys()], PAGES_AT_ONCE))
    await markScript.run(redis, [keys.base(app), bitmap], [...limits, ...chunk])
}

/** The registry has whole seconds: a part of one belongs to the next. */
function secondOf(time: string | undefined): number | undefined {
  return time === undefined ? undefined : Math.ceil(Date.parse(time) / 1000)
}
