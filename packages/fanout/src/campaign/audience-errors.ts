import type { AppId, CampaignId, CampaignRequest, InputError } from '@wns-fanout/domain'
import type { CampaignStore, Keys, RedisConnection } from '@wns-fanout/state'
import { instantMs } from './request-errors.ts'
import { restErrors } from './rest-of.ts'

interface AudienceErrorDeps {
  readonly campaigns: CampaignStore
  readonly keys: Keys
  readonly redis: RedisConnection
}

/** The campaign or list that an audience comes from must exist; a list may still be uploaded before the start. */
export async function audienceErrors(
  { campaigns, redis, keys }: AudienceErrorDeps,
  app: AppId,
  { audience, startAt }: CampaignRequest,
  nowMs: number,
): Promise<InputError[]> {
  if ('failedOf' in audience) {
    const parent = await campaigns.get(app, audience.failedOf as CampaignId)
    return parent === null ? missing('failedOf', `app ${app} has no campaign ${audience.failedOf}`) : []
  }
  if ('restOf' in audience)
    return restErrors(app, audience.restOf, await campaigns.get(app, audience.restOf as CampaignId))
  if (!('list' in audience) || (instantMs(startAt) ?? nowMs) > nowMs) return []
  const exists = await redis.exists(keys.listInfo(app, audience.list))
  return exists === 1
    ? []
    : missing('list', `app ${app} has no list ${audience.list}; upload it first (lists are kept for 30 days)`)
}

function missing(field: 'failedOf' | 'list', detail: string): InputError[] {
  return [{ path: ['audience', field], code: 'missing', detail }]
}
