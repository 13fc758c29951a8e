import type { RedisConnection } from './redis.ts'
import type { Keys } from './keys.ts'
import { infoOfEach, isDiskFull, memoryShareOf } from './redis-check.ts'
import { refusalWordOf } from './redis-refusals.ts'
import { missingRights } from './rights.ts'

/**
 * Why Redis takes no writes: it is `away`, cannot write to its `disk`, has no `memory` left, its user lacks `rights`,
 * or writes are `refused` for another reason, for example by a replica.
 */
export const redisProblemKinds = ['away', 'disk', 'memory', 'rights', 'refused'] as const
export type RedisProblemKind = (typeof redisProblemKinds)[number]

export interface RedisStanding {
  /** Undefined if all is well. */
  readonly problem: RedisProblemKind | undefined
  /** Used memory as a share of `maxmemory`, 0 to 1; 0 without a limit, undefined if it cannot be read. */
  readonly memoryShare: number | undefined
}

/** How Redis is, for metrics. A Redis that does not answer within `answerMs` is away; the promise never rejects. */
export async function redisStanding(
  connection: RedisConnection,
  keys: Keys,
  { answerMs = 1500 }: { readonly answerMs?: number } = {},
): Promise<RedisStanding> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<RedisStanding>((resolve) => {
    timer = setTimeout(() => resolve({ problem: 'away', memoryShare: undefined }), answerMs)
  })
  try {
    return await Promise.race([look(connection, keys), late])
  } finally {
    clearTimeout(timer)
  }
}

async function look(connection: RedisConnection, keys: Keys): Promise<RedisStanding> {
  let share: number | undefined
  try {
    const infos = await infoOfEach(connection)
    share = memoryShareOf(infos)
    if (isDiskFull(infos)) return { problem: 'disk', memoryShare: share }
    const rights = await missingRights(connection, keys)
    return { problem: rights === undefined ? undefined : 'rights', memoryShare: share }
  } catch (error) {
    return { problem: kindOf(refusalWordOf(error)), memoryShare: share }
  }
}

function kindOf(word: string | undefined): RedisProblemKind {
  if (word === undefined) return 'away'
  if (word === 'OOM') return 'memory'
  return word === 'MISCONF' ? 'disk' : 'refused'
}
