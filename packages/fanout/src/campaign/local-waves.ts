import { localInstant, openPeriod } from '@wns-fanout/domain'
import type { CampaignDefinition, CampaignRecord, StoredWave, ZoneGroup } from '@wns-fanout/state'

const DEFAULT_TIME_ZONE = 'UTC'

/** Does a campaign reach some time zones later than others, or only at some hours of the day? */
export function hasWaves({ request: { localTime }, windows }: Terms): boolean {
  return localTime !== undefined || windows !== undefined
}

type Terms = Pick<CampaignDefinition, 'request' | 'windows'>

/** The time zones of an app, grouped by the instant at which they get a campaign, and the end of its send window. */
export function zoneGroups(
  { request, windows = [] }: Terms,
  timeZones: readonly string[],
  startMs: number,
): ZoneGroup[] {
  const { localTime, localDate, localTimePassed, defaultTimeZone = DEFAULT_TIME_ZONE } = request
  const groups = new Map<string, ZoneGroup>()
  for (const timeZone of new Set([defaultTimeZone, ...timeZones])) {
    const instant =
      localTime === undefined ? startMs : localInstant({ localTime, localDate, localTimePassed }, timeZone, startMs)
    const period = instant === undefined ? undefined : openPeriod(windows, timeZone, instant)
    const closesAtMs = Number.isFinite(period?.closesAtMs) ? period?.closesAtMs : undefined
    const key = `${period?.opensAtMs}|${closesAtMs}`
    const known = groups.get(key)
    groups.set(key, {
      dueAtMs: period?.opensAtMs,
      ...(closesAtMs === undefined ? {} : { closesAtMs }),
      timeZones: [...(known?.timeZones ?? []), timeZone].toSorted(),
      hasDefault: timeZone === defaultTimeZone || known?.hasDefault === true,
    })
  }
  return [...groups.values()]
}

type Windows = Pick<CampaignDefinition, 'windows'>

/** When a wave may be sent to from now on: its own instant, or after that the next opening of its send window. */
export function nextOpening({ windows }: Windows, wave: StoredWave, nowMs: number): number {
  const { dueAtMs, closesAtMs, timeZones } = wave
  if (windows === undefined || closesAtMs === undefined || nowMs < closesAtMs) return dueAtMs
  return openPeriod(windows, timeZones[0] ?? DEFAULT_TIME_ZONE, nowMs)?.opensAtMs ?? nowMs
}

/** The wave that a page of the frozen audience belongs to, and the first page of the next wave. */
export function waveAt(
  { waves, wavePages }: Pick<CampaignRecord, 'waves' | 'wavePages'>,
  page: number,
): { readonly wave: StoredWave; readonly endPage: number; readonly isLast: boolean } | undefined {
  if (waves === undefined || wavePages === undefined) return undefined
  const at = Math.min(Math.floor(page / wavePages), waves.length - 1)
  const wave = waves[at]
  return wave === undefined ? undefined : { wave, endPage: (at + 1) * wavePages, isLast: at === waves.length - 1 }
}

type Waiting = Pick<CampaignRecord, 'definition' | 'waves' | 'totals' | 'audienceSize' | 'redisNowMs'>

/**
 * Pending recipients that may be sent to now: of a campaign with waves, those of the waves that are due and whose send
 * window is open. Waves are sent in their order, so what is settled belongs to the first ones.
 */
export function pendingNow({ definition, waves, totals, audienceSize, redisNowMs }: Waiting): number {
  if (waves === undefined) return totals.pending
  let settled = (audienceSize ?? 0) - totals.pending
  let pending = 0
  for (const wave of waves) {
    const left = Math.max(0, wave.recipients - settled)
    settled = Math.max(0, settled - wave.recipients)
    if (nextOpening(definition, wave, redisNowMs) <= redisNowMs) pending += left
  }
  return pending
}

/** Does a campaign wait for its next wave, or for its send window to open? */
export function waitsForWave(record: Waiting): boolean {
  return record.waves !== undefined && record.totals.pending > 0 && pendingNow(record) === 0
}

/**
 * Seconds until the last wave is settled, at a rate, if each is settled before its send window closes.
 *
 * @param secondsFor seconds for a number of recipients that are due now
 */
export function secondsOfWaves(record: Waiting, secondsFor: (recipients: number) => number): number {
  const { definition, waves = [], redisNowMs } = record
  return waves
    .map((wave) => ({ ...wave, opensAtMs: nextOpening(definition, wave, redisNowMs) }))
    .filter(({ opensAtMs }) => opensAtMs > redisNowMs)
    .reduce(
      (seconds, { opensAtMs, recipients }) =>
        Math.max(seconds, (opensAtMs - redisNowMs) / 1000) + secondsFor(recipients),
      secondsFor(pendingNow(record)),
    )
}
