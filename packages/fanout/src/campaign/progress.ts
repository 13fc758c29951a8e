import { campaignWeight, isTerminal } from '@wns-fanout/domain'
import type { CampaignRecord } from '@wns-fanout/state'
import { canaryState } from '../plan/canary.ts'
import { pendingNow, secondsOfWaves, waitsForWave } from './local-waves.ts'
import type { AppCondition } from './view.ts'

/** A campaign that is sending, as far as it decides how fast the campaigns of its app progress. */
export interface Sender {
  readonly pending: number
  readonly weight: number
  /** Posts per second that its pace allows. Infinity without a pace. */
  readonly maxRate: number
}

/** Rates below this are rounding errors. */
const MIN_RATE = 1e-9

/**
 * Posts per second of each campaign while they share `ratePerSecond` by weight. A campaign that may send less than its
 * share leaves the rest to the others.
 */
export function sharedRates(senders: readonly Omit<Sender, 'pending'>[], ratePerSecond: number): number[] {
  const rates = senders.map(() => 0)
  let open = senders.map((_, at) => at)
  let left = ratePerSecond
  while (open.length > 0) {
    const weight = open.reduce((sum, at) => sum + (senders[at]?.weight ?? 0), 0)
    const unit = left / weight
    const capped = open.filter((at) => (senders[at]?.maxRate ?? 0) <= unit * (senders[at]?.weight ?? 0))
    if (capped.length === 0) {
      for (const at of open) rates[at] = unit * (senders[at]?.weight ?? 0)
      break
    }
    for (const at of capped) {
      rates[at] = senders[at]?.maxRate ?? 0
      left -= rates[at]
    }
    left = Math.max(0, left)
    open = open.filter((at) => !capped.includes(at))
  }
  return rates
}

/**
 * Seconds until the first of the campaigns has no recipient left, while all share `ratePerSecond`. Each that ends
 * before leaves its share to the rest. Infinity if it gets nothing.
 */
export function secondsLeft([own, ...others]: readonly [Sender, ...Sender[]], ratePerSecond: number): number {
  let senders = [own, ...others].map((sender) => ({ ...sender }))
  let seconds = 0
  while ((senders[0]?.pending ?? 0) > 0) {
    const rates = sharedRates(senders, ratePerSecond)
    const step = Math.min(...senders.map(({ pending }, at) => pending / Math.max(rates[at] ?? 0, MIN_RATE)))
    if ((rates[0] ?? 0) <= MIN_RATE && step > 1e9) return Infinity
    seconds += step
    senders = senders
      .map((sender, at) => ({ ...sender, pending: sender.pending - (rates[at] ?? 0) * step }))
      .filter(({ pending }, at) => at === 0 || pending > 1e-6)
    if ((senders[0]?.pending ?? 0) <= 1e-6) break
  }
  return seconds
}

/** What campaigns that share `ratePerSecond` have left after a time. */
export function afterSeconds(senders: readonly Sender[], ratePerSecond: number, seconds: number): Sender[] {
  let left = seconds
  let current = [...senders]
  while (left > 0 && current.length > 0) {
    const rates = sharedRates(current, ratePerSecond)
    const ends = current.map(({ pending }, at) => pending / Math.max(rates[at] ?? 0, MIN_RATE))
    const step = Math.min(left, ...ends)
    current = current
      .map((sender, at) => ({ ...sender, pending: sender.pending - (rates[at] ?? 0) * step }))
      .filter(({ pending }) => pending > 1e-6)
    left -= step
  }
  return current
}

/** What is known of a campaign's progress: its rate, the time left, and why it is not faster. */
export interface Progress {
  readonly ratePerSecond: number
  readonly etaSeconds: number | null
  readonly reason: string | undefined
}

/** The rate of the ledger is an average over seconds, so it is used only once the campaign has sent for a while. */
const SETTLED_IN_MS = 4000

/** @param sending records of the campaigns of the app that are sending; `record` may be among them */
export function progressOf(record: CampaignRecord, sending: readonly CampaignRecord[], app: AppCondition): Progress {
  const others = sending.filter(({ definition }) => definition.id !== record.definition.id)
  const measured = measuredRate(record)
  if (record.state !== 'sending')
    return {
      ratePerSecond: measured,
      etaSeconds:
        record.state === 'scheduled'
          ? secondsOfScheduled(record, others, app)
          : isTerminal(record.state) && record.heldBy === undefined
            ? 0
            : null,
      reason: finalReason(record),
    }
  const senders: [Sender, ...Sender[]] = [senderOf(record), ...others.map((other) => senderOf(other))]
  const achievable = achievableRate(record, others, app)
  const share = sharedRates(senders, achievable)[0] ?? 0
  const reason = reasonOf(
    record,
    others,
    app,
    senders[0].maxRate,
    sharedRates(withoutPace(senders), achievable)[0] ?? 0,
  )
  const isStopped =
    record.audienceSize === null || app.paused || app.breaker !== undefined || canaryState(record) === 'unapproved'
  const pauseMs = Math.max(0, (app.throttledUntilMs ?? 0) - record.redisNowMs)
  const [own, ...rest] = senders
  const secondsFor = (pending: number): number => secondsLeft([{ ...own, pending }, ...rest], achievable)
  const seconds = secondsOfWaves(record, secondsFor) + pauseMs / 1000
  return {
    ratePerSecond: measured > 0 || isStopped || waitsForWave(record) ? measured : Math.round(share * 10) / 10,
    etaSeconds: isStopped || !Number.isFinite(seconds) ? null : Math.ceil(seconds),
    reason,
  }
}

