import type { Inventory, Keys, RedisConnection } from '@wns-fanout/state'
import { acceptLosses, readLosses, takeInventory, waitForRedis } from '@wns-fanout/state'

/** The facts for the operator's decision: the missing data set, since when, and the data to continue with. */
export interface LossReport {
  readonly missed: readonly { readonly dataSetId: string; readonly since: string }[]
  readonly now: Inventory
  readonly accepted: boolean
}

const PATIENCE_MS = 10_000

/** Reports missing data sets; with `yes`, accepts their loss. Throws if Redis does not answer within ten seconds. */
export async function reportLoss(
  redis: RedisConnection,
  keys: Keys,
  { yes, signal }: { readonly yes: boolean; readonly signal: AbortSignal },
): Promise<LossReport> {
  await redisWithin(redis, signal)
  const { current, missed } = await readLosses(redis, keys)
  const now = await takeInventory(redis, keys)
  const accepted = yes ? new Set(await acceptLosses(redis, keys)) : undefined
  return {
    missed: missed
      .filter(({ dataSetId }) => dataSetId !== current)
      .map(({ dataSetId, sinceMs }) => ({ dataSetId, since: new Date(sinceMs).toISOString() })),
    now,
    accepted: accepted !== undefined && accepted.size > 0,
  }
}

async function redisWithin(redis: RedisConnection, signal: AbortSignal): Promise<void> {
  let waiting = 'Redis does not answer'
  try {
    await waitForRedis(redis, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]),
      onWaiting: (line) => {
        waiting = line
      },
    })
  } catch (cause) {
    signal.throwIfAborted()
    throw new Error(`${waiting} Given up after ${PATIENCE_MS / 1000} s; check REDIS_URL.`, { cause })
  }
}
