import type { CampaignRecord } from '@wns-fanout/state'
import { canaryState } from '../plan/canary.ts'
import { senderOf } from './progress.ts'

/** More workers do not pay for a backlog that is shorter: they take that long to start. */
const WORTHWHILE_SECONDS = 60
/** Workers should not be busier than this on average. */
const USE = 0.8
/** Posts per second of a worker of which nothing is known. */
const USUAL_RATE = 2000
/** A worker that seems slower than this waits for something that more workers would not speed up. */
const SLOWEST_RATE = 500
/** Below this share of the demand, the workers or WNS are the limit. */
const REACHED = 0.95
/** Below this share WNS is away, which more workers would not change. */
const AWAY = 0.1
const LEARNED_FOR_MS = 600_000
/** Rates are averages over seconds: a difference must last, with the same number of workers, before it is believed. */
const STEADY_MS = 15_000

/**
 * Posts per second that workers could use for the sending campaigns of an app: no more than the app may send, than the
 * pace of each campaign, and than what empties the backlog in a minute.
 */
export function demandOf(sending: readonly CampaignRecord[], effectiveRatePerSecond: number): number {
  const ofCampaigns = sending
    .filter((record) => canaryState(record) !== 'unapproved')
    .map(senderOf)
    .map(({ pending, maxRate }) => Math.min(maxRate, pending / WORTHWHILE_SECONDS))
  return Math.min(
    effectiveRatePerSecond,
    ofCampaigns.reduce((sum, rate) => sum + rate, 0),
  )
}

/** What the workers of an installation do now. */
export interface Work {
  /** Posts per second that they could use, of all apps. */
  readonly demand: number
  /** Recipients per second that they settle. */
  readonly settled: number
  readonly workers: number
}

/**
 * How many workers an installation needs. It learns from the workers what one of them can do: while the demand is not
 * reached, they do what they can. What was learned counts for ten minutes, so that workers are not removed as soon as
 * there are enough.
 */
export class WorkersWanted {
  readonly #nowMs: () => number
  #learned: { readonly rate: number; readonly untilMs: number } | undefined
  #limited: { readonly workers: number; readonly sinceMs: number } | undefined

  /** @param nowMs a monotonic clock */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
  }

  /** At least one: it launches, plans and reconciles. */
  count(work: Work): number {
    const nowMs = this.#nowMs()
    this.#learn(work, nowMs)
    if (this.#learned !== undefined && nowMs >= this.#learned.untilMs) this.#learned = undefined
    return Math.max(1, Math.ceil(work.demand / (USE * (this.#learned?.rate ?? USUAL_RATE))))
  }

  #learn({ demand, settled, workers }: Work, nowMs: number): void {
    const isLimited = workers > 0 && settled < demand * REACHED && settled > demand * AWAY
    if (!isLimited) this.#limited = undefined
    else if (this.#limited?.workers !== workers) this.#limited = { workers, sinceMs: nowMs }
    else if (nowMs - this.#limited.sinceMs >= STEADY_MS)
      this.#learned = { rate: Math.max(SLOWEST_RATE, settled / workers), untilMs: nowMs + LEARNED_FOR_MS }
  }
}
