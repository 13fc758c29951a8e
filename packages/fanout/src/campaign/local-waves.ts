import type { CampaignRequest } from '@wns-fanout/domain'
import { localInstant } from '@wns-fanout/domain'
import type { CampaignRecord, ZoneGroup } from '@wns-fanout/state'

const DEFAULT_TIME_ZONE = 'UTC'

/** The time zones of an app, grouped by the instant at which they get a campaign at a local time. */
export function zoneGroups(
  { localTime, localDate, localTimePassed, defaultTimeZone = DEFAULT_TIME_ZONE }: CampaignRequest,
  timeZones: readonly string[],
  startMs: number,
): ZoneGroup[] {
  if (localTime === undefined) return []
  const terms = { localTime, localDate, localTimePassed }
  const groups = new Map<number | undefined, string[]>()
  for (const timeZone of new Set([defaultTimeZone, ...timeZones])) {
    const dueAtMs = localInstant(terms, timeZone, startMs)
    groups.set(dueAtMs, [...(groups.get(dueAtMs) ?? []), timeZone])
  }
  return [...groups].map(([dueAtMs, zones]) => ({
    dueAtMs,
    timeZones: zones.toSorted(),
    hasDefault: zones.includes(defaultTimeZone),
  }))
}

/** The wave that a page of the frozen audience belongs to, and the first page of the next wave. */
export function waveAt(
  { waves, wavePages }: Pick<CampaignRecord, 'waves' | 'wavePages'>,
  page: number,
): { readonly dueAtMs: number; readonly endPage: number; readonly isLast: boolean } | undefined {
  if (waves === undefined || wavePages === undefined) return undefined
  const at = Math.min(Math.floor(page / wavePages), waves.length - 1)
  return { dueAtMs: waves[at]?.dueAtMs ?? 0, endPage: (at + 1) * wavePages, isLast: at === waves.length - 1 }
}

type Waiting = Pick<CampaignRecord, 'waves' | 'totals' | 'audienceSize' | 'redisNowMs'>

/** Pending recipients that may be sent to now: of a campaign at a local time, those of the waves that are due. */
export function pendingNow({ waves, totals, audienceSize, redisNowMs }: Waiting): number {
  if (waves === undefined) return totals.pending
  const due = waves.filter(({ dueAtMs }) => dueAtMs <= redisNowMs)
  const settled = (audienceSize ?? 0) - totals.pending
  return Math.max(0, due.reduce((sum, { recipients }) => sum + recipients, 0) - settled)
}

/** Does a campaign at a local time wait for its next wave? */
export function waitsForWave(record: Waiting): boolean {
  return record.waves !== undefined && record.totals.pending > 0 && pendingNow(record) === 0
}

/**
 * Seconds until the last wave is settled, at a rate.
 *
 * @param secondsFor seconds for a number of recipients that are due now
 */
export function secondsOfWaves(record: Waiting, secondsFor: (recipients: number) => number): number {
  const { waves = [], redisNowMs } = record
  return waves
    .filter(({ dueAtMs }) => dueAtMs > redisNowMs)
    .reduce(
      (seconds, { dueAtMs, recipients }) => Math.max(seconds, (dueAtMs - redisNowMs) / 1000) + secondsFor(recipients),
      secondsFor(pendingNow(record)),
    )
}
