import type { Campaign } from '@wns-fanout/domain'
import { isTerminal } from '@wns-fanout/domain'
import type { CampaignRecord } from '@wns-fanout/state'

/** What slows or stops an app as a whole. */
export interface AppCondition {
  readonly paused: boolean
  readonly effectiveRatePerSecond: number
  readonly throttledUntilMs?: number | undefined
  readonly breaker?: { readonly reason: string } | undefined
}

/** A campaign as the API shows it. */
export function viewOf(record: CampaignRecord, app: AppCondition): Campaign {
  const { definition, totals, audienceSize, redisNowMs } = record
  const ratePerSecond = rateOf(record)
  const reason = reasonOf(record, app)
  return {
    id: definition.id,
    app: definition.app,
    ...(definition.request.name === undefined ? {} : { name: definition.request.name }),
    state: record.state,
    ...(reason === undefined ? {} : { reason }),
    update: definition.update,
    topic: definition.topic,
    delivery: definition.delivery,
    priority: definition.priority,
    type: definition.request.notification.type,
    createdAt: iso(record.createdAtMs),
    ...(definition.request.startAt === undefined && record.startAtMs <= redisNowMs
      ? {}
      : { startAt: iso(record.startAtMs) }),
    expiresAt: iso(record.expiresAtMs),
    ...(record.finishedAtMs === undefined ? {} : { finishedAt: iso(record.finishedAtMs) }),
    audienceSize,
    totals,
    ratePerSecond,
    etaSeconds: etaOf(record, ratePerSecond, app),
    ...(definition.parent === undefined ? {} : { parent: definition.parent }),
    ...(record.unknownChannels === undefined ? {} : { unknownChannels: record.unknownChannels }),
  }
}

/** Recipients settled per second: recently while it sends, over its whole life once it is finished. */
function rateOf(record: CampaignRecord): number {
  const { finishedAtMs, startedAtMs, audienceSize, totals } = record
  if (finishedAtMs === undefined) return record.state === 'sending' ? record.ratePerSecond : 0
  if (startedAtMs === undefined) return 0
  const settled = (audienceSize ?? 0) - totals.pending
  return Math.round((settled * 10_000) / Math.max(1, finishedAtMs - startedAtMs)) / 10
}

function etaOf(record: CampaignRecord, ratePerSecond: number, app: AppCondition): number | null {
  if (isTerminal(record.state)) return 0
  if (record.state !== 'sending' || record.audienceSize === null || app.paused || app.breaker !== undefined) return null
  const pauseMs = Math.max(0, (app.throttledUntilMs ?? 0) - record.redisNowMs)
  const rate = ratePerSecond > 0 ? ratePerSecond : app.effectiveRatePerSecond
  if (rate <= 0) return null
  return Math.ceil(record.totals.pending / rate + pauseMs / 1000)
}

function reasonOf(record: CampaignRecord, app: AppCondition): string | undefined {
  if (record.reason !== undefined) return record.reason
  if (record.state === 'completed' && record.audienceSize === 0) return 'empty-audience'
  if (record.state !== 'sending') return undefined
  if (app.paused) return 'app-paused'
  if (app.breaker !== undefined) return 'breaker'
  return (app.throttledUntilMs ?? 0) > record.redisNowMs ? 'throttled' : undefined
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