/**
 * Seconds until a campaign that waits for its start is done: the time to its start, then its share of the rate beside
 * what is left of the campaigns that send now. Null where that cannot be predicted.
 */
function secondsOfScheduled(
  record: CampaignRecord,
  sending: readonly CampaignRecord[],
  app: AppCondition,
): number | null {
  const { expectedRecipients, definition, startAtMs, redisNowMs, totals } = record
  const { localTime, canary } = definition.request
  const waitsForTimes = localTime !== undefined || definition.windows !== undefined
  const waits = app.paused || app.breaker !== undefined || waitsForTimes || canary?.approve === 'manual'
  if (expectedRecipients === undefined || waits) return null
  const rate = app.effectiveRatePerSecond
  const waitSeconds = Math.max(0, startAtMs - redisNowMs, (app.throttledUntilMs ?? 0) - redisNowMs) / 1000
  const expected = { ...record, audienceSize: expectedRecipients, totals: { ...totals, pending: expectedRecipients } }
  const others = sending.map((other) => senderOf(other))
  const seconds = waitSeconds + secondsLeft([senderOf(expected), ...afterSeconds(others, rate, waitSeconds)], rate)
  return Number.isFinite(seconds) ? Math.ceil(seconds) : null
}

export function senderOf(record: CampaignRecord): Sender {
  const { definition, audienceSize } = record
  const { pace } = definition.request
  return {
    pending: pendingNow(record),
    weight: campaignWeight[definition.priority],
    maxRate: pace === undefined ? Infinity : (audienceSize ?? 0) / pace.overSeconds,
  }
}

function withoutPace([own, ...others]: readonly [Sender, ...Sender[]]): Sender[] {
  return [{ ...own, maxRate: Infinity }, ...others]
}

/**
 * Posts per second that the campaigns of the app reach together: what the app may send, or less where lanes or WNS are
 * slower, as measured. A pace slows no other campaign, so the measured rate counts only where none has one. While WNS
 * throttles, the allowed rate is without the pauses that it asks for, and a lower measured one may be mostly a pause:
 * the truth is between them, nearer to the allowed one. Right after a refusal the allowed rate is the lower one, and
 * soon rises again.
 */
function achievableRate(record: CampaignRecord, others: readonly CampaignRecord[], app: AppCondition): number {
  const allowed = app.effectiveRatePerSecond
  const sending = [record, ...others]
  if (sending.some(({ definition }) => definition.request.pace !== undefined)) return allowed
  const isSettledIn = sending.some(
    ({ startedAtMs, redisNowMs }) => startedAtMs !== undefined && redisNowMs - startedAtMs >= SETTLED_IN_MS,
  )
  const measured = sending.reduce((sum, each) => sum + each.ratePerSecond, 0)
  if (!isSettledIn || measured === 0) return allowed
  return app.isThrottled === true ? Math.max(measured, (measured + 3 * allowed) / 4) : measured
}

/** Recipients settled per second: recently while it sends, over its whole life once it is finished. */
export function measuredRate(record: CampaignRecord): number {
  const { state, finishedAtMs, startedAtMs, audienceSize, totals, redisNowMs, ratePerSecond } = record
  if (finishedAtMs === undefined && state !== 'sending') return 0
  if (finishedAtMs === undefined && ratePerSecond > 0) return ratePerSecond
  if (startedAtMs === undefined) return 0
  const settled = (audienceSize ?? 0) - totals.pending
  // The first seconds have no average yet.
  const elapsedMs = finishedAtMs === undefined ? Math.max(1000, redisNowMs - startedAtMs) : finishedAtMs - startedAtMs
  return Math.round((settled * 10_000) / Math.max(1, elapsedMs)) / 10
}

function finalReason(record: CampaignRecord): string | undefined {
  if (record.reason !== undefined) return record.reason
  return record.state === 'completed' && record.audienceSize === 0 ? 'empty-audience' : undefined
}

function reasonOf(
  record: CampaignRecord,
  others: readonly CampaignRecord[],
  app: AppCondition,
  paceRate: number,
  unpacedRate: number,
): string | undefined {
  if (record.reason !== undefined) return record.reason
  if (app.paused) return 'app-paused'
  if (app.breaker !== undefined) return 'breaker'
  if ((app.throttledUntilMs ?? 0) > record.redisNowMs) return 'throttled'
  const { canary } = record.definition.request
  if (canary !== undefined && !record.canaryPassed) return 'canary'
  if (waitsForWave(record)) return record.definition.windows === undefined ? 'local-time' : 'send-window'
  if (others.length > 0 && record.totals.pending === record.audienceSize) return 'queued'
  return paceRate < unpacedRate ? 'pace' : undefined
}
