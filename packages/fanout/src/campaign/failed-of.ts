import { randomUUID } from 'node:crypto'
import type { AppId, Audience, CampaignId, ReplayFilter } from '@wns-fanout/domain'
import { isReplayed, isTerminal, PAGE_BYTES, Problem, setBit, slotOf } from '@wns-fanout/domain'
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
 * Write recipients of an earlier campaign as a bitmap: those that the audience filters, or those that failed or lapsed,
 * and those in doubt where asked. The results of a halted campaign are final too, but for what is pending.
 *
 * @returns its key, which lives for ten minutes
 */
async function writeFailedRecipients(deps: FailedOfDeps, app: AppId, audience: FailedOf): Promise<string> {
  const parent = audience.failedOf as CampaignId
  const record = await deps.campaigns.get(app, parent)
  if (record === null) throw new Problem('not-found', `there is no campaign ${parent} in app ${app}`)
  if (!isTerminal(record.state))
    throw new Problem('conflict', `campaign ${parent} is not finished yet; it is ${record.state}`)
  const filter = filterOf(audience)
  // A key for each call: two at once, one of them with those in doubt, must not write into each other's bitmap.
  const key = deps.keys.temporary(app, randomUUID())
  for await (const { page, recipients: onPage } of recipients(deps.ledger, app, record)) {
    const failed = onPage.filter((recipient) => isReplayed(recipient, filter))
    if (failed.length === 0) continue
    const bits = Buffer.alloc(PAGE_BYTES)
    for (const { ordinal } of failed) setBit(bits, slotOf(ordinal))
    await deps.redis.setrange(key, page * PAGE_BYTES, bits)
  }
  await deps.redis.expire(key, TTL_SECONDS)
  return key
}

function filterOf({ classes, reasons, includeInDoubt }: FailedOf): ReplayFilter {
  if (classes !== undefined || reasons !== undefined) return { classes, reasons }
  return { classes: ['failed', 'lapsed', ...(includeInDoubt === true ? ['in_doubt' as const] : [])] }
}
