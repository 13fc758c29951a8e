import { randomUUID } from 'node:crypto'
import type { AppId, Audience, CampaignId, FanoutEvent } from '@wns-fanout/domain'
import { Problem } from '@wns-fanout/domain'
import type {
  AppStore,
  Audiences,
  CampaignDefinition,
  CampaignRecord,
  DividedAudience,
  FreezeOptions,
  Frozen,
  Keys,
  RedisConnection,
} from '@wns-fanout/state'
import { assertIntact, divideIntoWaves, timeZonesOf } from '@wns-fanout/state'
import type { PlanDeps } from '../plan/plan.ts'
import { plan } from '../plan/plan.ts'
import { evaluable } from './failed-of.ts'
import { exceedsGuideline } from './guideline.ts'
import { hasWaves, zoneGroups } from './local-waves.ts'

export interface LaunchDeps extends PlanDeps {
  readonly apps: AppStore
  readonly audiences: Audiences
  readonly keys: Keys
  readonly redis: RedisConnection
  readonly emit: (event: FanoutEvent) => void
}

/**
 * Launch a campaign: take the slot of its topic, freeze its audience, plan its first batches. May run any number of
 * times.
 *
 * @returns `waitMs` for a campaign that is not due yet
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

/** A draft outlives a launch that dies before the draft becomes the audience of its campaign. */
const DRAFT_SECONDS = 3600

/** @returns false when the list or campaign that the audience comes from is gone, which halts the campaign */
async function freeze(deps: LaunchDeps, app: AppId, id: CampaignId): Promise<boolean> {
  const record = await deps.campaigns.get(app, id)
  if (record === null) return false
  assertIntact(record)
  const { topic } = record.definition
  const { audience, sample, maxDeadShare } = record.definition.request
  // Two launches may run at once: each evaluates the audience for itself, and the first to finish decides.
  const draft = deps.keys.temporary(app, randomUUID())
  const evaluated = await evaluate(deps, app, audience, draft, { sample, topic })
  if (evaluated === null) {
    // Retries would run for the whole life of the campaign, and keep the slot of its topic.
    await deps.campaigns.steer(app, id, 'halt', 'audience-missing')
    return false
  }
  await deps.redis.expire(draft, DRAFT_SECONDS)
  const { key, ...frozen } = await inWaves(deps, record, draft, evaluated)
  await deps.campaigns.storeAudience(app, id, key, frozen)
  const decision = maxDeadShare === undefined ? {} : { maxDeadShare }
  deps.emit({ type: 'campaign.launched', app, campaign: id, audienceSize: frozen.size, ...decision })
  if (exceedsGuideline(record.definition)) await reportGuideline(deps, record.definition)
  deps.reached?.('audience-frozen')
  return true
}

/** An audience whose time zones get the campaign at different instants is divided by these. */
async function inWaves(
  { redis, keys }: LaunchDeps,
  { definition, redisNowMs }: CampaignRecord,
  draft: string,
  evaluated: Frozen,
): Promise<Frozen & { readonly key: string; readonly divided?: DividedAudience }> {
  if (!hasWaves(definition)) return { ...evaluated, key: draft }
  const { app } = definition
  const key = keys.temporary(app, randomUUID())
  const groups = zoneGroups(definition, await timeZonesOf(redis, keys, app), redisNowMs)
  const divided = await divideIntoWaves(redis, keys, app, { source: draft, destination: key }, groups)
  return { ...evaluated, size: divided.size, key, divided }
}

/** Null when the list or campaign that the audience comes from does not exist. */
async function evaluate(
  deps: LaunchDeps,
  app: AppId,
  audience: Audience,
  draft: string,
  options: FreezeOptions,
): Promise<Frozen | null> {
  try {
    return await deps.audiences.freeze(app, await evaluable(deps, app, audience), draft, options)
  } catch (error) {
    if (error instanceof Problem && error.code === 'not-found') return null
    throw error
  }
}

/** To exceed the guideline is the owner's decision, and it is logged with its reason. */
async function reportGuideline(deps: LaunchDeps, { app, id, guardSeconds }: CampaignDefinition): Promise<void> {
  const settings = await deps.apps.settings(app)
  const reason = settings?.allowFasterThanGuideline?.reason ?? 'the reason was removed from the app'
  deps.emit({ type: 'guideline.exceeded', app, campaign: id, intervalSeconds: guardSeconds, reason })
}
