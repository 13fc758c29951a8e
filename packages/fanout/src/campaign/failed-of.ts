import { randomUUID } from 'node:crypto'
import type { AppId, Audience, CampaignId } from '@wns-fanout/domain'
import { Problem, isTerminal } from '@wns-fanout/domain'
import type { CampaignStore, Keys, Ledger, RedisConnection } from '@wns-fanout/state'
import { recipients } from './results.ts'

type FailedOf = Extract<Audience, { failedOf: string }>

export interface FailedOfDeps {
  readonly campaigns: CampaignStore
  readonly ledger: Ledger
  readonly keys: Keys
  readonly redis: RedisConnection
}

const TTL_SECONDS = 600

/**
 * Write the bitmap of the recipients that an earlier campaign failed or ran out of time for, and of those in doubt
 * where asked, to a key that lives for ten minutes.
 */
export async function writeRecipientsOf(deps: FailedOfDeps, app: AppId, audience: FailedOf): Promise<string> {
  const parent = audience.failedOf as CampaignId
  const record = await deps.campaigns.get(app, parent)
  if (record === null) throw new Problem('not-found', `there is no campaign ${parent} in app ${app}`)
  if (!isTerminal(record.state))
    throw new Problem('conflict', `campaign ${parent} is not finished yet; it is ${record.state}`)
  const wanted = new Set(['failed', 'lapsed', ...(audience.includeInDoubt === true ? ['in_doubt'] : [])])
  // A key of its own: two that ask at once, one with those in doubt, must not write into each other's.
  const key = deps.keys.temporary(app, randomUUID())
  for await (const page of recipients(deps.ledger, app, record)) {
    const bits = Buffer.alloc(64)
    for (const recipient of page.recipients) {
      const slot = recipient.ordinal % 512
      if (wanted.has(recipient.class)) bits[slot >> 3] = (bits[slot >> 3] ?? 0) | (0x80 >> (slot & 7))
    }
    if (bits.some((byte) => byte !== 0)) await deps.redis.setrange(key, page.page * 64, bits)
  }
  await deps.redis.expire(key, TTL_SECONDS)
  return key
}
