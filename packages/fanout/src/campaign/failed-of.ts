import { randomUUID } from 'node:crypto'
import type { AppId, Audience, CampaignId } from '@wns-fanout/domain'
import { isTerminal, PAGE_BYTES, Problem, setBit, slotOf } from '@wns-fanout/domain'
import type { CampaignStore, EvaluableAudience, Keys, Ledger, RedisConnection } from '@wns-fanout/state'
import { recipients } from './results.ts'

type FailedOf = Extract<Audience, { failedOf: string }>

export interface FailedOfDeps {
  readonly campaigns: CampaignStore
  readonly ledger: Ledger
  readonly keys: Keys
  readonly redis: RedisConnection
}

const TTL_SECONDS = 600

/** The audience in a form that can be evaluated: recipients of an earlier campaign are written as a bitmap first. */
export async function evaluable(deps: FailedOfDeps, app: AppId, audience: Audience): Promise<EvaluableAudience> {
  return 'failedOf' in audience ? { bitmapKey: await writeFailedRecipients(deps, app, audience) } : audience
}

/**
 * Write the recipients that failed or lapsed in an earlier campaign, and those in doubt where asked, as a bitmap.
 *
 * @returns its key, which lives for ten minutes
 */
async function writeFailedRecipients(deps: FailedOfDeps, app: AppId, audience: FailedOf): Promise<string> {
  const parent = audience.failedOf as CampaignId
  const record = await deps.campaigns.get(app, parent)
  if (record === null) throw new Problem('not-found', `there is no campaign ${parent} in app ${app}`)
  if (!isTerminal(record.state))
    throw new Problem('conflict', `campaign ${parent} is not finished yet; it is ${record.state}`)
  const wanted = new Set(['failed', 'lapsed', ...(audience.includeInDoubt === true ? ['in_doubt'] : [])])
  // A key for each call: two at once, one of them with those in doubt, must not write into each other's bitmap.
  const key = deps.keys.temporary(app, randomUUID())
  for await (const { page, recipients: onPage } of recipients(deps.ledger, app, record)) {
    const failed = onPage.filter((recipient) => wanted.has(recipient.class))
    if (failed.length === 0) continue
    const bits = Buffer.alloc(PAGE_BYTES)
    for (const { ordinal } of failed) setBit(bits, slotOf(ordinal))
    await deps.redis.setrange(key, page * PAGE_BYTES, bits)
  }
  await deps.redis.expire(key, TTL_SECONDS)
  return key
}
