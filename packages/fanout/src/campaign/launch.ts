import { randomUUID } from 'node:crypto'
import type { AppId, CampaignId, FanoutEvent } from '@wns-fanout/domain'
import { Problem } from '@wns-fanout/domain'
import type { AppStore, Audiences, CampaignDefinition, Frozen, Keys, RedisConnection } from '@wns-fanout/state'
import { assertIntact } from '@wns-fanout/state'
import { writeRecipientsOf } from './failed-of.ts'
import { exceedsGuideline } from './guideline.ts'
import type { PlanDeps } from '../plan/plan.ts'
import { plan } from '../plan/plan.ts'

export interface LaunchDeps extends PlanDeps {
  readonly apps: AppStore
  readonly audiences: Audiences
  readonly keys: Keys
  readonly redis: RedisConnection
  readonly emit: (event: FanoutEvent) => void
}

/**
 * Launch a campaign: take the topic's slot, freeze the audience, plan the first batches. May run any number of times.
 *
 * @returns in how many milliseconds to come back, for one that is not due yet
 */
export async function launch(deps: LaunchDeps, app: AppId, id: CampaignId): Promise<{ readonly waitMs?: number }> {
  const answer = await deps.campaigns.launch(app, id)
  if (answer.kind === 'wait') return { waitMs: Math.max(1, answer.startAtMs - (await deps.campaigns.redisNowMs())) }
  if (answer.kind === 'stopped') {
    await deps.ledger.sweep({ app, campaign: id }, 1)
    return {}
  }
  if (answer.kind === 'go' && !(await freeze(deps, app, id))) return {}
  await plan(deps, app, id)
  return {}
}

/** A draft whose launch died before it became the campaign's own. */
const DRAFT_SECONDS = 3600

/** @returns false when there is nobody to freeze: what the audience is taken from is gone, and the campaign halts */
async function freeze(deps: LaunchDeps, app: AppId, id: CampaignId): Promise<boolean> {
  const record = await deps.campaigns.get(app, id)
  if (record === null) return false
  assertIntact(record)
  const { audience, sample } = record.definition.request
  // A launch may run twice at once, so each evaluates for itself and the first to be ready decides.
  const draft = deps.keys.temporary(app, randomUUID())
  const options = sample === undefined ? {} : { sample }
  const evaluate = async (): Promise<Frozen | null> => {
    try {
      return 'failedOf' in audience
        ? await deps.audiences.freeze(app, { bitmapKey: await writeRecipientsOf(deps, app, audience) }, draft, options)
        : await deps.audiences.freeze(app, audience, draft, options)
    } catch (error) {
      if (error instanceof Problem && error.code === 'not-found') return null
      throw error
    }
  }
  const frozen = await evaluate()
  if (frozen === null) {
    // Trying again would go on for the whole life of the campaign, and hold its topic's slot.
    await deps.campaigns.steer(app, id, 'halt', 'audience-missing')
    return false
  }
  await deps.redis.expire(draft, DRAFT_SECONDS)
  await deps.campaigns.storeAudience(app, id, draft, frozen)
  deps.emit({ type: 'campaign.launched', app, campaign: id, audienceSize: frozen.size })
  if (exceedsGuideline(record.definition)) await tellOfGuideline(deps, record.definition)
  deps.reached?.('audience-frozen')
  return true
}

/** Going faster is the owner's decision; that it happens, and why, is nobody's secret. */
async function tellOfGuideline(deps: LaunchDeps, { app, id, guardSeconds }: CampaignDefinition): Promise<void> {
  const settings = await deps.apps.settings(app)
  const reason = settings?.allowFasterThanGuideline?.reason ?? 'no reason is given any more'
  deps.emit({ type: 'guideline.exceeded', app, campaign: id, intervalSeconds: guardSeconds, reason })
}
