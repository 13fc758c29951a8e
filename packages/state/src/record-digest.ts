import { createHash } from 'node:crypto'
import type { Keys } from './keys.ts'
import type { RedisConnection } from './redis.ts'

/** Records whose change the audit log shows by the digests before and after. */
export type RecordKind = 'app' | 'schedule' | 'template' | 'webhook' | 'list' | 'campaign' | 'key'

/**
 * SHA-256 of a record as it is stored, sealed secrets included, so that a new secret changes it; undefined if there is
 * none. Counters and states that change by themselves are left out.
 */
export async function recordDigest(
  redis: RedisConnection,
  keys: Keys,
  kind: RecordKind,
  { app = '', name = '' }: { readonly app?: string | undefined; readonly name?: string | undefined },
): Promise<string | undefined> {
  const values = await read(redis, keys, kind, app, name)
  if (values.every((value) => value === null)) return undefined
  return createHash('sha256').update(JSON.stringify(values)).digest('hex')
}

function read(
  redis: RedisConnection,
  keys: Keys,
  kind: RecordKind,
  app: string,
  name: string,
): Promise<(string | null)[]> {
  switch (kind) {
    case 'app':
      return redis.hmget(keys.app(app), 'settings', 'credentials', 'state', 'stopped', 'stoppedAll')
    case 'schedule':
      return redis.hmget(keys.schedules(app), name)
    case 'template':
      return redis.hmget(keys.templates(app), name)
    case 'webhook':
      return redis.hmget(keys.webhooks(app), name)
    case 'list':
      return redis.hmget(keys.listInfo(app, name), 'unknown', 'updatedAtMs')
    case 'campaign':
      return redis.hmget(keys.campaign(app, name), 'definition', 'state', 'accepted', 'canary')
    case 'key':
      return redis.hmget(keys.apiKeys, name)
    default:
      return kind satisfies never
  }
}
