import type { Campaign, Wave } from '@wns-fanout/domain'
import { haltDetail, isTerminal } from '@wns-fanout/domain'
import type { CampaignRecord, StoredWave } from '@wns-fanout/state'
import { canaryState } from '../plan/canary.ts'
import { progressOf } from './progress.ts'

/** What slows or stops an app as a whole. */
export interface AppCondition {
  readonly paused: boolean
  readonly effectiveRatePerSecond: number
  /** Is the effective rate below the configured one, because WNS refused more? */
  readonly isThrottled?: boolean
  readonly throttledUntilMs?: number | undefined
  readonly breaker?: { readonly reason: string } | undefined
}

/**
 * A campaign as the API shows it.
 *
 * @param sending records of the campaigns of the app that are sending
 */
export function viewOf(record: CampaignRecord, app: AppCondition, sending: readonly CampaignRecord[] = []): Campaign {
  const { definition, totals, audienceSize, redisNowMs } = record
  const { ratePerSecond, etaSeconds, reason } = progressOf(record, sending, app)
  return {
    id: definition.id,
    app: definition.app,
    ...(definition.request.name === undefined ? {} : { name: definition.request.name }),
    state: record.state,
    ...(reason === undefined ? {} : { reason }),
    ...detailOf(record),
    update: definition.update,
    topic: definition.topic,
    delivery: definition.delivery,
    priority: definition.priority,
    type: definition.request.notification.type,
    createdAt: iso(record.createdAtMs),
    ...(definition.createdBy === undefined ? {} : { createdBy: definition.createdBy }),
    ...(definition.request.startAt === undefined && record.startAtMs <= redisNowMs
      ? {}
      : { startAt: iso(record.startAtMs) }),
    expiresAt: iso(record.expiresAtMs),
    ...(record.finishedAtMs === undefined ? {} : { finishedAt: iso(record.finishedAtMs) }),
    audienceSize,
    totals,
    ratePerSecond,
    etaSeconds,
    ...(definition.parent === undefined ? {} : { parent: definition.parent }),
    ...(record.unknownChannels === undefined ? {} : { unknownChannels: record.unknownChannels }),
    ...(record.optedOut === undefined ? {} : { optedOut: record.optedOut }),
    ...(record.optedOutOfTopic === undefined ? {} : { optedOutOfTopic: record.optedOutOfTopic }),
    ...(record.localTimePassed === undefined ? {} : { localTimePassed: record.localTimePassed }),
    ...(record.waves === undefined ? {} : { waves: record.waves.map(shownWave) }),
  }
}

export function shownWave({ dueAtMs, recipients, timeZones }: StoredWave): Wave {
  return { at: iso(dueAtMs), recipients, timeZones: [...timeZones] }
}

function detailOf(record: CampaignRecord): { readonly detail?: string } {
  if (record.heldBy !== undefined) return { detail: haltDetail(record.heldBy) }
  if (isTerminal(record.state) || canaryState(record) !== 'unapproved') return {}
  return {
    detail:
      `the canary of ${record.plannedRecipients} recipients is settled. ` +
      'Next: read the results, then approve the rest or cancel the campaign',
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
