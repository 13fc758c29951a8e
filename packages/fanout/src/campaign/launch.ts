import { randomUUID } from 'node:crypto'
import type { AppId, CampaignId, FanoutEvent } from '@wns-fanout/domain'
import { Problem } from '@wns-fanout/domain'
import type {
  AppStore,
  Audiences,
  CampaignDefinition,
  CampaignRecord,
  DividedAudience,
  Evaluated,
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
 * Launch a campaign: evaluate its audience, take a slot of its topic, freeze the audience, plan its first batches. May
 * run any number of times.
 *
 * @returns `waitMs` for a campaign that is not due yet
 */
export async function launch(deps: LaunchDeps, app: AppId, id: CampaignId): Promise<{ readonly waitMs?: number }> {
  const record = await deps.campaigns.get(app, id)
  const draft = record !== null && isDue(record) ? await evaluate(deps, record) : undefined
  const answer = await deps.campaigns.launch(app, id, draft?.key)
  if (answer.kind !== 'go' && draft !== undefined) await deps.redis.unlink(draft.key)
  if (answer.kind === 'wait') return { waitMs: Math.max(1, answer.startAtMs - (await deps.campaigns.redisNowMs())) }
  if (answer.kind === 'stopped') {
    await deps.ledger.sweep({ app, campaign: id }, 1)
    return {}
  }
  if (answer.kind === 'go' && !(await freeze(deps, app, id, draft))) return {}
  await plan(deps, app, id)
  return {}
}

/** Will the script most likely let it start now? Otherwise its audience is not worth evaluating. */
function isDue({ state, audienceSize, startAtMs, redisNowMs, definitionLost }: CampaignRecord): boolean {
  return state === 'scheduled' && audienceSize === null && startAtMs <= redisNowMs && definitionLost !== true
}

/** @returns false when the list or campaign that the audience comes from is gone, which halts the campaign */
async function freeze(deps: LaunchDeps, app: AppId, id: CampaignId, draft: Evaluated | undefined): Promise<boolean> {
  const record = await deps.campaigns.get(app, id)
  if (record === null) return false
  assertIntact(record)
  // Two launches may run at once: each evaluates the audience for itself, and the first to finish decides.
  const evaluated = draft ?? (await evaluate(deps, record))
  if (evaluated === undefined) {
    // Retries would run for the whole life of the campaign, and keep the slot of its topic.
    await deps.campaigns.steer(app, id, 'halt', 'audience-missing')
    return false
  }
  const { key, ...frozen } = await inWaves(deps, record, evaluated)
  await deps.campaigns.storeAudience(app, id, key, frozen)
  const { maxDeadShare } = record.definition.request
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
  evaluated: Evaluated,
): Promise<Frozen & { readonly key: string; readonly divided?: DividedAudience }> {
  if (!hasWaves(definition)) return evaluated
  const { app } = definition
  const key = keys.temporary(app, randomUUID())
  const groups = zoneGroups(definition, await timeZonesOf(redis, keys, app), redisNowMs)
  const divided = await divideIntoWaves(redis, keys, app, { source: evaluated.key, destination: key }, groups)
  return { ...evaluated, size: divided.size, key, divided }
}

/** Undefined when the list or campaign that the audience comes from does not exist. */
async function evaluate(
  deps: LaunchDeps,
  { definition: { app, topic, request } }: CampaignRecord,
): Promise<Evaluated | undefined> {
  const { audience, sample } = request
  try {
    return await deps.audiences.evaluate(app, await evaluable(deps, app, audience), { sample, topic })
  } catch (error) {
    if (error instanceof Problem && error.code === 'not-found') return undefined
    throw error
  }
}

/** To exceed the guideline is the owner's decision, and it is logged with its reason. */
async function reportGuideline(deps: LaunchDeps, { app, id, guardSeconds }: CampaignDefinition): Promise<void> {
  const settings = await deps.apps.settings(app)
  const reason = settings?.allowFasterThanGuideline?.reason ?? 'the reason was removed from the app'
  deps.emit({ type: 'guideline.exceeded', app, campaign: id, intervalSeconds: guardSeconds, reason })
}
