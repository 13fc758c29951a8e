import { randomUUID } from 'node:crypto'
import type { AppId, Audience, CampaignId, ReplayFilter } from '@wns-fanout/domain'
import { isReplayed, isTerminal, PAGE_BYTES, Problem, setBit, slotOf } from '@wns-fanout/domain'
import type { CampaignRecord, CampaignStore, EvaluableAudience, Keys, Ledger, RedisConnection } from '@wns-fanout/state'
import { rejectErrors } from './request-errors.ts'
import { isDone, restErrors } from './rest-of.ts'
import type { Recipient } from './results.ts'
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
  if ('failedOf' in audience) return { bitmapKey: await writeReplayed(deps, app, audience) }
  return 'restOf' in audience ? restOf(deps, app, audience.restOf as CampaignId) : audience
}

/** The audience of a finished campaign, as it is now and without its sample, except the recipients it has sent to. */
async function restOf(deps: FailedOfDeps, app: AppId, id: CampaignId): Promise<EvaluableAudience> {
  const record = await deps.campaigns.get(app, id)
  if (record === null) throw new Problem('not-found', `there is no campaign ${id} in app ${app}`)
  rejectErrors(restErrors(app, id, record))
  const exceptKey = await writeRecipients(deps, app, record, isDone)
  return { of: await evaluable(deps, app, record.definition.request.audience), exceptKey }
}

/**
 * Write the recipients of an earlier campaign that the audience filters, or those that failed or lapsed, and those in
 * doubt where asked. The results of a halted campaign are final too, but for what is pending.
 */
async function writeReplayed(deps: FailedOfDeps, app: AppId, audience: FailedOf): Promise<string> {
  const parent = audience.failedOf as CampaignId
  const record = await deps.campaigns.get(app, parent)
  if (record === null) throw new Problem('not-found', `there is no campaign ${parent} in app ${app}`)
  if (!isTerminal(record.state))
    throw new Problem('conflict', `campaign ${parent} is not finished yet; it is ${record.state}`)
  const filter = filterOf(audience)
  return writeRecipients(deps, app, record, (recipient) => isReplayed(recipient, filter))
}

/**
 * Write the recipients of a campaign that are wanted as a bitmap.
 *
 * @returns its key, which lives for ten minutes
 */
async function writeRecipients(
  deps: FailedOfDeps,
  app: AppId,
  record: CampaignRecord,
  isWanted: (recipient: Recipient) => boolean,
): Promise<string> {
  // A key for each call: two at once, one of them with those in doubt, must not write into each other's bitmap.
  const key = deps.keys.temporary(app, randomUUID())
  for await (const { page, recipients: onPage } of recipients(deps.ledger, app, record)) {
    const wanted = onPage.filter(isWanted)
    if (wanted.length === 0) continue
    // A page has recipients in several waves of a campaign at a local time.
    const isRepeated = record.waves !== undefined
    const before = isRepeated
      ? await deps.redis.getrangeBuffer(key, page * PAGE_BYTES, (page + 1) * PAGE_BYTES - 1)
      : Buffer.alloc(0)
    const bits = Buffer.concat([before], PAGE_BYTES)
    for (const { ordinal } of wanted) setBit(bits, slotOf(ordinal))
    await deps.redis.setrange(key, page * PAGE_BYTES, bits)
  }
  await deps.redis.expire(key, TTL_SECONDS)
  return key
}

function filterOf({ classes, reasons, includeInDoubt }: FailedOf): ReplayFilter {
  if (classes !== undefined || reasons !== undefined) return { classes, reasons }
  return { classes: ['failed', 'lapsed', ...(includeInDoubt === true ? ['in_doubt' as const] : [])] }
}
